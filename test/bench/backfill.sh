#!/usr/bin/env bash
# The cost of hardening an existing table: audit_calls before and after, harden_calls with its indexes built beforehand, and
# backfill_calls. The peer is a plain UPDATE of a table without triggers. It writes the same values into the same columns of
# the same rows, in batches of as many pages, each a transaction. Every row needs all three repairs: the payload (1.2 kB), the
# status and the direction. Prints markdown.
#
#   test/bench/backfill.sh [rows] [rounds]      runs on the server that psql finds (PGHOST, PGUSER, ...), as a superuser
#
# BATCH sets the rows of a batch. GIN=no leaves the GIN index on the payload out of both tables.
set -eu
rows=${1:-1000000} rounds=${2:-3}
: "${BATCH:=1000}" "${GIN:=yes}"
schema=callhardening_bench_backfill
results=$(mktemp)
trap 'rm -f "$results"; run -c "DROP SCHEMA IF EXISTS $schema CASCADE"' EXIT

run() {
    PGOPTIONS="-c client_min_messages=error -c search_path=$schema,public" psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

# Seconds and MB of WAL of a statement, then its result.
measured() {
    local before after from to
    run -c "CHECKPOINT"
    before=$(run -c "SELECT pg_current_wal_insert_lsn()") from=$(date +%s.%N)
    run -c "$1" >/dev/null
    to=$(date +%s.%N) after=$(run -c "SELECT pg_current_wal_insert_lsn()")
    echo "$(echo "$to - $from" | bc) $(run -c "SELECT round(pg_wal_lsn_diff('$after', '$before') / 1e6)")"
}

scans() {
    run -c "SELECT seq_scan FROM pg_stat_user_tables WHERE relid = '$1'::regclass"
}

create_table() {
    run <<SQL
DROP TABLE IF EXISTS $1;
CREATE TABLE $1 (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, dialpad_call_id bigint NOT NULL UNIQUE, direction text, status text,
    from_number text, to_number text, started_at timestamptz, duration_seconds integer, raw_payload jsonb,
    created_at timestamptz DEFAULT now())
    WITH (autovacuum_enabled = off);
INSERT INTO $1 (dialpad_call_id, direction, status, from_number, to_number, started_at, duration_seconds, raw_payload)
SELECT 5000000000000000 + i, 'incoming', 'completed', '+1415' || 5550000 + i, '+14155559999',
    '2026-01-01'::timestamptz + i * interval '1 second', i % 600,
    jsonb_set(payload, '{call_id}', to_jsonb(5000000000000000 + i))
FROM document, generate_series(1, $rows) AS i;
SQL
    [ "$GIN" = no ] || run -c "CREATE INDEX ON $1 USING gin (raw_payload)"
    run -c "VACUUM (ANALYZE) $1"
}

# An event of about 1.2 kB, from the extension's own generator.
create_documents() {
    run <<'SQL'
CREATE TABLE document AS SELECT payload::jsonb FROM call_traffic(300, 1) AS payload
    WHERE payload::jsonb ? 'call_id' ORDER BY abs(octet_length(payload::jsonb::text) - 1200) LIMIT 1;
CREATE TABLE clean AS SELECT sanitize_call_payload(payload) AS payload FROM document;
CREATE PROCEDURE plain_update(rows_per_batch int) LANGUAGE plpgsql AS $$
DECLARE
    pages bigint := (SELECT pg_relation_size('plain') / 8192);
    step bigint := (SELECT greatest(rows_per_batch / (reltuples / relpages), 1) FROM pg_class WHERE oid = 'plain'::regclass);
    clean jsonb := (SELECT payload FROM clean);
    page bigint := 0;
BEGIN
    WHILE page < pages LOOP
        UPDATE plain SET status = 'ended', direction = 'inbound', raw_payload = jsonb_set(clean, '{call_id}', to_jsonb(dialpad_call_id))
        WHERE ctid BETWEEN format('(%s,0)', page)::tid AND format('(%s,65535)', least(page + step, pages) - 1)::tid;
        page := page + step;
        COMMIT;
    END LOOP;
END
$$;
SQL
}

run -c "DROP SCHEMA IF EXISTS $schema CASCADE" -c "CREATE SCHEMA $schema" -c "CREATE EXTENSION IF NOT EXISTS callhardening SCHEMA public"
create_documents
for ((round = 0; round < rounds; ++round)); do
    order=(plain calls)
    [ $((round % 2)) = 0 ] || order=(calls plain)
    for table in "${order[@]}"; do
        create_table "$table"
        if [ "$table" = plain ]; then
            echo "plain $(measured "CALL plain_update($BATCH)")" >>"$results"
        else
            before=$(scans calls)
            echo "audit $(measured "SELECT * FROM audit_calls('calls')")" >>"$results"
            audit_scans=$(($(scans calls) - before))
            echo "harden $(measured "SELECT harden_calls('calls')")" >>"$results"
            [ "$GIN" = yes ] || run -c "DROP INDEX idx_calls_raw_payload"
            echo "backfill $(measured "CALL backfill_calls('calls', $BATCH)")" >>"$results"
            echo "again $(measured "CALL backfill_calls('calls', $BATCH)")" >>"$results"
            echo "clean $(measured "SELECT * FROM audit_calls('calls')")" >>"$results"
            run -c "SELECT check_name || ': ' || violations FROM audit_calls('calls')
                WHERE violations > 0 AND check_name NOT LIKE 'stuck%'" >&2
        fi
    done
done

median() {
    grep "^$1 " "$results" | cut -d' ' -f"$2" | sort -n | sed -n "$(((rounds + 1) / 2))p"
}

echo "$rows rows," \
    "payloads of $(run -c "SELECT octet_length(payload::text) FROM document") bytes that become" \
    "$(run -c "SELECT octet_length(payload::text) FROM clean"), batches of $BATCH," \
    "GIN index: $GIN; scans of the table by audit_calls: $audit_scans"
echo
echo "| | seconds | rows/s | WAL, MB | WAL, bytes/row |"
echo "|---|---|---|---|---|"
for what in "audit:audit_calls before" "harden:harden_calls, indexes built before" "plain:plain UPDATE" \
    "backfill:backfill_calls" "again:backfill_calls again, nothing to repair" \
    "clean:audit_calls after"; do
    awk -v title="${what#*:}" -v s="$(median "${what%%:*}" 2)" -v mb="$(median "${what%%:*}" 3)" -v n="$rows" \
        'BEGIN { printf "| %s | %.2f | %.0f | %.0f | %.0f |\n", title, s, n / s, mb, mb * 1e6 / n }'
done
echo
paste <(grep ^plain "$results") <(grep ^backfill "$results") |
    awk '{ printf "%s%.2f", (NR > 1 ? ", " : "Rate of backfill_calls by that of the plain UPDATE, by round: "), $2 / $5 } END { print "" }'
