#!/usr/bin/env bash
# The report in a browser: prints a TAP line for each check.
#
#   test/browser/check.sh      on the server of PGHOST and PGUSER, as a superuser, with the extension installed
#
# Needs chromium, node, and the packages playwright-core and axe-core in NODE_PATH. KEEP=directory keeps the reports,
# pictures of them and a print.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$HERE/../..
PLACE=${KEEP:-$(mktemp -d)}
DATABASES=(report_of_traffic report_of_nothing report_of_tables report_of_an_unreadable_log)
mkdir -p "$PLACE"

clean_up() {
    for database in "${DATABASES[@]}"; do
        psql -Xqd postgres -c "DROP DATABASE IF EXISTS $database" 2>/dev/null || true
    done
    [ -n "${KEEP:-}" ] || rm -rf "$PLACE"
}
trap clean_up EXIT

# database NAME SQL-OPTION ...: makes it, and its report
database() {
    psql -Xqd postgres -c "CREATE DATABASE $1"
    psql -Xq -v ON_ERROR_STOP=1 -d "$1" "${@:2}" >/dev/null
    "$ROOT/scripts/report.sh" -d "$1" -o "$PLACE/$1.html"
}

database report_of_traffic -f "$HERE/traffic.sql"
database report_of_nothing -c 'CREATE EXTENSION callhardening'
database report_of_tables -c 'CREATE EXTENSION callhardening' -c "SELECT create_call_tables('public')"
database report_of_an_unreadable_log -c 'CREATE EXTENSION callhardening' -c "SELECT create_call_tables('public')" \
    -c "SELECT ingest_call_event('{\"call_id\": 1, \"state\": \"ringing\"}')" \
    -c 'ALTER TABLE call_events RENAME COLUMN event_lane TO moved'

# What the page has to show, by other statements than those of the report.
psql -XqAt -v ON_ERROR_STOP=1 -d report_of_traffic -f "$HERE/expected.sql" >"$PLACE/expected.json"
(cd "$ROOT/scripts/report" && sed -n 's/^    \([0-9a-f]\{64\}  \)/\1/p' README.md | sha256sum --check --quiet) &&
    echo 'ok - the files of uPlot are those of the note' || echo 'not ok - the files of uPlot are those of the note'
node "$HERE/check.mjs" "$PLACE"
