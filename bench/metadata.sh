#!/usr/bin/env bash
#
# metadata.sh
#		Queries of metadata over 10^7 rows of obs: GROUP BY, selective filters,
#		joins with an in-house table, count(*); beside DuckDB on a parquet
#		export, PostgreSQL on a heap copy, and pandas over anndata's obs.
#
# The files and the export, 0.9 GB, are made once in BENCH_DIR; the heap copy,
# 1.1 GB, in the throw-away server of each run.  Writes
# bench/results/metadata.txt and .png.
#
#	BENCH_DIR=/var/tmp/mappedcoll-bench	where the files lie
#	QUICK=1								10^6 rows, and shorter runs
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

rows=10000000
files=20
[[ -z ${QUICK:-} ]] || rows=1000000
directory=$bench_files/metadata/$rows-$files

deps_need demo test
bench_peers_venv
if [[ ! -e $directory/complete ]]; then
	cluster_say "making $rows rows in $files files in $directory"
	rm -rf "$directory"
	"$bench_peers_python" "$here/make_metadata.py" "$directory" "$rows" "$files"
	sync "$directory"/* "$directory"/files/*
	touch "$directory/complete"
fi
chmod -R a+rX "$bench_files"

# Enough for the heap copy to stay in shared buffers: nothing limits it but
# what it is.  The rest is as PostgreSQL comes.
cluster_create 'shared_buffers = 8GB' 'wal_level = minimal' 'max_wal_senders = 0' 'max_wal_size = 8GB'
bench_sql -c 'CREATE EXTENSION mappedcoll'
"$bench_peers_python" "$here/metadata.py" "$directory"
