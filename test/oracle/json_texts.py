"""Texts that are JSON, nearly JSON or no JSON: a name and the bytes in hexadecimal, as CSV."""

import csv
import sys

DOCUMENT = b'{"a":[1,{"b":"x"}],"c":null,"d":-1.5e+3}'
SHORT = b'[{"a":1.5},"b",true]'


def damaged():
    """A document without one byte, cut at one byte, or with another byte in one place, for each byte."""
    for i in range(len(DOCUMENT)):
        yield f"without byte {i}", DOCUMENT[:i] + DOCUMENT[i + 1:]
        yield f"first {i} bytes", DOCUMENT[:i]
    for i in range(len(SHORT) + 1):
        for letter in b'{}[],:"\\0-.e \n\x01\x7fnx/\'':
            yield f"byte {letter:02x} at {i}", SHORT[:i] + bytes([letter]) + SHORT[i:]
    for letter in range(256):
        yield f"byte {letter:02x} twice for a value", b'{"a":' + bytes([letter]) * 2 + b"}"


def numbers():
    for text in """0 -0 00 01 -01 -00 1. .1 -.1 1.e1 1e 1e+ 1e- 1E5 1e05 1e+05 1e-05 1e5.5 1e1e1 1.1.1 +1 --1 -+1 - + -a -1a
        1_000 1,000 0x1F 0b1 0o7 1f 1L 1n 1e٣ ١ ½ ² NaN nan -NaN Infinity -Infinity inf 1/2 1e400 -1e400 1e-400 1e308 1.8e308
        5e-324 1e131071 1e131072 1e-16383 1e-16384 1e2147483647 1e2147483648 1e-2147483648 1e99999999999999999999999 0e99999999
        0e131072 0e-20000 0.0e5 -0.0 0.00 1.10 1.50e1 100e-2 1e-2 9007199254740993 9223372036854775807 9223372036854775808
        -9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 -18446744073709551616
        1.7976931348623157e308 4.9406564584124654e-324 0.1e-16382 123456789012345678901234567890123456789012345""".split():
        yield "number " + text, b"[" + text.encode() + b"]"
        yield "number alone " + text, text.encode()
    for digits in (39, 40, 41, 1000, 131072, 131073):
        yield f"number of {digits} digits", b"7" * digits
        yield f"minus and {digits} digits", b"[-" + b"7" * digits + b"]"
        yield f"fraction of {digits} digits", b"[0." + b"7" * digits + b"]"
        yield f"fraction of {digits} zeros", b"[1." + b"0" * digits + b"]"


def strings():
    for letter in range(32, 127):
        yield f"escaped {chr(letter)}", b'["\\' + bytes([letter]) + b'"]'
    for letter in range(1, 32):
        yield f"control {letter}", b'["a' + bytes([letter]) + b'"]'
        yield f"control {letter} in a name", b'{"a' + bytes([letter]) + b'":1}'
        yield f"escaped control {letter}", b'["a\\u%04xb"]' % letter
    for text in (r"\u", r"\u0", r"\u00", r"\u004", r"\u0041", r"\U0041", r"\u00g1", r"\u 041", r"\u+041", r"\u0000", r"a\u0000b",
                 r"\ud800", r"\udbff", r"\udc00", r"\udfff", r"\ud800\udc00", r"\uD83D\uDE00", r"\ud83d", r"\ud83dx", r"\ud83d\n",
                 r"\ud83d\u0041", r"\ud83d\ud83d", r"\ud83d\ud83d\ude00", r"\ude00\ud83d", r"\ud800\u0000", r"\udbff\udfff",
                 r"\uffff", r"\ufffe", r"\ufdd0", r"\u00ad", r"\u2028", r"\u202e", r"\ufeff", "\\", "\\\\", "\\\\\\", '\\"', "\\x41",
                 "\\'", "'", "\\0", "\\101", "\u00ad", "\u2028", "\ufeff", "\uffff", "\U0010ffff", "😀", "e\u0301", "\x7f"):
        yield "string " + text.encode("unicode_escape").decode(), b'["' + text.encode() + b'"]'
        yield "name " + text.encode("unicode_escape").decode(), b'{"' + text.encode() + b'":1}'
    for quote in ("'a'", "`a`", "“a”", "a", '"a', 'a"', '"a\'', '"a""b"', '"a" "b"', '"a"b', '"', '""', '"""'):
        yield "quoted " + quote, quote.encode()
        yield "quoted item " + quote, b"[" + quote.encode() + b"]"


def encodings():
    for name, text in (
            ("byte order mark", b'\xef\xbb\xbf{"a":1}'), ("half a byte order mark", b'\xef\xbb{"a":1}'),
            ("byte order mark at the end", b'{"a":1}\xef\xbb\xbf'), ("UTF-16", '{"a":1}'.encode("utf-16")),
            ("big-endian UTF-16", '{"a":1}'.encode("utf-16-be")), ("UTF-32", '{"a":1}'.encode("utf-32")),
            ("Latin 1", b'["\xe4"]'), ("lone continuation", b'["\x80"]'), ("lead without continuation", b'["\xc3"]'),
            ("overlong slash", b'["\xc0\xaf"]'), ("overlong NUL", b'["\xc0\x80"]'), ("overlong of three", b'["\xe0\x80\xaf"]'),
            ("surrogate in UTF-8", b'["\xed\xa0\x80"]'), ("pair of surrogates in UTF-8", b'["\xed\xa0\xbd\xed\xb8\x80"]'),
            ("beyond U+10FFFF", b'["\xf4\x90\x80\x80"]'), ("five bytes", b'["\xf8\x88\x80\x80\x80"]'), ("byte ff", b'["\xff"]'),
            ("byte fe in a name", b'{"\xfe":1}'), ("NUL at the end", b'{"a":1}\x00'), ("NUL inside", b'{"a":\x001}'),
            ("NUL in a string", b'["\x00"]'), ("bytes after a NUL", b'1\x00{"a":1}'), ("cut inside of a character", b'["\xf0\x9f\x98')):
        yield name, text


