#!/usr/bin/env bash
#
# test.sh
#		"make test": every layer of tests, one after the other, and a summary.
#
# A layer that fails does not hide the others; it makes the exit code 1.
# TESTS='unit regress' runs these layers only (the names are in "layers"; those
# of "more" run only when they are named).
# What a failure leaves to look at is in build/test.
#
# Environment of the tests that use a server (layers regress, pgtap, tap,
# differential, damage, recipes, client and foreign):
#	MC_DATA			a copy of test/data that the server can read
#	MC_CORPUS		../shared/corpus, or a copy that the server can read; empty
#					where there is none
#	MC_MALFORMED	the same of ../shared/malformed-hdf5
#	PGHOST, PGPORT, PGUSER, PGDATABASE	the throw-away server (not for tap)
set -u
lib=$(dirname "${BASH_SOURCE[0]}")
. "$lib/deps.sh"
. "$lib/cluster.sh"

layers=(warnings unit sanitize valgrind fuzz source regress pgtap tap differential damage recipes client foreign)
more=(sqlsmith)
passed=0
failed=0
skipped=0
report=()

# The run of one layer: function layer_NAME; exit code 77 is a skip, its reason
# in skip_reason.
run_layer()
{
	local name=$1 status=0 start=$SECONDS

	skip_reason=
	printf '\n== %s\n' "$name"
	"layer_$name" || status=$?
	if [[ $status -eq 77 ]]; then
		skipped=$((skipped + 1))
		report+=("skipped  $name: $skip_reason")
	elif [[ $status -eq 0 ]]; then
		passed=$((passed + 1))
		report+=("passed   $name ($((SECONDS - start)) s)")
	else
		failed=$((failed + 1))
		report+=("FAILED   $name ($((SECONDS - start)) s)")
	fi
}

# The development build, in a directory of its own: all warnings are errors.
layer_warnings()
{
	# afresh: make would take objects of the tree for its own (VPATH)
	rm -rf "$MC_ROOT/build/warnings" && mkdir -p "$MC_ROOT/build/warnings" &&
		env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "${MC_MAKE:-make}" --no-print-directory -s \
			-C "$MC_ROOT/build/warnings" -f "$MC_ROOT/Makefile" -j "$jobs" \
			PG_CONFIG="$PG_CONFIG" DEV=1 all unit >"$MC_TMP/warnings.log" 2>&1 &&
		! grep -q 'warning:' "$MC_TMP/warnings.log" && echo "no warnings" ||
		{ cat "$MC_TMP/warnings.log"; return 1; }
}

