#!/usr/bin/env python3
"""Checks the rooms of src/core and src/pg against the picture in docs/development.md, and prints the differences.

The picture has one floor a line, the highest first, and on each line the rooms of that floor. A file may include
from its own room and from rooms on lower floors. A topic is a file name without its ending. The page's table of topics
has each topic in the column of its layer. No room holds more than a dozen topics, also in sql/ and in the tests.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_TOPICS = 12
ROOMS = ("src/*", "src/core/*", "src/pg/*", "sql/*", "test/sql/*", "test/specs/*", "test/t/*", "test/unit/*")


def floors(layer):
    """The height of each room of a layer, by the picture that begins with the layer's name."""
    page = (ROOT / "docs/development.md").read_text()
    picture = re.search(rf"^    src/{layer}\n((?:      .*\n)+)", page, re.M)
    lines = picture.group(1).splitlines() if picture else []
    return {room: height for height, line in enumerate(reversed(lines)) for room in line.split()}


def upward(layer, heights):
    for file in sorted((ROOT / "src" / layer).glob("*/*.?pp")):
        room = file.parent.name
        for other in re.findall(rf'#include "{layer}/(\w+)/', file.read_text()):
            if room in heights and other != room and heights.get(other, len(heights)) >= heights[room]:
                yield f"{file.relative_to(ROOT)} includes from {other}, which is not below {room}"


def named_topics(layer):
    """What docs/development.md has in backquotes in the layer's column of its table of topics."""
    page = (ROOT / "docs/development.md").read_text()
    table = re.search(r"^\| topic \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, re.M)
    rows = [line.split("|") for line in table.group(1).splitlines()] if table else []
    return {name for row in rows for name in re.findall(r"`(\w+)`", row[2 if layer == "core" else 3])}


def faults(layer):
    heights, named = floors(layer), named_topics(layer)
    rooms = {path.name for path in (ROOT / "src" / layer).iterdir() if path.is_dir()}
    for room in sorted(rooms ^ set(heights)):
        yield f"src/{layer}/{room}: the room is missing in the picture, or in the tree"
    for room in sorted(rooms):
        topics = {file.stem for file in (ROOT / "src" / layer / room).glob("*.?pp")}
        for topic in sorted(topics - named):
            yield f"src/{layer}/{room}/{topic} is missing in the table of topics"
    yield from upward(layer, heights)


def crowded():
    for room in sorted(path for pattern in ROOMS for path in ROOT.glob(pattern) if path.is_dir()):
        topics = {file.stem for file in room.iterdir() if file.suffix in (".cpp", ".hpp", ".sql", ".spec", ".pl")}
        if len(topics) > MOST_TOPICS:
            yield f"{room.relative_to(ROOT)} holds {len(topics)} topics, more than {MOST_TOPICS}"


found = [*(fault for layer in ("core", "pg") for fault in faults(layer)), *crowded()]
print("\n".join(found))
sys.exit(1 if found else 0)
