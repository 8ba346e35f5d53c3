#!/usr/bin/env bash
#
# check_binaries.sh
#		What the built library and program link and export.
#
# libhdf5 must not come into a backend, directly or through another library;
# PostgreSQL loads modules with global symbols, so that each name the library
# exports must be one that no other extension has.
cd "$(dirname "$0")/../.." || exit 1
library=mappedcoll.so
program=mappedcoll_manifest
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

needed=$(readelf -d "$library" | grep NEEDED)
ok "$([[ -n $needed ]] && echo 1)" "the library can be read"
ok "$([[ $needed != *hdf5* ]] && echo 1)" "the library does not link libhdf5"
all=$(ldd "$library")
ok "$([[ $? -eq 0 && $all == *libc.so* && $all != *hdf5* ]] && echo 1)" "nor does any library that it links"
ok "$([[ $(nm -D "$library") != *\ H5* ]] && echo 1)" "it uses no symbol of HDF5"

exported=$(nm -D --defined-only "$library" | awk '{print $3}')
ok "$([[ $exported == *Pg_magic_func* ]] && echo 1)" "the library exports Pg_magic_func"
bad=$(grep -vE '^(Pg_magic_func|_PG_init|_PG_fini|pg_finfo_mappedcoll\w*|mappedcoll\w*)$' <<<"$exported")
[[ -z $bad ]] || printf '# %s\n' $bad
ok "$([[ -z $bad ]] && echo 1)" "every other name it exports begins with mappedcoll"

bad=$(nm -D --undefined-only "$library" | awk '{print $2}' |
	grep -E '^(mc|manifest|codec|matrix|collection|sampling|h5ad|builder|mappedcoll)_')
[[ -z $bad ]] || printf '# %s\n' $bad
ok "$([[ -z $bad ]] && echo 1)" "it needs nothing of our own rooms that it was not built from"

# Those of Makefile, and what a compiler or an old libc adds
codecs='deflate|isal|lzf|blosc|lz4|zstd|aec|bz2|xxhash'
system='c|m|dl|pthread|gcc_s|asan|ubsan'
foreign()
{
	readelf -d "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE "^(lib($2|$system)\.so|ld-linux)"
}
bad=$(foreign "$library" "$codecs")
[[ -z $bad ]] || printf '# %s\n' $bad
ok "$([[ -z $bad ]] && echo 1)" "the library links nothing but libc and the libraries of its filters"

needed=$(readelf -d "$program" | grep NEEDED)
ok "$([[ $needed == *hdf5* ]] && echo 1)" "the program links libhdf5"
bad=$(foreign "$program" "$codecs|hdf5\w*|seccomp|sz|z")
[[ -z $bad ]] || printf '# %s\n' $bad
ok "$([[ -z $bad ]] && echo 1)" "and of other libraries libseccomp and those of the filters"

echo "1..$n"
exit "$failed"
