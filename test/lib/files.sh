#
# files.sh
#		What FILES='...' of demo and shell means.  To be sourced after
#		cluster.sh.
#
# FILES is one path, directory or glob, spaces and all, or several of them
# separated by spaces, quoted as in a shell.  The collection is registered
# with these very words where the server can read the files; files that it
# cannot read (those below /root, when the server runs as postgres) get a
# link or a copy in the temporary directory, and we say so.

# An SQL string literal
files_quote()
{
	printf "'%s'" "${1//\'/\'\'}"
}

# The words of $1: the whole of it if that leads to something, otherwise what
# a shell would make of it.
files_words()
{
	if [[ -e $1 ]] || compgen -G "$1" >/dev/null; then
		printf '%s\n' "$1"
	else
		printf '%s\n' "$1" | xargs -n 1 printf '%s\n'
	fi
}

# The files that word $1 stands for
files_expand()
{
	if [[ -d $1 ]]; then
		compgen -G "${1%/}/*.h5ad" | sort
	elif [[ -e $1 ]]; then
		printf '%s\n' "$1"
	else
		compgen -G "$1" | sort
	fi
}

# A path of file $1 that the server can read: its own, or below MC_TMP
files_reachable()
{
	local path=$1 place

	if as_server test -r "$path"; then
		printf '%s\n' "$path"
		return
	fi
	# a directory for each source directory, so that equal names do not meet
	place=$MC_TMP/files/$(printf '%s' "${path%/*}" | cksum | cut -d' ' -f1)
	mkdir -p -m 755 "$place" || return
	place=$place/${path##*/}
	if ! { ln -L "$path" "$place" 2>/dev/null && as_server test -r "$place"; }; then
		rm -f "$place"
		cp -L "$path" "$place" && chmod 644 "$place" || return
	fi
	printf '%s\n' "$place"
}

# Set files_sql to an SQL array for create_collection, from FILES or, where
# that is empty, the demo's own files.
files_resolve()
{
	local given=${FILES:-} word file reachable list=() words=() files n_copied=0

	if [[ -z $given ]]; then
		given=$MC_ROOT/test/data/demo
		words=("$given")
	else
		mapfile -t words < <(files_words "$given")
	fi
	for word in "${words[@]}"; do
		mapfile -t files < <(files_expand "$word")
		[[ ${#files[@]} -gt 0 ]] || cluster_fail "FILES: nothing matches $word"
		local here=() own=yes
		for file in "${files[@]}"; do
			[[ $file == /* ]] || file=$PWD/$file
			[[ -f $file ]] || { [[ -d $file ]] && continue; cluster_fail "FILES: not a file: $file"; }
			reachable=$(files_reachable "$file") || cluster_fail "FILES: cannot read or copy $file"
			[[ $reachable == "$file" ]] || { own=; n_copied=$((n_copied + 1)); }
			here+=("$reachable")
		done
		[[ $word == /* ]] || word=$PWD/$word
		if [[ $own ]]; then
			list+=("$word")
		else
			list+=("${here[@]}")
		fi
	done
	if [[ $n_copied -gt 0 && -n ${FILES:-} ]]; then
		cluster_say "the server (user postgres) cannot read $n_copied of the files: it gets links or copies of them"
	fi
	files_sql=
	for word in "${list[@]}"; do
		files_sql+=${files_sql:+, }$(files_quote "$word")
	done
	files_sql="ARRAY[$files_sql]"
	[[ -z ${LAYER:-} ]] || files_sql+=", layer => $(files_quote "$LAYER")"
	[[ -z ${VAR_JOIN:-} ]] || files_sql+=", var_join => $(files_quote "$VAR_JOIN")"
}
