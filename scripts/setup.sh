#!/bin/sh
# Installs the Debian packages that are missing, or names them when not root. Does nothing when all are there.
# Usage: scripts/setup.sh [run|test]     run: what ./run_traffic_analysis.sh needs (default); test: that and the tests'
set -eu
cd "$(dirname "$0")"
case "${1:-run}" in
  run) wanted='^run ' ;;
  test) wanted='^(run|test) ' ;;
  *) echo "setup.sh: '$1': expected run or test" >&2; exit 2 ;;
esac
# An "installed" line with another state (removed, half-configured) does not count.
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^ii  *//p')
missing=$(grep -E "$wanted" packages.txt | awk '{print $2}' | while read -r package; do
  echo "$installed" | grep -qxF "$package" || echo "$package"
done | tr '\n' ' ')
# npm comes with some builds of nodejs, and conflicts with them as a package.
[ "${1:-run}" = run ] || command -v npm >/dev/null || missing="$missing npm"
# What drives Chromium in tests/browser; npm checks it against the hash in package-lock.json.
browser_library() {
  [ "$1" = run ] || [ -d ../tests/browser/node_modules/playwright-core ] || (cd ../tests/browser && npm ci --silent >&2)
}
[ -n "$missing" ] || { browser_library "${1:-run}"; exit 0; }
if [ "$(id -u)" -ne 0 ]; then
  echo "setup.sh: missing packages; as root run: apt-get install --no-install-recommends $missing" >&2
  exit 4
fi
echo "setup.sh: installing $missing" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2
# shellcheck disable=SC2086  # a list of words
apt-get install -y -q --no-install-recommends $missing >&2
browser_library "${1:-run}"
