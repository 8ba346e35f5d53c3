#!/usr/bin/env bash
#
# inflate.sh
#		Which library inflates chunks of h5ad files the fastest, as a whole and up
#		to a row, and what a reader of single cells could reach by it at most.
#
# Files of sample_batch.sh (h5py's default chunks, gzip as anndata writes it),
# and the first of them again, shuffled, in chunks of the same size and of 4,096
# elements (made here, kept for the next run).  Prints every run and the median,
# and writes bench/results/inflate.txt.
#
#	BENCH_DIR=/var/tmp/mappedcoll-bench	where the files lie
#	QUICK=1								files of 20,000 cells, fewer batches
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

cells=200000
batches=16
if [[ -n ${QUICK:-} ]]; then
	cells=20000
	batches=8
fi
root=${BENCH_DIR:-/var/tmp/mappedcoll-bench}
large=$root/gzip-$cells
shuffled=$root/shuffled-$cells

deps_need demo test
bench_venv
if [[ ! -e $large/complete ]]; then
	cluster_say "making $cells cells x 20,000 genes in $large"
	"$bench_python" "$here/make_cells.py" "$large" --cells "$cells"
	touch "$large/complete"
fi
if [[ ! -e $shuffled/complete ]]; then
	cluster_say "shuffling a file of them to $shuffled"
	mkdir -p "$shuffled"
	"$bench_python" "$here/shuffle_chunks.py" "$large/part_00.h5ad" "$shuffled"
	touch "$shuffled/complete"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hdf5=hdf5
pkg-config --exists hdf5 || hdf5=hdf5-serial
isal=()
libraries="libdeflate $(pkg-config --modversion libdeflate), zlib $(pkg-config --modversion zlib)"
if pkg-config --exists libisal; then
	isal=(-DHAVE_ISAL -lisal)
	libraries+=", ISA-L $(pkg-config --modversion libisal)"
fi
# shellcheck disable=SC2046
gcc -std=gnu99 -O2 -Wall -Wextra -o "$work/inflate" "$here/inflate.c" \
	$(pkg-config --cflags --libs "$hdf5" libdeflate zlib) "${isal[@]}"

report()
{
	echo "Inflating chunks of h5ad files in one process; nothing else is done with them."
	echo "MB/s of decoded bytes that were wanted, by processor time.  Medians of 7 runs, page"
	echo "cache warm; all runs in parentheses."
	echo
	bench_machine
	echo "versions  $libraries, $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
	echo
	echo "== whole chunks and parts of them"
	(cd "$large" && "$work/inflate" speed part_00.h5ad)
	(cd "$shuffled" && "$work/inflate" speed same.h5ad 4096.h5ad)
	echo
	echo "== random cells of $cells in 12 files, gzip, h5py's default chunks"
	cat "$large"/*.h5ad >/dev/null
	"$work/inflate" rows -n "$batches" "$large"/*.h5ad
}

mkdir -p "$here/results"
report | tee "$work/report.txt"
cp "$work/report.txt" "$here/results/inflate${QUICK:+-quick}.txt"
