"""Random policies and documents, one pair on a line: corpus.py SEED COUNT"""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "oracle"))

import generate  # noqa: E402


def main():
    dice = random.Random(int(sys.argv[1]))
    policies = [row[2] for row in generate.policies(dice, 57)]
    for _, policy, _, body in generate.documents(dice, int(sys.argv[2]), len(policies)):
        print(policies[policy], body.replace("\n", " "), sep="\t")


if __name__ == "__main__":
    main()
