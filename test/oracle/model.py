"""The sanitizer's rules once more, written from the documentation and not from the C++.

It says what comes out of a document that holds nothing that a detector would find, and no secret but pairs of a
name and a value: which values stay, what is cut, masked or summarized, what the budget sheds and what the record
counts. Slow and simple: trees of Python values, no streaming, no limits of memory.
"""

import bisect
import functools
import re
import unicodedata

from jsonb import Number, member_order, parse, print_value

RECORD = "_sanitized"
NO_RULE = 1 << 30
CUT = "…"
MASK = "***"
LONGEST_NUMBER = 40
LARGEST_COUNT = 99
RECORD_BYTES = 40
SMALL_DOCUMENT = 250
EMPTY_MEMBER_BYTES = 8
LARGEST_LENGTH = 2147483647
ABSENT = object()
MARKER = "[secret]"
PAIR_NAMES = ("name", "key", "label", "header", "field", "param", "id")
PAIR_VALUES = ("value", "val", "content")
SECRET_NAMES = ("password", "x-api-key", "client_secret", "token")  # the names that the generator uses
TYPES = ("string", "number", "boolean", "object", "array")
DEFAULT_LIMITS = {"depth": 16, "members": 100, "items": 100, "characters": 1000}
DEFAULT_BUDGET = 16384


class Policy:
    def __init__(self, document):
        self.rules = document.get("rules", [])
        self.limits = {name: int(document.get("limits", {}).get(name, default))
                       for name, default in DEFAULT_LIMITS.items()}
        self.detects = any(treatment != "keep" for treatment in document.get("detectors", {}).values())
        self.secrets = SECRET_NAMES + tuple(document.get("secrets", ()))
        self.max_bytes = int(document.get("budget", {}).get("max_bytes", DEFAULT_BUDGET))
        self.patterns = [re.compile(path_pattern(rule["path"]), re.DOTALL) for rule in self.rules]
        self.rule_of = functools.lru_cache(maxsize=None)(self._rule_of)

    def _rule_of(self, path, inherited):
        """The first rule for the path, or the inherited rule of a value above it."""
        for index, pattern in enumerate(self.patterns[:inherited]):
            if pattern.fullmatch(path):
                return index
        return inherited

    def is_secret(self, name):
        return is_text(name) and name.lower() in self.secrets

    def rule(self, index):
        return {"action": "keep"} if index == NO_RULE else self.rules[index]


class Unsure(Exception):
    """The documentation does not define every byte of the result."""


def is_text(value):
    return isinstance(value, str) and not isinstance(value, Number)


def path_pattern(path):
    """A regular expression over the names, each after a NUL. No name contains a NUL."""
    pieces = []
    for segment in path.split("."):
        if segment == "**":
            pieces.append("(?:\0[^\0]*)*")
        else:
            pieces.append("\0" + "[^\0]*".join(map(re.escape, segment.split("*"))))
    return "".join(pieces)


# ---- text ------------------------------------------------------------------------------------------

def is_extender(letter):
    return (unicodedata.category(letter) in ("Mn", "Me") or letter == "\u200d"
            or "\U0001f3fb" <= letter <= "\U0001f3ff" or "\U000e0020" <= letter <= "\U000e007f"
            or "\u1160" <= letter <= "\u11ff")


def is_regional(letter):
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def is_inside_unit(text, i):
    """True if a cut before letter i would split a group of letters."""
    if not 0 < i < len(text):
        return False
    if is_extender(text[i]) or text[i - 1] == "\u200d":
        return True
    start = i
    while start > 0 and is_regional(text[start - 1]):
        start -= 1
    return is_regional(text[i]) and (i - start) % 2 == 1


def cut(text, characters):
    if len(text) <= characters:
        return text
    end = characters - 1
    while is_inside_unit(text, end):
        end -= 1
    return text[:end] + CUT


def mask(text, rest):
    if text.startswith(MASK) and len(text) <= len(MASK) + rest:
        return text
    if len(text) <= rest or len(text.encode()) > 256:
        return MASK
    start = len(text) - rest
    while is_inside_unit(text, start):
        start += 1
    return MASK + text[start:]


