#!/usr/bin/env bash
#
# sqlsmith.sh
#		"make sqlsmith": random queries over collections and in-house tables,
#		for MC_SQLSMITH_SECONDS (3600), from MC_SEED; sqlsmith is installed if
#		need be.  The report goes to test/results.
set -eu
lib=$(dirname "${BASH_SOURCE[0]}")
root=$(cd "$lib/../.." && pwd)
. "$lib/deps.sh"
status=0

deps_need demo test sqlsmith
report=$(mktemp -d /tmp/mappedcoll-sqlsmith.XXXXXX)
trap 'rm -rf "$report"' EXIT
export TESTS=sqlsmith MC_SQLSMITH_SECONDS=${MC_SQLSMITH_SECONDS:-3600} MC_SQLSMITH_REPORT=$report/sqlsmith.txt
bash "$lib/test.sh" || status=$?
if [[ -s $MC_SQLSMITH_REPORT ]]; then
	mkdir -p "$root/test/results"
	cp "$MC_SQLSMITH_REPORT" "$root/test/results/"
fi
exit "$status"
