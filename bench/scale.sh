#!/usr/bin/env bash
#
# scale.sh
#		How set-up, throughput and memory grow with a collection, from 10^4 to
#		10^7 cells; the first batch on 5 million cells in 50 files beside what
#		MappedCollection and scDataset take to it; and registration.
#
# Cells of 40 non-zeros (make_sparse.py), 7 GB of files that are made once in
# BENCH_DIR.  Writes bench/results/scale.txt and plots.
#
#	BENCH_DIR=/var/tmp/mappedcoll-bench	where the files lie
#	QUICK=1								up to 10^6 cells, and shorter runs
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

collections=(10000-1 100000-2 1000000-14 10000000-138)
fresh=5000000-50
if [[ -n ${QUICK:-} ]]; then
	collections=(10000-1 100000-2 1000000-14)
	fresh=1000000-14
fi
files=${BENCH_DIR:-/var/tmp/mappedcoll-bench}/sparse

deps_need demo test
bench_peers_venv
for collection in "${collections[@]}" "$fresh"; do
	[[ ! -e $files/$collection/complete ]] || continue
	cluster_say "making ${collection%-*} cells in ${collection#*-} files in $files"
	"$bench_peers_python" "$here/make_sparse.py" "$files/$collection" "${collection%-*}" "${collection#*-}"
	sync "$files/$collection"/*
	touch "$files/$collection/complete"
done
chmod -R a+rX "$(dirname "$files")"

cluster_create
as_server "$MC_BINDIR/psql" -X -q -c 'CREATE EXTENSION mappedcoll'
export BENCH_REPLAY=$MC_TMP/replay
# shellcheck disable=SC2046
gcc -std=gnu99 -O2 -o "$BENCH_REPLAY" "$here/replay.c" $(pkg-config --cflags --libs libdeflate)
"$bench_peers_python" "$here/scale.py" "$files" "$fresh" "${collections[@]}"
