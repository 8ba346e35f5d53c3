#!/usr/bin/env bash
#
# check_rooms.sh
#		The arrows between the rooms of src/, read from the #include lines.
#
# HDF5 headers in src/h5ad only, PostgreSQL's in src/pg only, and of the other
# rooms only those that a room may know.
cd "$(dirname "$0")/../.." || exit 1
n=0
failed=0

ok()
{
	n=$((n + 1))
	if [[ $1 ]]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=1
	fi
}

# Every include of another room in room $1 is of one in the list $2.
arrows()
{
	local room=$1 allowed=" $1 $2 " bad='' line target

	while IFS= read -r line; do
		target=${line#*#include \"}
		[[ $target == */* ]] || continue
		target=${target%%/*}
		[[ -d src/$target ]] || continue
		[[ $allowed == *" $target "* ]] || bad+="# $line"$'\n'
	done < <(grep -nE '^#include "' "src/$room"/*.[ch])
	printf '%s' "$bad"
	ok "$([[ -z $bad ]] && echo 1)" "src/$room includes only its own headers and those of: $2"
}

[[ $(ls -d src/*/ | tr -d '\n') == src/base/src/builder/src/codec/src/collection/src/h5ad/src/manifest/src/matrix/src/pg/src/sampling/ ]]
ok "$([[ $? -eq 0 ]] && echo 1)" "the rooms are those that this test knows"

arrows base ''
arrows manifest 'base'
arrows codec 'base manifest'
arrows matrix 'base manifest codec'
arrows collection 'base manifest matrix'
arrows sampling 'base'
arrows h5ad 'base manifest codec'
arrows builder 'base manifest codec h5ad'
arrows pg 'base manifest matrix collection sampling builder'

bad=$(grep -nE '#include *[<"](hdf5|H5)' src/*/*.[ch] | grep -v '^src/h5ad/' | sed 's/^/# /')
printf '%s' "${bad:+$bad$'\n'}"
ok "$([[ -z $bad ]] && echo 1)" "HDF5 headers in src/h5ad alone"

bad=$(grep -nE '#include *[<"](postgres|c\.h|fmgr|pg_config|libpq|(access|catalog|commands|common|executor|foreign|funcapi|lib|mb|miscadmin|nodes|optimizer|parser|pgstat|port|portability|postmaster|replication|rewrite|storage|tcop|tsearch|utils|varatt)[/.])' src/*/*.[ch] |
	grep -v '^src/pg/' | sed 's/^/# /')
printf '%s' "${bad:+$bad$'\n'}"
ok "$([[ -z $bad ]] && echo 1)" "PostgreSQL headers in src/pg alone"

bad=$(grep -nE '#include "builder/' src/pg/*.[ch] | grep -v 'builder/protocol.h' | sed 's/^/# /')
printf '%s' "${bad:+$bad$'\n'}"
ok "$([[ -z $bad ]] && echo 1)" "src/pg knows of the program its protocol alone"

bad=$(grep -nE 'manifest_writer_|ManifestWriter' src/{pg,collection,matrix}/*.[ch] | sed 's/^/# /')
printf '%s' "${bad:+$bad$'\n'}"
ok "$([[ -z $bad ]] && echo 1)" "the backend writes no manifest itself"

bad=$(grep -nE 'PG_VERSION_NUM' src/*/*.[ch] | grep -vE '^src/pg/(compat|versions)\.h:' | sed 's/^/# /')
printf '%s' "${bad:+$bad$'\n'}"
ok "$([[ -z $bad ]] && echo 1)" "tests of PostgreSQL's version in compat.h and versions.h alone"

echo "1..$n"
exit "$failed"
