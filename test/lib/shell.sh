#!/usr/bin/env bash
#
# shell.sh
#		"make shell": the demo's server and collection, open in psql; gone when
#		psql ends.  FILES, LAYER and VAR_JOIN as for the demo.
set -eu
lib=$(dirname "${BASH_SOURCE[0]}")
. "$lib/deps.sh"
. "$lib/cluster.sh"
. "$lib/files.sh"

deps_need demo
cluster_create
files_resolve
as_server "$MC_BINDIR/psql" -X -q -v ON_ERROR_STOP=1 -o /dev/null \
	-c 'CREATE EXTENSION mappedcoll' -c "SELECT create_collection('coll', $files_sql)"
cat <<'TEXT'

The table coll is the collection; this server goes when you leave psql (\q).
	SELECT * FROM collection_files('coll');
	SELECT row_index, label FROM sample_batch('coll', 8, 'cell_type');

TEXT
# Ctrl-C cancels a query in psql; it does not end the session
trap : INT
status=0
as_server "$MC_BINDIR/psql" || status=$?
exit "$status"
