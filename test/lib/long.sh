#!/usr/bin/env bash
#
# long.sh
#		"make test-long": the layers of "make test" that can be made longer, with
#		reports in test/results.
#
# Differential over 2,000 generated files and with 50,000 random questions of each sort, 10,000 damaged files and as many
# manifests, each fuzzer for 10 minutes, and a fault at every point and not at
# a sample of them.  Some 90 minutes on two cores.  TESTS takes fewer of the
# layers, MC_SEED another seed.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
reports=$(mktemp -d /tmp/mappedcoll-long.XXXXXX)
trap 'rm -rf "$reports"' EXIT
chmod a+rwx "$reports"
seed=${MC_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
status=0

export MC_SEED=$seed
export MC_DIFFERENTIAL="--files 2000 --seed $seed --report $reports/differential.txt"
export MC_WHERE_QUERIES=${MC_WHERE_QUERIES:-50000}
export MC_DAMAGE="--files 10000 --manifests 10000 --seed $seed --report $reports/damage.txt"
export MC_FUZZ_SECONDS=${MC_FUZZ_SECONDS:-600} MC_FUZZ_REPORT=$reports/fuzz.txt
export MC_FAULTS=all MC_FAULT_REPORT=$reports/faults.txt
export TESTS=${TESTS:-fuzz tap differential damage}

printf 'make test-long, %s, %s\n\n' "$(date -u +%Y-%m-%d)" \
	"$(nproc) cores, $(sed -n 's/^model name\t*: //p' /proc/cpuinfo | head -n 1)" >"$MC_FUZZ_REPORT"
bash "$root/test/lib/test.sh" || status=$?
mkdir -p "$root/test/results"
for report in "$reports"/*.txt; do
	[[ $(wc -l <"$report") -le 2 ]] || cp "$report" "$root/test/results/"
done
exit "$status"
