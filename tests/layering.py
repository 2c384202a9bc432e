#!/usr/bin/env python3
"""Checks every #include "module/…" of src/ against the table of modules in docs/architecture.md."""
import pathlib
import re
import sys

MAY_INCLUDE = {
    "base": set(),
    "spec": {"base"},
    "bundle": {"base", "spec"},
    "lab": {"base", "spec"},
    "probe": {"base", "spec", "bundle"},
    "analysis": {"base", "spec", "bundle"},
    "compare": {"base", "spec", "bundle", "analysis"},
    "report": {"base", "bundle", "analysis"},
    "live": {"base", "spec", "bundle", "probe", "analysis"},
    "pace": {"base", "live"},
    "serve": {"base", "spec", "bundle", "compare", "report"},
    "run": {"base", "spec", "bundle", "lab", "analysis", "report"},
    "cli": {"base", "spec", "bundle", "lab", "probe", "analysis", "compare", "report", "live", "pace",
            "run", "serve"},
}

root = pathlib.Path(__file__).resolve().parent.parent / "src"
wrong = []
for path in sorted(root.rglob("*.[ch]*")):
    module = path.relative_to(root).parts[0]
    if path.suffix not in (".cc", ".hh", ".h") or module not in MAY_INCLUDE:
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#include "(\w+)/', line)
        if found and found[1] in MAY_INCLUDE and found[1] != module and found[1] not in MAY_INCLUDE[module]:
            wrong.append(f"{path.relative_to(root)}:{number}: {module} may not include {found[1]}")
print("\n".join(wrong) if wrong else "layering: every include is allowed")
sys.exit(bool(wrong))
