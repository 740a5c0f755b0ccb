#!/usr/bin/env python3
"""Made-up secrets in many situations, and how much of them the sanitizer leaves.

    corpus.py bodies            rows of CSV (number, body, detect), the same ones each time; detect: with all detectors
    corpus.py report RESULTS    reads rows of CSV (number, result), prints the table of docs/detectors.md, and what
                                was missed on the error output; fails below the bounds

All values are random, by a fixed seed. A run of six characters of a secret in a result is a leak.
"""

import base64
import csv
import html
import json
import random
import re
import sys
import urllib.parse
from collections import Counter

import digit_groups
import innocent
import serializers
from shapes import KINDS, LETTERS, OPAQUE, SYNTAXES, VENDORS

SEED = 14
RUN = 6
KEPT = "findmefindme"  # must be left, to show that only the secret goes
VALUES_OF_VENDORS = 3
VALUES_OF_KINDS = 5


# ---- values --------------------------------------------------------------------------------------------

def basic(dice):
    pair = "ann:" + letters(dice, "alnum", 18)
    return base64.b64encode(pair.encode()).decode()


def letters(dice, name, count):
    return "".join(dice.choice(LETTERS[name]) for _ in range(count))


PLACE = re.compile(r"\{(basic|[a-z0-9]+ \d+)\}")


def fill(dice, shape, whole):
    """A value of a shape, and its secret parts: those in braces, or all of it."""
    pieces = []

    def piece(match):
        made = basic(dice) if match[1] == "basic" else letters(dice, match[1].split()[0], int(match[1].split()[1]))
        pieces.append(made)
        return made

    value = PLACE.sub(piece, shape)
    if whole and "[[" not in value:
        pieces = [value]
    return value.replace("[[", "").replace("]]", ""), pieces


# ---- situations ------------------------------------------------------------------------------------------

def sentence(value):
    return f"the caller said that {value} is what we use, and hung up"


def url(value):
    return "https://h.example/a?page=2&ref=" + urllib.parse.quote(value, safe="") + "&x=1"


VENDOR_SITUATIONS = {
    "a note": lambda v: {"note": v},
    "a sentence": lambda v: {"note": sentence(v)},
    "a name of a member": lambda v: {"data": {v: "x"}},
    "JSON in a string": lambda v: {"data": json.dumps({"note": {"a": [v]}})},
    "a parameter of a URL": lambda v: {"link": url(v)},
    "a pair": lambda v: {"headers": [{"name": "X-Info", "value": v}]},
    "a list of pairs": lambda v: {"headers": [["X-Info", v], ["Accept", "*/*"]]},
    "a header": lambda v: {"raw": f"Host: h.example\r\nX-Info: {v}\r\nAccept: */*"},
}

NAMED_SITUATIONS = {
    "a member": lambda v: {"api_key": v},
    "a named parameter": lambda v: {"link": "https://h.example/a?token=" + urllib.parse.quote(v, safe="")},
    "a named pair": lambda v: {"headers": [{"name": "X-Api-Key", "value": v}]},
    "a named pair, value first": lambda v: {"headers": [{"value": v, "header": "X-Api-Key"}]},
    "a named list": lambda v: {"headers": [["X-Api-Key", v], ["Accept", "*/*"]]},
    "a list of raw headers": lambda v: {"headers": ["Accept", "*/*", "X-Api-Key", v]},
    "a named header": lambda v: {"raw": f"Host: h.example\r\nX-Api-Key: {v}\r\nAccept: */*"},
}

KIND_SITUATIONS = {
    "a note": lambda v: {"note": v},
    "a sentence": lambda v: {"note": "Please use this: " + v},
    "behind lines": lambda v: {"note": "2026-01-02 03:04:05 INFO start\n" + v + "\nINFO end"},
    "a name of a member": lambda v: {"data": {v: "x"}},
    "an item": lambda v: {"list": ["a", v, 1]},
    "deep": lambda v: {"a": [{"b": {"c": [[{"d": v}]]}}]},
    "JSON in a string": lambda v: {"data": json.dumps({"note": v})},
    "JSON in JSON in a string": lambda v: {"data": json.dumps({"a": json.dumps({"note": v})})},
    "JSON of PHP": lambda v: {"data": "got " + json.dumps({"note": v}).replace("/", "\\/")},
    "a parameter of a URL": lambda v: {"link": url(v)},
    "HTML": lambda v: {"page": "<p class='x'>" + html.escape(v) + "</p>"},
    "a form": lambda v: {"body": urllib.parse.urlencode({"a": "1", "text": v, "z": "2"})},
}


def tries():
    """(group, kind, situation, body, pieces), always in the same order."""
    dice = random.Random(SEED)
    for group, situations, shapes in (("vendor", VENDOR_SITUATIONS, VENDORS),
                                      ("named", NAMED_SITUATIONS, VENDORS + OPAQUE)):
        for shape in shapes:
            for situation, body in situations.items():
                for _ in range(VALUES_OF_VENDORS):
                    value, pieces = fill(dice, shape, whole=True)
                    yield group, shape, situation, body(value) | {"state": KEPT}, pieces
    yield from tries_of_kinds(dice, KINDS)
    for kind, body in innocent.bodies(dice):
        yield "innocent", kind, kind, body, []
    for group, kind, body in digit_groups.bodies(dice):
        yield group, kind, kind, body, []
    yield from tries_of_kinds(random.Random(SEED + 1), SYNTAXES)
    yield from tries_of_serializers(random.Random(SEED + 2))


