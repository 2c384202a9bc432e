#!/usr/bin/env python3
"""What the counters cost, beside an empty program, the least counter, and bpftrace. Needs root and Linux 6.6; about 24 minutes.

Usage: bench/counters/run.py [--build build/release] [--rounds 3] [--turns 11] [--seconds 1] [--json FILE]

Run times are the kernel's own (BPF_ENABLE_STATS), of one program at a time, taking turns on one stream; "net" is without what
the empty program at that place takes, which is what measuring costs. "skipping" is what the programs at the trace events take
to see that a packet's device is counted by itself. Throughput is measured with and without, taking turns, a tenth of a second
behind every change; TCP uses CUBIC. "nothing" shows how far off the measurement itself may be, "empty" and "minimal" what is
lost before and by any counter.
Ends with the targets and whether they are met.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

# bpftrace looks for the trace events' file system, which not every machine mounts: in a mount namespace of our own.
WRAPPER = ("mount -t tracefs none /sys/kernel/tracing; mount -t debugfs none /sys/kernel/debug; "
           "mount -t tracefs none /sys/kernel/debug/tracing; exec \"$@\"")


def helper(build, *args):
    argv = ["unshare", "--mount", "sh", "-c", WRAPPER, "sh", f"{build}/bench/counters/bench_counters", *map(str, args)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1])
    return [json.loads(line) for line in done.stdout.splitlines()]


def cost(build, kind, pairs, busy, rounds, seconds):
    """(program, hook) → median of ns a packet without the empty program's in the same run.

    Of `pairs` pairs of devices, each with two series, the stream goes over `busy`."""
    # Growth is measured at the trace events, which are looked up the same way.
    places = ["tcx", "events", "taps", "tcx+ports", "events+ports", "taps+ports"] if pairs == 1 else ["events", "events+ports"]
    plain, net, packets = {}, {}, 0
    for _ in range(rounds):
        for place in places:
            lines = helper(build, "cost", kind, place, pairs, busy, seconds)
            rows = {(r["program"], r["hook"]): r["run_ns"] / r["runs"] for r in lines if r["runs"]}
            packets += max(r["runs"] for r in lines if r["program"] == "empty")
            for (program, hook), ns in rows.items():
                plain.setdefault((program, hook), []).append(ns)
                net.setdefault((program, hook), []).append(ns - rows["empty", hook])
    print(f"\n{kind}, {2 * busy} of {2 * pairs} series busy, {packets} packets in {rounds} rounds: ns a packet (net of empty)")
    hooks = ("tcx rx", "tcx tx", "rx", "tx", "tap") if pairs == 1 else ("rx", "tx")
    print(f"{'':<16}" + "".join(f"{hook:>18}" for hook in hooks))
    result = {key: statistics.median(values) for key, values in net.items()}
    for program in ("empty", "minimal", "ours", "ours + ports", "ours, skipping", "bpftrace"):
        cells = [f"{statistics.median(plain[program, hook]):>10.1f} ({result[program, hook]:>5.1f})" if (program, hook) in plain
                 else f"{'-':>18}" for hook in hooks]
        print(f"{program:<16}" + "".join(cells), flush=True)
    return result


def median_of(values):
    """The median, with the interval that holds it 19 times in 20 (by the order of the values, which need no shape)."""
    values, half_width = sorted(values), 0.98 * len(values) ** 0.5
    low, high = round(len(values) / 2 - half_width), round(len(values) / 2 + half_width)
    return statistics.median(values), values[max(low, 0)], values[min(high, len(values) - 1)]


def throughput(build, kind, rounds, seconds):
    """program → medians of what is kept, of the clock's second and of a second of CPU time."""
    rows = {}
    for row in helper(build, "throughput", kind, rounds, seconds):
        # null: the stream stood still without; a median does not ask how much more is more.
        kept = [float("inf") if row[name] is None else row[name] for name in ("kept", "kept_cpu")]
        rows.setdefault(row["program"], []).append(kept)
    print(f"\n{kind}: throughput kept, pairs taking turns: median (of 20 such runs 19 lie between)")
    print(f"{'':<32}{'pairs':>7}{'a second':>24}{'a second of CPU time':>28}")
    kept = {}
    for program, values in rows.items():
        columns = [median_of(column) for column in zip(*values)]
        kept[program] = [column[0] for column in columns]
        cells = [f"{median:.3f} ({low:.3f} … {high:.3f})" for median, low, high in columns]
        print(f"{program:<32}{len(values):>7}{cells[0]:>24}{cells[1]:>28}", flush=True)
    return kept


def bpftrace_ticks(path):
    times, total = [], 0
    for line in path.read_text().splitlines():
        if line.startswith("t "):
            times.append(int(line[2:]))
        elif line.startswith("@: "):
            total += int(line[3:])
    return times, total


