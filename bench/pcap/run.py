#!/usr/bin/env python3
"""The offline analysis beside its peers, on files made here, in one run, taking turns.

Usage: bench/pcap/run.py [--build build/release] [--rounds 5] [--bytes N] [--slow] [--memory] [--only 64B-1k,…] [--json FILE]

Every program reads the same file from a warm page cache, and is timed right behind a run of its own that is not. Per file: the median time
of --rounds rounds in which all take turns, peak memory, and how many times longer than `trafficlab pcap summary --series 10ms --flows` each
needs, with the target where there is one.
--slow adds tshark (minutes), --memory the peak memory on files of 1 GB and 4 GB with 10,000 flows. The load of the machine is printed,
as a busy one takes the second core away from the only program here that has a use for it.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time


OURS, OURS_RTT = "ours: summary+series+flows", "ours: the same with rtt"
# How many times longer than ours a peer takes at least: peer, which of ours, frame bytes (None: any), factor.
TARGETS = [
    ("libpcap bare loop", OURS, None, 3), ("capinfos -cdue", OURS, 796, 3), ("capinfos -cdue", OURS, 64, 8),
    ("tshark io,stat,0.01", OURS, None, 200), ("tshark ack_rtt", OURS_RTT, None, 100),
]
TARGET_FLOWS = 1000
MEMORY_TARGET_BYTES = 64_000_000


def run_once(argv):
    """Wall seconds, peak resident bytes and CPU seconds of one child, or None when it fails."""
    begin = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - begin
    return (seconds, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime) if status == 0 else None


def programs(build, path, slow):
    ours = [f"{build}/trafficlab", "pcap"]
    table = {
        OURS: [*ours, "summary", "--series", "10ms", "--flows", "--csv", path],
        OURS_RTT: [*ours, "summary", "--series", "10ms", "--flows", "--rtt", "--csv", path],
        "ours: summary": [*ours, "summary", path],
        "libpcap bare loop": [f"{build}/bench/libpcap_loop", path],
        "capinfos -cdue": ["capinfos", "-cdue", path],
        "tcpdump --count": ["tcpdump", "--count", "-nr", path],
        "tcpstat 1": ["tcpstat", "-r", path, "1"],
        "tcptrace -nlr": ["tcptrace", "-nlr", path],
    }
    slow_table = {
        "tshark io,stat,0.01": ["tshark", "-n", "-q", "-r", path, "-z", "io,stat,0.01"],
        "tshark ack_rtt": ["tshark", "-n", "-r", path, "-T", "fields", "-e", "tcp.analysis.ack_rtt"],
    }
    return {name: argv for name, argv in {**table, **(slow_table if slow else {})}.items() if shutil.which(argv[0])}


def measure(build, folder, label, packets, frame_bytes, flows, rounds, slow):
    path = str(folder / f"{label}.pcap")
    subprocess.run([f"{build}/bench/make_capture", path, str(packets), str(frame_bytes), str(flows), "1000"], check=True)
    table = programs(build, path, slow)
    results = {name: [] for name in table}
    for turn in range(rounds):
        for name, argv in table.items():
            once_only = name.startswith("tshark") or name.startswith("tcptrace")
            if once_only and turn > 0:
                continue
            # Once untimed: what nobody has looked at for a second may have left the page cache, and a core that had nothing to do for
            # a second is slow at first, which only shows with programs that use more than one.
            if not once_only:
                run_once(argv)
            result = run_once(argv)
            if result is not None:
                results[name].append(result)
    os.unlink(path)
    rows = []
    base = statistics.median(run[0] for run in results[OURS])
    for name, runs in results.items():
        if not runs:
            rows.append({"file": label, "program": name, "error": "failed"})
            continue
        seconds = statistics.median(run[0] for run in runs)
        rows.append({"file": label, "program": name, "packets": packets, "frame_bytes": frame_bytes, "flows": flows,
                     "seconds": round(seconds, 4), "cpu_seconds": round(statistics.median(run[2] for run in runs), 4), "packets_per_second": round(packets / seconds),
                     "peak_bytes": max(run[1] for run in runs), "times_ours": round(seconds / base, 2), "runs": len(runs)})
    return rows


def targets(rows):
    """One row a target and file: the ratio measured, and whether it is reached."""
    seconds = {(row["file"], row["program"]): row["seconds"] for row in rows if "seconds" in row}
    for row in rows:
        for peer, ours, frame_bytes, factor in TARGETS:
            if row["program"] != peer or "seconds" not in row or row["flows"] != TARGET_FLOWS or frame_bytes not in (None, row["frame_bytes"]):
                continue
            ratio = row["seconds"] / seconds[row["file"], ours]
            yield {"file": row["file"], "peer": peer, "ours": ours, "ratio": round(ratio, 2), "target": factor, "reached": ratio >= factor}


def memory(build, folder, size):
    """Peak bytes of ours on a file of `size` bytes with 10,000 flows."""
    path = str(folder / "memory.pcap")
    subprocess.run([f"{build}/bench/make_capture", path, str(size // 812), "796", "10000", "1000"], check=True)
    result = run_once(programs(build, path, False)[OURS])
    os.unlink(path)
    return {"file_bytes": size, "flows": 10_000, "peak_bytes": result[1], "target": MEMORY_TARGET_BYTES, "reached": result[1] < MEMORY_TARGET_BYTES}


def show(row):
    if "error" in row:
        print(f"{row['file']:<14} {row['program']:<28} {row['error']}")
        return
    print(f"{row['file']:<14} {row['program']:<28} {row['seconds']:>9.3f} s {row['cpu_seconds']:>8.3f} s CPU {row['packets_per_second'] / 1e6:>9.3f} Mpps "
          f"{row['peak_bytes'] / 1e6:>8.1f} MB {row['times_ours']:>9.2f} x ours", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--build", default=str(root / "build" / "release"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="size of each file made")
    parser.add_argument("--slow", action="store_true", help="also tshark")
    parser.add_argument("--memory", action="store_true", help="also peak memory at 1 GB and 4 GB")
    parser.add_argument("--only", help="these files only, as 796B-1k,64B-1k")
    parser.add_argument("--json", help="also write the rows here")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the temporary folder goes, however this ends
    rows, peaks = [], []
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as name:
        for label, frame_bytes, flows in (("796B-1k", 796, 1000), ("64B-1k", 64, 1000),
                                          ("796B-100k", 796, 100_000), ("64B-100k", 64, 100_000)):
            if args.only is not None and label not in args.only.split(","):
                continue
            packets = args.bytes // (frame_bytes + 16)
            for row in measure(args.build, pathlib.Path(name), label, packets, frame_bytes, flows, args.rounds, args.slow):
                show(row)
                rows.append(row)
        if args.memory:
            peaks = [memory(args.build, pathlib.Path(name), size) for size in (1_000_000_000, 4_000_000_000)]
    judged = list(targets(rows))
    for one in judged:
        print(f"{one['file']:<14} {one['peer']:<22} {one['ratio']:>9.2f} x {one['ours']:<28} target {one['target']:>4} x  "
              f"{'reached' if one['reached'] else 'missed'}")
    for one in peaks:
        print(f"memory at {one['file_bytes'] / 1e9:.0f} GB and 10,000 flows: {one['peak_bytes'] / 1e6:.1f} MB, target under "
              f"{one['target'] / 1e6:.0f} MB  {'reached' if one['reached'] else 'missed'}")
    print(f"load at the end {os.getloadavg()[0]:.1f}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"rows": rows, "targets": judged, "memory": peaks}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