def tries_of_kinds(dice, kinds):
    for kind, shape in kinds.items():
        for situation, body in KIND_SITUATIONS.items():
            for _ in range(VALUES_OF_KINDS):
                value, pieces = fill(dice, shape, whole=False)
                yield "kind", kind, situation, body(value) | {"state": KEPT}, pieces


def tries_of_serializers(dice):
    for serializer in serializers.SERIALIZERS:
        for level in range(1, serializers.LEVELS + 1):
            for kind, shape in KINDS.items():
                value, pieces = fill(dice, shape, whole=False)
                text = "got " + serializers.nested(serializer, level, value)
                yield "serializer", kind, (serializer, level), {"data": text, "state": KEPT}, pieces


# ---- the report --------------------------------------------------------------------------------------------

def leak(pieces, result):
    result = result.replace("[secret]", " ")
    result += "\n" + serializers.spelled(result)
    for piece in pieces:
        for i in range(len(piece) - RUN + 1):
            if piece[i:i + RUN] in result:
                return piece[i:i + RUN]
    return None


def report(results):
    clean, tried, by_kind, missed, lost = Counter(), Counter(), Counter(), [], Counter()
    for number, (group, kind, situation, body, pieces) in enumerate(tries()):
        result = results[number]
        tried[group, situation] += 1
        if group == "innocent" or group in digit_groups.BOUNDS:
            gone = innocent.lost(body, json.loads(result))
            lost[group, kind] += gone
            if gone:
                missed.append((kind, json.dumps(body)[:300], result[:300]))
            continue
        found = leak(pieces, result)
        if found is None and KEPT in result:
            clean[group, situation] += 1
            by_kind[group, kind] += 1
        else:
            missed.append((kind, situation, found, json.dumps(body)[:400], result[:400]))
    return clean, tried, by_kind, missed, lost


def print_table(clean, tried, by_kind, lost):
    failed = []

    def row(group, situation, least):
        rate = 100 * clean[group, situation] / tried[group, situation]
        if rate < least:
            failed.append(f"{group}, {situation}: {rate:.1f} %, less than {least}")
        print(f"| {situation} | {rate:.1f} % |")

    print(f"| {len(VENDORS)} forms of vendors' tokens, {VALUES_OF_VENDORS} values each | hidden |\n|---|---|")
    for situation in VENDOR_SITUATIONS:
        row("vendor", situation, 98)
    print(f"\n| the same and {len(OPAQUE)} without a form of their own, under a name of a secret | hidden |\n|---|---|")
    for situation in NAMED_SITUATIONS:
        row("named", situation, 100)
    each = len(KIND_SITUATIONS) * VALUES_OF_KINDS
    print(f"\n| kind of secret, in {len(KIND_SITUATIONS)} situations | hidden, of {each} |\n|---|---|")
    for kind in KINDS | SYNTAXES:
        print(f"| {kind} | {by_kind['kind', kind]} |")
        if by_kind["kind", kind] < 55:
            failed.append(f"{kind}: {by_kind['kind', kind]}, less than 55")
    print_serializers(clean, failed)
    print("\n| no secret | tried | lost |\n|---|---|---|")
    for kind, most in innocent.BOUNDS.items():
        print(f"| {kind} | {innocent.count(kind)} | {lost['innocent', kind]} |")
        if lost["innocent", kind] > most:
            failed.append(f"{kind}: {lost['innocent', kind]} lost, more than {most}")
    for group, most in digit_groups.BOUNDS.items():
        print_digit_groups(group, most, tried, lost, failed)
    return failed


def print_serializers(clean, failed):
    levels = range(1, serializers.LEVELS + 1)
    print(f"\n| JSON in a text as written by, hidden of {len(KINDS)} | once | in itself | three times |\n|---|---|---|---|")
    for serializer in serializers.SERIALIZERS:
        hidden = [clean["serializer", (serializer, level)] for level in levels]
        print(f"| {serializer} |", *(f"{number} |" for number in hidden))
        if min(hidden) < len(KINDS):
            failed.append(f"JSON of {serializer}: {hidden}, less than {len(KINDS)}")


def print_digit_groups(group, most, tried, lost, failed):
    print(f"\n| {group} | tried | changed |\n|---|---|---|")
    kinds = [kind for of_group, kind in tried if of_group == group]
    for kind in kinds:
        print(f"| {kind} | {tried[group, kind]} | {lost[group, kind]} |")
    all_tried, all_lost = (sum(count[group, kind] for kind in kinds) for count in (tried, lost))
    rate = 100 * all_lost / all_tried
    print(f"| all | {all_tried} | {all_lost}, {rate:.2f} % |")
    if rate > most:
        failed.append(f"{group}: {rate:.2f} % changed, more than {most}")


def main():
    csv.field_size_limit(1 << 30)
    if sys.argv[1] == "bodies":
        write = csv.writer(sys.stdout, lineterminator="\n").writerow
        for number, (group, _, _, body, _) in enumerate(tries()):
            write([number, json.dumps(body, ensure_ascii=False), group in digit_groups.BOUNDS])
        return 0
    with open(sys.argv[2], newline="", encoding="utf-8") as file:
        results = {int(number): result for number, result in csv.reader(file)}
    clean, tried, by_kind, missed, lost = report(results)
    failed = print_table(clean, tried, by_kind, lost)
    for what in missed:
        print(*what, sep=" | ", file=sys.stderr)
    for what in failed:
        print("FAILED", what, file=sys.stderr)
    return 1 if failed else 0


sys.exit(main())
