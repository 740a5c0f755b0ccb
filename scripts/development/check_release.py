#!/usr/bin/python3
"""Checks what a release is made of.

META.json is as the PGXN Meta Spec 1.0.0 asks, and its files are there. Every file that names the version names the one of
callhardening.control. debian/control is what debian/control.in gives for the newest server.
"""
import json
import pathlib
import re
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEWEST_SERVER = "18"

# Where each file has its version. CHANGELOG.md says before the release which one will be the next.
VERSIONS = {
    "callhardening.control": r"^default_version = '(.*)'$",
    "debian/changelog": r"^callhardening \((.*)-[^-]+\) ",
    "rpm/callhardening.spec": r"^Version: +(.*)$",
    "CHANGELOG.md": r"^(?:## \[|This will be )(\d+\.\d+\.\d+)",
}


# What the PGXN Meta Spec 1.0.0 asks of the members that a distribution like this one has. No other member may be there.
TERM = {"type": "string", "pattern": r"^[^\s/\\\x00-\x1f\x7f]{2,}$"}
TEXT = {"type": "string", "minLength": 1}
SEMANTIC_VERSION = {"type": "string", "pattern": r"^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"}
VERSION_RANGE = {"anyOf": [SEMANTIC_VERSION, {"const": 0}]}


def members(required, optional=None):
    return {"type": "object", "required": list(required), "properties": required | (optional or {}),
            "additionalProperties": False}


def map_of(value):
    return {"type": "object", "minProperties": 1, "propertyNames": TERM, "additionalProperties": value}


PREREQUISITES = {"type": "object", "minProperties": 1, "additionalProperties": map_of(VERSION_RANGE),
                 "propertyNames": {"enum": ["requires", "recommends", "suggests", "conflicts"]}}
META = members(
    {
        "name": TERM,
        "abstract": TEXT,
        "version": SEMANTIC_VERSION,
        "maintainer": TEXT,
        "license": {"const": "postgresql"},
        "provides": map_of(members({"file": TEXT, "version": SEMANTIC_VERSION}, {"abstract": TEXT, "docfile": TEXT})),
        "meta-spec": members({"version": {"const": "1.0.0"}}, {"url": TEXT}),
    },
    {
        "description": TEXT,
        "release_status": {"enum": ["stable", "testing", "unstable"]},
        "prereqs": {"type": "object", "minProperties": 1, "additionalProperties": PREREQUISITES,
                    "propertyNames": {"enum": ["configure", "build", "test", "runtime", "develop"]}},
        "no_index": members({}, {kind: {"type": "array", "items": TEXT} for kind in ("file", "directory")}),
        "resources": {"type": "object"},
        "tags": {"type": "array", "uniqueItems": True, "items": TEXT | {"maxLength": 255}},
    })


def schema_faults(meta):
    for fault in jsonschema.Draft7Validator(META).iter_errors(meta):
        yield f"META.json: {'/'.join(map(str, fault.absolute_path))}: {fault.message}"


def file_faults(meta):
    for extension in meta["provides"].values():
        for name in (extension["file"], extension["docfile"]):
            if not (ROOT / name).is_file():
                yield f"META.json: there is no {name}"


def versions(meta):
    yield "META.json", meta["version"]
    for name, extension in meta["provides"].items():
        yield f"META.json, {name}", extension["version"]
    for file, expression in VERSIONS.items():
        found = re.search(expression, (ROOT / file).read_text(), re.M)
        yield file, found and found[1]


def version_faults(meta):
    found = dict(versions(meta))
    right = found["callhardening.control"]
    for file, version in found.items():
        if version != right:
            yield f"{file}: version {version}, and callhardening.control has {right}"


def control_faults():
    template = (ROOT / "debian/control.in").read_text()
    if (ROOT / "debian/control").read_text() != template.replace("PGVERSION", NEWEST_SERVER):
        yield f"debian/control: not what debian/control.in gives for PostgreSQL {NEWEST_SERVER}"


def faults():
    meta = json.loads((ROOT / "META.json").read_text())
    yield from schema_faults(meta)
    yield from file_faults(meta)
    yield from version_faults(meta)
    yield from control_faults()


if __name__ == "__main__":
    sys.exit("\n".join(faults()) or 0)
