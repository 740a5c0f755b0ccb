#!/usr/bin/env python3
"""Writes the files of docs/monitoring for exporters from the list of metrics in sql/monitoring/metrics.sql.

    scripts/development/make_monitoring.py           reads the list from the extension in the database that libpq finds
    scripts/development/make_monitoring.py --check   compares the files with it instead, and fails if one differs

It writes the files of postgres_exporter, sql_exporter and pgwatch.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import yaml

PLACE = pathlib.Path(__file__).resolve().parents[2] / "docs/monitoring"
PREFIX = "callhardening"
OWN_COLLECTOR = "call_metrics"  # has what only call_metrics() knows
KEPT_SECONDS = {"calls_metrics": 300, "enforcement_metrics": 60}  # how long exporters keep the metrics of slow collectors
HEAD = "# Written by scripts/development/make_monitoring.py from sql/monitoring/metrics.sql. Do not edit."


class Metric:
    def __init__(self, row):
        self.column, self.type, self.labels = row["metric"], row["type"], row["labels"]
        self.collector, self.present_if, self.help = row["collector"], row["present_if"], row["help"]
        self.name = f"{PREFIX}_{self.column}"
        self.kept_seconds = KEPT_SECONDS.get(self.collector, 0)


def read_metrics():
    done = subprocess.run(["psql", "-XAtqc", "SELECT json_agg(m) FROM _callhardening.metrics() AS m"],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"make_monitoring.py: {done.stderr}")
    return [metric for metric in map(Metric, json.loads(done.stdout)) if metric.collector != OWN_COLLECTOR]


def grouped(metrics, key):
    """Lists of the metrics with the same key, in the order of the first of them."""
    groups = {}
    for metric in metrics:
        groups.setdefault(key(metric), []).append(metric)
    return list(groups.values())


def union(lists):
    return list(dict.fromkeys(item for items in lists for item in items))


# -- postgres_exporter ---------------------------------------------------------------------------
#
# The name of a metric is the key of its query, `_`, and its column. So the metrics of a query begin with its key, and
# each query has another one. A NULL would become NaN. So metrics with a NULL in other rows have a query of their own.


def possible_keys(group):
    """What the names of all metrics of a query begin with, the longest first."""
    names = [metric.name.split("_") for metric in group]
    common = 1
    while all(len(name) > common + 1 and name[:common + 1] == names[0][:common + 1] for name in names):
        common += 1
    return ["_".join(names[0][:length]) for length in range(common, 0, -1)]


def with_keys(groups):
    """A key for each query. Queries with few possible keys choose first."""
    chosen = {}
    for group in sorted(groups, key=lambda group: len(possible_keys(group))):
        free = [key for key in possible_keys(group) if key not in chosen]
        if not free:
            sys.exit(f"make_monitoring.py: no key is left for {group[0].name}: give it a longer name")
        chosen[free[0]] = group
    return chosen


def exporter_columns(metric, key):
    suffixes = ("", "_bucket", "_sum", "_count") if metric.type == "histogram" else ("",)
    shown = metric.name.removeprefix(key + "_")
    alias = "" if shown == metric.column else f" AS {shown}"
    return [f"{metric.column}{suffix}{alias and alias + suffix}" for suffix in suffixes]


def exporter_query(key, group):
    first = group[0]
    columns = [*first.labels, *(column for metric in group for column in exporter_columns(metric, key))]
    query = f"SELECT {', '.join(columns)}\nFROM _callhardening.{first.collector}()"
    return {
        "query": query + (f"\nWHERE {first.present_if} IS NOT NULL" if first.present_if else ""),
        **({"cache_seconds": first.kept_seconds} if first.kept_seconds else {}),
        "metrics": [{label: {"usage": "LABEL"}} for label in first.labels] + [
            {metric.name.removeprefix(key + "_"): {"usage": "GAUGE" if metric.type == "info" else metric.type.upper(),
                                                   "description": metric.help}} for metric in group],
    }


def postgres_exporter(metrics):
    groups = grouped(metrics, lambda metric: (metric.collector, tuple(metric.labels), metric.present_if))
    return {key: exporter_query(key, group) for key, group in sorted(with_keys(groups).items())}


# -- sql_exporter --------------------------------------------------------------------------------
#
# It leaves a NULL out by itself. It knows no histograms: each of their parts is a counter.


def sql_metric(metric, name=None, labels=(), collector=None):
    return {
        "metric_name": name or metric.name,
        "type": "gauge" if metric.type in ("gauge", "info") else "counter",
        "help": metric.help,
        "key_labels": [*metric.labels, *labels],
        "values": [(name or metric.name).removeprefix(PREFIX + "_")],
        "query_ref": collector or metric.collector,
    }


def sql_metrics(metric):
    if metric.type != "histogram":
        return [sql_metric(metric)]
    return [sql_metric(metric, f"{metric.name}_bucket", ["le"], "lag_buckets"),
            sql_metric(metric, f"{metric.name}_sum"), sql_metric(metric, f"{metric.name}_count")]


def sql_collector(metrics):
    seconds = metrics[0].kept_seconds
    found = [one for metric in metrics for one in sql_metrics(metric)]
    queries = union([one["query_ref"]] for one in found)
    return {
        "collector_name": f"{PREFIX}_{seconds}_seconds" if seconds else PREFIX,
        **({"min_interval": f"{seconds}s"} if seconds else {}),
        "metrics": found,
        "queries": [{"query_name": query, "query": f"SELECT * FROM _callhardening.{query}()"} for query in queries],
    }


def sql_exporter(metrics):
    collectors = [sql_collector(group) for group in grouped(metrics, lambda metric: metric.kept_seconds)]
    return {
        "target": {
            "data_source_name": "postgres://call_monitor@localhost:5432/postgres?sslmode=disable",
            "collectors": [collector["collector_name"] for collector in collectors],
        },
        "collectors": collectors,
    }


# -- pgwatch -------------------------------------------------------------------------------------
#
# A metric of pgwatch has several columns. So a collector becomes one metric.


def pgwatch_metric(collector, labels, columns, group):
    shown = [f"coalesce({label}, '') AS tag_{label}" for label in labels] + columns
    return {
        "description": f"{collector} of callhardening. docs/monitoring.md explains the columns.",
        "sqls": {15: f"SELECT (extract(epoch FROM clock_timestamp()) * 1e9)::int8 AS epoch_ns, {', '.join(shown)}\n"
                     f"FROM _callhardening.{collector}()"},
        "gauges": [metric.column for metric in group if metric.type in ("gauge", "info")],
    }


def pgwatch_metrics(group):
    """The metrics of a collector by their names in pgwatch."""
    collector, labels = group[0].collector, union(metric.labels for metric in group)
    name = f"{PREFIX}_{collector.removesuffix('_metrics')}"
    if group[0].type != "histogram":
        return {name: pgwatch_metric(collector, labels, [metric.column for metric in group], group)}
    column = group[0].column
    return {name: pgwatch_metric(collector, labels, [f"{column}_sum", f"{column}_count"], group),
            f"{name}_buckets": pgwatch_metric("lag_buckets", [*labels, "le"], [f"{column}_bucket"], group)}


def pgwatch(metrics):
    found, seconds = {}, {}
    for group in grouped(metrics, lambda metric: metric.collector):
        made = pgwatch_metrics(group)
        found.update(made)
        seconds.update(dict.fromkeys(made, group[0].kept_seconds or 60))
    return {
        "metrics": found,
        "presets": {PREFIX: {"description": "event logs, consumers, workers and calls of callhardening",
                             "metrics": seconds}},
    }


# ------------------------------------------------------------------------------------------------

FILES = {"postgres_exporter": postgres_exporter, "sql_exporter": sql_exporter, "pgwatch": pgwatch}


class Dumper(yaml.SafeDumper):
    """Writes a query in lines of its own."""


Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar(
    "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None))


def write(path, contents):
    path.write_text(f"{HEAD}\n" + yaml.dump(contents, Dumper=Dumper, sort_keys=False, width=120))


def differs(path, contents):
    return not path.exists() or yaml.safe_load(path.read_text()) != contents


def main():
    options = argparse.ArgumentParser(description="Writes the files of docs/monitoring for exporters.")
    options.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = options.parse_args()
    metrics = read_metrics()
    made = {PLACE / f"{name}.yaml": make(metrics) for name, make in FILES.items()}
    if arguments.check:
        old = [str(path) for path, contents in made.items() if differs(path, contents)]
        sys.exit(f"not up to date: {', '.join(old)}: run scripts/development/make_monitoring.py" if old else 0)
    for path, contents in made.items():
        write(path, contents)


main()
