#!/usr/bin/env python3
"""Counts how prose reads: words and commas a sentence, and relative pronouns.

    scripts/development/count_prose.py               every page, then all pages together; fails where a limit is exceeded
    scripts/development/count_prose.py FILE ...      some pages
    scripts/development/count_prose.py --comments    comments of SQL and C++ by rooms, those in the database included; fails where all together
                                         exceed a limit

Code, tables, headings and links' targets are no prose. A sentence ends at . ! ? : or at the end of its paragraph
or list item.
"""
import argparse
import pathlib
import re
import statistics
import sys

from pages import without_comments, without_fences

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRONOUNS = {"which", "that", "who", "whose", "where", "whatever", "whoever"}
LIMITS = (None, 11, 0.8, 1.2)  # sentences, median of words, commas a sentence, pronouns per 100 words


def without_code(text):
    """The lines of a page outside of fenced and indented blocks and of comments; such a line is empty."""
    before_is_empty, lines = True, []
    for line in without_fences(without_comments(text)):
        is_code = line.startswith("    ") and before_is_empty
        before_is_empty = not line.strip() or is_code
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
    """Prints what was counted, and whether it is within the limits."""
    found = count(text)
    too_much = [limit is not None and number > limit for number, limit in zip(found, LIMITS)]
    print("%-28s %6d %8.1f %9.2f %16.2f%s" % (name, *found, "  too much" if any(too_much) else ""))
    return not any(too_much)


# -- comments ------------------------------------------------------------------------------------

CXX = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'|(//[^\n]*|/\*.*?\*/)', re.S)
LITERAL = r"'(?:[^']|'')*'"
# Literals that follow on a new line are one with the first.
SQL = re.compile(rf"COMMENT ON [^;']*? IS\s*({LITERAL}(?:[ \t]*\n\s*{LITERAL})*)|{LITERAL}|(--[^\n]*|/\*.*?\*/)", re.S)


def plain_comment(text):
    """A comment without its marks. A line of dashes ends a paragraph."""
    lines = [re.sub(r"^\s*(//+!?<?|--|/?\*+/?)|\*/$", "", line).strip() for line in text.splitlines()]
    return "\n".join("" if re.search(r"-{5,}|={5,}|NOLINT|clang-format", line) else line for line in lines)


def comments(file):
    """The comments of a file, with an empty line where code is between two of them."""
    text, pattern = file.read_text(), CXX if file.suffix in (".cpp", ".hpp") else SQL
    end = 0
    for found in pattern.finditer(text):
        comment = next((group for group in found.groups() if group), None)
        if comment:
            if text[end:found.start()].strip() or text[end:found.start()].count("\n") > 1:
                yield ""
            yield re.sub(r"'\n'|''|^'|'$", lambda quote: "'" if quote[0] == "''" else "", plain_comment(comment))
            end = found.end()


def rooms():
    """The files of each room with SQL or C++ in it."""
    for pattern in ("src/core/*", "src/pg", "src/pg/*", "sql/*", "test/unit/*", "test/sql/*", "test/specs/*"):
        for room in sorted(ROOT.glob(pattern)):
            files = [file for file in sorted(room.glob("*")) if file.suffix in (".cpp", ".hpp", ".sql", ".spec")]
            if room.is_dir() and files:
                yield room.relative_to(ROOT), [file for file in files if "callhardening--" not in file.name]


def report_comments():
    """Of a room the figures only: the limits hold for all comments together."""
    texts = []
    for room, files in rooms():
        texts.append("\n\n".join(line for file in files for line in [*comments(file), ""]))
        report(str(room), texts[-1])
    return report("all comments", "\n\n".join(texts))


def pages():
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]


def report_pages(chosen):
    fine = [report(page.name, page.read_text()) for page in chosen]
    fine.append(report("all", "\n\n".join(page.read_text() for page in chosen)))
    return all(fine)


def main():
    options = argparse.ArgumentParser(description="Counts how prose reads.")
    options.add_argument("--comments", action="store_true", help="comments instead of pages, by rooms")
    options.add_argument("pages", nargs="*", type=pathlib.Path)
    arguments = options.parse_args()
    print("%-28s %6s %8s %9s %16s" % ("page", "sent.", "median", "commas", "pronouns/100 w"))
    is_fine = report_comments() if arguments.comments else report_pages(arguments.pages or pages())
    sys.exit(0 if is_fine else 1)


main()
