#
# common.sh
#		What the benchmarks share.  To be sourced by bash; it sources deps.sh and
#		cluster.sh of test/lib.
#
#	bench_venv				make the Python environment of the tests, if need be
#	bench_peers_venv		make that of the peers (requirements-peers.txt):
#							$bench_peers_python; what cannot be installed is a
#							line "package: reason" of $bench_peers_missing
#	bench_make_files NAME ARGUMENT...
#							make that directory of $bench_files by make_cells.py,
#							unless it is there
#	bench_make_cells N		make cells-N-gzip and cells-N-none there
#	bench_sql ARGUMENT...	psql as the server's user, output unaligned
#	bench_batches NAME N SEED
#							cells/s of N weighted batches of 256 of a collection
#	bench_stream NAME N SEED
#							the same of N batches of one sample_csr
#	bench_median NUMBER...	the middle one
#	bench_machine			the lines "date" and "machine" of a report

. "$(dirname "${BASH_SOURCE[0]}")/../test/lib/deps.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../test/lib/cluster.sh"

bench_python=$MC_ROOT/build/venv/bin/python
bench_peers_python=$MC_ROOT/build/peers-venv/bin/python
bench_peers_missing=$MC_ROOT/build/peers-venv/missing.txt
bench_files=${BENCH_DIR:-/var/tmp/mappedcoll-bench}

bench_venv()
{
	local venv=$MC_ROOT/build/venv

	cmp -s "$MC_ROOT/test/requirements.txt" "$venv/installed.txt" && return
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check -r "$MC_ROOT/test/requirements.txt"
	cp "$MC_ROOT/test/requirements.txt" "$venv/installed.txt"
}

bench_peers_venv()
{
	local wanted=$MC_ROOT/bench/requirements-peers.txt venv=${bench_peers_python%/bin/python}
	local package pip=("$bench_peers_python" -m pip install -q --disable-pip-version-check)

	cmp -s "$wanted" "$venv/installed.txt" && return
	cluster_say "installing what mappedcoll is measured against, a minute or two"
	rm -rf "$venv"
	python3 -m venv "$venv"
	: >"$bench_peers_missing"
	if ! "${pip[@]}" -r "$wanted" >"$venv/pip.log" 2>&1; then
		# one by one, so that one does not keep the others out
		while IFS= read -r package; do
			"${pip[@]}" "$package" >"$venv/pip.log" 2>&1 && continue
			# the build for processors alone is not in every registry
			[[ $package == *+cpu ]] && "${pip[@]}" "${package%+cpu}" >"$venv/pip.log" 2>&1 && continue
			echo "$(sed 's/[^a-z].*//' <<<"$package"): $(grep '^ERROR' "$venv/pip.log" | tail -n 1 | grep . || echo 'ERROR: pip failed')" >>"$bench_peers_missing"
		done < <(grep -v '^#' "$wanted")
	fi
	cp "$wanted" "$venv/installed.txt"
}

bench_make_files()
{
	local directory=$bench_files/$1

	shift
	[[ ! -e $directory/complete ]] || return 0
	cluster_say "making $directory"
	rm -rf "$directory"
	"$bench_peers_python" "$MC_ROOT/bench/make_cells.py" "$directory" "$@" >&2
	sync "$directory"/*
	touch "$directory/complete"
}

bench_make_cells()
{
	bench_make_files "cells-$1-gzip" --cells "$1" --exponent 2.07 --offset 1.5
	bench_make_files "cells-$1-none" --copy-of "$bench_files/cells-$1-gzip" --compression none
}

bench_sql()
{
	as_server "$MC_BINDIR/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# The loop of "make demo"
bench_batches()
{
	bench_sql <<-SQL
		SELECT clock_timestamp() AS started
		\\gset
		COPY (SELECT b.* FROM generate_series(1, $2) AS s,
			LATERAL sample_batch('$1', 256, 'cell_type', seed => $3, step => s) b)
			TO STDOUT (FORMAT binary) \\g /dev/null
		SELECT round($2 * 256 / extract(epoch FROM clock_timestamp() - :'started')::numeric);
	SQL
}

# Sparse, in one statement
bench_stream()
{
	bench_sql <<-SQL
		SELECT clock_timestamp() AS started
		\\gset
		COPY (SELECT * FROM sample_csr('$1', 256, 'cell_type', seed => $3, n_steps => $2))
			TO STDOUT (FORMAT binary) \\g /dev/null
		SELECT round($2 * 256 / extract(epoch FROM clock_timestamp() - :'started')::numeric);
	SQL
}

bench_median()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

bench_machine()
{
	echo "date      $(date -u +%Y-%m-%d)"
	echo "machine   $(nproc) cores, $(awk '/MemTotal/{printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), $(sed -n 's/^model name\t*: //p' /proc/cpuinfo | head -n 1)"
}
