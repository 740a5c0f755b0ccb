"""The site of the pages: `make docs` builds it with Sphinx.

The pages are plain Markdown, and their links and anchors are those of a code host. docs/README.md has the order of the
pages. Here its lists become the navigation, and a page that is missing there is an error.
"""
import os
import pathlib
import re

from docutils import nodes
from pygments.lexers.configs import IniLexer
from pygments.lexers.sql import PsqlRegexLexer

ROOT = pathlib.Path(__file__).resolve().parent.parent
INDEX = "docs/README"
REFERENCE = "docs/reference"
RESULTS = "test/bench/results"

project = "callhardening"
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", f"{RESULTS}/*.md"]
extensions = ["myst_parser"]
myst_heading_anchors = 4
highlight_language = "none"
html_theme = "theme"
html_theme_path = ["."]
html_title = "callhardening"
smartquotes = False
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
man_pages = [(REFERENCE, "callhardening", "hardened webhooks of phone calls", "", 7)]


def toctree(pages, *options):
    return "\n".join(["", "```{toctree}", ":hidden:", *options, *(f"/{page}" for page in pages if page != root_doc), "```", ""])


def index():
    """Each heading of the index with its pages."""
    text = (ROOT / f"{INDEX}.md").read_text()
    for heading, links in re.findall(r"^## (.*)\n((?:(?!#).*\n)*)", text, re.M):
        pages = re.findall(r"^- \[.*?\]\((.*?)\.md\)", links, re.M)
        yield heading, [os.path.normpath(os.path.join(os.path.dirname(INDEX), page)) for page in pages]


def add_navigation(app, name, source):
    if name == root_doc:
        source[0] += toctree([INDEX]) + "".join(toctree(pages, f":caption: {heading}") for heading, pages in index())
    if name == "docs/performance":
        source[0] += toctree([f"{RESULTS}/{file.stem}" for file in sorted((ROOT / RESULTS).glob("*.md"))])


def add_anchors(app, doctree):
    """Gives the headings of the reference the anchors of a code host: docutils writes names with hyphens."""
    if app.env.docname == REFERENCE:
        for section in doctree.findall(nodes.section):
            name = section[0].astext()
            if "_" in name:
                section["ids"].append(name)


def is_inside(node, kinds):
    return isinstance(node.parent, kinds) or node.parent is not None and is_inside(node.parent, kinds)


def link_names(app, doctree, page):
    """Links the first mention of a function or view on a page to its entry in the reference."""
    if page == REFERENCE or app.builder.format != "html":
        return
    names = set(re.findall(r"^### (\w+_\w+)$", (ROOT / f"{REFERENCE}.md").read_text(), re.M))
    for literal in list(doctree.findall(nodes.literal)):
        name = literal.astext().partition("(")[0]
        if name in names and not is_inside(literal, (nodes.title, nodes.reference)):
            names.remove(name)
            address = f"{app.builder.get_relative_uri(page, REFERENCE)}#{name}"
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), internal=True, refuri=address))


def setup(app):
    app.add_lexer("sql", PsqlRegexLexer)
    app.add_lexer("conf", IniLexer)
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", add_anchors)
    app.connect("doctree-resolved", link_names)
