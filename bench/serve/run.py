#!/usr/bin/env python3
"""How long the list of 1,000 bundles takes: `trafficlab serve` beside reading the same documents with Python's json.

Usage: bench/serve/run.py [BUNDLE] [ROUNDS]     without a BUNDLE a lab of two seconds makes one (root).
Prints the median of the first answer (nothing known yet) and of later ones, and the ratio to the peer.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "release" / "trafficlab"
BUNDLES = 1000


def made_bundle(folder):
    done = subprocess.run([PROGRAM, "run", "--engine", "netns", "--duration", "2", "--results", folder],
                          cwd=ROOT, check=True, capture_output=True, text=True)
    return pathlib.Path(done.stdout.strip().splitlines()[-1])


def fill(results, bundle):
    for i in range(BUNDLES):
        copy = results / f"20260101T{i:06d}Z-run"
        copy.mkdir()
        for name in ("manifest.json", "metrics.json", "report.html"):
            shutil.copyfile(bundle / name, copy / name)


def answer_ms(url):
    begin = time.perf_counter()
    rows = json.load(urllib.request.urlopen(url))
    took = (time.perf_counter() - begin) * 1e3
    assert len(rows) == BUNDLES and all(row["verdict"] == rows[0]["verdict"] for row in rows)
    return took


def serve_ms(results):
    """(first answer, median of ten later ones)"""
    server = subprocess.Popen([PROGRAM, "serve", results, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        url = server.stderr.readline().split()[-1] + "api/bundles"
        return answer_ms(url), statistics.median(answer_ms(url) for _ in range(10))
    finally:
        server.terminate()
        server.wait()


def peer_ms(results):
    begin = time.perf_counter()
    rows = []
    for folder in sorted(results.iterdir(), reverse=True):
        manifest = json.loads((folder / "manifest.json").read_bytes())
        metrics = json.loads((folder / "metrics.json").read_bytes())
        rows.append((folder.name, manifest["outcome"]["verdict"], metrics["metrics"][0]["value"]))
    assert len(rows) == BUNDLES
    return (time.perf_counter() - begin) * 1e3


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder:
        made = pathlib.Path(folder) / "made"
        bundle = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else made_bundle(made)
        results = pathlib.Path(folder) / "results"
        results.mkdir()
        fill(results, bundle)
        first, later, peer = [], [], []
        for _ in range(rounds):
            cold, warm = serve_ms(results)
            first.append(cold)
            later.append(warm)
            peer.append(peer_ms(results))
        cold, warm, other = map(statistics.median, (first, later, peer))
        print(f"{BUNDLES} bundles, manifest of {(bundle / 'manifest.json').stat().st_size} bytes, {rounds} rounds, medians")
        print(f"first answer   {cold:7.1f} ms   python's json {other:7.1f} ms   ratio {other / cold:.1f}")
        print(f"later answers  {warm:7.1f} ms   python's json {other:7.1f} ms   ratio {other / warm:.1f}")
        print(f"target: under 200 ms: {'met' if cold < 200 else 'not met'}")


main()
