#!/bin/sh
# Configures when needed and builds incrementally; quiet unless it fails. Usage: scripts/build.sh PRESET [TARGET...]
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { "$@" >"$log" 2>&1 || { cat "$log" >&2; echo "build.sh: failed: $*" >&2; exit 4; }; }
[ -f "build/$preset/build.ninja" ] || run cmake --preset "$preset"
run cmake --build --preset "$preset" ${1:+--target "$@"}
