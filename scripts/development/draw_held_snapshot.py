#!/usr/bin/env python3
"""Draws docs/held_snapshot.svg: what an old snapshot costs three queues.

    scripts/development/draw_held_snapshot.py            writes the picture
    scripts/development/draw_held_snapshot.py --check    fails if the picture is not that of the measured numbers

The numbers are those of test/bench/results/event_log.md, which test/bench/queue.sh has measured.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "test/bench/results/event_log.md"
PICTURE = ROOT / "docs/held_snapshot.svg"
SECTION = "## An old snapshot, held through a million events"
NAMES = {"ours": "callhardening", "pgq": "PgQ", "textbook": "a SKIP LOCKED table"}
WIDTH, LEFT, RIGHT, TOP, GROUP, BAR = 760, 180, 120, 86, 66, 20
WITHOUT, HELD = "#9db7d5", "#1f5a99"


def measured():
    """Events per second of each queue: without an old snapshot, and with one."""
    section = RESULTS.read_text().split(SECTION, 1)[1].split("\n## ", 1)[0]
    rates = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in NAMES:
            rates[cells[0]] = (int(cells[2]), int(cells[5]))
    assert rates.keys() == NAMES.keys(), "the table of results has other rows"
    return rates


def text(x, y, content, extra=""):
    return f'<text x="{x:.0f}" y="{y:.0f}"{extra}>{content}</text>'


def bar(y, rate, longest, color):
    width = rate / longest * (WIDTH - LEFT - RIGHT)
    yield f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{color}"/>'
    yield text(LEFT + width + 8, y + 15, f"{rate:,}")


def legend(y):
    for x, color, words in ((LEFT, WITHOUT, "no old snapshot"), (LEFT + 170, HELD, "one old snapshot is held")):
        yield f'<rect x="{x}" y="{y}" width="14" height="14" fill="{color}"/>'
        yield text(x + 20, y + 12, words)


def picture(rates):
    height = TOP + GROUP * len(NAMES) + 8
    longest = max(max(pair) for pair in rates.values())
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
           ' font-family="Helvetica, Arial, sans-serif" font-size="14" fill="#1c2733">')
    yield "<title>Events per second that two workers claim and complete</title>"
    yield f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>'
    yield text(LEFT, 30, "Events per second that two workers claim and complete", ' font-size="17" font-weight="bold"')
    yield from legend(48)
    for place, (key, name) in enumerate(NAMES.items()):
        y = TOP + GROUP * place
        yield text(LEFT - 12, y + BAR + 6, name, ' text-anchor="end"')
        yield from bar(y, rates[key][0], longest, WITHOUT)
        yield from bar(y + BAR + 2, rates[key][1], longest, HELD)
    yield "</svg>"


def main():
    drawn = "\n".join(picture(measured())) + "\n"
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(drawn)
    elif PICTURE.read_text() != drawn:
        sys.exit(f"{PICTURE.relative_to(ROOT)} is not that of {RESULTS.relative_to(ROOT)}: run {sys.argv[0]}")


if __name__ == "__main__":
    main()
