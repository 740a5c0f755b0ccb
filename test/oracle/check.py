"""Checks the server's results for random documents.

    check.py POLICIES RESULTS [FINDINGS]

POLICIES: number, policy with the large budget, with the small one. RESULTS: document, policy, exact, body, and for
each of the two budgets the result and what a second pass makes of it; at last what is wrong with the text form,
where something is. The shortest findings are shown; the last line counts them all.
"""

import collections
import csv
import multiprocessing
import re
import sys

from jsonb import parse, print_value
from model import RECORD, Policy, Run, Unsure, is_record

CANARY = re.compile("zq[zqvk5-9]{12}qz|987[5-9]{9}")
RUN = 6
SHOWN = 10


def shows_canary(body, result):
    return any(canary[i:i + RUN] in result
               for canary in set(CANARY.findall(body)) for i in range(len(canary) - RUN + 1))


def policy_mark(result):
    """The record's policy. The model does not compute its hash, but there must be one."""
    record = result.get(RECORD) if isinstance(result, dict) else None
    return record[-8:] if is_record(record) and not record.endswith("1:0f0f0f") else "1:000000"


def leaves(value, path=()):
    """Every leaf with its path. Items of arrays have no number there, since shed items renumber the others."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from leaves(member, path + (name,))
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item, path + (None,))
    else:
        yield path, print_value(value)


def shown(result):
    if isinstance(result, dict):
        result = {name: value for name, value in result.items() if name != RECORD}
    return collections.Counter(leaves(result))


def is_nothing(result):
    return isinstance(result, dict) and set(result) <= {"type", "length", RECORD}


class Checker:
    def __init__(self, path):
        csv.field_size_limit(1 << 27)
        with open(path, newline="", encoding="utf-8") as file:
            self.policies = {row[0]: [Policy(parse(text)) for text in row[1:3]] for row in csv.reader(file)}

    def check(self, row):
        """The faults of a document, and whether the model knows every byte of its result."""
        number, policy, exact, body, large, large_again, small, small_again, text_form = row
        policies = self.policies[policy]
        findings = [text_form] if text_form else []
        findings += self.check_result(policies[0], body, large, large_again)
        findings += self.check_result(policies[1], body, small, small_again)
        large, small = parse(large), parse(small)
        if not is_nothing(small) and shown(small) - shown(large):
            findings.append(f"the smaller budget shows more than {print_value(large)}: {print_value(small)}")
        sure = exact == "t" and not policies[0].detects
        try:
            findings += self.check_exactly(policies, body, (large, small)) if sure else []
        except Unsure:
            sure = False
        return [f"policy {policy}, {body}: {finding}" for finding in findings], sure

    @staticmethod
    def check_result(policy, body, result, again):
        if len(result.encode()) > policy.max_bytes:
            yield f"{len(result.encode())} bytes for {policy.max_bytes}: {result}"
        if again != result:
            yield f"a second pass changes {result} to {again}"
        if shows_canary(body, result):
            yield f"a canary comes out: {result}"

    @staticmethod
    def check_exactly(policies, body, results):
        run = Run(policies[0], parse(body))
        for policy, result in zip(policies, results):
            expected = print_value(run.result(policy.max_bytes, policy_mark(result)))
            if expected != print_value(result):
                yield f"expected {expected} for {policy.max_bytes}, got {print_value(result)}"


CHECKER = None


def start(path):
    global CHECKER
    CHECKER = Checker(path)


def check(row):
    return CHECKER.check(row)


def main():
    policies, results = sys.argv[1:3]
    shown_findings = int(sys.argv[3]) if len(sys.argv) > 3 else SHOWN
    csv.field_size_limit(1 << 27)
    checked = exact = 0
    findings = []
    with open(results, newline="", encoding="utf-8") as file, multiprocessing.Pool(2, start, (policies,)) as pool:
        for found, is_exact in pool.imap(check, csv.reader(file), chunksize=500):
            checked += 1
            exact += is_exact
            findings += found
    for finding in sorted(findings, key=len)[:shown_findings]:
        print(finding)
    print(f"{checked} documents, {exact} to the byte, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
