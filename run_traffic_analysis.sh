#!/bin/sh
# The main job in one command: installs what is missing, builds, runs the timed traffic test.
# Options go to `trafficlab run`; the bundle's path is the last line on stdout.
set -eu
root=$(cd "$(dirname "$0")" && pwd)
"$root/scripts/setup.sh" run
"$root/scripts/build.sh" release trafficlab
exec "$root/build/release/trafficlab" run --compose "$root/compose.yaml" --results "$root/results" "$@"
