#!/usr/bin/env bash
#
# psql_filter.sh
#		pg_regress's --launcher: run psql with the variables that tests use, and
#		take this run's temporary paths out of what it prints.
#
# "data" is the directory of the test files, printed as /data.
psql=$1
shift
"$psql" -v data="$MC_DATA" "$@" 2>&1 | sed -u -e "s|$MC_DATA|/data|g" -e "s|$MC_TMP|/tmp|g"
exit "${PIPESTATUS[0]}"
