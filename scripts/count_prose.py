#!/usr/bin/env python3
"""Counts how a page reads: words and commas a sentence, relative pronouns, and lines that are too long.

    scripts/count_prose.py               every page, then all pages together
    scripts/count_prose.py FILE ...      some pages

Code, tables, headings and links' targets are no prose. A sentence ends at . ! ? : or at the end of its paragraph
or list item. A line has at most 120 columns, in pages outside of tables and code, and in SQL and C++ everywhere.
"""
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRONOUNS = {"which", "that", "who", "whose", "where", "whatever", "whoever"}
MOST_COLUMNS = 120


def without_code(text):
    """The lines of a page outside of fenced and indented blocks; such a line is empty."""
    fenced, before_is_empty, lines = False, True, []
    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        fenced ^= is_fence
        is_code = is_fence or fenced or (line.startswith("    ") and before_is_empty)
        before_is_empty = not line.strip() or (is_code and not fenced)
        lines.append("" if is_code else line)
    return lines


def paragraphs(text):
    """Running text: a paragraph or a list item each, without marks."""
    block = []
    for line in [*without_code(text), ""]:
        is_item = re.match(r"\s*([-*]|\d+\.) ", line)
        is_prose = line.strip() and not re.match(r"\s*(#|\||<)", line)
        if block and (is_item or not is_prose):
            yield " ".join(block)
            block = []
        if is_prose:
            block.append(re.sub(r"^\s*([-*>]|\d+\.) ", "", line).strip())


def sentences(text):
    for paragraph in paragraphs(text):
        plain = re.sub(r"`[^`]*`", "code", re.sub(r"\]\([^)]*\)", "]", paragraph))
        for sentence in re.split(r"(?<=[.!?:])[\"')\]]*\s+", plain):
            words = re.findall(r"[A-Za-z0-9][\w'-]*", sentence)
            if words:
                yield words, sentence.count(",")


def count(text):
    found = list(sentences(text))
    words = sum(len(w) for w, _ in found)
    pronouns = sum(word.lower() in PRONOUNS for w, _ in found for word in w)
    return (len(found), statistics.median([len(w) for w, _ in found] or [0]),
            sum(c for _, c in found) / max(len(found), 1), 100 * pronouns / max(words, 1))


def report(name, text):
    print("%-28s %6d %8.1f %9.2f %16.2f" % (name, *count(text)))


def long_lines():
    """How many lines of each file are too long."""
    for file in sorted(ROOT.glob("src/**/*.?pp")) + sorted(ROOT.glob("sql/*/*.sql")):
        yield file, sum(len(line) > MOST_COLUMNS for line in file.read_text().splitlines())
    for file in pages():
        lines = [line for line in without_code(file.read_text()) if not line.startswith("|")]
        yield file, sum(len(line) > MOST_COLUMNS for line in lines)


def pages():
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]


chosen = [pathlib.Path(argument) for argument in sys.argv[1:]] or pages()
print("%-28s %6s %8s %9s %16s" % ("page", "sent.", "median", "commas", "pronouns/100 w"))
for page in chosen:
    report(page.name, page.read_text())
report("all", "\n\n".join(page.read_text() for page in chosen))
for file, lines in long_lines():
    if lines:
        print(f"{file.relative_to(ROOT)}: {lines} lines have more than {MOST_COLUMNS} columns")