# ---- names and values in texts ------------------------------------------------------------------------

def looks_listed(value):
    return (len(value) >= 16 and " " not in value and value.isascii() and MARKER not in value
            and not value.startswith("["))


# A name and its value, in the syntaxes of the documentation.
SYNTAXES = (r"\$\w+\['([^']*)'\] = '([^']*)'", r'\["([^"]*)"\]=> string\(\d+\) "([^"]*)"',
            r's:\d+:"([^"]*)";s:\d+:"([^"]*)"', r'<entry key="([^"]*)">([^<]*)<', r"<name>([^<]*)</name><value>([^<]*)<",
            r"<([\w-]+)><!\[CDATA\[(.*?)\]\]>", r'form-data; name="([^"]*)"\r\n\r\n(.*?)\r\n--')


def hide_pairs(text, is_secret):
    """With the marker for the value of {"name": N, "value": V}, <param name="N" value="V"/> and ["N", "V"]."""

    def hide_members(match):
        members = re.findall(r'"?(\w+)"?\s*[:=]\s*"([^"]*)"', match[0])
        if not any(name.lower() in PAIR_NAMES and is_secret(value) for name, value in members):
            return match[0]
        values = [value for name, value in members if name.lower() in PAIR_VALUES]
        return functools.reduce(lambda left, value: left.replace(f'"{value}"', f'"{MARKER}"'), values, match[0])

    def hide_item(match):
        listed = is_secret(match[1]) and looks_listed(match[3])
        return f'"{match[1]}"{match[2]}"{MARKER}"' if listed else match[0]

    def hide_group(match):
        if not is_secret(match[1]):
            return match[0]
        return match[0][:match.start(2) - match.start()] + MARKER + match[0][match.end(2) - match.start():]

    text = re.sub(r"\{[^{}]*\}|<[^<>]*>", hide_members, text)
    for syntax in SYNTAXES:
        text = re.sub(syntax, hide_group, text)
    return re.sub(r'"([^"]*)"(,\s*)"([^"]*)"', hide_item, text)


# ---- the tree that comes out -------------------------------------------------------------------------

class Leaf:
    """A value that the budget takes whole: a scalar, a summary, an empty container."""

    def __init__(self, value, rule, hollow=True):
        self.value, self.rule = value, rule
        self.hollow = hollow  # an empty container that lost only empty members

    def leaves(self):
        yield self

    def plain(self, gone):
        return ABSENT if self in gone else self.value


class Container:
    def __init__(self, names, children):
        self.names, self.children = names, children  # names is None for an array

    def leaves(self):
        for child in self.children:
            yield from child.leaves()

    def plain(self, gone):
        values = [child.plain(gone) for child in self.children]
        if all(value is ABSENT for value in values):
            return ABSENT
        if self.names is None:
            return [value for value in values if value is not ABSENT]
        return {name: value for name, value in zip(self.names, values) if value is not ABSENT}


def is_summary(value):
    if not isinstance(value, dict) or set(value) != {"type", "length"}:
        return False
    length = value["length"]
    return (not isinstance(value["type"], (dict, list)) and not isinstance(value["type"], Number)
            and value["type"] in TYPES and isinstance(length, Number)
            and re.fullmatch("0|[1-9][0-9]{0,9}", length) is not None and int(length) <= LARGEST_LENGTH)


def is_record(value):
    count = "(0|[1-9][0-9]?)"
    return (isinstance(value, str) and not isinstance(value, Number)
            and re.fullmatch(f"{count},{count},{count},{count} [0-9]:[0-9a-f]{{6}}", value) is not None)


def summary_of(value):
    if isinstance(value, Number):
        return {"type": "number", "length": Number(len(value))}
    if isinstance(value, bool):
        return {"type": "boolean", "length": Number(1)}
    kind = {str: "string", dict: "object", list: "array"}[type(value)]
    return {"type": kind, "length": Number(len(value))}


def is_empty(value):
    return value is None or (not isinstance(value, (bool, Number)) and len(value) == 0)


