#!/usr/bin/env python3
"""Live capture beside tcpdump and dumpcap: packets kept and CPU time per packet, at rising UDP rates. Needs root.

Usage: bench/capture/run.py [--build build/release] [--rounds 5] [--seconds 3] [--rates 100000,...,0] [--json FILE]

Two namespaces made here are joined by a veth pair; a sender in one floods the other (rate 0: as fast as it goes), and one
program at a time captures at the sender's device, where every datagram sent passes exactly once: kept + lost = sent.
All have the same ring, snapshot length and filter, write to tmpfs, and take turns in changing order. Kept is what capinfos
counts in the file. Loss and CPU time are medians over the rounds; the identity (received = written + dropped + discarded,
and received = sent) is judged in every round.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PORT, PAYLOAD_BYTES = 9000, 100
FILTER = f"udp dst port {PORT}"
DRAIN_SECONDS = 1.0  # before the signal: peers do not empty the ring after it


class Link:
    """Two namespaces and a veth pair without ARP, IPv6 or anybody who would answer."""

    def __enter__(self):
        self.names = [f"tl-bench-{os.getpid()}-{side}" for side in "ab"]
        for name in self.names:
            ip("netns", "add", name)
        a, b = self.names
        ip("link", "add", "eth0", "netns", a, "address", "02:00:00:00:00:01", "type", "veth",
           "peer", "name", "eth0", "netns", b, "address", "02:00:00:00:00:02")
        for name, address in zip(self.names, ("198.18.0.1/30", "198.18.0.2/30")):
            self.run(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
            ip("-n", name, "address", "add", address, "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
        # A neighbour that is not there: what arrives is for another host, and nothing goes back.
        ip("-n", a, "neighbour", "add", "198.18.0.2", "lladdr", "02:00:00:00:00:03", "dev", "eth0", "nud", "permanent")
        self.path = f"/run/netns/{a}"
        return self

    def run(self, name, *argv):
        subprocess.run(["ip", "netns", "exec", name, *argv], check=True)

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def ip(*argv):
    subprocess.run(["ip", *argv], check=True)


def programs(args, link, file):
    """Name: argv, and what it says on stderr once it captures."""
    inside = ["nsenter", f"--net={link.path}"]
    ring, snaplen = args.ring_mib, str(args.snaplen)
    return {
        "trafficlab": ([f"{args.build}/trafficlab", "capture", "--netns", link.path, "-i", "eth0", "--ring", f"{ring}M",
                        "--snaplen", snaplen, "-f", FILTER, "--keep-privileges", "--json", "-w", file], "armed"),
        "tcpdump": ([*inside, "tcpdump", "-i", "eth0", "-B", str(ring * 1024), "-s", snaplen, "-Z", "root",
                     "-w", file, FILTER], "listening"),
        "dumpcap": ([*inside, "dumpcap", "-q", "-i", "eth0", "-B", str(ring), "-s", snaplen, "-P", "-f", FILTER,
                     "-w", file], "File:"),
    }


def wait_for_words(path, words, child):
    deadline = time.monotonic() + 10
    while words not in path.read_text(errors="replace"):
        if child.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"start {child.args[0]}: {path.read_text(errors='replace')}")
        time.sleep(0.01)


def one_capture(args, link, name, rate):
    with tempfile.TemporaryDirectory(prefix="tl-bench-", dir="/dev/shm") as folder:
        file, said, account = (pathlib.Path(folder) / word for word in ("x.pcap", "stderr", "stdout"))
        argv, ready = programs(args, link, str(file))[name]
        with said.open("wb") as errors, account.open("wb") as output:
            child = subprocess.Popen(argv, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
        wait_for_words(said, ready, child)
        flood = ["nsenter", f"--net={link.path}", f"{args.build}/bench/udp_flood", "198.18.0.2", str(PORT), str(rate),
                 str(args.seconds), str(PAYLOAD_BYTES)]
        sent, seconds = subprocess.run(flood, check=True, capture_output=True, text=True).stdout.split()
        time.sleep(DRAIN_SECONDS)
        child.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        counted = subprocess.run(["capinfos", "-cMT", "-rm", str(file)], capture_output=True, text=True, check=True).stdout
        kept = int(re.findall(r"\d+", counted)[-1])
        row = {"program": name, "rate": rate, "sent": int(sent), "sent_per_second": round(int(sent) / float(seconds)),
               "kept": kept, "lost": int(sent) - kept, "cpu_seconds": usage.ru_utime + usage.ru_stime}
        if name == "trafficlab":
            row["identity"] = holds(json.loads(account.read_text()), int(sent), kept)
        return row


def holds(account, sent, kept):
    parts = account["written"] + account["kernel_dropped"] + account["discarded"]
    return account["received"] == parts == sent and account["unexplained"] == 0 and account["written"] == kept


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def summarise(rows):
    """One row a rate and program, with ratios to ours."""
    table = []
    for rate in dict.fromkeys(row["rate"] for row in rows):
        for name in dict.fromkeys(row["program"] for row in rows):
            runs = [row for row in rows if row["rate"] == rate and row["program"] == name]
            table.append({"rate": rate, "program": name, "runs": len(runs),
                          "sent_per_second": round(median(runs, "sent_per_second")),
                          "lost_share": statistics.median(row["lost"] / row["sent"] for row in runs),
                          "worst_lost_share": max(row["lost"] / row["sent"] for row in runs),
                          "cpu_ns_per_kept_packet": statistics.median(
                              1e9 * row["cpu_seconds"] / max(row["kept"], 1) for row in runs)})
    return table


def show(table):
    print(f"{'asked/s':>9} {'sent/s':>9} {'program':<11} {'lost':>9} {'worst':>9} {'CPU/packet':>11} {'x ours':>7}")
    for row in table:
        ours = next(r for r in table if r["rate"] == row["rate"] and r["program"] == "trafficlab")
        print(f"{row['rate'] or 'most':>9} {row['sent_per_second']:>9} {row['program']:<11} {row['lost_share']:>9.4%} "
              f"{row['worst_lost_share']:>9.4%} {row['cpu_ns_per_kept_packet']:>8.0f} ns "
              f"{row['cpu_ns_per_kept_packet'] / ours['cpu_ns_per_kept_packet']:>7.2f}")


def judge(table, rows):
    """The three requirements, each a line ending in met or not met."""
    by = {(row["rate"], row["program"]): row["lost_share"] for row in table}
    rates = list(dict.fromkeys(row["rate"] for row in table))
    lossless = [rate for rate in rates if by[rate, "tcpdump"] == 0]
    highest = max(lossless, key=lambda rate: rate or float("inf"), default=None)
    verdicts = {
        f"no loss at the highest rate without loss in tcpdump ({'none' if highest is None else highest or 'most'})":
            highest is None or by[highest, "trafficlab"] == 0,
        "at no rate more loss than tcpdump and dumpcap":
            all(by[rate, "trafficlab"] <= by[rate, peer] for rate in rates for peer in ("tcpdump", "dumpcap")),
        "identity in every round": all(row["identity"] for row in rows if row["program"] == "trafficlab"),
    }
    for words, met in verdicts.items():
        print(f"{words}: {'met' if met else 'not met'}")
    return verdicts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--build", default=str(root / "build" / "release"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rates", default="100000,200000,300000,400000,600000,0", help="datagrams per second; 0: the most")
    parser.add_argument("--ring-mib", type=int, default=32)
    parser.add_argument("--snaplen", type=int, default=128)
    parser.add_argument("--json", help="also write all rounds, the table and the verdicts here")
    args = parser.parse_args()
    for tool in ("tcpdump", "dumpcap", "capinfos", "nsenter", "ip"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool}: not installed (see scripts/packages.txt)")
    rows = []
    names = ["trafficlab", "tcpdump", "dumpcap"]
    with Link() as link:
        for rate in (int(word) for word in args.rates.split(",")):
            for turn in range(args.rounds):
                for name in names[turn % 3:] + names[:turn % 3]:
                    rows.append(one_capture(args, link, name, rate))
    table = summarise(rows)
    show(table)
    verdicts = judge(table, rows)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"rounds": rows, "table": table, "verdicts": verdicts}, indent=1) + "\n")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
