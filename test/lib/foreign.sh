#!/usr/bin/env bash
#
# foreign.sh
#		"make test-foreign": install the clients of other makers that a test
#		reads collections with, R among them, and run that layer of "make test".
set -eu
lib=$(dirname "${BASH_SOURCE[0]}")
. "$lib/deps.sh"

deps_need demo test foreign
TESTS=foreign exec bash "$lib/test.sh"
