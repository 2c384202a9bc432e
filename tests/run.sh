#!/bin/sh
# The whole test suite: set-up, builds, checks, unit tests (release, ASan+UBSan, TSan), system tests, a short fuzz run.
# Usage: tests/run.sh [unit|system|browser|checks]…   nothing: everything. Needs root for the system tests.
# Ends with one line: N passed, N failed, N skipped.
set -u
cd "$(dirname "$0")/.."
parts=${*:-checks unit system browser}
work=$(mktemp -d /tmp/tl-run-XXXXXX)
trap 'cat "$work"/*.pid 2>/dev/null | xargs -r kill 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT # a shell that a signal ends leaves its EXIT trap out
trap 'exit 143' TERM HUP
export TL_RESULTS="$work/results.tsv"
: >"$TL_RESULTS"

# record STATUS SECONDS NAME REASON
record() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$TL_RESULTS"; }

# check NAME COMMAND…: one test made of a command; its output is shown when it fails.
check() {
  name=$1
  shift
  begin=$(date +%s)
  log=$(mktemp "$work/log-XXXXXX")
  if "$@" >"$log" 2>&1; then
    record passed "$(($(date +%s) - begin))" "$name" ""
    echo "[passed ] $name ($(($(date +%s) - begin)) s)"
  else
    cat "$log"
    record failed "$(($(date +%s) - begin))" "$name" "see above"
    echo "[failed ] $name"
  fi
}

# suite NAME PROGRAM [ARG…]: a doctest program, which records its cases itself; a crash is a failure of its own.
suite() {
  name=$1
  shift
  echo "== $name"
  before=$(wc -l <"$TL_RESULTS")
  log=$(mktemp "$work/log-XXXXXX")
  "$@" >"$log" 2>&1
  status=$?
  grep -E '^\[(failed|skipped)' "$log"
  failed=$(tail -n "+$((before + 1))" "$TL_RESULTS" | grep -c '^failed')
  if [ "$status" -ne 0 ]; then
    grep -vE '^\[ run  \]|^\[passed ' "$log" | tail -n 150
    [ "$failed" -gt 0 ] || record failed 0 "$name ends regularly" "exit code $status"
  fi
  echo "== $name: $(($(wc -l <"$TL_RESULTS") - before)) cases"
}

