#!/usr/bin/env python3
"""clang-tidy over all of src, in files that hold many sources each.

Usage: tests/tidy.py BUILD [--deep]     BUILD: a configured unity build (CMAKE_UNITY_BUILD=ON) with a compilation database.
The analyser stops after so many steps in a function (BOUNDED); --deep takes its own limit, and three times as long.
Headers are then read once for many sources, which is most of the time. The sources are copied into the unity files
rather than included, because the analyser only walks functions of the file that it was given. Lines are found again
through the comment before each source. Exit code 1 for a finding.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

INCLUDED = re.compile(r'^#include "(/.*)"$')
SOURCE = re.compile(r"^// source: (/.*)$")
BOUNDED = [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=30000")]


def inline_sources(unity, sources):
    """Writes the sources into their unity file, generated files left out; returns [(first line, path)], ascending."""
    text, starts = [], []
    for line in unity.read_text().splitlines():
        found = INCLUDED.match(line)
        if not found:
            text.append(line)
        elif found.group(1).startswith(sources):
            text += ["// source: " + found.group(1)] + pathlib.Path(found.group(1)).read_text().splitlines()
    for number, line in enumerate(text):
        if found := SOURCE.match(line):
            starts.append((number + 2, found.group(1)))
    unity.write_text("\n".join(text) + "\n")
    return starts


def place_of(starts, line):
    first, path = [start for start in starts if start[0] <= line][-1]
    return f"{path}:{line - first + 1}"


def check(build, unity, sources, options):
    starts = inline_sources(unity, sources) if "Unity" in unity.parts else []
    result = subprocess.run(["clang-tidy", "--quiet", "--extra-arg=-Wno-unknown-warning-option", *options,
                             "-p", build, str(unity)], capture_output=True, text=True)
    pattern = re.compile(re.escape(str(unity)) + r":(\d+)")
    out = pattern.sub(lambda m: place_of(starts, int(m.group(1))), result.stdout) if starts else result.stdout
    return result.returncode, out + (result.stderr if result.returncode and not result.stdout else "")


def main():
    build = sys.argv[1]
    options = [] if "--deep" in sys.argv[2:] else BOUNDED
    sources = os.path.realpath("src") + "/"
    unity_files = os.path.realpath(build) + "/src/"
    files = {pathlib.Path(entry["file"]) for entry in json.load(open(f"{build}/compile_commands.json"))}
    files = sorted(f for f in files if str(f).startswith((sources, unity_files)) and
                   (str(f).startswith(sources) or f.suffix == ".cxx"))
    print(f"{len(files)} files")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda f: check(build, f, sources, options), files))
    for status, out in results:
        if status:
            print(out)
    sys.exit(any(status for status, _ in results) or not files)


if __name__ == "__main__":
    main()
