#!/usr/bin/env python3
"""Writes what docs/reference.md says of each function, view and setting. The source is the comments in the database.

    scripts/development/reference.py            writes the page anew
    scripts/development/reference.py --check    prints what would change, and fails if anything does

It makes a database with the extension on the server that psql finds, and drops it again. In the page, objects stand
between two comments, which name the files of sql/ with these objects:

    <!-- objects of words/* -->
    <!-- end of objects -->

They come in the order of their oids: the order of the install script. The settings and the SQLSTATEs have such comments
as well. Everything else on the page is written by hand.

A comment in the database is plain text. A line of it is a paragraph, `Errors:`, or begins with `- `. If it begins with
`- name: `, it tells of a parameter, a column or an SQLSTATE. A line that goes on is indented, or in a paragraph. Names of
public objects become links. What looks like code is shown as code.
"""
import argparse
import contextlib
import difflib
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reference.md"
COLUMNS = 120
MOST_NAMES = 12  # in the list of an SQLSTATE
DATABASE = "callhardening_reference"

# The members of the extension outside of _callhardening. Objects of another kind than these have no `kind`. From
# PostgreSQL 17 on the row types of views are members, too.
MEMBERS = """
WITH member AS (
    SELECT d.classid, d.objid, e.extnamespace AS home FROM pg_depend AS d
    JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND d.deptype = 'e'
    WHERE e.extname = 'callhardening' AND d.classid NOT IN ('pg_namespace'::regclass, 'pg_event_trigger'::regclass)
), routine AS (
    SELECT p.oid, CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END AS kind, p.proname AS name,
        obj_description(p.oid, 'pg_proc') AS text, has_function_privilege('public', p.oid, 'EXECUTE') AS for_public,
        json_build_object('returns_set', p.proretset, 'returns', format_type(p.prorettype, NULL),
            'volatility', p.provolatile, 'parallel', p.proparallel, 'definer', p.prosecdef) AS facts,
        (SELECT json_agg(json_build_object('name', a.name, 'type', format_type(a.type, NULL),
                'is_result', coalesce(a.mode, 'i') IN ('o', 't'), 'default', pg_get_function_arg_default(p.oid, a.n::int))
            ORDER BY a.n)
         FROM unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes), p.proargmodes::text[])
            WITH ORDINALITY AS a (name, type, mode, n)) AS columns
    FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid AND p.pronamespace = m.home
), relation AS (
    SELECT c.oid, CASE c.relkind WHEN 'v' THEN 'view' END AS kind, c.relname AS name,
        obj_description(c.oid, 'pg_class') AS text, has_table_privilege('public', c.oid, 'SELECT') AS for_public, NULL::json,
        (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
                'text', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
         FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
    FROM pg_class AS c JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid AND c.relnamespace = m.home
), other AS (
    SELECT m.objid, NULL, pg_describe_object(m.classid, m.objid, 0)::name, NULL, NULL::boolean, NULL::json, NULL::json
    FROM member AS m LEFT JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
    WHERE m.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass)
        AND (t.oid IS NULL OR t.typnamespace = m.home AND NOT EXISTS (
            SELECT FROM pg_class AS c WHERE c.relkind = 'v' AND c.reltype IN (t.oid, t.typelem)))
)
SELECT json_agg(to_json(o) ORDER BY o.oid) FROM (
    SELECT a.*, (SELECT json_agg(DISTINCT g.task ORDER BY g.task) FROM _callhardening.task_grants AS g
        WHERE g.object = a.name AND g.privilege IN ('EXECUTE', 'SELECT')) AS tasks
    FROM (SELECT * FROM routine UNION ALL SELECT * FROM relation UNION ALL SELECT * FROM other) AS a) AS o
"""
SETTINGS = """
LOAD 'callhardening';
SELECT json_agg(to_json(s) ORDER BY s.name) FROM pg_settings AS s WHERE s.name LIKE 'callhardening.%'
"""
VOLATILITY = {"i": "Immutable", "s": "Stable", "v": "Volatile"}
PARALLEL = {"s": "parallel safe", "r": "parallel restricted", "u": "parallel unsafe"}
CHANGED_BY = {"sighup": "A reload changes it.", "postmaster": "A restart changes it."}


