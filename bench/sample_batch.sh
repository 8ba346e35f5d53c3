#!/usr/bin/env bash
#
# sample_batch.sh
#		"make bench": weighted batches of 256 whole cells, from h5ad files to a
#		client, beside plain h5py on the same files in the same run.
#
# Two collections: the demo's three small files, and 200,000 cells x 20,000
# genes in 12 files as anndata writes them with compression="gzip" (made by
# make_cells.py, about 1 GB, in BENCH_DIR, kept for the next run).  The page
# cache is warm: one run of each goes before those that count.  Prints every
# run and the median, and writes bench/results/sample_batch.txt.
#
#	BENCH_DIR=/var/tmp/mappedcoll-bench	where the large collection lies
#	QUICK=1								20,000 cells and fewer batches
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

cells=200000
batches=200
runs=5
if [[ -n ${QUICK:-} ]]; then
	cells=20000
	batches=50
	runs=3
fi
large=${BENCH_DIR:-/var/tmp/mappedcoll-bench}/gzip-$cells

deps_need demo test
bench_venv
if [[ ! -e $large/complete ]]; then
	cluster_say "making $cells cells x 20,000 genes in $large"
	"$bench_python" "$here/make_cells.py" "$large" --cells "$cells"
	touch "$large/complete"
fi
chmod -R a+rX "$(dirname "$large")"

cluster_create
demo=$MC_TMP/files/demo
cp -r "$MC_ROOT/test/data/demo" "$demo"
chmod -R a+rX "$demo"

# cells/s of collection $1; $2 is the seed
ours()
{
	bench_batches "$1" "$batches" "$2"
}

ours_stream()
{
	bench_stream "$1" "$batches" "$2"
}

theirs_large()
{
	"$bench_python" "$here/h5py_batches.py" "$large" "$batches" 256
}

# Run the command $runs times after a first one that does not count; prints
# every run and the median.
measure()
{
	local name=$1 results=() i

	shift
	"$@" 0 >/dev/null
	for ((i = 1; i <= runs; i++)); do
		results+=("$("$@" "$i")")
	done
	median=$(bench_median "${results[@]}")
	printf '%-44s %8s cells/s   (%s)\n' "$name" "$median" "${results[*]}"
}

bench_sql -c 'CREATE EXTENSION mappedcoll'
bench_sql -c "SELECT create_collection('demo', ARRAY['$demo'])" >/dev/null
registered=$(date +%s.%N)
bench_sql -c "SELECT create_collection('large', ARRAY['$large'])" >/dev/null
registered=$(echo "$(date +%s.%N) $registered" | awk '{printf "%.1f", $1 - $2}')

report()
{
	local size

	size=$(du -sb "$large" | awk '{printf "%.0f", $1 / 1e6}')
	echo "Weighted batches of 256 whole cells (dense float32 by sample_batch, a call a"
	echo "batch), one connection, COPY (FORMAT binary) to psql; h5py fills the same dense"
	echo "arrays in one Python process."
	echo "Median of $runs runs of $batches batches, page cache warm; all runs in parentheses."
	echo
	bench_machine
	echo "versions  $(bench_sql -c 'SHOW server_version' | sed 's/ .*//; s/^/PostgreSQL /'), $("$bench_python" -c 'import h5py; print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version)'), libdeflate $(pkg-config --modversion libdeflate), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
	echo "large     $cells cells x 20,000 genes, $(bench_sql -c "SELECT round(sum(nnz) / sum(n_obs)) FROM collection_files('large')") non-zeros a cell, 12 files, $size MB, gzip, h5py's default chunks; registered in $registered s"
	echo
	measure "demo's files (3,200 cells), mappedcoll" ours demo
	measure "the same by sample_csr, sparse, one query" ours_stream demo
	measure "large collection, mappedcoll" ours large
	ratio=$median
	measure "the same by sample_csr, sparse, one query" ours_stream large
	measure "large collection, plain h5py, sorted batch" theirs_large
	awk -v a="$ratio" -v b="$median" 'BEGIN {printf "\nmappedcoll / h5py on the large collection: %.2f\n", a / b}'
}

mkdir -p "$here/results"
report | tee "$MC_TMP/report.txt"
cp "$MC_TMP/report.txt" "$here/results/sample_batch${QUICK:+-quick}.txt"
