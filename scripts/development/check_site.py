#!/usr/bin/env python3
"""Checks the site that `make docs` builds: it loads nothing from elsewhere, and its links lead somewhere.

    scripts/development/check_site.py [DIRECTORY]     build/docs by default

A link of a reader may lead to another site. A script, a style, a picture or a font may not.
"""
import html.parser
import pathlib
import re
import sys
import urllib.parse

SITE = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs").resolve()
IN_STYLES = re.compile(r"""(?:url\(|@import\s)\s*["']?([^"')\s;]+)""")


class Page(html.parser.HTMLParser):
    """The anchors of a page, and what it links and loads."""

    def __init__(self, file):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []
        self.feed(file.read_text())

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors.add(values.get("id"))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag != "a":
            self.loaded += [values[name] for name in ("src", "href") if values.get(name)]
        self.loaded += IN_STYLES.findall(values.get("style") or "")


def target(file, link):
    """The file of the site that a link leads to, and the anchor in it."""
    parts = urllib.parse.urlsplit(link)
    path = urllib.parse.unquote(parts.path)
    return (file.parent / path).resolve() if path else file, parts.fragment


def is_elsewhere(link):
    parts = urllib.parse.urlsplit(link)
    return bool(parts.scheme or parts.netloc or link.startswith("/")) and parts.scheme != "data"


def fault_of_link(file, link, pages):
    if urllib.parse.urlsplit(link).scheme:
        return None
    found, anchor = target(file, link)
    if SITE not in found.parents or not found.is_file():
        return "no such file in the site"
    if anchor and found in pages and anchor not in pages[found].anchors:
        return "no such anchor"
    return None


def faults(pages):
    for file, page in pages.items():
        for link in page.links:
            if fault := fault_of_link(file, link, pages):
                yield f"{file.relative_to(SITE)}: {link}: {fault}"
    loaded = [(file, link) for file, page in pages.items() for link in page.loaded]
    loaded += [(file, link) for file in SITE.rglob("*.css") for link in IN_STYLES.findall(file.read_text())]
    for file, link in loaded:
        if is_elsewhere(link):
            yield f"{file.relative_to(SITE)}: {link}: is loaded from elsewhere"
        elif not link.startswith("data:") and not target(file, link)[0].is_file():
            yield f"{file.relative_to(SITE)}: {link}: is loaded, and is not there"


def main():
    pages = {file: Page(file) for file in sorted(SITE.rglob("*.html"))}
    found = sorted(set(faults(pages)))
    if SITE / "index.html" not in pages:
        found.append(f"{SITE}: there is no site")
    print(f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links, {len(found)} faults", *found, sep="\n")
    sys.exit(1 if found else 0)


main()
