"""Random policies and documents. The same seed gives the same ones.

    generate.py policies SEED COUNT       policy, with a large and with a small budget
    generate.py documents SEED COUNT POLICIES [keep-order]

Rows of CSV, for COPY. A document is `exact` where it holds no secret and nothing that a detector would find, so
that the model can say what comes out of it to the byte; secrets in pairs of a name and a value it knows. The others
carry canaries: secrets that can be told from everything else by their letters.
"""

import csv
import json
import random
import sys

PLAIN_NAMES = ("call_id", "state", "a", "b", "x1", "note", "items", "data", "nested", "number", "remarks", "type",
               "length", "target", "contact", "labels", "ä", "名前", "with.dot", "with space", "UPPER", "👍🏽",
               "talk_time", "date_rang", "custom_data", "7_a_name_that_is_longer_than_most_limits", "e\u0301te\u0301")
SECRET_NAMES = ("password", "client_secret", "X-Api-Key", "user token", "Authorization", "cookies", "signature",
                "pin", "dtmf_digits", "voicemail_pin", "cvv", "webhook-secret")
PAIR_NAMES = ("name", "key", "label", "header", "field", "param", "id", "Name", "KEY")
PAIR_VALUES = ("value", "val", "content", "Value")
NAMES_OF_SECRETS = ("password", "X-Api-Key", "client_secret", "token", "PASSWORD")
NAMES_OF_OTHERS = ("Accept", "X-Request-Id", "state", "colour")
WORDS = ("call", "agent", "the", "queue", "ended", "überall", "naïve", "日本語", "ok", "no", "Hello", "ring",
         "e\u0301le\u0300ve", "👍🏽", "👩‍👩‍👧", "🇩🇪🇫🇷", "tab\there", "line\nbreak", "quote\"s", "back\\slash", "\u0001", "\x7f",
         "\u1112\u1161\u11ab", "❤️", "a" * 30)
PATHS = ("**.call_id", "**.state", "note", "**.note", "**.nested", "data", "data.*", "**.a", "a.b", "**.b.a", "x*",
         "**.data.**", "*.items", "**.items", "**.la*", "**.custom_data", "**.number", "**.target.*", "*",
         "**.date_*", "**.c*t*", "**.nested.note", "**.with space", "**.type")
ACTIONS = ("keep", "keep", "drop", "mask", "truncate", "summary", "json", "hash")


def rule(dice):
    action = dice.choice(ACTIONS)
    made = {"path": dice.choice(PATHS), "action": action}
    if action == "mask":
        made["keep"] = dice.randrange(9)
    if action == "truncate":
        made["length"] = dice.choice((11, 12, 20, 60, 500))
    return made


def policy(dice):
    made = {"version": 1, "rules": [rule(dice) for _ in range(dice.randrange(9))]}
    if dice.random() < 0.8:
        made["limits"] = {"depth": dice.randint(1, 7), "members": dice.randint(1, 24), "items": dice.randint(1, 12),
                          "characters": dice.choice((11, 12, 16, 40, 200))}
    if dice.random() < 0.2:
        made["secrets"] = ["door_code"]
    if dice.random() < 0.2:
        made["detectors"] = {name: dice.choice(("keep", "mask", "hash")) for name in ("phone", "email", "card", "ssn", "iban", "ip")}
    return made


def policies(dice, count):
    for number in range(count):
        made = policy(dice)
        small = dice.choice((256, 256, 257, 270, 300, 400, 700))
        large = dice.choice((small + 1, small + 40, 512, 800, 2000, 1000000))
        yield [number] + [json.dumps(made | {"budget": {"max_bytes": n}}) for n in (max(large, small), small)]


# ---- documents -----------------------------------------------------------------------------------------

