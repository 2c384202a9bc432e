#!/usr/bin/python3
"""Round-trip times between two network namespaces: trafficlab's ping beside fping and irtt.

All in turn, ROUNDS times COUNT echo requests of 56 bytes, one every 10 ms, over one veth pair. fping's time begins
when it calls send and ends with the kernel's stamp of the reply. trafficlab has that time, too ("from send"), and the
one it reports: between the kernel's two stamps ("kernel"), which leaves out the way into the kernel. The medians from
send must be at most 5 us apart (exit code 1). irtt is shown beside them: UDP to a server process, so its time holds
the waking of that process, too, and must be the longest.

usage (root): bench/ping/run.py BUILD_FOLDER [COUNT]
"""

import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 7
NEAR, FAR = "198.18.50.1", "198.18.50.2"
LIMIT_US = 5.0


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make_lab(near, far):
    ip("netns", "add", near)
    ip("netns", "add", far)
    ip("-n", near, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", far)
    for netns, address in ((near, NEAR), (far, FAR)):
        ip("-n", netns, "address", "add", f"{address}/24", "dev", "veth0")
        ip("-n", netns, "link", "set", "veth0", "up")


def ours(netns, program, count):
    """Medians of one round in us: from send, kernel."""
    out = subprocess.run(["nsenter", f"--net=/run/netns/{netns}", program, FAR, str(count)], check=True,
                         capture_output=True, text=True).stdout
    medians = json.loads(out)
    return medians["from_send_us"], medians["kernel_us"]


def fping(netns, count):
    """The same from fping, which prints ms with two or three decimals."""
    done = subprocess.run(["nsenter", f"--net=/run/netns/{netns}", "fping", "-C", str(count), "-p", "10", "-q", "-b",
                           "56", FAR], check=True, capture_output=True, text=True)
    times = re.search(r": (.*)", done.stderr)[1].split()
    return statistics.median(float(t) * 1000 for t in times)


def irtt(netns, count):
    """The median from irtt's JSON, which has ns."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder:
        subprocess.run(["nsenter", f"--net=/run/netns/{netns}", "irtt", "client", "-i", "10ms", "-d",
                        f"{count * 10}ms", "-l", "64", "-Q", "-o", f"{folder}/irtt.json.gz", FAR], check=True,
                       stdout=subprocess.DEVNULL)
        with gzip.open(f"{folder}/irtt.json.gz") as file:
            return json.load(file)["stats"]["rtt"]["median"] / 1000


def show(name, medians):
    print(f"  {name:22}" + "".join(f"{m:7.1f}" for m in medians) + f"   median {statistics.median(medians):6.1f}")


def main():
    program = os.path.realpath(os.path.join(sys.argv[1], "bench", "bench_ping"))
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    near, far = f"tlb-near-{os.getpid()}", f"tlb-far-{os.getpid()}"
    mine, theirs, by_udp = [], [], []
    server = None
    try:
        make_lab(near, far)
        server = subprocess.Popen(["nsenter", f"--net=/run/netns/{far}", "irtt", "server", "-b", FAR],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        fping(near, 5)  # neighbours are known from here on
        for _ in range(ROUNDS):
            theirs.append(fping(near, count))
            mine.append(ours(near, program, count))
            by_udp.append(irtt(near, count))
    finally:
        if server:
            server.terminate()
            server.wait()
        for netns in (near, far):
            subprocess.run(["ip", "netns", "del", netns], check=False)
    from_send, kernel = zip(*mine)
    print(f"medians of {ROUNDS} rounds of {count} pings, us")
    show("fping", theirs)
    show("trafficlab, from send", from_send)
    show("trafficlab, kernel", kernel)
    show("irtt (UDP)", by_udp)
    difference = statistics.median(from_send) - statistics.median(theirs)
    print(f"from send - fping: {difference:+.1f} us (limit {LIMIT_US:.0f})")
    sys.exit(abs(difference) > LIMIT_US or statistics.median(by_udp) < statistics.median(from_send))


if __name__ == "__main__":
    main()
