#!/usr/bin/env bash
#
# all.sh
#		"make bench": every benchmark, one after the other.
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bash "$here/sample_batch.sh"
bash "$here/layouts.sh"
bash "$here/draws.sh"