# ---- the rules ----------------------------------------------------------------------------------------

class Run:
    """One document, one policy, any budget."""

    def __init__(self, policy, document):
        self.policy, self.limits, self.document = policy, policy.limits, document
        self.dropped = self.masked = self.truncated = self.opened = 0
        self.empty = 0  # empty ones among the dropped
        self.saved = 0  # bytes, by masks and empty members
        self.unfit = False  # to the budget
        self.earlier = None
        if isinstance(document, dict) and is_record(document.get(RECORD)):
            self.earlier = document[RECORD]
            self.document = {name: value for name, value in document.items() if name != RECORD}

        self.root = self.value(self.document, "", NO_RULE, 0)  # a path matches members

    @property
    def changed(self):
        """True if more than empty members was lost."""
        return self.unfit or self.losses() != (0, 0, 0, 0)

    def saved_little(self):
        """True if less than a record was saved, and a reader sees each loss at its place."""
        return (self.dropped == self.empty and self.truncated == self.opened == 0 and self.earlier is None
                and not self.unfit and self.saved < RECORD_BYTES)

    def losses(self):
        return self.dropped - self.empty, self.masked, self.truncated, self.opened

    def drop(self, empty_name=None):
        self.dropped += 1
        if empty_name is not None:
            self.empty += 1
            self.saved += len(empty_name.encode()) + EMPTY_MEMBER_BYTES

    def summary(self, value, rule):
        self.drop()
        return Leaf(summary_of(value), rule)

    def secret(self, value, rule, paired):
        """The replacement of a secret, or None if the value is not secret."""
        if value == MARKER:
            return Leaf(value, rule)
        if isinstance(value, bool):
            if not paired or self.policy.rule(rule)["action"] not in ("mask", "hash", "summary"):
                return None
        elif isinstance(value, str):
            self.saved += len(value.encode()) - len(MARKER)
        else:
            self.saved += RECORD_BYTES
        self.masked += 1
        return Leaf(MARKER, rule)

    def value(self, value, path, rule, depth, paired=False, listed=False):
        """The sanitized value, or None if nothing of it stays."""
        action = self.policy.rule(rule)["action"]
        if is_empty(value):
            return Leaf(value, rule)
        if paired or listed:
            marker = self.secret(value, rule, paired)
            if marker is not None:
                return marker
        if action == "drop":
            self.drop()
            return None
        if is_summary(value):
            return Leaf(value, rule)
        if isinstance(value, (dict, list)):
            if action == "summary" or depth == self.limits["depth"]:
                return self.summary(value, rule)
            return (self.object if isinstance(value, dict) else self.array)(value, path, rule, depth)
        # No key is set, so there are no pseudonyms.
        if action in ("summary", "hash") or (isinstance(value, Number) and len(value) > LONGEST_NUMBER):
            return self.summary(value, rule)
        return self.scalar(value, path, rule, depth)

    def scalar(self, value, path, rule, depth):
        rule_document = self.policy.rule(rule)
        action = rule_document["action"]
        if isinstance(value, str) and not isinstance(value, Number):
            if action == "json":
                opened, inner = self.open_json(value)
                if opened:
                    self.opened += 1
                    return self.value(inner, path, rule, depth)
            hidden = hide_pairs(value, self.policy.is_secret)
            if action == "mask":
                value = self.count_mask(value, MASK if hidden != value else mask(value, int(rule_document["keep"])))
            else:
                value = self.count_mask(value, hidden)
            limit = int(rule_document["length"]) if action == "truncate" else self.limits["characters"]
            if len(value) > limit and MARKER in value:
                raise Unsure  # the rest of a syntax is read again
            return Leaf(self.count_cut(value, cut(value, limit)), rule)
        if action == "mask":
            text = mask(value, int(rule_document["keep"])) if isinstance(value, Number) else MASK
            return Leaf(self.count_mask(value, text), rule)
        return Leaf(value, rule)

    @staticmethod
    def open_json(text):
        if text.lstrip(" \t\n\v\f\r")[:1] not in ("{", "[", '"'):
            return False, None
        try:
            return True, parse(text)
        except (ValueError, RecursionError):
            return False, None

    def count_mask(self, before, after):
        if isinstance(before, (bool, Number)) or before != after:
            self.masked += 1
        if isinstance(before, str):
            self.saved += len(before.encode()) - len(after.encode())
        return after

    def count_cut(self, before, after):
        if before != after:
            self.truncated += 1
        return after

    def object(self, value, path, rule, depth):
        kept = {}
        over = False
        begun = self.losses()
        names_secret = any(name.lower() in PAIR_NAMES and self.policy.is_secret(member)
                           for name, member in value.items())
        for name, member in value.items():
            if is_empty(member):
                self.drop(name)
                continue
            if len(kept) == self.limits["members"]:
                over = True
                continue
            before = self.dropped, self.empty, self.masked, self.truncated, self.opened, self.saved
            short = self.count_cut(name, cut(name, self.limits["characters"]))
            child_path = path + "\0" + short
            paired = names_secret and name.lower() in PAIR_VALUES
            child = self.value(member, child_path, self.policy.rule_of(child_path, rule), depth + 1, paired)
            if child is None or (isinstance(child, Leaf) and is_empty(child.value)):
                self.dropped, self.empty, self.masked, self.truncated, self.opened, self.saved = before
                self.drop(short if child is not None and child.hollow else None)
            else:
                kept[short] = child
        self.truncated += over
        if not kept:
            return Leaf({}, rule, self.losses() == begun)
        names = sorted(kept, key=member_order)
        return Container(names, [kept[name] for name in names])

    def array(self, value, path, rule, depth):
        children = []
        named = False
        for item in value[:self.limits["items"]]:
            child = self.value(item, path, rule, depth + 1, listed=named and is_text(item) and looks_listed(item))
            children.append(child if child is not None else Leaf({}, rule))
            if is_text(item) and isinstance(child, Leaf) and is_text(child.value):
                named = self.policy.is_secret(item)
        self.truncated += len(value) > self.limits["items"]
        return Container(None, children)

    def result(self, max_bytes, policy_mark):
        budget = Budget(self, max_bytes, policy_mark)
        return budget.fit()