# Build the unit tests with the make arguments given, and run them.
unit_tests()
{
	local dir=$1

	shift
	cluster_make -s -j "$jobs" unit "$@" || return
	(
		cd "$MC_ROOT" && programs=$(find "$dir" -maxdepth 1 -name 'test_*' -type f -perm -u+x ! -name '*.d' | sort) &&
			[[ -n $programs ]] && live=() || exit 1
		for program in $programs; do
			# a program whose source is gone is a leftover
			[[ -e test/unit/${program##*/}.c ]] && live+=("$program")
		done
		prove --exec '' "${live[@]}"
	)
}

layer_unit()
{
	unit_tests build/unit
}

layer_sanitize()
{
	unit_tests build/unit-sanitize SANITIZE=1
}

# The same programs as layer unit under valgrind, but those that are made of
# many trials
layer_valgrind()
{
	cluster_make -s -j "$jobs" unit || return
	(
		cd "$MC_ROOT" && prove --exec 'valgrind -q --error-exitcode=9 --leak-check=full
			--suppressions=test/unit/valgrind.supp' \
			build/unit/test_{h5ad_{columns,matrices,text},number,rank} \
			build/unit/test_{codec_{known,pipelines},manifest_roundtrip,matrix_{read,convert,damage,rowcache}} \
			build/unit/test_collection_{columns,labels}
	)
}

# Build a libFuzzer target: test/fuzz/$1.c with the rooms that it may use
fuzz_build()
{
	local flags="-g -O1 -std=gnu99 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"
	local libraries="libdeflate liblzf libxxhash blosc liblz4 libzstd"

	# shellcheck disable=SC2046,SC2086
	cd "$MC_ROOT" && clang $flags -D_FILE_OFFSET_BITS=64 $(pkg-config --cflags $libraries) -Isrc -Itest/unit \
		-o "$fuzz_dir/$1.bin" "test/fuzz/$1.c" src/base/{error,hash,memory}.c src/manifest/*.c \
		src/codec/*.c src/matrix/*.c $(pkg-config --libs $libraries) -lsz -laec -lbz2 -lz
}

# Run a fuzzer, its output in a log; the last line of the log says how often
fuzz_run()
{
	local target=$1 save=$MC_ROOT/build/test

	if [[ $target == fuzz_file ]]; then
		cd "$MC_ROOT" && build/unit-sanitize/fuzz_file --seconds "$fuzz_seconds" --seed "$fuzz_seed" \
			--program "$MC_ROOT/mappedcoll_manifest" --save "$save" >"$fuzz_dir/$target.log" 2>&1
	else
		mkdir -p "$fuzz_dir/$target" && cd "$fuzz_dir" && "./$target.bin" -seed="$fuzz_seed" \
			-max_total_time="$fuzz_seconds" -artifact_prefix="$save/$target-" -print_final_stats=1 \
			"$target" >"$target.log" 2>&1
	fi
}

# How often a fuzzer ran, by its log
fuzz_executions()
{
	sed -n -e 's/^stat::number_of_executed_units: *\([0-9]*\)$/\1/p' -e 's/^ *\([0-9]*\) executions,.*/\1/p' \
		"$fuzz_dir/$1.log"
}

# Each fuzzer for a while, two at a time: MC_FUZZ_SECONDS (60), from MC_SEED; a report
# of what they did is appended to MC_FUZZ_REPORT
layer_fuzz()
{
	local fuzz_dir=$MC_ROOT/build/fuzz fuzz_seed=${MC_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
	local fuzz_seconds=${MC_FUZZ_SECONDS:-60} target targets=() n=0 bad=0

	echo "seed $fuzz_seed (MC_SEED)"
	mkdir -p "$fuzz_dir"
	for target in "$MC_ROOT"/test/fuzz/fuzz_*.c; do
		targets+=("$(basename "$target" .c)")
	done
	cluster_make -s -j "$jobs" fuzz-file SANITIZE=1 || return
	for target in "${targets[@]}"; do
		[[ $target == fuzz_file ]] || (fuzz_build "$target") || return
	done
	printf '%s\n' "${targets[@]}" | (
		export -f fuzz_run
		export fuzz_dir fuzz_seed fuzz_seconds MC_ROOT
		xargs -P 2 -I{} bash -c 'fuzz_run {} && touch "$fuzz_dir/{}.passed" || rm -f "$fuzz_dir/{}.passed"'
	)
	for target in "${targets[@]}"; do
		n=$((n + 1))
		if [[ -e $fuzz_dir/$target.passed ]]; then
			echo "ok $n - $target: $(fuzz_executions "$target") executions"
		else
			tail -n 60 "$fuzz_dir/$target.log"
			echo "not ok $n - $target: the input is in build/test"
			bad=1
		fi
		if [[ -n ${MC_FUZZ_REPORT:-} ]]; then
			{
				echo "$target: seed $fuzz_seed, $fuzz_seconds s, $(fuzz_executions "$target") executions, $(
					[[ -e $fuzz_dir/$target.passed ]] && echo 'no finding' || echo 'FINDINGS')"
				[[ $target != fuzz_file ]] || sed -n '/^Whole files/,/^1\.\./{/^1\.\./!p}' "$fuzz_dir/$target.log"
			} >>"$MC_FUZZ_REPORT"
		fi
		rm -f "$fuzz_dir/$target.passed"
	done
	echo "1..$n"
	return "$bad"
}

layer_source()
{
	(cd "$MC_ROOT" && prove --exec bash test/lib/check_*.sh)
}

# pg_regress: test/sql, expected; the extension is there, :data is /data
layer_regress()
{
	local dir=$MC_TMP/regress status=0 test tests=()

	as_server mkdir -p "$MC_TMP/server/regress"
	mkdir -p "$dir/sql" "$dir/expected"
	cp "$MC_ROOT"/test/sql/*.sql "$dir/sql/" || return
	find "$MC_ROOT/expected" -name '*.out' -exec cp {} "$dir/expected/" \;
	install -m 755 "$MC_ROOT/test/lib/psql_filter.sh" "$MC_TMP/psql_filter.sh"
	mapfile -t tests < <(cd "$dir/sql" && ls -- *.sql | sed 's/\.sql$//')
	# a new test has nothing to be compared with yet, but pg_regress wants a file
	for test in "${tests[@]}"; do
		[[ -e $dir/expected/$test.out ]] || : >"$dir/expected/$test.out"
	done
	cluster_run env PGUSER=postgres "$pgxs_src/test/regress/pg_regress" \
		--inputdir="$dir" --outputdir="$MC_TMP/server/regress" --bindir="$MC_BINDIR" \
		--host="$PGHOST" --port="$PGPORT" --user=postgres --dbname=regression \
		--load-extension=mappedcoll --launcher="$MC_TMP/psql_filter.sh" "${tests[@]}" || status=$?
	mkdir -p "$MC_ROOT/build/test/regress"
	cp -r "$MC_TMP/server/regress/." "$MC_ROOT/build/test/regress/"
	if [[ $status -ne 0 ]]; then
		head -n 300 "$MC_TMP/server/regress/regression.diffs" 2>/dev/null
		echo "build/test/regress has regression.diffs and results, to become expected/ where they are right"
	fi
	return "$status"
}

# pgTAP: each file in a session of its own, with :data, :corpus, :malformed
layer_pgtap()
{
	mkdir -p "$MC_TMP/pgtap" && cp "$MC_ROOT"/test/pgtap/*.sql "$MC_TMP/pgtap/" || return
	as_server "$MC_BINDIR/psql" -X -q -d postgres -c 'CREATE DATABASE pgtap' &&
		as_server "$MC_BINDIR/psql" -X -q -d pgtap -c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION mappedcoll' || return
	cluster_run pg_prove --psql-bin "$MC_BINDIR/psql" -d pgtap --set "data=$MC_DATA" --set "corpus=$MC_CORPUS" \
		--set "malformed=$MC_MALFORMED" "$MC_TMP"/pgtap/*.sql
}

# PostgreSQL::Test: servers of their own, which find the extension through
# TEMP_CONFIG
layer_tap()
{
	local status=0

	mkdir -p "$MC_TMP/t" && cp -r "$MC_ROOT/test/t/." "$MC_TMP/t/" || return
	as_server mkdir -p "$MC_TMP/server/tap"
	cluster_run env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE \
		PATH="$MC_BINDIR:$PATH" PG_REGRESS="$pgxs_src/test/regress/pg_regress" \
		TEMP_CONFIG="$MC_TMP/extension.conf" TESTDIR="$MC_TMP/server/tap" \
		TESTDATADIR="$MC_TMP/server/tap/data" TESTLOGDIR="$MC_TMP/server/tap/log" \
		prove -I "$pgxs_src/test/perl" -I "$MC_TMP/t" "$MC_TMP"/t/*.pl || status=$?
	if [[ $status -ne 0 ]]; then
		mkdir -p "$MC_ROOT/build/test/tap"
		find "$MC_TMP/server/tap" -path '*log*' -type f -size -10M \
			-exec cp {} "$MC_ROOT/build/test/tap/" \;
		echo "logs: build/test/tap"
	fi
	return "$status"
}

# build/venv holds what test/requirements.txt names; 77: it cannot be fetched
make_venv()
{
	local wanted=$MC_ROOT/test/requirements.txt index

	venv=$MC_ROOT/build/venv
	if ! cmp -s "$wanted" "$venv/installed.txt"; then
		rm -rf "$venv"
		python3 -m venv "$venv" || return
		echo "fetching test/requirements.txt from PyPI"
		if ! "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted" >"$MC_TMP/pip.log" 2>&1; then
			index=$("$venv/bin/pip" config get global.index-url 2>/dev/null ||
				"$venv/bin/python" -c 'from pip._internal.models.index import PyPI; print(PyPI.simple_url)')
			if "$venv/bin/python" - "${PIP_INDEX_URL:-$index}" <<-'PYTHON'
				import sys, urllib.error, urllib.request
				try:
				    urllib.request.urlopen(sys.argv[1].rstrip("/") + "/anndata/", timeout=20)
				except urllib.error.HTTPError:
				    pass
				except Exception as e:
				    print(e)
				    sys.exit(1)
			PYTHON
			then
				cat "$MC_TMP/pip.log"
				return 1
			fi
			skip_reason="the package index cannot be reached (see above), and anndata is not installed"
			return 77
		fi
		cp "$wanted" "$venv/installed.txt"
	fi
}

# anndata's reading against ours; MC_DIFFERENTIAL has more arguments of run.py,
# such as --files 2000 --report /where/to/write; MC_WHERE_QUERIES: random questions of each sort
layer_differential()
{
	local venv

	make_venv || return
	mkdir -p "$MC_TMP/work"
	# shellcheck disable=SC2086
	MC_WORK=$MC_TMP/work MC_PSQL=$MC_BINDIR/psql MC_KEEP=$MC_ROOT/build/test/differential \
		"$venv/bin/python" "$MC_ROOT/test/differential/run.py" ${MC_DIFFERENTIAL:-}
}

# Damaged files and damaged manifests; MC_DAMAGE has other arguments of damage.py
# than the numbers of a short run
layer_damage()
{
	local venv

	make_venv || return
	mkdir -p "$MC_TMP/work"
	# shellcheck disable=SC2086
	MC_WORK=$MC_TMP/work MC_LOG=$MC_TMP/server/log MC_KEEP=$MC_ROOT/build/test/damage \
		"$venv/bin/python" "$MC_ROOT/test/damage/damage.py" ${MC_DAMAGE:---files 250 --manifests 250}
}

# torch in build/venv, where its CPU build can be had; else MC_NO_TORCH says why not
make_torch()
{
	local torch=2.13.0+cpu

	export MC_NO_TORCH=
	if ! "$venv/bin/python" -c 'import torch' 2>/dev/null &&
		! "$venv/bin/pip" install -q --disable-pip-version-check "torch==$torch" >"$MC_TMP/pip.log" 2>&1; then
		MC_NO_TORCH="torch $torch cannot be installed"
	fi
}

# What test/requirements-frameworks.txt names in build/venv, where it can be had;
# without it the tests that need it are skipped, and say so
make_frameworks()
{
	local wanted=$MC_ROOT/test/requirements-frameworks.txt

	[[ -z $MC_NO_TORCH ]] || return 0
	cmp -s "$wanted" "$venv/frameworks.txt" && return
	echo "fetching test/requirements-frameworks.txt from PyPI"
	if "$venv/bin/pip" install -q --disable-pip-version-check -r "$MC_ROOT/test/requirements.txt" \
		-r "$wanted" >"$MC_TMP/pip.log" 2>&1; then
		cp "$wanted" "$venv/frameworks.txt"
	else
		echo "they cannot be installed: $(tail -n 1 "$MC_TMP/pip.log")"
	fi
}

# What the README's section on sampling says to do, as it stands
layer_recipes()
{
	local venv

	make_venv || return
	make_torch
	"$venv/bin/python" -W ignore "$MC_ROOT/test/recipes/run.py"
}

# The Python package: its types, then its tests
layer_client()
{
	local venv

	make_venv || return
	make_torch
	make_frameworks
	(
		status=0
		cd "$MC_ROOT/python" && export PYTHONPATH=$MC_ROOT/python || exit
		"$venv/bin/python" -m mypy --cache-dir "$MC_ROOT/build/mypy" || status=1
		"$venv/bin/python" -m pytest -q -rs -p no:cacheprovider --durations 5 || status=1
		exit "$status"
	)
}

# DuckDB in build/venv, with its extension that reads PostgreSQL, where they can
# be had; else MC_NO_DUCKDB says why not
make_duckdb()
{
	local wanted=$MC_ROOT/test/requirements-foreign.txt

	export MC_NO_DUCKDB=
	cmp -s "$wanted" "$venv/foreign.txt" && return
	if "$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted" >"$MC_TMP/pip.log" 2>&1; then
		cp "$wanted" "$venv/foreign.txt"
	else
		MC_NO_DUCKDB="it cannot be installed: $(tail -n 1 "$MC_TMP/pip.log")"
	fi
}

# Clients of other makers, as far as they are installed
layer_foreign()
{
	local venv

	make_venv || return
	make_duckdb
	"$venv/bin/python" -W ignore "$MC_ROOT/test/foreign/run.py"
}

# Random queries: MC_SQLSMITH_SECONDS (60), from MC_SEED, a report to
# MC_SQLSMITH_REPORT
layer_sqlsmith()
{
	local venv

	if ! deps_has_command sqlsmith; then
		skip_reason="sqlsmith is not installed"
		return 77
	fi
	make_venv || return
	MC_PSQL=$MC_BINDIR/psql MC_LOG=$MC_TMP/server/log MC_KEEP=$MC_ROOT/build/test/sqlsmith \
		"$venv/bin/python" "$MC_ROOT/test/sqlsmith/run.py" "${MC_SQLSMITH_SECONDS:-60}" \
		${MC_SQLSMITH_REPORT:+--report "$MC_SQLSMITH_REPORT"}
}

# Print a path of directory $1 that the server can read, or nothing
readable_directory()
{
	[[ -d $1 ]] || return 0
	# what find prints, its errors too, cannot be read
	if [[ -n $(as_server find -L "$1/" ! -readable -print -quit 2>&1) ]]; then
		cp -rL "$1" "$MC_TMP/files/${1##*/}"
		chmod -R u+w,a+rX "$MC_TMP/files/${1##*/}"
		printf '%s\n' "$MC_TMP/files/${1##*/}"
	else
		printf '%s\n' "$1"
	fi
}

if [[ -n ${TESTS:-} ]]; then
	read -r -a wanted <<<"$TESTS"
else
	wanted=("${layers[@]}")
fi
for layer in "${wanted[@]}"; do
	[[ " ${layers[*]} ${more[*]} " == *" $layer "* ]] ||
		cluster_fail "TESTS: no layer \"$layer\"; there are: ${layers[*]} ${more[*]}"
done

set -e
deps_need demo test
jobs=$(nproc 2>/dev/null || echo 1)
pgxs_src=$(dirname "$("$PG_CONFIG" --pgxs)")/..
rm -rf "$MC_ROOT/build/test"
mkdir -p "$MC_ROOT/build/test"
cluster_create
export MC_TMP MC_DATA MC_CORPUS MC_MALFORMED MC_BINDIR
MC_DATA=$MC_TMP/files/data
cp -r "$MC_ROOT/test/data" "$MC_DATA"
chmod -R a+rX "$MC_DATA"
MC_CORPUS=$(readable_directory "$(dirname "$MC_ROOT")/shared/corpus")
MC_MALFORMED=$(readable_directory "$(dirname "$MC_ROOT")/shared/malformed-hdf5")
set +e

for layer in "${wanted[@]}"; do
	run_layer "$layer"
done

printf '\n'
printf '%s\n' "${report[@]}"
if [[ $skipped -gt 0 ]]; then
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
else
	printf '%d passed, %d failed\n' "$passed" "$failed"
fi
[[ $failed -eq 0 ]]
