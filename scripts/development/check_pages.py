#!/usr/bin/env python3
"""Runs every statement of README and docs from top to bottom, and compares its output.

    scripts/development/check_pages.py                   every page, on the server of PGHOST and PGUSER, as a superuser
    scripts/development/check_pages.py PAGE ...          some pages
    scripts/development/check_pages.py --write PAGE ...  writes what was printed into the pages instead

Each page has a database of its own, which is empty at first. What a page looks like:

    ```sql    statements and commands of psql. All blocks of a page run in one session.
    ```sh     commands of bash, in the directory of the project, with the page's database in PGDATABASE
    ```       directly after such a block: what it printed. Without it the block may print anything but an ERROR.

A comment directly before a block changes how the block is run:

    <!-- run: as ROLE -->        in a session of this role
    <!-- run: session NAME -->   in another session
    <!-- run: not, REASON -->    not at all
    <!-- run: before SQL -->     runs SQL that a reader has no use for, in the page's first session
    <!-- run: none, REASON -->   anywhere: this page has no blocks

An output may leave out command tags (`INSERT 0 1`) and counts of rows (`(2 rows)`): they are compared if it shows one.
"""
import argparse
import difflib
import os
import pathlib
import re
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 120  # for one block
MARKER = "-- end of block --"
SHOWN_ONLY = {"json", "js", "javascript", "python", "py", "conf", "cpp", "text", "html"}

# Text that differs from run to run, and its replacement for the comparison.
MASKS = [
    # now() has microseconds, times in examples have none
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+([+-]\d\d(:\d\d)?|Z)?", "<time>"),
    # a measured age or duration
    (r"-?(\d+ days? )?\d\d:\d\d:\d\d\.\d+", "<interval>"),
    (r"\b\d+\.\d+ ms\b", "<ms>"),
    # random ids
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    # the server process, in DETAIL of locks and in messages of workers
    (r"\b(process|PID|pid) \d+", r"\1 <pid>"),
    # transactions, in errors about them
    (r"\btransaction \d+", "transaction <xid>"),
    # pg_lsn
    (r"\b[0-9A-F]+/[0-9A-F]{5,}\b", "<lsn>"),
]

# Columns with numbers of this server.
MASKED_COLUMNS = {"pid": "processes", "event_xid": "transactions", "xid": "transactions", "oid": "catalog rows"}

TAG = re.compile(r"INSERT 0 \d+|(UPDATE|DELETE|SELECT|COPY|MERGE|MOVE|FETCH) \d+|SET|RESET|BEGIN|COMMIT|ROLLBACK|"
                 r"CALL|DO|START TRANSACTION|LISTEN|NOTIFY|ANALYZE|VACUUM|REINDEX|(GRANT|REVOKE)( ROLE)?|PREPARE|"
                 r"DEALLOCATE|LOCK TABLE|TRUNCATE TABLE|COMMENT|(CREATE|ALTER|DROP) [A-Z ]+")
ROW_COUNT = re.compile(r"\([1-9]\d* rows?\)")
FAILED = re.compile(r"^(\S+: )?(ERROR|FATAL|PANIC|invalid command|error):? |^psql: error", re.M)


class Fault(Exception):
    """A wrong statement or output in a page; the first argument is the line."""


# -- the contents of a page ---------------------------------------------------------------------


class Block:
    """A fenced block with the directives before it; `output` holds the lines of the output's fence, if there is one."""

    def __init__(self, line, language, text, directives):
        self.line, self.language, self.text = line, language, text
        self.directives = dict(directives)
        self.output = None
        self.output_lines = None

    def reason_not_to_run(self):
        return self.directives.get("not")

    def session(self):
        return self.directives.get("session", ""), self.directives.get("as", "")


def fence_of(line):
    found = re.fullmatch(r"( *)```(\S*)\s*", line)
    return (len(found[1]), found[2]) if found else None


def end_of_fence(lines, first):
    for number in range(first, len(lines)):
        if lines[number].strip() == "```":
            return number
    raise Fault(first, "the fence has no end")


def directive_of(line, text):
    """The word and the rest of a comment `run: WORD REST`."""
    found = re.fullmatch(r"run:\s*(as|session|not|before|none)\b,?\s*(.*)", text, re.S)
    if not found:
        raise Fault(line, f"unknown directive: {text.splitlines()[0]}")
    if not found[2]:
        raise Fault(line, f"the directive `{found[1]}` says no more")
    return found.groups()


