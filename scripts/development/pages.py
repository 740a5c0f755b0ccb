"""Reads pages: the lines outside of code. Shared by the scripts that check pages."""
import re


def without_comments(text):
    """The page without its HTML comments, with as many lines as before."""
    return re.sub(r"<!--.*?-->", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.S)


def without_fences(text):
    """The lines of a page; those of fenced blocks are empty."""
    fenced, lines = False, []
    for line in text.splitlines():
        is_fence = line.lstrip().startswith("```")
        fenced ^= is_fence
        lines.append("" if fenced or is_fence else line)
    return lines
