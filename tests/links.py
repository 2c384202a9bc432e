#!/usr/bin/env python3
"""Checks that links of README.md and docs/ lead to files, that pages named in sources exist, and that README.md has all pages."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
readme = root / "README.md"
pages = sorted((root / "docs").glob("*.md"))
sources = [path for folder in ("src", "bpf") for path in sorted((root / folder).rglob("*")) if path.is_file()]
wrong = []


def text_of(page):
    """Without what is code, line by line as it was."""
    text = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), page.read_text(), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text).splitlines()


def links_of(page):
    """(line, file) of every link that is neither of another host nor of this page."""
    for number, line in enumerate(text_of(page), 1):
        for target in re.findall(r"\]\(([^)\s]+)", line):
            file = target.split("#")[0]
            if file and not re.match(r"[a-z]+:", file):
                yield number, page.parent / file


for page in [readme, *pages]:
    for number, file in links_of(page):
        if not file.exists():
            wrong.append(f"{page.relative_to(root)}:{number}: no {file.relative_to(root)}")
for path in [readme, *pages, root / "compose.yaml", *sources]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for name in re.findall(r"\bdocs/[\w-]+\.md\b", line):
            if not (root / name).exists():
                wrong.append(f"{path.relative_to(root)}:{number}: no {name}")
linked = {file.resolve() for _, file in links_of(readme)}
wrong += [f"README.md: no link to {page.relative_to(root)}" for page in pages if page not in linked]
print("\n".join(wrong) if wrong else "links: every one leads to a file")
sys.exit(bool(wrong))
