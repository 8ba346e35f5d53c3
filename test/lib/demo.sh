#!/usr/bin/env bash
#
# demo.sh
#		"make demo": the main job as a psql session, on a throw-away server.
#
#	FILES='...'			the user's own files (see files.sh)
#	WEIGHT_BY=column	the obs column whose labels are balanced
#	LAYER=..., VAR_JOIN=...	as in create_collection
set -eu
lib=$(dirname "${BASH_SOURCE[0]}")
. "$lib/deps.sh"
. "$lib/cluster.sh"
. "$lib/files.sh"

deps_need demo
cluster_create
files_resolve

# psql of the server's user may not be able to read the clone
install -m 644 "$MC_ROOT/test/demo/demo.sql" "$MC_TMP/demo.sql"
cluster_run "$MC_BINDIR/psql" -X -q -v ON_ERROR_STOP=1 -v files="$files_sql" \
	-v weight_by="${WEIGHT_BY:-}" -f "$MC_TMP/demo.sql"
