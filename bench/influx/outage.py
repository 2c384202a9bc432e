#!/usr/bin/python3
"""`trafficlab qos` with a spool through a long outage of InfluxDB, with a SIGKILL in its middle.

Pings loopback every 100 ms. The database goes away for SECONDS (60), qos is killed in the middle and started again,
the database comes back. Then every row that qos has printed must be in the database once, with its own time.

usage (root): bench/influx/outage.py BUILD_FOLDER [SECONDS]
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

INFLUX_CONFIG = """reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Influx:
    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = f"{folder}/influxdb.conf"
        with open(self.config, "w") as config:
            config.write(INFLUX_CONFIG.format(folder=folder, rpc=free_port(), port=self.port))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["influxd", "run", "-config", self.config], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + "/ping")
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("influxd does not answer")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def query(self, statement):
        body = urllib.parse.urlencode({"db": "lab", "epoch": "ns", "q": statement}).encode()
        answer = json.load(urllib.request.urlopen(self.url + "/query", body))
        return answer["results"][0].get("series", [{"values": []}])[0]["values"]


class Qos:
    def __init__(self, program, config, out):
        self.process = subprocess.Popen([program, "qos", "--config", config, "--every", "100ms", "--json"],
                                        stdout=out, stderr=subprocess.PIPE, text=True)

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate()[1].splitlines()[-1]


def main():
    program = os.path.realpath(os.path.join(sys.argv[1], "trafficlab"))
    outage = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/rows", "wb") as out:
        database = Influx(folder)
        config = f"{folder}/qos.yaml"
        with open(config, "w") as text:
            text.write("targets: [{name: lab, ping: 127.0.0.1}]\nping: {count: 1, interval: 1ms, timeout: 50ms}\n"
                       f"influx: {{url: '{database.url}', version: 1, database: lab, spool: {folder}/spool}}\n")
        qos = None
        try:
            database.start()
            database.query("CREATE DATABASE lab")
            qos = Qos(program, config, out)
            time.sleep(5)
            database.stop()
            time.sleep(outage / 2)
            qos.kill()
            qos = Qos(program, config, out)
            time.sleep(outage / 2)
            database.start()
            back = time.monotonic()
            printed = [json.loads(line)["time_ns"] for line in open(f"{folder}/rows") if line.endswith("\n")]
            while True:
                stored = [row[0] for row in database.query("SELECT ping_sent FROM qos_metrics")]
                if set(printed) <= set(stored) or time.monotonic() - back > 120:
                    break
                time.sleep(0.2)
            caught_up = time.monotonic() - back
            account = qos.end()
            qos = None
            printed = [json.loads(line)["time_ns"] for line in open(f"{folder}/rows") if line.endswith("\n")]
            stored = [row[0] for row in database.query("SELECT ping_sent FROM qos_metrics")]
        finally:
            if qos:
                qos.kill()
            database.stop()
    missing = set(printed) - set(stored)
    print(f"{outage:.0f} s without database: {len(printed)} rows printed, {len(stored)} stored, {len(missing)} missing, "
          f"{len(stored) - len(set(stored))} twice; caught up {caught_up:.1f} s after the database was back\n{account}")
    sys.exit(bool(missing) or len(stored) != len(set(stored)))


if __name__ == "__main__":
    main()
