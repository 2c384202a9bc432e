#!/usr/bin/python3
"""Time of a scrape: `trafficlab export` with 1,000 series and four dead ping targets, beside node_exporter.

In a network namespace of its own with 100 veth devices, each of which is ten series of the exporter. The targets are
never answered. Everything here runs with real-time priority (SCHED_FIFO), so that other work on the machine disturbs
little. Both exporters are scraped in turn over kept connections. Without node_exporter (Debian:
prometheus-node-exporter, here with the collector of network devices alone) it is left out. Exit code 1 when the 99th
percentile of trafficlab is 5 ms or more.

usage (root): bench/exporter/run.py BUILD_FOLDER [SCRAPES]
"""

import ctypes
import http.client
import os
import shutil
import statistics
import subprocess
import sys
import time

DEVICES = 100
LIMIT_MS = 5.0
CLONE_NEWNET = 0x40000000


def enter_own_namespace():
    """This process and its children from now on; it goes with the last of them."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    batch = ["link set lo up"]
    for i in range(0, DEVICES, 2):
        batch += [f"link add d{i} type veth peer name d{i + 1}", f"link set d{i} up", f"link set d{i + 1} up"]
    batch.append("address add 198.18.60.1/24 dev d0")
    subprocess.run(["ip", "-batch", "-"], input="\n".join(batch), text=True, check=True)


def wait_ready(port):
    for _ in range(400):
        try:
            return scrape(http.client.HTTPConnection("127.0.0.1", port))
        except OSError:
            time.sleep(0.02)
    sys.exit("an exporter does not answer")


def scrape(connection):
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"status {answer.status}")
    return body


def series(page):
    return sum(1 for line in page.decode().splitlines() if line and not line.startswith("#"))


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    scrapes = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    program = os.path.realpath(os.path.join(sys.argv[1], "trafficlab"))
    enter_own_namespace()
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    commands = {"trafficlab": ([program, "export", "--listen", "127.0.0.1:9469"]
                               + [word for i in range(4) for word in ("--dest", f"198.18.60.{i + 2}")], 9469)}
    if shutil.which("prometheus-node-exporter"):
        commands["node_exporter"] = (["prometheus-node-exporter", "--collector.disable-defaults",
                                      "--collector.netdev", "--web.listen-address=127.0.0.1:9100"], 9100)
    running = [subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for argv, _ in commands.values()]
    try:
        pages = {name: wait_ready(port) for name, (_, port) in commands.items()}
        time.sleep(1.5)  # the first round of pings is under way, and lost
        connections = {name: http.client.HTTPConnection("127.0.0.1", port) for name, (_, port) in commands.items()}
        times = {name: [] for name in commands}
        for _ in range(scrapes):
            time.sleep(0.005)  # or the kernel throttles real-time processes
            for name, connection in connections.items():
                start = time.perf_counter()
                pages[name] = scrape(connection)
                times[name].append((time.perf_counter() - start) * 1000)
    finally:
        for process in running:
            process.terminate()
        used = {name: os.wait4(process.pid, 0)[2] for name, process in zip(commands, running)}
    for name, values in times.items():
        print(f"{name:14} {series(pages[name]):5} series  median {statistics.median(values):6.2f} ms  "
              f"p99 {percentile(values, 0.99):6.2f} ms  max {max(values):6.2f} ms  "
              f"CPU {(used[name].ru_utime + used[name].ru_stime) * 1000 / scrapes:6.2f} ms a scrape")
    sys.exit(percentile(times["trafficlab"], 0.99) >= LIMIT_MS)


if __name__ == "__main__":
    main()
