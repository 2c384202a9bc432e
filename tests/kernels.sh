#!/bin/sh
# The counters on Debian's other kernels: each boots in qemu with the program and its tests in memory, and runs every
# program variant and the product itself over a veth pair. Nothing is installed and nothing stays behind.
# Usage: tests/kernels.sh [BUILD_FOLDER]. Prints one line per kernel and case, and adds it to $TL_RESULTS (tests/run.sh).
set -u
cd "$(dirname "$0")/.."
build=$(realpath "${1:-build/release}")
# Debian's names for "the newest 6.1" and "the newest 6.12". The cloud builds boot fastest.
packages="linux-image-cloud-amd64 linux-image-6.12-cloud-amd64"
# One a line, as doctest names them.
cases='T93 the trace event programs count exactly on this kernel
T93 their raw_tp twins count exactly on this kernel
T93 those that read memory by calls count exactly on this kernel
T93 what is chosen for a veth device counts exactly on this kernel
T93 the taps count exactly on this kernel
T93 taps with a program each count exactly on this kernel
T20 T21 UDP of every size: both sides and both directions equal arithmetic'
boot_limit_s=150
work=$(mktemp -d /tmp/tl-kernels-XXXXXX)
# Stopped in the middle: the emulators go, too.
trap 'for file in "$work"/*/pid; do [ ! -e "$file" ] || kill "$(cat "$file")" 2>/dev/null; done; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# report STATUS SECONDS KERNEL CASE REASON
report() {
  printf '[%-7s] kernel %s: %s%s\n' "$1" "$3" "$4" "${5:+: $5}"
  [ -z "${TL_RESULTS:-}" ] || printf '%s\t%s\tkernel %s: %s\t%s\n' "$1" "$2" "$3" "$4" "$5" >>"$TL_RESULTS"
}
skip_all() {
  for package in $packages; do report skipped 0 "$package" "the counters on this kernel" "$1"; done
  exit 0
}

# take PROGRAM [NAME]: copies it, and the libraries it needs, into the file system in memory.
take() {
  target=$work/root${2:-$1}
  mkdir -p "${target%/*}" && cp -L "$1" "$target" || return 1
  ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$work/root$library" ] || { mkdir -p "$work/root${library%/*}" && cp -L "$library" "$work/root$library"; }
  done
}

make_root() {
  mkdir -p "$work/root/bin" "$work/root/proc" "$work/root/sys" "$work/root/dev" "$work/root/tmp" "$work/root/run"
  cp "$(command -v busybox)" "$work/root/bin/busybox" && take "$(command -v ip)" /bin/ip &&
    take "$build/trafficlab" && take "$build/tests/system_tests" /system_tests || return 1
  strip "$work/root$build/trafficlab" "$work/root/system_tests"
  # doctest separates filters by commas and takes colons as they are.
  filter=$(echo "$cases" | tr '\n' ',')
  cat >"$work/root/init" <<INIT
#!/bin/busybox sh
export PATH=/bin HOME=/ TL_RESULTS=/results
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs devtmpfs /dev
busybox mount -t tmpfs tmpfs /tmp
busybox insmod /veth.ko
ip link set lo up
echo "release: \$(busybox uname -r)"
/system_tests --test-case='${filter%,}'
while read -r line; do echo "result: \$line"; done <\$TL_RESULTS
echo "finished"
busybox poweroff -f
INIT
  chmod +x "$work/root/init"
}

# fetch PACKAGE: the kernel that this meta package names, unpacked into $work/PACKAGE.
fetch() {
  image=$(apt-cache depends "$1" | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
  [ -n "$image" ] && mkdir "$work/$1" && cd "$work/$1" && apt-get -q download "$image" && dpkg-deb -x ./*.deb . &&
    rm -f ./*.deb && find . -name 'veth.ko*' -exec cp '{}' . ';' && { [ -e veth.ko ] || unxz veth.ko.xz; }
}

# boot PACKAGE: into $work/PACKAGE/console. The kernel concatenates archives; only the module differs.
boot() {
  cd "$work/$1" && echo veth.ko | cpio --quiet -o -H newc | cat "$work/root.cpio" - >initramfs || return 1
  timeout -k 5 "$boot_limit_s" qemu-system-x86_64 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m 768 -nographic \
    -no-reboot -nic none -kernel boot/vmlinuz-* -initrd initramfs -append "console=ttyS0 quiet panic=-1" \
    </dev/null >console 2>&1 &
  echo $! >pid # of timeout, which passes a signal on
  wait $!
  rm -f pid
}

# judge PACKAGE: one line a case, out of what the kernel printed.
judge() {
  console=$work/$1/console
  mkdir -p "$work/$1"
  tr -d '\r' <"$console" >"$console.text" 2>/dev/null
  kernel=$(sed -n 's/^.*release: //p' "$console.text")
  echo "$cases" | while IFS= read -r name; do
    line=$(grep -F "$name" "$console.text" | sed -n 's/^result: //p')
    if [ -n "$line" ]; then
      report "$(echo "$line" | cut -f 1)" "$(echo "$line" | cut -f 2)" "$kernel" "$name" "$(echo "$line" | cut -f 4)"
    else
      report failed 0 "${kernel:-$1}" "$name" "no result within $boot_limit_s s"
    fi
  done >"$work/$1/lines"
  cat "$work/$1/lines"
  grep -q '^\[failed' "$work/$1/lines" || return 0
  tail -n 60 "$console.text"
  return 1
}

[ "$(uname -m)" = x86_64 ] || skip_all "the build is not for x86-64"
command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64 (Debian package qemu-system-x86)"
make_root || { echo "cannot make the file system in memory: is $build built?"; exit 1; }
(cd "$work/root" && find . | cpio --quiet -o -H newc) >"$work/root.cpio" || exit 1
status=0
boots=
for package in $packages; do
  if (fetch "$package") >"$work/fetch" 2>&1; then
    (boot "$package") &
    boots="$boots $!"
  else
    cat "$work/fetch"
  fi
done
for process in $boots; do wait "$process"; done
for package in $packages; do judge "$package" || status=1; done
exit "$status"