class Parser:
    """Reads the blocks of a page, in order. Numbers of lines begin at 0."""

    def __init__(self, text):
        self.lines = text.split("\n")
        self.blocks, self.directives, self.reason_for_none = [], [], None
        self.before_output = None  # the block whose output may stand here

    def parse(self):
        number = 0
        while number < len(self.lines):
            number = self.step(number)
        self.end_directives(number - 1)
        return self.blocks

    def step(self, number):
        line = self.lines[number]
        if line.lstrip().startswith("<!--"):
            return self.comment(number)
        if fence_of(line):
            return self.fence(number)
        if line.strip():
            self.end_directives(number)
            self.before_output = None
        return number + 1

    def end_directives(self, number):
        if self.directives:
            raise Fault(number, "a directive has no block directly after it")

    def comment(self, first):
        last = first
        while "-->" not in self.lines[last]:
            last += 1
        text = "\n".join(self.lines[first:last + 1]).strip().removeprefix("<!--").removesuffix("-->").strip()
        if re.match(r"run\b", text):
            self.directive(first, *directive_of(first, text))
        return last + 1

    def directive(self, number, word, rest):
        self.before_output = None
        if word == "none":
            self.reason_for_none = rest
        elif word == "before":
            self.blocks.append(Block(number, "before", rest, []))
        else:
            self.directives.append((word, rest))

    def fence(self, first):
        indent, language = fence_of(self.lines[first])
        last = end_of_fence(self.lines, first + 1)
        text = "\n".join(line[indent:] for line in self.lines[first + 1:last])
        if language == "" and self.before_output and not self.directives:
            self.before_output.output, self.before_output.output_lines = text, (first + 1, last, indent)
            self.before_output = None
        else:
            self.block(Block(first, language, text, self.directives))
        return last + 1

    def block(self, block):
        self.directives = []
        is_run = block.language in ("sql", "sh")
        if not is_run and not block.reason_not_to_run() and block.language not in SHOWN_ONLY:
            what = f"unknown language: {block.language}" if block.language else "an output follows no block"
            raise Fault(block.line, what)
        if is_run or block.reason_not_to_run():
            self.blocks.append(block)
        self.before_output = block if is_run else None


# -- the server ----------------------------------------------------------------------------------


def environment(database):
    return {**os.environ, "PGDATABASE": database, "PGTZ": "UTC", "LC_ALL": "C.UTF-8", "PGAPPNAME": "check_pages",
            "PGDATESTYLE": "ISO", "PSQL_PAGER": "cat"}


def ask(sql, database="postgres"):
    done = subprocess.run(["psql", "-XAtqc", sql], env=environment(database), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"check_pages.py: {done.stderr}")
    return set(done.stdout.splitlines())


