#!/usr/bin/env bash
# COPY of many calls into a table of create_call_tables, with its indexes: with the triggers and without. The triggers sanitize
# the payloads of about 1.2 kB. Prints a markdown table of medians, also of each round's ratio.
#
#   test/bench/copy.sh [rows] [rounds]      runs on the server that psql finds (PGHOST, PGUSER, ...), as a superuser
#
# GIN=no drops the index on raw_payload from both tables. The file has some 1.5 kB for each row.
set -eu
rows=${1:-1000000} rounds=${2:-3}
: "${GIN:=yes}"
schema=callhardening_bench_copy
files=$(mktemp -d)
trap 'rm -rf "$files"; run -c "DROP SCHEMA IF EXISTS $schema CASCADE"' EXIT

run() {
    PGOPTIONS="-c client_min_messages=error -c search_path=$schema,public" psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

# Events of 1.1 to 1.3 kB, from the extension's own generator.
create_rows() {
    run -c "CREATE TABLE document AS SELECT row_number() OVER () - 1 AS number, payload::jsonb FROM call_traffic(20000, 1) AS payload
            WHERE payload::jsonb ? 'call_id' AND octet_length(payload::jsonb::text) BETWEEN 1100 AND 1300" \
        -c "CREATE INDEX ON document (number)" -c "ANALYZE document"
    run >"$files/rows" <<SQL
COPY (SELECT 5000000000000000 + i, CASE i % 2 WHEN 0 THEN 'incoming' ELSE 'outbound' END, 'ringing', '+1415' || 5550000 + i, '+14155559999',
        '2026-01-01'::timestamptz + i * interval '1 second', i % 600, jsonb_set(payload, '{call_id}', to_jsonb(5000000000000000 + i))
    FROM generate_series(1, $rows) AS i, (SELECT count(*) AS count FROM document) AS all_of
    JOIN document ON true WHERE number = i % count) TO STDOUT
SQL
}

create_table() {
    run -c "DROP TABLE IF EXISTS calls, call_events CASCADE" -c "SELECT create_call_tables('$schema')" >/dev/null
    [ "$1" = hardened ] || run -c "SELECT unharden_calls('calls')" >/dev/null
    [ "$GIN" != no ] || run -c "DROP INDEX $(run -c "SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON oid = indexrelid
        WHERE indrelid = 'calls'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'gin')")"
    run -c "ALTER TABLE calls SET (autovacuum_enabled = off)" -c "CHECKPOINT"
}

# Seconds, the session's processor seconds, MB of WAL, MB of the table with indexes and TOAST.
measure() {
    local from lsn
    create_table "$1"
    lsn=$(run -c "SELECT pg_current_wal_insert_lsn()") from=$(date +%s.%N)
    run -c "COPY calls (dialpad_call_id, direction, status, from_number, to_number, started_at, duration_seconds, raw_payload) FROM STDIN" \
        -c "SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::numeric / 1e9" <"$files/rows" >"$files/used"
    echo "$(date +%s.%N) - $from" | bc >"$files/seconds"
    run -c "SELECT round(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn') / 1e6), round(pg_total_relation_size('calls') / 1e6)" |
        paste -d' ' "$files/seconds" "$files/used" - | tr '|' ' ' >>"$files/$1"
}

median() { sort -g | sed -n "$(((rounds + 1) / 2))p"; }
of() { cut -d' ' -f"$2" "$files/$1" | median; }
ratio() { paste -d' ' "$files/hardened" "$files/plain" | awk -v field="$1" '{ print $field / $(field + 4) }' | median; }

run -c "DROP SCHEMA IF EXISTS $schema CASCADE" -c "CREATE SCHEMA $schema" -c "CREATE EXTENSION IF NOT EXISTS callhardening SCHEMA public"
create_rows
for ((round = 0; round < rounds; ++round)); do
    measure plain
    measure hardened
done
echo "| COPY of $rows calls, GIN index: $GIN | no trigger | callhardening | callhardening / none |"
echo "|---|---|---|---|"
field=0
for title in "time, s" "processor, s" "write-ahead log, MB" "table and indexes, MB"; do
    field=$((field + 1))
    printf '| %s | %.1f | %.1f | %.2f |\n' "$title" "$(of plain $field)" "$(of hardened $field)" "$(ratio $field)"
done
