#!/usr/bin/env bash
#
# draws.sh
#		Draws without I/O: how many a second, what the first call costs, and
#		the memory of a backend, at 10^5, 10^7 and 10^8 rows; beside
#		torch.multinomial and numpy's Generator.choice on the same weights.
#
# Files of metadata alone (make_rows.py), 15 bytes a row, and manifests of
# some 30 bytes a row, in a temporary directory; what is made in BENCH_DIR is
# kept for the next run.  Writes bench/results/draws.txt.
#
#	BENCH_DIR	where the files are made
#	QUICK=1		10^5 and 10^6 rows
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

sizes=(100000 10000000 100000000)
[[ -z ${QUICK:-} ]] || sizes=(100000 1000000)
torch=2.13.0+cpu

deps_need demo test
bench_venv
venv=$MC_ROOT/build/venv
"$venv/bin/python" -c 'import torch' 2>/dev/null ||
	"$venv/bin/pip" install -q --disable-pip-version-check "torch==$torch" ||
	cluster_say "torch $torch cannot be installed: the run goes without it"

cluster_create
files=${BENCH_DIR:-$MC_TMP/files}/rows
for size in "${sizes[@]}"; do
	if [[ ! -e $files/$size/complete ]]; then
		cluster_say "making $size rows in $files"
		"$venv/bin/python" "$here/make_rows.py" "$files/$size" "$size" 2000000
		touch "$files/$size/complete"
	fi
done
chmod -R a+rX "$files"
as_server "$MC_BINDIR/psql" -X -q -c 'CREATE EXTENSION mappedcoll'

mkdir -p "$here/results"
"$venv/bin/python" "$here/draws.py" "$files" "${sizes[@]}" | tee "$MC_TMP/report.txt"
cp "$MC_TMP/report.txt" "$here/results/draws${QUICK:+-quick}.txt"