def psql(database, sql):
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database], input=sql, capture_output=True,
                          text=True, check=False)
    if done.returncode:
        sys.exit(f"reference.py: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def fresh_database():
    """A function that runs a query and returns its JSON, in a database with nothing but the extension."""
    psql("postgres", f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE);\n"
                     f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")
    try:
        psql(DATABASE, "CREATE EXTENSION callhardening")
        start = "SET search_path = pg_catalog; SET IntervalStyle = postgres;\n"
        yield lambda query: json.loads(psql(DATABASE, start + query))
    finally:
        psql("postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)")


def creators():
    """The file in sql/ that creates an object of this name, without the ending."""
    created = re.compile(r"^CREATE (?:FUNCTION|PROCEDURE|VIEW) @extschema@\.(\w+)", re.M)
    return {name: f"{file.parent.name}/{file.stem}"
            for file in ROOT.glob("sql/*/*.sql") for name in created.findall(file.read_text())}


# -- text --------------------------------------------------------------------------------------

CODE = re.compile(r"""
    \b[a-z]+(?:[_.][a-z]+)+\b(?!\(|\.\.\.)                        # a name with an underscore or a dot
  | (?<![\w'])'[^'\s]*'(?:::\w+)? | \w+::\w+ | "[^"\s]*_[^"\s]*"   # literals
  | \{[^}]*\} | \b[a-z_]+\((?:[^()]|\([^()]*\))*\)                # a JSON object, a call
  | <\w+>[.\w]* | \w+\[[\d.]*\] | \w+\.\* | \\u\d+ | \b_\w+ | \w+_\.\.\. | (?<=\s)[-*_](?=[\s:])
""", re.X)


def escaped(text):
    return re.sub(r"[*_<\[\\]", r"\\\g<0>", text)


def wrapped(text, indent=""):
    return textwrap.fill(text, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def parts_of(comment):
    """The paragraphs and items of a comment, each in one line."""
    return [re.sub(r"\n *", " ", part) for part in re.split(r"\n\n|\n(?=- |Errors:$)", comment, flags=re.M)]


def first_sentence(comment):
    return re.match(r"(.*?\.)(?: |$)|(.*)", parts_of(comment)[0])[0].strip()


class Writer:
    """Turns what is said of one object into Markdown. The first mention of another object is a link."""

    def __init__(self, unlinked):
        self.unlinked = unlinked

    def code(self, word):
        if word not in self.unlinked:
            return f"`{word}`"
        self.unlinked = self.unlinked - {word}
        return f"[`{word}`](#{word})"

    def markdown(self, text):
        plain, codes = CODE.split(text), [self.code(word) for word in CODE.findall(text)]
        return "".join(escaped(part) + code for part, code in zip(plain, [*codes, ""]))

    def item(self, part):
        names, text = re.fullmatch(r"- (?:(\w+(?:, \w+)*): )?(.*)", part).groups()
        label = ", ".join(f"`{name}`" for name in names.split(", ")) + ": " if names else ""
        return wrapped(f"- {label}{self.markdown(text)}", "  ")

    def comment(self, text):
        """Blocks: paragraphs and lists."""
        blocks, before = [], ""
        for part in parts_of(text):
            is_item = part.startswith("- ")
            block = self.item(part) if is_item else wrapped(self.markdown(part))
            if is_item and before.startswith("- "):
                block = blocks.pop() + "\n" + block
            blocks.append(block)
            before = part
        return blocks


# -- objects -----------------------------------------------------------------------------------


def type_of(column):
    return column["type"].replace("timestamp with time zone", "timestamptz").replace("integer", "int")


def declared(column):
    default = re.sub(r'::[a-z" ]+(\[\])?$', "", column["default"] or "").replace('"', "")
    return f"{column['name']} {type_of(column)}" + (f" = {default}" if default else "")


def in_brackets(columns, room):
    """The columns in one line, or each in its own."""
    words = [declared(column) for column in columns]
    line = f"({', '.join(words)})"
    return line if len(line) <= room else "(\n    " + ",\n    ".join(words) + "\n)"


def signature(routine):
    name, facts = routine["name"], routine["facts"]
    arguments = [column for column in routine["columns"] or [] if not column["is_result"]]
    results = [column for column in routine["columns"] or [] if column["is_result"]]
    text = name + in_brackets(arguments, 90 - len(name))
    if routine["kind"] == "procedure":
        return "CALL " + text
    arrow = " → setof " if facts["returns_set"] else " → "
    room = 90 - len(text.rpartition("\n")[2] + arrow)
    return text + arrow + (in_brackets(results, room) if results else type_of({"type": facts["returns"]}))


def audience(member):
    tasks = ", ".join(f"`{task}`" for task in member["tasks"] or [])
    if member["for_public"]:
        return f"{member['kind'].capitalize()} for every role."
    if not tasks:
        return f"{member['kind'].capitalize()} for superusers and the owner of the extension."
    return f"{member['kind'].capitalize()} for roles with the task " + re.sub(", ([^,]*)$", r" or \1", tasks) + "."


def facts_of(routine):
    facts = routine["facts"]
    return wrapped(" ".join([audience(routine), f"{VOLATILITY[facts['volatility']]}, {PARALLEL[facts['parallel']]}."]
                            + ["Runs with the rights of the extension's owner."] * facts["definer"]))


def routine_entry(routine, writer):
    return [f"```text\n{signature(routine)}\n```", *writer.comment(routine["text"]), facts_of(routine)]


def view_entry(view, writer):
    columns = [f"- `{column['name']}` {type_of(column)}" + (f": {writer.markdown(column['text'])}" if column["text"] else "")
               for column in view["columns"]]
    return [*writer.comment(view["text"]), "\n".join(wrapped(column, "  ") for column in columns), audience(view)]


def entry(name, members, names):
    writer = Writer(names - {name})
    write = {"function": routine_entry, "procedure": routine_entry, "view": view_entry}
    return [f"### {name}", *(block for member in members for block in write[member["kind"]](member, writer))]


def objects(members, names):
    """The first sentence of each name, and then all of it."""
    by_name = {}
    for member in members:
        by_name.setdefault(member["name"], []).append(member)
    overview = [wrapped(f"- [`{name}`](#{name}){' (view)' * (found[0]['kind'] == 'view')}: {Writer(set()).markdown(first_sentence(found[0]['text']))}", "  ")
                for name, found in by_name.items()]
    return ["\n".join(overview), *(block for name, found in by_name.items() for block in entry(name, found, names))]


# -- settings and errors -----------------------------------------------------------------------


def setting_entry(setting):
    unit = setting["unit"] or ""
    bounds = f"{setting['min_val']}{unit} to {setting['max_val']}{unit}, by default {setting['boot_val']}{unit}."
    text = " ".join(filter(None, [setting["short_desc"], setting["extra_desc"], bounds, CHANGED_BY[setting["context"]]]))
    return [f"### {setting['name']}", wrapped(Writer(set()).markdown(text))]


def errors(members):
    """For each SQLSTATE the names of the functions whose comments have it, or their number."""
    raised = {}
    for member in members:
        for code in re.findall(r"^- ([0-9A-Z]{5}): ", member["text"], re.M):
            raised.setdefault(code, {})[f"[`{member['name']}`](#{member['name']})"] = True
    names = {code: ", ".join(links) if len(links) <= MOST_NAMES else f"{len(links)} functions" for code, links in raised.items()}
    return ["\n".join(wrapped(f"- `{code}`: {names[code]}", "  ") for code in sorted(names))]


# -- the page ----------------------------------------------------------------------------------

REGION = re.compile(r"(<!-- (objects|settings|errors)(?: of (.*?))? -->\n).*?(<!-- end of \2 -->)", re.S)


def homes(members, page):
    """The files that a region of the page names, for each member: one of them creates it."""
    regions = [files for _, kind, files, _ in REGION.findall(page) if kind == "objects"]
    files = creators()
    for member in members:
        if not member["kind"] or not member["text"]:
            sys.exit(f"reference.py: {member['name']} has no comment, or is no function, procedure or view")
        found = [region for region in regions
                 if any(fnmatch.fnmatch(files.get(member["name"], ""), pattern) for pattern in region.split())]
        if len(found) != 1:
            sys.exit(f"reference.py: {member['name']}: its file in sql/ is in {len(found)} places of the page")
        yield found[0]


def written(page, members, settings):
    names = {member["name"] for member in members}
    placed = list(zip(members, homes(members, page)))

    def region(found):
        start, kind, files, end = found.groups()
        if kind == "objects":
            blocks = objects([member for member, home in placed if home == files], names)
        else:
            blocks = errors(members) if kind == "errors" else [
                block for setting in settings for block in setting_entry(setting)]
        return "\n".join([start, *(block + "\n" for block in blocks), end])

    return REGION.sub(region, page)


def main():
    options = argparse.ArgumentParser(description="Writes docs/reference.md from the comments in the database.")
    options.add_argument("--check", action="store_true", help="only print what would change")
    arguments = options.parse_args()
    with fresh_database() as ask:
        members, settings = ask(MEMBERS), ask(SETTINGS)
    page = PAGE.read_text()
    new = written(page, members, settings)
    if not arguments.check:
        PAGE.write_text(new)
    elif new != page:
        sys.exit("\n".join(difflib.unified_diff(page.split("\n"), new.split("\n"), "docs/reference.md", "the database",
                                               lineterm="", n=1)) + "\ndocs/reference.md: `make reference` writes it anew")


main()