class Documents:
    """Ordinary digits are 0 to 4 and ordinary words have no z, so only a canary has its six letters."""

    def __init__(self, dice):
        self.dice = dice
        self.exact = True
        self.pairs = True
        self.nodes = 0

    def document(self):
        self.exact = self.dice.random() < 0.7
        self.nodes = self.dice.choice((2, 4, 6, 8, 10, 14, 20, 60))
        roll = self.dice.random()
        if roll < 0.03:
            return self.scalar()
        if roll < 0.06:
            return self.array(0)
        if roll < 0.08:
            return self.nest(self.dice.randint(2, 30))
        return self.root()

    def root(self):
        members = self.object(0)
        if self.dice.random() < 0.05:
            members["_sanitized"] = f"{self.dice.choice((1, 20, 99))},2,3,0 1:0f0f0f"
        if not self.exact and self.dice.random() < 0.05:
            members["_sanitized"] = self.value(1)
        return members

    def nest(self, depth):
        value = self.scalar()
        for _ in range(depth):
            value = {self.name(): value} if self.dice.random() < 0.6 else [value]
        return value

    def value(self, depth):
        self.nodes -= 1
        roll = self.dice.random()
        if self.nodes > 0 and depth < 9 and roll < 0.3:
            return self.object(depth)
        if self.nodes > 0 and depth < 9 and roll < 0.42:
            return self.array(depth)
        return self.scalar()

    def object(self, depth):
        members = {}
        for _ in range(self.dice.choice((0, 1, 2, 3, 5, 8, 30)) if depth else self.dice.randint(0, 30)):
            if self.nodes <= 0:
                break
            self.member(members, depth)
        return members

    def member(self, members, depth):
        if not self.exact and self.dice.random() < 0.15:
            members[self.dice.choice(SECRET_NAMES)] = self.secret()
        elif self.pairs and self.dice.random() < 0.03:
            self.pair(members)
        else:
            members[self.name()] = self.value(depth + 1)

    def array(self, depth):
        items = []
        for _ in range(self.dice.choice((0, 1, 2, 3, 6, 20))):
            if self.nodes <= 0:
                break
            if self.pairs and self.dice.random() < 0.05:
                items += self.listed()
            items.append(self.value(depth + 1))
        return items

    # ---- pairs of a name and a value --------------------------------------------------------------------

    def pair(self, members):
        """At most one in an object: of several only the last one counts."""
        if any(name.lower() in PAIR_NAMES + PAIR_VALUES for name in members):
            return
        secret = self.dice.random() < 0.6
        members[self.dice.choice(PAIR_NAMES)] = self.dice.choice(NAMES_OF_SECRETS if secret else NAMES_OF_OTHERS)
        members[self.dice.choice(PAIR_VALUES)] = self.secret() if secret else self.text()

    def listed(self):
        items = [self.dice.choice(NAMES_OF_OTHERS), "*/*"] * self.dice.randrange(2)
        return items + [self.dice.choice(NAMES_OF_SECRETS), self.canary()]

    def pair_text(self):
        secret = self.dice.random() < 0.7
        name = self.dice.choice(NAMES_OF_SECRETS if secret else NAMES_OF_OTHERS)
        value = self.canary() if secret else "a40302010" + "".join(self.dice.choice("01234") for _ in range(8))
        names, values = self.dice.choice(PAIR_NAMES), self.dice.choice(PAIR_VALUES)
        form = self.dice.choice((f'{{"{names}": "{name}", "{values}": "{value}"}}',
                                 f'{{"{values}":"{value}","{names}":"{name}"}}',
                                 f'{{"headers": [{{"{values}":"{value}", "{names}": "{name}"}}, {{"a": 1}}]}}',
                                 f'["{name}", "{value}"]', f'["Accept","*/*","{name}","{value}"]',
                                 f'<param {names}="{name}" {values}="{value}"/>',
                                 f"$a['{name}'] = '{value}';", f'["{name}"]=> string(16) "{value}"',
                                 f's:{len(name)}:"{name}";s:16:"{value}";', f'<entry key="{name}">{value}</entry>',
                                 f'<name>{name}</name><value>{value}</value>', f'<{name}><![CDATA[{value}]]></{name}>',
                                 f'--b1\r\nform-data; name="{name}"\r\n\r\n{value}\r\n--b1--',
                                 f'{{"{names}": "{name}", "note": "{"so " * 130}", "{values}": "{value}"}}'))
        return self.dice.choice(("", "sent ", "ring\nthe ")) + form + self.dice.choice(("", " ok", "; ended"))

    def name(self):
        if self.dice.random() < 0.7:
            return self.dice.choice(PLAIN_NAMES)
        if not self.exact and self.dice.random() < 0.03:
            return "password=" + self.canary()
        return self.dice.choice("cdefg") + str(self.dice.randrange(40))

    def scalar(self):
        roll = self.dice.random()
        if roll < 0.12:
            return self.dice.choice((None, "", True, False))
        if roll < 0.16:
            return self.dice.choice(({}, [], {"a": None}, [None]))
        if roll < 0.20:
            return {"type": self.dice.choice(("string", "object", "call")), "length": self.dice.choice((0, 17, -1, 1.5))}
        if roll < 0.42:
            return self.number()
        if not self.exact and roll < 0.55:
            return self.sensitive()
        if roll < 0.60:
            return self.embedded()
        if self.pairs and roll < 0.63:
            return self.pair_text()
        return self.text()

    def number(self):
        form = self.dice.choice(("%s", "-%s", "%s.10", "0.0%s", "%se2", "-0.0", "1e400", "1%s.0e38", "1.50e1", "1e-50"))
        digits = "".join(self.dice.choice("01234") for _ in range(self.dice.randint(1, 16))).lstrip("0") or "0"
        return Raw(form % digits if "%" in form else form)

    def text(self):
        words = [self.dice.choice(WORDS) for _ in range(self.dice.choice((1, 1, 1, 1, 2, 2, 3, 3, 6, 30)))]
        return (" " if self.dice.random() < 0.9 else "").join(words)

    def embedded(self):
        inner = Documents(self.dice)
        inner.exact = self.exact
        inner.pairs = False  # in a text only simple forms are found
        inner.nodes = 3
        text = write(inner.value(6), self.dice)
        return text if self.dice.random() < 0.8 else text[:-1]

    # ---- what has to go --------------------------------------------------------------------------------

    def canary(self):
        return "zq" + "".join(self.dice.choice("zqvk56789") for _ in range(12)) + "qz"

    def secret(self):
        roll = self.dice.random()
        if roll < 0.1:
            return Raw("987" + "".join(self.dice.choice("56789") for _ in range(9)))
        if roll < 0.2:
            return [self.canary(), {"deep": self.canary()}]
        if roll < 0.3:
            return {self.name(): self.canary()}
        if roll < 0.4:
            return self.dice.choice((True, False, None, "", "[secret]"))
        return self.canary()

    def sensitive(self):
        canary = self.canary()
        return self.dice.choice((
            "https://agent:" + canary + "@example.com/path?page=1",
            "see https://example.com/x?sig=" + canary + "&page=1 for more",
            "https://example.com/x#access_token=" + canary,
            "Authorization: Bearer " + canary,
            "Cookie: session=" + canary + "; other=" + canary,
            "GET / api_key=" + canary,
            "x" * self.dice.randrange(60) + " password: " + canary,
            json.dumps({"password": canary, "a": 1}),
            json.dumps({"a": json.dumps({"token": canary})}),
            "sip:alice:" + canary + "@example.com",
            "-----BEGIN PRIVATE KEY-----\n" + canary + "\n-----END PRIVATE KEY-----",
            "call +1 415 555 0100 or jane@example.com, card 4111 1111 1111 1111",
            "+14155550100", "sip:+14155550100@example.com", "4111111111111111"))


class Raw(str):
    """A number as written in the document."""


def write_string(text, dice):
    return json.dumps(text, ensure_ascii=dice.random() < 0.3)


def write(value, dice):
    """JSON with all its freedom: white space, escapes, members in any order, some twice."""
    space = dice.choice(("", "", " ", "\n  "))
    if isinstance(value, dict):
        members = list(value.items())
        dice.shuffle(members)
        if members and dice.random() < 0.05:
            members.insert(0, (members[-1][0], 17))
        inner = ("," + space).join(write_string(k, dice) + ":" + space + write(v, dice) for k, v in members)
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ("," + space).join(write(item, dice) for item in value) + "]"
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return write_string(value, dice)
    return json.dumps(value)


def documents(dice, count, policy_count):
    """Policy by policy, so that the server rarely compiles one."""
    maker = Documents(dice)
    for number in range(count):
        body = write(maker.document(), dice)
        yield [number, number * policy_count // count, maker.exact, body]


def main():
    kind, seed, counts = sys.argv[1], int(sys.argv[2]), [int(n) for n in sys.argv[3:]]
    dice = random.Random(seed)
    rows = policies(dice, *counts) if kind == "policies" else documents(dice, *counts)
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
