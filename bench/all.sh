#!/usr/bin/env bash
#
# all.sh
#		"make bench": every part of the benchmark, one after the other.
#
# A part that fails does not keep the others from running; the exit code is
# then 1.  A run that was stopped, or of which a part failed, goes on where it
# stopped: the parts that it finished are noted in build/bench.  Each part
# writes into bench/results, as text and mostly as a plot.
#
#	PARTS='main-gzip wire'	these parts only
#	FRESH=1					all parts, whatever was finished before
#	QUICK=1					small files, short runs: results/*-quick
#	RUNS=3					turns of each contender (5; QUICK=1: 3)
#	BENCH_DIR=DIRECTORY		where files are made, once (/var/tmp/mappedcoll-bench)
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
all=(main-gzip main-none figure2 wire cold connections scale inflate layouts draws metadata train-gzip train-none)
noted=$here/../build/bench/finished${QUICK:+-quick}
status=0

say()
{
	printf 'mappedcoll: %s\n' "$*" >&2
}

run_part()
{
	case $1 in
		scale | inflate | layouts | draws | metadata) bash "$here/$1.sh" ;;
		train-*) bash "$here/train.sh" "$1" ;;
		*) bash "$here/peers.sh" "$1" ;;
	esac
}

mkdir -p "${noted%/*}"
[[ -z ${FRESH:-} ]] || rm -f "$noted"
read -r -a parts <<<"${PARTS:-${all[*]}}"
for part in "${parts[@]}"; do
	if [[ " ${all[*]} " != *" $part "* ]]; then
		say "no such part: $part (there are: ${all[*]})"
		exit 2
	fi
done
for part in "${parts[@]}"; do
	if [[ -z ${PARTS:-} ]] && grep -qxs "$part" "$noted"; then
		say "part $part was finished before (FRESH=1 runs it again)"
		continue
	fi
	start=$SECONDS
	if run_part "$part"; then
		say "part $part took $((SECONDS - start)) s"
		[[ -n ${PARTS:-} ]] || echo "$part" >>"$noted"
	else
		code=$?
		# stopped by a signal
		[[ $code -lt 128 ]] || exit "$code"
		say "part $part failed"
		status=1
	fi
done
# a whole run: the next one starts anew
[[ $status -ne 0 || -n ${PARTS:-} ]] || rm -f "$noted"
exit "$status"
