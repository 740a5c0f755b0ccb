"""Seeds for the fuzz targets, from the tests' own data: seeds.py DIRECTORY"""

import base64
import hashlib
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "oracle"))

import generate  # noqa: E402
import json_texts  # noqa: E402

WEBHOOKS = ("https://example.com/a?b=c&bodySHA256=00\nMAC\n1\nCallSid=CA12&A=1&A=1", "\nv0=MAC\n1788256940\n{}", "\nv1,MAC v1,x\na\n1\n{}",
            "https://u:p@[::1]:8080/?validationToken=x%20y\nhmac;1;5;MAC\n{}", "\nt=5,v1=MAC\n{}", "\nBearer eyJhbGciOiJIUzI1NiJ9.e30.x\n",
            '\n{"value": [{"clientState": "made-up-token"}], "token": "made-up-token", "auth_token": "made-up-token"}',
            '\n\n\n{"event": "endpoint.url_validation", "payload": {"plainToken": "x"}}')
SCHEMES = ('{"version": 1, "algorithm": "hmac-sha256", "signed": "{timestamp}.{member:a[].b}{parameters}{header:h}", "timestamp": '
           '{"header": "t", "unit": "seconds"}, "tolerance": 9, "signature": {"header": "s", "format": "x={signature};", '
           '"separator": ",", "encoding": "hex"}, "secret": {"encoding": "base64", "prefix": "p_"}, "event_key": "h"}',
           '{"version": 1, "algorithm": "token", "signature": {"member": "a[].b"}, "handshake": {"token": {"header": "x"}, '
           '"empty_body": true, "when": {"a.b": "c"}, "answer": "{{token}}"}}')
NAME_PATHS = ("a.b.c", "call_id", "data.items.note", "recap_summary", "a.a.a.b", "x.y.z.x.y.z", "ä.b", "..")
HEADERS = ('{"alg":"HS256"}', '{"alg":"HS256","typ":"JWT","kid":"1"}', '{"alg":"none"}', '{"alg":"HS256","crit":["b64"]}',
           '{"alg":"HS256","alg":"RS256"}',
           '{"alg":"HS256","jwk":{"kty":"oct"}}', '["HS256"]', '')
FORMS = ("CallSid=CA12&CallStatus=in-progress&From=%2B14155550100", "ForwardedFrom&City=S%C3%A3o+Paulo&To=",
         "a=1&a=2&%61=3&=4&&b==c&d", "a=%", "a=%g1", "a=%00", "a=%c3%28&b=%ed%a0%80", "\ufeffa=b c\r\n",
         "payload=%7B%22call_id%22%3A1%7D", "user[name]=x&user[name]=y", "wIA==",
         '{"url": "https://h.example/?a=1&b=2"}', '"a=1&b=2"', "[1,2", "https://h.example/?a=1")
TEXTS = ("+1 (415) 555-0100", "tel:+14155550100;ext=5", "sip:+14155550100@example.com", "a.b+c@mail.example.com, d@e.example",
         "4111 1111 1111 1111", "4111-1111-1111-1112", "1787158716092", "550e8400-e29b-41d4-a716-446655440000", "version 10.2.13.4",
         "***0100", "***@example.com", "[secret]", "pn_aaaaaa_bbbbbbbbbbbbbbbbbbbb_cccccccc", "2026-07-01 12:30:00",
         "https://h.example/+14155550100")


SHAPES = ("""{"version": 1, "zone": "+05:30", "forms": [{"name": "a", "call": "data.calls[]", "when": {"$.event": ["call.*", null]},
  "has_one_of": ["id"], "fields": {"call_id": ["id", "a\\\\.b[1]"], "state": {"when": {"x": true}, "value": "ended"},
  "started_at": {"join": ["day", "clock"]}, "duration": {"path": "d", "as": "milliseconds", "none": ["0"]}}}, {"like": "a"}]}""",
          """{"version": 1, "forms": [{"fields": {"call_id": "id", "ended_at": {"path": "$.e[0][1]", "zone": "Asia/Kolkata"}}}]}""",
          """{"version": 1, "forms": [{"call": "$", "fields": {"call_id": {"value": "x"},
    "was_recorded": {"when": {"r": "*"}, "value": true}}}]}""")
BODIES = ('{"event": "call.end", "data": {"calls": [{"id": 7, "x": true, "day": "2026-01-01", "clock": "10:00:00", "d": "1500"}]}}',
          '{"id": "7", "e": [[1, "Sun, 25 Mar 2018 09:53:19"]]}', '[{"id": 1.5, "r": {}}]')


def base64url(text):
    return base64.urlsafe_b64encode(text.encode("utf-8")).decode("ascii").rstrip("=")


def write(directory, text):
    os.makedirs(directory, exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    with open(os.path.join(directory, hashlib.sha1(data).hexdigest()), "wb") as file:
        file.write(data)


def main():
    place = sys.argv[1]
    dice = random.Random(1)
    for row in generate.policies(dice, 100):
        write(place + "/policy", row[2])
    for _ in range(100):
        write(place + "/path", "\n".join([dice.choice(generate.PATHS), dice.choice(generate.PATHS), dice.choice(NAME_PATHS)]))
    documents = [row[3] for row in generate.documents(dice, 400, 1)]
    for i, body in enumerate(documents):
        write(place + "/payload", chr(i % 8) + body)
    for _, text in json_texts.all_texts():
        if len(text) < 4096 and dice.random() < 0.2:
            write(place + "/payload", b"\0" + text)
    maker = generate.Documents(dice)
    for _ in range(200):
        write(place + "/detectors", maker.sensitive())
    for header in HEADERS:
        write(place + "/signature", ".".join([base64url(header), base64url(documents[0]), "MAC"]))
        write(place + "/signature", ".".join([base64url(header), "e30", "AAAA"]))
    for webhook in WEBHOOKS:
        for number in range(0, 25):
            write(place + "/webhook", chr(number) + webhook)
        for scheme in SCHEMES:
            write(place + "/webhook", chr(63) + scheme + "\n" + webhook)
    for text in FORMS:
        write(place + "/form", text)
    for shape in SHAPES:
        for body in BODIES:
            write(place + "/shape", shape + "\0" + body)
    for text in TEXTS:
        write(place + "/detectors", text)


if __name__ == "__main__":
    main()