class Session:
    """An open psql session. It prints errors and notices to the same output."""

    def __init__(self, database, role):
        self.process = subprocess.Popen(["psql", "-X"], env=environment(database), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
        self.run(r"\set VERBOSITY default")
        if role:
            self.run(f'SET SESSION AUTHORIZATION "{role}";')

    def run(self, sql):
        timer = threading.Timer(SECONDS, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(f"{sql}\n\\echo '{MARKER}'\n")
            self.process.stdin.flush()
            return self.read_to_marker()
        except BrokenPipeError:
            return "psql: error: the session has ended\n"
        finally:
            timer.cancel()

    def read_to_marker(self):
        printed = []
        for line in self.process.stdout:
            if line == MARKER + "\n":
                return "".join(printed)
            printed.append(line)
        return "".join(printed) + f"psql: error: the session has ended, or was ended after {SECONDS} seconds\n"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Database:
    """A database of a page's own, with its sessions. What the page adds to the server goes with it."""

    def __init__(self, page):
        self.name = "page_" + page.stem.lower()
        self.sessions = {}
        ask(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        self.roles, self.databases = self.there_are()
        ask(f"CREATE DATABASE \"{self.name}\" TEMPLATE template0 ENCODING 'UTF8'")
        ask(f"ALTER DATABASE \"{self.name}\" SET lc_messages = 'C'")

    @staticmethod
    def there_are():
        return ask("SELECT quote_ident(rolname) FROM pg_roles"), ask("SELECT quote_ident(datname) FROM pg_database")

    def run(self, block):
        if block.language == "sh":
            return self.run_in_shell(block.text)
        key = block.session()
        if key not in self.sessions:
            self.sessions[key] = Session(self.name, block.directives.get("as"))
        return self.sessions[key].run(block.text)

    def run_in_shell(self, text):
        done = subprocess.run(["bash", "-c", text], env=environment(self.name), cwd=ROOT, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=5 * SECONDS)
        return done.stdout + (f"error: bash ended with {done.returncode}\n" if done.returncode else "")

    def drop(self):
        for session in self.sessions.values():
            session.close()
        roles, databases = self.there_are()
        for database in sorted(databases - self.databases):
            ask(f"DROP DATABASE {database} WITH (FORCE)")
        for role in sorted(roles - self.roles):
            ask(f"DROP ROLE {role}")


# -- comparing -----------------------------------------------------------------------------------


def cells(line, rule):
    """A line of a table, cut at each `+` of the line under its heads."""
    ends = [*(found.start() for found in re.finditer(r"\+", rule)), len(line)]
    return [line[first:last] for first, last in zip([0, *(end + 1 for end in ends)], ends)]


def without_numbers_of_server(lines):
    """The lines, with MASKED_COLUMNS of tables masked."""
    masked, heads, rule = list(lines), [], None
    for number, line in enumerate(lines):
        if re.fullmatch(r"-+(\+-+)*", line) and number:
            rule, heads = line, [head.strip() for head in cells(lines[number - 1], line)]
        elif rule and ("|" not in line if len(heads) > 1 else not line):
            rule = None
        elif rule:
            masked[number] = "|".join(f" <{head}> " if head in MASKED_COLUMNS and cell.strip() else cell
                                      for head, cell in zip(heads, cells(line, rule)))
    return masked


def trimmed(text):
    """The lines without spaces at their ends, and without empty ones at the beginning and the end."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n").split("\n")


def comparable(text):
    """The lines without text that differs from run to run, and without the column widths that depend on it."""
    lines = without_numbers_of_server(trimmed(text))
    for pattern, instead in MASKS:
        lines = [re.sub(pattern, instead, line) for line in lines]
    return [re.sub(r"-{2,}", "--", re.sub(r" +", " ", line)).strip() for line in lines]


def without_unshown(printed, shown):
    """The printed lines. Command tags and counts of rows are left out if the page shows none."""
    for kind in (TAG, ROW_COUNT):
        if not any(kind.fullmatch(line.strip()) for line in shown.splitlines()):
            printed = "".join(line for line in printed.splitlines(True) if not kind.fullmatch(line.strip()))
    return printed


def difference(block, printed):
    shown, found = comparable(block.output), comparable(without_unshown(printed, block.output))
    return list(difflib.unified_diff(shown, found, "page", "printed", lineterm="", n=1))


def fault_of_text(block):
    """A statement without its end would be run together with the next block."""
    code = re.sub(r"--.*", "", block.text).rstrip()
    if block.language != "sh" and not code.endswith(";") and "\\" not in code.rpartition("\n")[2]:
        return "the last statement has no semicolon"
    return None


def fault_of_block(block, printed):
    if block.output is None:
        return f"it fails:\n{printed.rstrip()}" if FAILED.search(printed) else None
    lines = difference(block, printed)
    return "the page shows another output:\n" + "\n".join(lines) if lines else None


# -- pages ---------------------------------------------------------------------------------------


class Page:
    def __init__(self, path):
        self.path, self.name = path, os.path.relpath(path, ROOT)
        self.blocks, self.faults, self.counts = [], 0, {"run": 0, "compared": 0, "not run": 0}

    def fault(self, line, text):
        self.faults += 1
        print(f"{self.name}:{line + 1}: {text}")

    def parse(self):
        parser = Parser(self.path.read_text())
        try:
            self.blocks = parser.parse()
        except Fault as fault:
            return self.fault(*fault.args)
        if parser.reason_for_none and not self.blocks:
            print(f"{self.name}: no blocks: {parser.reason_for_none}")
        elif not self.blocks:
            self.fault(0, "the page has no blocks")

    def run(self, write):
        database = Database(self.path)
        try:
            printed = [(block, self.run_block(database, block, write)) for block in self.blocks]
        finally:
            database.drop()
        if write:
            self.write([pair for pair in printed if pair[0].output is not None and pair[1] is not None])

    def run_block(self, database, block, write):
        if block.reason_not_to_run():
            self.counts["not run"] += 1
            return print(f"{self.name}:{block.line + 1}: not run: {block.reason_not_to_run()}")
        printed = database.run(block)
        self.counts["run"] += 1
        self.counts["compared"] += block.output is not None
        fault = fault_of_text(block) or (None if write and block.output is not None else fault_of_block(block, printed))
        if fault:
            self.fault(block.line, fault)
        return printed

    def write(self, printed):
        """The last output first, so that the numbers of lines before it stay right."""
        lines = self.path.read_text().split("\n")
        for block, text in reversed(printed):
            if difference(block, text):
                first, last, indent = block.output_lines
                kept = trimmed(without_unshown(text, block.output))
                lines[first:last] = [(" " * indent + line).rstrip() for line in kept]
        self.path.write_text("\n".join(lines))


def check(page, arguments):
    page.parse()
    if page.blocks:
        page.run(arguments.write)
    return page


def main():
    options = argparse.ArgumentParser(description="Runs the pages and compares what is printed.")
    options.add_argument("--write", action="store_true", help="write what was printed into the pages")
    options.add_argument("pages", nargs="*", type=lambda name: pathlib.Path(name).resolve())
    arguments = options.parse_args()
    chosen = arguments.pages or [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    checked = [check(Page(path), arguments) for path in chosen]
    counts = ", ".join(f"{sum(page.counts[what] for page in checked)} {what}" for what in checked[0].counts)
    faults = sum(page.faults for page in checked)
    print(f"{len(checked)} pages: {counts}, {faults} faults")
    sys.exit(1 if faults else 0)


main()
