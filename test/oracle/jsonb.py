"""JSON as PostgreSQL's jsonb holds and prints it.

Objects are dicts in jsonb's order of members, numbers are Number: the text that jsonb prints.
"""

import json
import re


class Number(str):
    """A number by its text."""


NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?")


def print_number(token):
    """The digits as numeric prints them: no exponent, and as many decimal places as written."""
    sign, whole, fraction, exponent = NUMBER.fullmatch(token).groups(default="")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    scale = max(0, len(digits) - point)
    digits = digits.ljust(point, "0")
    if point < 1:
        digits = "0" * (1 - point) + digits
        point = 1
    whole, fraction = digits[:point].lstrip("0") or "0", digits[point:][:scale]
    zero = not (whole + fraction).strip("0")
    return ("" if zero else sign) + whole + ("." + fraction if fraction else "")


def member_order(name):
    encoded = name.encode()
    return len(encoded), encoded


def build_object(pairs):
    """Of several members with one name the last wins. Shorter names come first, then the bytes decide."""
    last = dict(pairs)
    return {name: last[name] for name in sorted(last, key=member_order)}


def refuse_constant(word):
    raise ValueError(word + " is no JSON")


def parse(text):
    def read(token):
        return Number(print_number(token))

    return json.loads(text, parse_int=read, parse_float=read, parse_constant=refuse_constant,
                      object_pairs_hook=build_object)


def print_string(text):
    return json.dumps(text, ensure_ascii=False)


def print_value(value):
    if isinstance(value, dict):
        return "{" + ", ".join(print_string(k) + ": " + print_value(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(print_value, value)) + "]"
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return print_string(value)
    return {None: "null", True: "true", False: "false"}[value]
