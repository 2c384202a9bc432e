#!/bin/sh
# Runs every fuzz target for SECONDS, one after the other, from seeds the project makes and cases found before.
# Usage: scripts/fuzz.sh SECONDS [FOLDER]     FOLDER keeps what the fuzzers learn (default: build/fuzz/corpus)
# Exit code: 0 no finding, 1 a finding (kept in FOLDER/TARGET.crash-*), 2 usage. Prints executions per target.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS [FOLDER]}
folder=${2:-build/fuzz/corpus}
case $seconds in *[!0-9]* | '') echo "fuzz.sh: '$seconds': expected whole seconds" >&2; exit 2 ;; esac
scripts/build.sh fuzz fuzzers
build/fuzz/fuzz/make_fuzz_seeds "$folder/seeds"
status=0
for program in build/fuzz/fuzz/fuzz_*; do
  [ -x "$program" ] && [ -f "$program" ] || continue
  name=${program##*/fuzz_}
  mkdir -p "$folder/$name" "tests/golden/fuzz/$name" "$folder/seeds/$name"
  log=$folder/$name.log
  # -rss_limit_mb is the bound of requirement R-6, with room for the sanitizers.
  if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 \
      -artifact_prefix="$folder/$name." "$folder/$name" "$folder/seeds/$name" "tests/golden/fuzz/$name" >"$log" 2>&1
  then
    echo "fuzz.sh: $name: no finding, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions in $seconds s"
  else
    tail -n 40 "$log" >&2
    echo "fuzz.sh: $name: a finding, see $log" >&2
    status=1
  fi
done
exit $status
