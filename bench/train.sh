#!/usr/bin/env bash
#
# train.sh
#		The Python package of python/: its Loader beside COPY to /dev/null and
#		beside the peers' loaders, and training steps that each of them feeds.
#
#	train.sh [PART...]
#		train-gzip	from files with gzip
#		train-none	from uncompressed files
#
# Each writes bench/results/PART.txt, .png and -steps.png.  The files are those
# of peers.sh's parts "main", the Python environment that of the peers.
#
#	BENCH_DIR=/var/tmp/mappedcoll-bench	where the files lie
#	QUICK=1								a tenth of the cells, fewer rows, shorter runs
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

parts=(train-gzip train-none)
[[ $# -eq 0 ]] || parts=("$@")
cells=200000
[[ -z ${QUICK:-} ]] || cells=20000
for part in "${parts[@]}"; do
	[[ $part == train-gzip || $part == train-none ]] ||
		cluster_fail "no such part: $part (there are: train-gzip train-none)"
done

deps_need demo test
bench_peers_venv
bench_make_cells "$cells"
chmod -R a+rX "$bench_files"
# all take turns: their connections are open at once
cluster_create 'max_connections = 60'
# what is measured is the package of this tree
export PYTHONPATH=$MC_ROOT/python BENCH_PSQL=$MC_BINDIR/psql
status=0
for part in "${parts[@]}"; do
	cluster_say "part $part"
	# a server of its own schema: collections of one name do not meet
	as_server "$MC_BINDIR/psql" -X -q -c 'DROP EXTENSION IF EXISTS mappedcoll CASCADE' \
		-c 'CREATE EXTENSION mappedcoll' 2>/dev/null
	"$bench_peers_python" "$here/train.py" "${part#train-}" "$bench_files/cells-$cells-${part#train-}" ||
		{ cluster_say "part $part failed"; status=1; }
done
exit "$status"
