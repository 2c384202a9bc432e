#!/usr/bin/python3
"""Points per second into VictoriaMetrics: trafficlab's writer beside Debian's python3-influxdb.

The same points (five fields, two tags), batches of 5000, one server, one after the other, three
times; medians. The server says how many values it has stored, which must be five a point.

Clients and server run with real-time priority (SCHED_FIFO), so that other work on the machine disturbs little. CPU time
is the client's.

usage (root): bench/influx/run.py BUILD_FOLDER [POINTS]
"""

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import influxdb

ROUNDS = 3


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stored(url):
    """Values that the server has taken over the InfluxDB protocol so far."""
    page = urllib.request.urlopen(url + "/metrics").read().decode()
    return sum(int(line.split()[-1]) for line in page.splitlines()
               if line.startswith('vm_rows_inserted_total{type="influx"'))


def wait_ready(url):
    for _ in range(200):
        try:
            urllib.request.urlopen(url + "/health")
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("victoria-metrics does not answer")


def write_with_python(port, count):
    client = influxdb.InfluxDBClient("127.0.0.1", port, database="bench", gzip=True)
    begin_ns = time.time_ns() - count * 1_000_000
    start = time.monotonic()
    batch = []
    for i in range(count):
        x = float(i % 1000)
        batch.append({"measurement": "bench",
                      "tags": {"target": f"lab{i % 10}", "writer": "python"},
                      "fields": {"avg_ms": x * 0.37, "min_ms": x * 0.11, "max_ms": x * 1.7,
                                 "sent": i, "ok": 1.0},
                      "time": begin_ns + i * 1_000_000})
        if len(batch) == 5000:
            client.write_points(batch, time_precision="n")
            batch = []
    if batch:
        client.write_points(batch, time_precision="n")
    return time.monotonic() - start


def write_with_ours(build, url, count):
    out = subprocess.run([f"{build}/bench/bench_influx", url, str(count)], check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out)["seconds"]


def cpu_seconds(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def measure(url, count, who, write):
    """Medians of points a second and of the client's CPU time a point in us; every value must have arrived."""
    rates, costs = [], []
    for _ in range(ROUNDS):
        before, cpu_before = stored(url), cpu_seconds(who)
        rates.append(count / write())
        costs.append((cpu_seconds(who) - cpu_before) * 1e6 / count)
        deadline = time.monotonic() + 10  # its page of metrics may be a second old
        while (arrived := stored(url) - before) != 5 * count and time.monotonic() < deadline:
            time.sleep(0.1)
        if arrived != 5 * count:
            sys.exit(f"{arrived} values stored instead of {5 * count}")
    return statistics.median(rates), statistics.median(costs)


def main():
    build = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300_000
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            ["victoria-metrics", f"-httpListenAddr=127.0.0.1:{port}",
             f"-storageDataPath={folder}/data"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_ready(url)
            ours = measure(url, count, resource.RUSAGE_CHILDREN, lambda: write_with_ours(build, url, count))
            theirs = measure(url, count // 10, resource.RUSAGE_SELF, lambda: write_with_python(port, count // 10))
        finally:
            server.terminate()
            server.wait()
    for name, (rate, cost) in (("trafficlab", ours), ("python3-influxdb", theirs)):
        print(f"{name:16}  {rate:10.0f} points/s  CPU {cost:6.2f} us a point")
    print(f"ratio             {ours[0] / theirs[0]:10.1f}           {theirs[1] / ours[1]:10.1f}")


if __name__ == "__main__":
    main()
