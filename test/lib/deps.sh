#!/usr/bin/env bash
#
# deps.sh
#		Find PostgreSQL and the packages that demo, shell and test need, and
#		install what is missing.
#
# Run as "deps.sh demo" or "deps.sh demo test", or sourced, for
#	deps_need WHAT...	WHAT is demo (build and run), test (also the tests),
#						foreign (what make test-foreign adds) or sqlsmith;
#						afterwards PG_CONFIG names the PostgreSQL to use
#
# A package counts as there when what it is for can be found, so that a
# PostgreSQL or HDF5 built from source does as well.  Installing is Debian's
# apt-get, with sudo where we are not root; elsewhere we say what is missing.
#
# Installing a PostgreSQL server on Debian creates and starts a cluster "main".
# A demo must not leave that behind: while we install, a file in
# createcluster.d turns it off.  It is removed again, whatever happens.

deps_no_cluster=/etc/postgresql-common/createcluster.d/mappedcoll-demo.conf

deps_fail()
{
	printf 'mappedcoll: %s\n' "$@" >&2
	exit 1
}

# The major version of the server to use when PG_CONFIG is not given: the
# newest one that is installed, one with its development files first; none
# installed: the one that Debian's package "postgresql" stands for.
deps_pg_major()
{
	local best='' dir major

	for dir in /usr/lib/postgresql/*/bin; do
		major=${dir#/usr/lib/postgresql/}
		major=${major%/bin}
		if [[ $major =~ ^[0-9]+$ && $major -ge 13 && -x $dir/initdb &&
			  -e /usr/lib/postgresql/$major/lib/pgxs/src/makefiles/pgxs.mk ]] &&
			[[ -z $best || $major -gt $best ]]; then
			best=$major
		fi
	done
	[[ -n $best ]] && echo "$best" && return
	for dir in /usr/lib/postgresql/*/bin; do
		major=${dir#/usr/lib/postgresql/}
		major=${major%/bin}
		if [[ $major =~ ^[0-9]+$ && $major -ge 13 && -x $dir/initdb ]] &&
			[[ -z $best || $major -gt $best ]]; then
			best=$major
		fi
	done
	[[ -n $best ]] && echo "$best" && return
	apt-cache depends postgresql 2>/dev/null |
		sed -n 's/^ *Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1
}

# Whether $1, a pg_config, belongs to a whole server with PGXS
deps_pg_complete()
{
	local bindir pgxs

	bindir=$("$1" --bindir 2>/dev/null) && pgxs=$("$1" --pgxs 2>/dev/null) &&
		[[ -x $bindir/initdb && -x $bindir/postgres && -e $pgxs ]]
}

deps_has_command()
{
	command -v "$1" >/dev/null
}

deps_has_header()
{
	deps_has_command gcc && echo "#include <$1>" | gcc -E -x c - >/dev/null 2>&1
}

deps_has_library()
{
	local name

	for name in "$@"; do
		deps_has_command pkg-config && pkg-config --exists "$name" && return
	done
	return 1
}

# Whether Debian has this package for this machine
deps_has_package()
{
	[[ -n $(apt-cache madison "$1" 2>/dev/null) ]]
}

deps_has_perl()
{
	perl -M"$1" -e 1 2>/dev/null
}

# Debian's package of clang's run-time libraries (libFuzzer, sanitizers)
deps_fuzzer_package()
{
	local version

	version=$(apt-cache depends clang 2>/dev/null | sed -n 's/^ *Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -n 1)
	echo "libclang-rt-${version:-14}-dev"
}

# Whether clang is there and can link a fuzzer
deps_has_fuzzer()
{
	local out status=0

	deps_has_command clang || return
	out=$(mktemp) || return
	echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d == 0 && n != 0; }' |
		clang -x c -fsanitize=fuzzer,address -o "$out" - 2>/dev/null || status=1
	rm -f "$out"
	return "$status"
}

# Print the packages of $1 (see deps_need) that are missing; PG_CONFIG and
# deps_major are set.
deps_missing()
{
	local pg=${deps_major:-}

	if [[ $1 == demo ]]; then
		deps_has_command gcc || echo gcc
		deps_has_header stdio.h || echo libc6-dev
		deps_has_command make || echo make
		deps_has_command pkg-config || echo pkg-config
		deps_has_library hdf5 hdf5-serial || echo libhdf5-dev
		deps_has_library libdeflate || echo libdeflate-dev
		deps_has_library liblzf || echo liblzf-dev
		deps_has_library libxxhash || echo libxxhash-dev
		deps_has_library blosc || echo libblosc-dev
		deps_has_library liblz4 || echo liblz4-dev
		deps_has_library libzstd || echo libzstd-dev
		deps_has_header libaec.h || echo libaec-dev
		deps_has_header bzlib.h || echo libbz2-dev
		deps_has_library libseccomp || echo libseccomp-dev
		# made for some processors only, and of use where it is there
		deps_has_library libisal || ! deps_has_package libisal-dev || echo libisal-dev
		deps_has_command setpriv || echo util-linux
		if [[ -n $pg ]]; then
			[[ -x /usr/lib/postgresql/$pg/bin/initdb ]] || echo "postgresql-$pg"
			[[ -e /usr/lib/postgresql/$pg/lib/pgxs/src/makefiles/pgxs.mk ]] ||
				echo "postgresql-server-dev-$pg"
		fi
	elif [[ $1 == foreign ]]; then
		deps_has_command Rscript || echo r-base-core
		Rscript -e 'library(RPostgreSQL)' >/dev/null 2>&1 || echo r-cran-rpostgresql
	elif [[ $1 == sqlsmith ]]; then
		deps_has_command sqlsmith || echo sqlsmith
	else
		deps_has_library zlib || echo zlib1g-dev
		deps_has_command readelf || echo binutils
		deps_has_command valgrind || echo valgrind
		deps_has_command strace || echo strace
		deps_has_fuzzer || echo clang "$(deps_fuzzer_package)"
		deps_has_command prove || echo perl
		deps_has_perl IPC::Run || echo libipc-run-perl
		deps_has_perl DBD::Pg || echo libdbd-pg-perl
		deps_has_command pg_prove || echo libtap-parser-sourcehandler-pgtap-perl
		deps_has_command python3 || echo python3
		python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
		if [[ -n $pg ]]; then
			[[ -e /usr/share/postgresql/$pg/extension/pgtap.control ]] ||
				echo "postgresql-$pg-pgtap"
		fi
	fi
}

deps_apt()
{
	local sudo=

	if [[ $(id -u) -ne 0 ]]; then
		deps_has_command sudo ||
			deps_fail "packages are missing and there is no sudo; as root, run: apt-get install $deps_list"
		sudo=sudo
	fi
	$sudo env DEBIAN_FRONTEND=noninteractive "$@"
}

# Undo what deps_install put into /etc, and remove its log
deps_allow_cluster()
{
	[[ -z ${deps_log:-} ]] || rm -f "$deps_log"
	deps_log=
	[[ -n ${deps_cluster_off:-} ]] || return 0
	deps_cluster_off=
	deps_apt rm -f "$deps_no_cluster"
	deps_apt rmdir --ignore-fail-on-non-empty "${deps_no_cluster%/*}"
}

deps_install()
{
	local deps_list=$*

	echo "mappedcoll: installing with apt-get, a minute or two: $deps_list" >&2
	trap deps_allow_cluster EXIT
	deps_log=$(mktemp)
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	if [[ " $deps_list" =~ \ postgresql-[0-9]+( |$) ]]; then
		deps_cluster_off=yes
		deps_apt mkdir -p "${deps_no_cluster%/*}"
		deps_apt sh -c "echo 'create_main_cluster = false' >'$deps_no_cluster'"
	fi
	# shellcheck disable=SC2086
	if ! deps_apt apt-get install -y -q --no-install-recommends $deps_list >"$deps_log" 2>&1; then
		echo "mappedcoll: once more, with fresh package lists" >&2
		# shellcheck disable=SC2086
		deps_apt apt-get update -q >"$deps_log" 2>&1 &&
			deps_apt apt-get install -y -q --no-install-recommends $deps_list >>"$deps_log" 2>&1 ||
			{ cat "$deps_log" >&2; deps_fail "could not install: $deps_list"; }
	fi
	deps_allow_cluster
	trap - EXIT INT TERM HUP
}

# Find the PostgreSQL to use: sets deps_major where it is, or will be, one of
# Debian's packages.
deps_find_pg()
{
	deps_major=
	if [[ -n ${PG_CONFIG:-} ]]; then
		deps_pg_complete "$PG_CONFIG" && [[ $PG_CONFIG != /usr/lib/postgresql/* ]] && return
		[[ $PG_CONFIG =~ ^/usr/lib/postgresql/([0-9]+)/bin/pg_config$ ]] ||
			deps_fail "PG_CONFIG=$PG_CONFIG is not the pg_config of a whole server (initdb, postgres and PGXS)"
		deps_major=${BASH_REMATCH[1]}
	else
		if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 &&
			deps_has_command pg_config && deps_pg_complete pg_config; then
			PG_CONFIG=$(command -v pg_config)
			return
		fi
		deps_major=$(deps_pg_major)
	fi
}

deps_need()
{
	local what missing=()

	deps_find_pg
	if [[ -z $deps_major && -z ${PG_CONFIG:-} ]] && deps_has_command apt-get; then
		echo "mappedcoll: fetching package lists" >&2
		deps_apt apt-get update -qq
		deps_major=$(deps_pg_major)
	fi
	[[ -n $deps_major || -n ${PG_CONFIG:-} ]] ||
		deps_fail "no PostgreSQL found: install a server with its development files, or set PG_CONFIG"
	for what in "$@"; do
		mapfile -t -O "${#missing[@]}" missing < <(deps_missing "$what")
	done
	if [[ ${#missing[@]} -gt 0 ]]; then
		deps_has_command apt-get ||
			deps_fail "what these Debian packages hold is missing: ${missing[*]}"
		deps_install "${missing[@]}"
		missing=()
		for what in "$@"; do
			mapfile -t -O "${#missing[@]}" missing < <(deps_missing "$what")
		done
		[[ ${#missing[@]} -eq 0 ]] || deps_fail "still missing after the installation: ${missing[*]}"
	fi
	[[ -n ${PG_CONFIG:-} ]] || PG_CONFIG=/usr/lib/postgresql/$deps_major/bin/pg_config
	export PG_CONFIG
	deps_pg_complete "$PG_CONFIG" || deps_fail "$PG_CONFIG is not the pg_config of a whole server"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	set -eu
	deps_need "${@:-demo}"
	echo "mappedcoll: everything is there; PostgreSQL: $PG_CONFIG" >&2
fi
