#!/usr/bin/env python3
"""Prints the lines that are too long to read.

A line has at most 120 columns in SQL, C++ and pages, and 140 in tests. Code in pages has its own length.
"""
import pathlib
import sys

from pages import without_comments, without_fences

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS, COLUMNS_OF_TESTS = 120, 140


def sources():
    """Each file with the limit of columns for its lines."""
    for pattern in ("src/**/*.?pp", "sql/*/*.sql"):
        yield from ((file, COLUMNS) for file in ROOT.glob(pattern))
    for ending in ("sql", "pl", "pm", "spec", "py", "sh", "cpp", "hpp"):
        yield from ((file, COLUMNS_OF_TESTS) for file in ROOT.glob(f"test/**/*.{ending}"))


def pages():
    return [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def too_long(file, lines, columns):
    for number, line in enumerate(lines, 1):
        if len(line) > columns:
            yield f"{file.relative_to(ROOT)}:{number}: {len(line)} columns, at most {columns}"


def faults():
    for file, columns in sources():
        yield from too_long(file, file.read_text().splitlines(), columns)
    for page in pages():
        lines = without_fences(without_comments(page.read_text()))
        yield from too_long(page, ["" if line.startswith("    ") else line for line in lines], COLUMNS)


if __name__ == "__main__":
    sys.exit("\n".join(sorted(faults())) or 0)