def our_ticks(path):
    lines = path.read_text().splitlines()
    header = lines[0].split(",")
    rows = [dict(zip(header, line.split(","))) for line in lines[1:]]
    first = next(name for name in header if name.startswith("time"))
    return [int(row[first]) for row in rows], sum(int(row["rx_bytes"]) for row in rows)


def ticks(build, seconds):
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as name:
        folder = pathlib.Path(name)
        device = helper(build, "ticks", seconds, folder)[0]
        table = {"bpftrace": bpftrace_ticks(folder / "bpftrace.txt"), "ours": our_ticks(folder / "ours.csv")}
    print("\n10 ms ticks with twice as many busy threads as CPUs; bytes beside the device's statistics")
    print(f"{'':<10}{'ticks':>8}{'missing':>9}{'gaps > 15 ms':>14}{'longest':>12}{'bytes off':>14}")
    for program, (times, total) in table.items():
        gaps = [b - a for a, b in zip(times, times[1:])]
        missing = round((times[-1] - times[0]) / 1e7) + 1 - len(times)
        # bpftrace's length has no link header at this event: that is not a loss.
        expected = device["rx_bytes"] - (14 * device["rx_packets"] if program == "bpftrace" else 0)
        print(f"{program:<10}{len(times):>8}{missing:>9}{sum(gap > 15e6 for gap in gaps):>14}{max(gaps) / 1e6:>9.1f} ms"
              f"{total - expected:>14}", flush=True)


def verdicts(small, series, kept):
    print("\ntargets")

    def say(text, value, limit, is_met):
        print(f"{'met    ' if is_met else 'NOT MET'}  {text}: {value:.3f} (target {limit})")

    for hook in ("tcx rx", "tcx tx", "rx", "tx", "tap"):
        for kind, result in small.items():
            ratio = result["ours", hook] / result["minimal", hook]
            say(f"{kind} {hook}: net cost, of the minimal program's", ratio, "<= 1.30", ratio <= 1.3)
    for where, ends in (("tcx", ("tcx rx", "tcx tx")), ("trace events", ("rx", "tx"))):
        for kind, result in small.items():
            ours = sum(result["ours", end] for end in ends)
            least, theirs = (sum(result[which] for which in whose) for whose in (
                [("minimal", end) for end in ends], [("bpftrace", end) for end in ("rx", "tx")]))
            packet = f"{kind}: net cost of a packet at both ends of the stream, {where}"
            say(f"{packet}, of the minimal program's", ours / least, "<= 1.30", ours <= 1.3 * least)
            say(f"{packet}, of bpftrace's", ours / theirs, "<= 0.50", 2 * ours <= theirs)
    for hook in ("rx", "tx"):
        for kind, result in small.items():
            ratio = result["ours", hook] / result["bpftrace", hook]
            say(f"{kind} {hook}: net cost, of bpftrace's", ratio, "<= 0.50", ratio <= 0.5)
        for name, result in series.items():
            growth = result["ours", hook] / small["udp"]["ours", hook]
            say(f"udp {hook}: net cost with {name}, of that with 2 series", growth, "< 1.20", growth < 1.2)
    for name, result in series.items():
        growth = sum(result["ours", hook] for hook in ("rx", "tx")) / sum(small["udp"]["ours", hook] for hook in ("rx", "tx"))
        say(f"udp: net cost of a packet at both ends with {name}, of that with 2 series", growth, "< 1.20", growth < 1.2)
    for program, (clock, _) in kept["tcp"].items():
        if program.startswith("ours"):
            say(f"tcp: throughput kept with {program}", clock, ">= 0.98", clock >= 0.98)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--build", default=str(root / "build" / "release"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=11, help="rounds of the throughput's pairs")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", help="also write the medians here")
    args = parser.parse_args()
    small = {kind: cost(args.build, kind, 1, 1, args.rounds, args.seconds) for kind in ("udp", "tcp")}
    series = {f"{2 * busy} of {2 * pairs} series busy": cost(args.build, "udp", pairs, busy, args.rounds, args.seconds)
              for pairs, busy in ((32, 1), (128, 1), (32, 32), (128, 128))}
    kept = {kind: throughput(args.build, kind, args.turns, args.seconds / 2) for kind in ("udp", "tcp", "tcp-by-turns")}
    ticks(args.build, 5 * args.seconds)
    verdicts(small, series, kept)
    if args.json:
        tables = {**small, **{f"udp {name}": result for name, result in series.items()}}
        flat = {kind: {" ".join(key): ns for key, ns in result.items()} for kind, result in tables.items()}
        pathlib.Path(args.json).write_text(json.dumps({"net_ns": flat, "throughput": kept}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
