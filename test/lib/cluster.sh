#
# cluster.sh
#		A throw-away PostgreSQL server with mappedcoll, for demo, shell, tests
#		and benchmarks.  To be sourced by bash, after deps.sh:
#
#	cluster_create [SETTING...]	build, install into a temporary directory, start;
#								SETTING is a line of postgresql.conf
#	as_server COMMAND...		run a command as the server's user
#	cluster_run COMMAND...		the same, stopped at once by our own end
#	cluster_destroy				stop and remove all; runs by itself at the end
#
# Everything lies in one temporary directory, MC_TMP, that goes with the
# script, also after Ctrl-C or a failure:
#	install/		"make install DESTDIR": nothing goes into the system
#	files/			copies of files that the server's user could not read
#	server/data, server/log, server/socket
#	extension.conf	the settings that make a server find install/
#
# The server listens on a Unix socket only, in a directory that its user alone
# may enter.  That user is postgres when we are root, since a server does not
# run as root, otherwise ourselves; the superuser is "postgres" in both cases.
# PGHOST, PGPORT, PGUSER and PGDATABASE lead to it.

MC_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
MC_TMP=
cluster_child=

cluster_say()
{
	printf 'mappedcoll: %s\n' "$*" >&2
}

cluster_fail()
{
	cluster_say "$@"
	exit 1
}

# setpriv rather than runuser: it becomes the command, no process between
as_server()
{
	(
		cd "${MC_TMP:-/}" || exit
		[[ $(id -u) -eq 0 ]] || exec "$@"
		HOME=$MC_TMP/server exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
	)
}

# In the background and waited for: bash runs a trap during "wait", but not
# during a command in the foreground.  In a session of its own, so that its
# children can be ended with it.
cluster_run()
{
	local status=0

	(
		cd "$MC_TMP" || exit
		[[ $(id -u) -eq 0 ]] || exec setsid "$@"
		HOME=$MC_TMP/server exec setsid setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
	) <&0 &
	cluster_child=$!
	wait "$cluster_child" || status=$?
	cluster_child=
	return "$status"
}

cluster_destroy()
{
	[[ -n $MC_TMP ]] || return 0
	trap '' INT TERM HUP PIPE
	if [[ -n $cluster_child ]]; then
		kill -- "-$cluster_child" 2>/dev/null || true
		# its test servers, if it has some, take a moment to stop
		for _ in {1..100}; do
			kill -0 -- "-$cluster_child" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$cluster_child" 2>/dev/null || true
	fi
	if [[ -e $MC_TMP/server/data/postmaster.pid ]]; then
		as_server "$MC_BINDIR/pg_ctl" -D "$MC_TMP/server/data" -m immediate -w stop >/dev/null 2>&1 || true
	fi
	rm -rf "$MC_TMP"
	MC_TMP=
}

# The temporary directory, where the server's user can reach it
cluster_tmp()
{
	local base

	for base in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
		[[ -d $base && -w $base ]] || continue
		# a Unix socket's path has 107 bytes
		[[ ${#base} -le 60 ]] || continue
		MC_TMP=/ as_server test -x "$base" || continue
		MC_TMP=$(mktemp -d "$base/mappedcoll.XXXXXX")
		break
	done
	[[ -n $MC_TMP ]] || cluster_fail "found no directory for temporary files that the server can reach; set TMPDIR"
	trap cluster_destroy EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	trap 'exit 141' PIPE
	chmod 755 "$MC_TMP"
	# what others make in a directory for temporary files goes with ours
	mkdir "$MC_TMP/s"
	chmod 1777 "$MC_TMP/s"
	export TMPDIR=$MC_TMP/s
	mkdir -m 755 "$MC_TMP/install" "$MC_TMP/files"
	mkdir -m 700 "$MC_TMP/server"
	mkdir -m 700 "$MC_TMP/server/socket"
	if [[ $(id -u) -eq 0 ]]; then
		chown -R postgres: "$MC_TMP/server"
	fi
}

# make, free of the make that started us
cluster_make()
{
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES "${MC_MAKE:-make}" \
		-C "$MC_ROOT" --no-print-directory PG_CONFIG="$PG_CONFIG" "$@"
}

# Run make with its output in a log that only a failure shows.
cluster_make_quietly()
{
	if ! (umask 022; cluster_make -s -j "$(nproc 2>/dev/null || echo 1)" "$@") >"$MC_TMP/make.log" 2>&1; then
		tail -n 100 "$MC_TMP/make.log" >&2
		cluster_fail "make $* failed"
	fi
	grep -A 3 'warning:' "$MC_TMP/make.log" >&2 || true
}

# Build, install below MC_TMP, and write the settings that lead there.
cluster_install()
{
	local share lib

	cluster_say "building for $("$PG_CONFIG" --version)"
	cluster_make_quietly all
	cluster_make_quietly install DESTDIR="$MC_TMP/install"
	share=$("$PG_CONFIG" --sharedir)
	lib=$("$PG_CONFIG" --pkglibdir)
	if "$MC_BINDIR/postgres" --describe-config | grep -q '^extension_control_path'; then
		cat <<-CONF
			extension_control_path = '$MC_TMP/install$share:\$system'
			dynamic_library_path = '$MC_TMP/install$lib:\$libdir'
		CONF
	elif "$MC_BINDIR/postgres" --describe-config | grep -q '^extension_destdir'; then
		echo "extension_destdir = '$MC_TMP/install'"
	else
		cluster_fail "this PostgreSQL can load an extension from its own directories only" \
			"(it has neither extension_control_path, as PostgreSQL 18, nor Debian's" \
			"extension_destdir): run \"make install\" and use your own server, or set" \
			"PG_CONFIG to another PostgreSQL"
	fi >"$MC_TMP/extension.conf"
	chmod 644 "$MC_TMP/extension.conf"
}

cluster_start()
{
	local data=$MC_TMP/server/data log=$MC_TMP/server/log

	as_server "$MC_BINDIR/initdb" -D "$data" -U postgres --auth=trust --no-sync \
		--encoding=UTF8 --locale=C >"$MC_TMP/initdb.log" 2>&1 ||
		{ cat "$MC_TMP/initdb.log" >&2; cluster_fail "initdb failed"; }
	{
		cat "$MC_TMP/extension.conf"
		cat <<-CONF
			listen_addresses = ''
			unix_socket_directories = '$MC_TMP/server/socket'
			fsync = off
			max_connections = 30
			log_min_messages = warning
			timezone = 'UTC'
		CONF
		[[ $# -eq 0 ]] || printf '%s\n' "$@"
	} | as_server sh -c 'cat >>"$1"' sh "$data/postgresql.conf"
	export PGHOST=$MC_TMP/server/socket PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	unset PGSERVICE PGPASSWORD PGOPTIONS PGHOSTADDR PGSSLMODE PGCLIENTENCODING
	as_server "$MC_BINDIR/pg_ctl" -D "$data" -l "$log" -w -t 60 start >/dev/null ||
		{ cat "$log" >&2 || true; cluster_fail "the server did not start"; }
}

cluster_create()
{
	MC_BINDIR=$("$PG_CONFIG" --bindir)
	if [[ $(id -u) -eq 0 ]]; then
		getent passwd postgres >/dev/null ||
			cluster_fail "a server does not run as root and there is no user postgres: create it, or run this as another user"
	fi
	cluster_tmp
	cluster_install
	cluster_start "$@"
}