wants() { case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
sources() { git ls-files '*.cc' '*.hh' | grep -E '^(src|tests|bench|fuzz)/'; }

check_format() { sources | xargs clang-format --dry-run --Werror; }
tidy() {
  rm -rf build/tidy
  cmake --preset debug -B build/tidy -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=16 || return 1
  cmake --build build/tidy --target tl_version skeletons && python3 tests/tidy.py build/tidy
}
check_shell() { for file in $(git ls-files '*.sh') .ci/run; do sh -n "$file" || return 1; done; }
check_scripts() { for file in $(git ls-files '*.js' | grep -v '^third_party/'); do node --check "$file" || return 1; done; }

# The part that runs beside the others, as a process of its own.
if [ "$parts" = tidy ]; then tidy; exit; fi

echo "== set-up and build"
scripts/setup.sh test || { record failed 0 "set-up" "scripts/setup.sh test"; }
check "the release build has no warning" scripts/build.sh release

if wants checks; then
  check "every file is formatted" check_format
  check "every include follows the module table" python3 tests/layering.py
  check "every link of the documentation leads to a file" python3 tests/links.py
  check "every shell script parses" check_shell
  check "every page script parses" check_scripts
fi

# in_background NAME COMMAND…: results and output apart, until gather NAME adds them.
in_background() {
  job=$1
  shift
  : >"$work/$job.tsv"
  (
    TL_RESULTS=$work/$job.tsv
    "$@"
  ) >"$work/$job" 2>&1 &
  echo "$!" >"$work/$job.pid"
}
gather() {
  [ -f "$work/$1.pid" ] || return 0
  wait "$(cat "$work/$1.pid")"
  rm "$work/$1.pid"
  cat "$work/$1"
  cat "$work/$1.tsv" >>"$TL_RESULTS"
}

# Sanitizers, fuzzers and clang-tidy take minutes of CPU, system tests mostly wait: both at once.
sanitizers() {
  check "the ASan and UBSan build has no warning" nice -n 19 scripts/build.sh asan unit_tests
  suite "unit tests under ASan and UBSan" nice -n 19 build/asan/tests/unit_tests
}
compilers() {
  if wants unit; then
    check "the TSan build has no warning" nice -n 19 scripts/build.sh tsan thread_tests
    suite "tests with threads under TSan" nice -n 19 build/tsan/tests/thread_tests
    check "the fuzzers' build has no warning" nice -n 19 scripts/build.sh fuzz fuzzers
    check "a short fuzz run finds nothing" nice -n 19 scripts/fuzz.sh 5
  fi
  if wants checks; then check "clang-tidy finds nothing" nice -n 19 tests/run.sh tidy; fi
}

# Three groups of system tests. Side by side with each other and the unit tests: counters, then pacing; the docker image,
# whose engine has a network of its own; all others.
# Then, with little more than compilers beside them, those that compare what is on the machine before and after. Last, with
# nothing beside them, those that set the machine's clock or need its speed.
whole_machine='*docker*,*failures*,*leftovers*,*main_job*,*matrix*,*netns_engine*,*counters_test*,*counters_containers*'
whole_machine="$whole_machine,*counters_attribution*,*counters_failures*,*selftest*"
alone='*counters_clock*,*capture_rate*,*ping_test*'
counters='*system/counter*'
pacing='*pace_test*'
image='docker: a run leaves a bundle*'
system_tests() {
  name=$1
  shift
  suite "system tests: $name" build/release/tests/system_tests "$@"
}
counters_and_pacing() {
  system_tests "counters" --source-file="$counters" --source-file-exclude="$alone,$whole_machine"
  suite "counters on other kernels" tests/kernels.sh build/release
  system_tests "pacing" --source-file="$pacing"
}
runs_system=false
if wants system; then
  if [ "$(id -u)" -eq 0 ]; then runs_system=true; else record skipped 0 "system tests" "not root"; fi
fi

if wants unit; then
  in_background units suite "unit tests" build/release/tests/unit_tests
  in_background sanitizers sanitizers
fi
if $runs_system; then
  in_background counters counters_and_pacing
  in_background image suite "system tests: the docker image and a run with it" \
    nice -n 10 build/release/tests/system_tests --test-case="$image"
  in_background runs system_tests "runs, captures, telemetry" \
    --source-file-exclude="$alone,$whole_machine,$counters,$pacing"
  gather counters
  gather runs
  gather image
fi
gather units
gather sanitizers
in_background compilers compilers
if $runs_system; then system_tests "of the whole machine" --source-file="$whole_machine" --test-case-exclude="$image"; fi
gather compilers
if $runs_system; then system_tests "alone on the machine" --source-file="$alone"; fi

if wants browser; then
  suite "browser tests of the report" node tests/browser/report_test.js
  suite "browser tests of the web server" node tests/browser/serve_test.js
fi

echo "== slowest"
sort -t "$(printf '\t')" -k2,2nr "$TL_RESULTS" | head -n 8 | awk -F '\t' '{printf "%8.1f s  %s\n", $2, $3}'
count() { grep -c "^$1" "$TL_RESULTS"; }
grep '^skipped' "$TL_RESULTS" | awk -F '\t' '{print "skipped: " $3 ": " $4}'
grep '^failed' "$TL_RESULTS" | awk -F '\t' '{print "failed: " $3 ": " $4}'
echo "$(count passed) passed, $(count failed) failed, $(count skipped) skipped"
[ "$(count failed)" -eq 0 ]