class Budget:
    def __init__(self, run, max_bytes, policy_mark):
        self.run, self.max_bytes, self.policy_mark = run, max_bytes, policy_mark
        self.chain = [] if run.root is None else shedding_chain(run.root)

    def record(self, shed):
        counts = (self.run.dropped, self.run.masked, self.run.truncated, shed)
        return ",".join(str(min(n, LARGEST_COUNT)) for n in counts) + " " + self.policy_mark

    def finished(self, plain, shed):
        if not isinstance(self.run.document, dict):
            return plain
        if self.run.changed and not self.is_longer_by_record(plain):
            plain = plain | {RECORD: self.record(shed)}
        elif self.run.earlier is not None:
            plain = plain | {RECORD: self.run.earlier}
        return {name: plain[name] for name in sorted(plain, key=member_order)}

    def is_longer_by_record(self, plain):
        return self.run.saved_little() and len(print_value(plain).encode()) > SMALL_DOCUMENT

    def without(self, count):
        if self.run.root is None:
            return self.finished({}, 0)
        return self.finished(self.run.root.plain(set(self.chain[:count])), count)

    def fits(self, count):
        return len(print_value(self.without(count)).encode()) <= self.max_bytes

    def fit(self):
        """Drops the shortest sufficient part of the chain. Halving finds it: a leaf takes at least three bytes, and the
        printed count of shed values grows by at most one byte."""
        if self.run.root is None or self.fits(0):
            return self.without(0)
        self.run.unfit = True
        last = len(self.chain)
        fewest = bisect.bisect_left(range(last), True, key=self.fits)
        return self.without(fewest) if fewest < last else self.finished(summary_of(self.run.document), last)


def shedding_chain(root):
    """Values without a rule first, then from the last rule to the first. Each group from the end of the document."""
    return [leaf for _, leaf in sorted(enumerate(root.leaves()), key=lambda e: (-e[1].rule, -e[0]))]
