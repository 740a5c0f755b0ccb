#!/usr/bin/env python3
"""Checks links between the pages: the file must exist, and so must the heading."""
import pathlib
import re
import sys

from pages import without_fences

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages():
    return [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("test/bench/results/*.md"))]


def prose(page):
    """The lines of a page outside of fences."""
    return enumerate(without_fences(page.read_text()), 1)


def anchors(page):
    """The anchors of a page's headings, as they are made from their words: a repeated one gets a number."""
    seen = {}
    for _, line in prose(page):
        if heading := re.match(r"#+ +(.*)", line):
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            seen[anchor] = seen.get(anchor, -1) + 1
            yield f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor


def fault(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return "no such file"
    if anchor and anchor not in anchors(target):
        return "no such heading"
    return None


def faults():
    for page in pages():
        for number, line in prose(page):
            for link in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                if not re.match(r"[a-z]+:", link) and (reason := fault(page, link)):
                    yield f"{page.relative_to(ROOT)}:{number}: {link}: {reason}"


if __name__ == "__main__":
    sys.exit("\n".join(faults()) or 0)
