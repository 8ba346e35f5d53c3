#!/usr/bin/env bash
#
# peers.sh
#		mappedcoll beside what its users have today, and beside what the machine
#		can do: the parts of the benchmark that need large files.
#
#	peers.sh [PART...]
#		main-gzip	weighted single cells from files with gzip
#		main-none	the same from uncompressed files
#		figure2		random cells, sparse and dense
#		wire		forms of batches on the wire
#		cold		a cold page cache
#		connections	1 to 8 connections
#
# Each writes bench/results/PART.txt and .png.  The files, about 8 GB, are made
# once in BENCH_DIR; the Python environment, about 1.5 GB, in build/peers-venv.
#
#	BENCH_DIR=/var/tmp/mappedcoll-bench	where the files lie
#	QUICK=1								a tenth of the cells, and shorter runs
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/common.sh"

parts=(main-gzip main-none figure2 wire cold connections)
[[ $# -eq 0 ]] || parts=("$@")
cells=200000
random=142000
if [[ -n ${QUICK:-} ]]; then
	cells=20000
	random=14200
fi
files=$bench_files

# What the parts named need
make_all()
{
	local wanted=" ${parts[*]} "

	if [[ $wanted =~ \ (main|wire|cold|connections) ]]; then
		bench_make_cells "$cells"
	fi
	if [[ $wanted == *" figure2 "* ]]; then
		bench_make_files "figure2-$random-csr" --cells "$random" --genes 5000 --files 1 --compression none
		bench_make_files "figure2-$random-dense" --copy-of "$files/figure2-$random-csr" --form dense --compression none
	fi
	chmod -R a+rX "$files"
}

# The bounds' program, with ISA-L where it is there
make_replay()
{
	local flags=() libraries

	libraries=$(pkg-config --cflags --libs libdeflate)
	export BENCH_REPLAY=$MC_TMP/replay BENCH_ISAL=no
	if pkg-config --exists libisal; then
		flags+=(-DHAVE_ISAL)
		libraries+=" $(pkg-config --cflags --libs libisal)"
		BENCH_ISAL=yes
	fi
	# shellcheck disable=SC2086
	gcc -std=gnu99 -O2 "${flags[@]}" -o "$BENCH_REPLAY" "$here/replay.c" $libraries
}

run_part()
{
	local gzip=$files/cells-$cells-gzip none=$files/cells-$cells-none
	local demo=$MC_TMP/files/demo

	case $1 in
		main-gzip) set -- main.py gzip "$gzip" "$demo" ;;
		main-none) set -- main.py none "$none" ;;
		figure2) set -- figure2.py "$files/figure2-$random-csr" "$files/figure2-$random-dense" ;;
		wire) set -- wire.py "$none" ;;
		cold | connections) set -- "$1.py" "$gzip" "$none" ;;
		*) cluster_fail "no such part: $1 (there are: main-gzip main-none figure2 wire cold connections)" ;;
	esac
	# a server of its own schema: collections of one name do not meet
	as_server "$MC_BINDIR/psql" -X -q -c 'DROP EXTENSION IF EXISTS mappedcoll CASCADE' \
		-c 'CREATE EXTENSION mappedcoll' 2>/dev/null
	"$bench_peers_python" "$here/$1" "${@:2}"
}

deps_need demo test
bench_peers_venv
make_all
cluster_create 'max_connections = 60'
cp -r "$MC_ROOT/test/data/demo" "$MC_TMP/files/demo"
chmod -R a+rX "$MC_TMP/files/demo"
make_replay
status=0
for part in "${parts[@]}"; do
	cluster_say "part $part"
	run_part "$part" || { cluster_say "part $part failed"; status=1; }
done
exit "$status"
