#!/usr/bin/env bash
# Appending events: the same rows into the same table, with the stamping trigger, and without it but with given stamps. In one
# statement, and one row for each statement and transaction. ingest_call_event also looks for redeliveries, so it stands in
# a line of its own. Prints a markdown table.
#
#   test/bench/ingest.sh               runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# ROUNDS, EVENTS (in one statement), SECONDS_EACH (of single rows)
. "$(dirname "$0")/event_log.sh"

: "${ROUNDS:=7}" "${EVENTS:=100000}" "${SECONDS_EACH:=3}"

# The stamps of the trigger, except the transaction id: a plain INSERT has its own.
create_tables() {
    fast -c "CALL create_ours('bench')"
    fast <<SQL
INSERT INTO bench.call_events (payload) SELECT payload FROM bodies(1, $EVENTS, $1);
DROP TABLE IF EXISTS source, plain;
CREATE TABLE source AS SELECT row_number() OVER (ORDER BY event_seq) AS id, event_lane, call_id, event_type, payload FROM bench.call_events;
ALTER TABLE source ADD PRIMARY KEY (id);
CREATE TABLE plain (LIKE bench.call_events INCLUDING ALL) WITH (toast_tuple_target = $(toast_tuple_target));
ALTER TABLE bench.call_events SET (autovacuum_enabled = off);
ALTER TABLE plain SET (autovacuum_enabled = off);
VACUUM (ANALYZE);
SQL
}

# LIKE does not copy it.
toast_tuple_target() {
    run -c "SELECT option_value FROM pg_class, pg_options_to_table(reloptions)
        WHERE oid = 'bench.call_events'::regclass AND option_name = 'toast_tuple_target'"
}

plain="INSERT INTO plain (event_lane, event_xid, call_id, event_type, payload)
    SELECT event_lane, pg_current_xact_id(), call_id, event_type, payload FROM source"
stamped="INSERT INTO bench.call_events (payload) SELECT payload FROM source"

# Events/s of one statement for all rows.
at_once() {
    run -c "TRUNCATE plain, bench.call_events" -c "CHECKPOINT" -c '\timing on' -c "$1" |
        sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1 | awk -v events="$EVENTS" '{ print 1000 * events / $1 }'
}

# one_by_one CLIENTS SQL: events/s with one statement for each row.
one_by_one() {
    run -c "TRUNCATE plain, bench.call_events" -c "CHECKPOINT"
    printf '\\set id random(1, %d)\n%s WHERE id = :id;\n' "$EVENTS" "$2" >"$files/script"
    pgbench -n -M prepared -c "$1" -j "$1" -T "$SECONDS_EACH" -f "$files/script" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

# without_call_index COMMAND ...: as the log was before it had an index for call_timeline.
without_call_index() {
    run -c "TRUNCATE bench.call_events" -c "DROP INDEX bench.idx_call_events_call_id"
    "$@"
    run -c "TRUNCATE bench.call_events" -c "CREATE INDEX idx_call_events_call_id ON bench.call_events (call_id, event_seq)"
}

row() {
    echo "| $1 | $(rate "$2_stamped") | $(rate "$2_plain") | $(ratio "$2_stamped" "$2_plain") |" \
        "$([ ! -f "$files/$2_ingest" ] || rate "$2_ingest") | $(ratio "$2_ingest" "$2_bare") |"
}

create_database
run -f "$here/queue_peers.sql"
settings
echo "| events/s | with the trigger | plain | with / plain | ingest_call_event | with the index on the call id / without |"
echo "|---|---|---|---|---|---|"
for bytes in 300 2000; do
    create_tables $bytes
    at_once "$stamped" >/dev/null
    at_once "$plain" >/dev/null
    for ((round = 0; round < ROUNDS; ++round)); do
        at_once "$stamped" >>"$files/${bytes}_all_stamped"
        at_once "$plain" >>"$files/${bytes}_all_plain"
        at_once "SELECT count(ingest_call_event(payload)) FROM source" >>"$files/${bytes}_all_ingest"
        without_call_index at_once "SELECT count(ingest_call_event(payload)) FROM source" >>"$files/${bytes}_all_bare"
        for clients in 1 8; do
            one_by_one $clients "$stamped" >>"$files/${bytes}_${clients}_stamped"
            one_by_one $clients "$plain" >>"$files/${bytes}_${clients}_plain"
            one_by_one $clients "SELECT ingest_call_event(payload) FROM source" >>"$files/${bytes}_${clients}_ingest"
            without_call_index one_by_one $clients "SELECT ingest_call_event(payload) FROM source" >>"$files/${bytes}_${clients}_bare"
        done
    done
    row "$bytes B, $EVENTS rows in one statement" ${bytes}_all
    row "$bytes B, a row to a transaction, 1 client" ${bytes}_1
    row "$bytes B, a row to a transaction, 8 clients" ${bytes}_8
done
