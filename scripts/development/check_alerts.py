#!/usr/bin/env python3
"""Checks docs/monitoring/alerts.yaml: each alert has a summary, a severity and a runbook_url. The last one leads to a heading
of a page here."""
import pathlib
import re
import sys

import yaml

from pages import without_fences

ROOT = pathlib.Path(__file__).resolve().parents[2]


def anchors(page):
    """The anchors of a page's headings, as they are made from their words."""
    for line in without_fences(page.read_text()):
        if heading := re.match(r"#+ +(.*)", line):
            yield re.sub(r"[^\w\- ]", "", heading[1].strip().lower()).replace(" ", "-")


def fault(rule):
    url = rule.get("annotations", {}).get("runbook_url", "")
    page, _, anchor = url.partition("#")
    if not rule.get("annotations", {}).get("summary") or not rule.get("labels", {}).get("severity"):
        return "no summary, or no severity"
    if not (ROOT / page).is_file() or anchor not in anchors(ROOT / page):
        return f"runbook_url leads nowhere: {url}"
    return None


rules = [rule for group in yaml.safe_load((ROOT / "docs/monitoring/alerts.yaml").read_text())["groups"]
         for rule in group["rules"]]
faults = [f"{rule['alert']}: {found}" for rule in rules if (found := fault(rule))]
sys.exit("\n".join(faults) if faults or not rules else 0)
