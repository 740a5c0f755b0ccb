#!/usr/bin/python3
"""Checks what a release is made of.

META.json follows its published schema, and its files are there. Every file that names the version names the one of
callhardening.control. debian/control is what debian/control.in gives for the newest server.
"""
import json
import pathlib
import re
import sys

import jsonschema
import regex

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMAS = ROOT / "test/packages/pgxn_meta"
NEWEST_SERVER = "18"

# Where each file has its version. CHANGELOG.md says before the release which one will be the next.
VERSIONS = {
    "callhardening.control": r"^default_version = '(.*)'$",
    "debian/changelog": r"^callhardening \((.*)-[^-]+\) ",
    "rpm/callhardening.spec": r"^Version: +(.*)$",
    "CHANGELOG.md": r"^(?:## \[|This will be )(\d+\.\d+\.\d+)",
}


def pattern(_, expression, instance, __):
    """The schemas have POSIX classes in their patterns. Python's own module does not know them."""
    if isinstance(instance, str) and not regex.search(expression, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {expression!r}")


# Every schema names its draft, so the validator of the draft is exchanged.
jsonschema.validators.validates("2020-12")(
    jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": pattern}))


def schema_faults(meta):
    """The schemas refer to each other, so they go into one document."""
    schemas = {file.name: json.loads(file.read_text()) for file in SCHEMAS.glob("*.json")}
    schema = {"$schema": schemas["distribution.schema.json"]["$schema"], "$id": "https://pgxn.org/meta/v1/all.schema.json",
              "$ref": "distribution.schema.json", "$defs": schemas}
    for fault in jsonschema.validators.validator_for(schema)(schema).iter_errors(meta):
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
