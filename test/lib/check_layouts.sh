#!/usr/bin/env bash
#
# check_layouts.sh
#		Each row of the table "What is read" of README.md has a test.
#
# test/data/layouts.txt names it: the row, a file, and what stands in it.
cd "$(dirname "$0")/../.." || exit 1
list=test/data/layouts.txt
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

rows=$(sed -n '/^## What is read/,/^## /s/^| \(.*[^ ]\)  *|.*|.*|$/\1/p' README.md | grep -vx 'layout')
ok "$([[ $(wc -l <<<"$rows") -ge 25 ]] && echo 1)" "README has the table"

while IFS= read -r row; do
	ok "$(cut -f 1 "$list" | grep -qxF -- "$row" && echo 1)" "has a test: $row"
done <<<"$rows"

while IFS=$'\t' read -r row file words; do
	ok "$(grep -qxF -- "$row" <<<"$rows" && echo 1)" "is a row of README: $row"
	ok "$([[ -f $file ]] && grep -qF -- "$words" "$file" && echo 1)" "$file has $words"
done < <(grep -v '^#' "$list")

echo "1..$n"
exit "$failed"
