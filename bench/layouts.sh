#!/usr/bin/env bash
#
# layouts.sh
#		Weighted batches of 256 whole cells from the same cells in CSR and in
#		CSC form, gzip and uncompressed: what the layout of a file costs, at
#		registration, in the manifest, and in each batch.
#
# One file a layout, 40,000 cells x 20,000 genes as anndata writes them (made
# by make_cells.py, about 2 GB, in BENCH_DIR, kept for the next run).  The page
# cache is warm: one registration and one run of each goes before those that
# count.  Layouts take turns, so that what else the machine does meets all of
# them.  All collections must draw the same rows, which is checked.  Prints
# every run and the medians, and writes bench/results/layouts.txt.
#
#	BENCH_DIR=/var/tmp/mappedcoll-bench	where the files lie
#	QUICK=1								4,000 cells and fewer batches
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

layouts=(csr-gzip csr-none csc-gzip csc-none)
cells=40000
batches=100
runs=5
if [[ -n ${QUICK:-} ]]; then
	cells=4000
	batches=20
	runs=3
fi
files=${BENCH_DIR:-/var/tmp/mappedcoll-bench}/layouts-$cells

deps_need demo test
bench_venv
for layout in "${layouts[@]}"; do
	[[ ! -e $files/$layout/complete ]] || continue
	cluster_say "making $cells cells x 20,000 genes in $files/$layout"
	"$bench_python" "$here/make_cells.py" "$files/$layout" --cells "$cells" --files 1 \
		--form "${layout%-*}" --compression "${layout#*-}"
	touch "$files/$layout/complete"
done
chmod -R a+rX "$(dirname "$files")"

cluster_create
bench_sql -c 'CREATE EXTENSION mappedcoll'
manifests=$MC_TMP/server/data/mappedcoll

# Seconds of create_collection of layout $1, its manifest not there
register()
{
	bench_sql <<-SQL
		SET client_min_messages = warning;
		DROP TABLE IF EXISTS "$1";
		\\! rm -f '$manifests'/*
		SELECT clock_timestamp() AS started
		\\gset
		SELECT create_collection('"$1"', ARRAY['$files/$1']) \\g /dev/null
		SELECT round(extract(epoch FROM clock_timestamp() - :'started')::numeric, 2);
	SQL
}

# A digest of the first rows that layout $1 draws
digest()
{
	bench_sql -c "SELECT md5(string_agg(md5(x) || label || row_index, ',')) FROM sample_batch('\"$1\"', 1000, 'cell_type', seed => 7)"
}

declare -A seconds rates size
measure()
{
	local layout i rate expected=

	for layout in "${layouts[@]}"; do
		register "$layout" >/dev/null
		for ((i = 1; i <= runs; i++)); do
			seconds[$layout]+="$(register "$layout") "
		done
		size[$layout]=$(cat "$manifests"/* | wc -c)
		[[ ${expected:=$(digest "$layout")} == "$(digest "$layout")" ]] ||
			cluster_fail "$layout draws other rows"
	done
	for ((i = 0; i <= runs; i++)); do
		for layout in "${layouts[@]}"; do
			rate=$(bench_batches "\"$layout\"" "$batches" "$i")
			[[ $i -eq 0 ]] || rates[$layout]+="$rate "
		done
	done
}

report()
{
	local layout

	echo "Weighted batches of 256 whole cells (dense float32) from one file, one"
	echo "connection, COPY (FORMAT binary) to psql. Medians of $runs runs of $batches batches and of"
	echo "$runs registrations, page cache warm; all runs in parentheses."
	echo
	bench_machine
	echo "versions  $(bench_sql -c 'SHOW server_version' | sed 's/ .*//; s/^/PostgreSQL /'), $("$bench_python" -c 'import h5py, importlib.metadata as m; print("files written by anndata", m.version("anndata"), "HDF5", h5py.version.hdf5_version)'), libdeflate $(pkg-config --modversion libdeflate), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
	echo "file      $cells cells x 20,000 genes, $(bench_sql -c "SELECT nnz / n_obs FROM collection_files('\"${layouts[0]}\"')") non-zeros a cell, h5py's default chunks where gzip"
	echo
	printf '%-9s %8s %11s  %-38s %s\n' layout 'file MB' 'manifest MB' 'registered in s' 'cells/s'
	for layout in "${layouts[@]}"; do
		# shellcheck disable=SC2086
		printf '%-9s %8.0f %11.1f  %-38s %s\n' "$layout" \
			"$(cat "$files/$layout"/*.h5ad | wc -c | awk '{print $1 / 1e6}')" \
			"$(awk -v b="${size[$layout]}" 'BEGIN {print b / 1e6}')" \
			"$(bench_median ${seconds[$layout]}) (${seconds[$layout]% })" \
			"$(bench_median ${rates[$layout]}) (${rates[$layout]% })"
	done
}

measure
mkdir -p "$here/results"
report | tee "$MC_TMP/report.txt"
cp "$MC_TMP/report.txt" "$here/results/layouts${QUICK:+-quick}.txt"
