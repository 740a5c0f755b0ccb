"""How serializers of common languages write a JSON string, and what a text spells below their escapes."""

import json
import re


def escaping(signs, **options):
    """A serializer that writes these signs as \\u escapes."""
    def serialize(value):
        text = json.dumps(value, **options)
        return "".join(f"\\u{ord(c):04X}" if c in signs else c for c in text)
    return serialize


def dotnet(value):
    """System.Text.Json writes quotes within a string as \\u escapes too."""
    text = json.dumps(value).replace('\\"', "\\u0022")
    return "".join(f"\\u{ord(c):04X}" if c in "&'+<>`" else c for c in text)


SERIALIZERS = {
    "Python": json.dumps,
    "JavaScript": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "PHP": lambda value: json.dumps(value, separators=(",", ":")).replace("/", "\\/"),
    ".NET": dotnet,
    "Gson": escaping("<>&='", separators=(",", ":")),
    "Go": escaping("<>&", ensure_ascii=False, separators=(",", ":")),
}
LEVELS = 3


def nested(serializer, level, value):
    """The value in a text of JSON, in a text of JSON, ..."""
    text = SERIALIZERS[serializer]({"note": value})
    for _ in range(level - 1):
        text = SERIALIZERS[serializer]({"a": text})
    return text


def spelled(text):
    """The text below all escapes: a value with escapes in it is found, however deep it stands."""
    text = re.sub(r"\\+u([0-9A-Fa-f]{4})", lambda escape: chr(int(escape[1], 16)), text)
    return re.sub(r"\\+(?=[^nrtbf\\])", "", text)