def layout():
    for space in ("\t", "\n", "\r", "\v", "\f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2060", "\u3000", "\ufeff", "\x1f"):
        for name, text in (("before", space + "[1]"), ("after", "[1]" + space), ("inside", "[" + space + "1]"),
                           ("in a number", "[1" + space + "2]"), ("alone", space)):
            yield f"space {ord(space):x} {name}", text.encode()
    for text in ("", " ", "[", "]", "{", "}", ",", ":", "[]", "{}", "[,]", "{,}", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1:2]", "[1;2]",
                 "{1:2}",
                 "{a:1}", "{'a':1}", '{"a"}', '{"a":}', '{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}', '{"a":1 "b":2}', '{"a" 1}', '{"a"::1}',
                 '{"a":1:2}', '{"a","b"}', '{"a":1;"b":2}', '{null:1}', '{"a":[}', "[}", "{]", "[[]", "[]]", "{{}}", "{[]}",
                 '{"a":{}', '[{"a":1]}',
                 "1 2", "[1][2]", "{}{}", '{"a":1}x', '{"a":1}}', '{"a":1}]', '{"a":1},', '{"a":1}\\', "//x\n[1]", "/*x*/[1]", "[1]//x",
                 "[1/**/]",
                 "#x\n[1]", "[1]#", "<a/>", "a=1&b=2", "---\na: 1", "[...]", "[1,...]", "(1)", "[1)", '{"a"=>1}', "\\n",
                 '["a"\\n]', "[undefined]"):
        yield "layout " + text.encode("unicode_escape").decode(), text.encode()
    for word in ("true", "false", "null"):
        for text in (word, word.upper(), word.title(), word[:-1], word + word[-1], word + "1", "1" + word, word + word, word[0],
                     f'"{word}', f"-{word}"):
            yield "word " + text, text.encode()
            yield "word in an array " + text, b"[" + text.encode() + b"]"
    for name, text in (("same name twice", '{"a":1,"a":2}'), ("same name, escaped", '{"a":1,"\\u0061":2}'),
                       ("empty name twice", '{"":1,"":2}'),
                       ("secret behind its like", '{"password":"x","password":null}'), ("value then nothing", '{"a":{"b":1},"a":null}'),
                       ("three times inside", '[{"a":1,"a":[1],"b":2,"a":{"c":3}}]'),
                       ("summary twice", '{"type":"string","length":1,"type":"x"}'),
                       ("record twice", '{"_sanitized":1,"a":null,"_sanitized":"1,2,3,0 1:0f0f0f"}'),
                       ("record, escaped", '{"_sanitized":"1,2,3,\\u0030 1:0f0f0f","a":1}'),
                       ("record twice, once none", '{"_sanitized":"1,2,3,0 1:0f0f0f","_sanitized":"x","a":null}'),
                       ("names by length", '{"bb":1,"a":2,"ccc":3,"":4,"ä":5}'), ("number behind its like", '{"a":1e999999,"a":1}')):
        yield name, text.encode()


def sizes():
    for depth in (1, 2, 16, 64, 65, 255, 256, 257, 1000, 6000, 100000):
        yield f"{depth} arrays", b"[" * depth + b"]" * depth
        yield f"{depth} objects", b'{"a":' * depth + b"1" + b"}" * depth
        yield f"{depth} arrays, one not closed", b"[" * depth + b"]" * (depth - 1)
        yield f"{depth} arrays, none closed", b"[" * depth
        yield f"{depth} objects, none closed", b'{"a":' * depth
        yield f"an error below {depth} arrays", b"[" * depth + b"x" + b"]" * depth
        yield f"{depth} arrays behind an item", b'[{"a":"b"},' + b"[" * depth + b"]" * depth + b"]"
    for size in (255, 256, 4096, 65535, 65536, 200000):
        yield f"string of {size}", b'["' + b"x" * size + b'"]'
        yield f"name of {size}", b'{"' + b"x" * size + b'":1}'
        yield f"string of {size}, not closed", b'["' + b"x" * size
        yield f"{size} spaces", b" " * size + b"1" + b" " * size
        yield f"{size} escapes", b'["' + b"\\u00e4" * size + b'"]'
    for count in (100, 101, 5000):
        yield f"{count} items", b"[" + b",".join([b"1"] * count) + b"]"
        yield f"{count} members", b"{" + b",".join(b'"m%d":1' % i for i in range(count)) + b"}"
        yield f"{count} members of one name", b"{" + b",".join(b'"m":%d' % i for i in range(count)) + b"}"


def all_texts():
    for kind in (damaged, numbers, strings, encodings, layout, sizes):
        yield from kind()


def main():
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for name, text in all_texts():
        writer.writerow([name, text.hex()])


if __name__ == "__main__":
    main()
