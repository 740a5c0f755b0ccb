#!/usr/bin/env bash
# A log with a shape of its own, compared with a log of Dialpad. Both shapes are the same document, so only the way to the
# compiled shape differs. Rounds take turns. Prints a markdown table.
#
#   test/bench/own_shape.sh            runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# ROUNDS, EVENTS (in one statement), SINGLE (calls of ingest_call_event, each with a statement of its own)
. "$(dirname "$0")/event_log.sh"

: "${ROUNDS:=9}" "${EVENTS:=20000}" "${SINGLE:=5000}"

# milliseconds LOG SQL
milliseconds() {
    run -c '\timing on' -c "$2" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n 1
}

one_round() {
    fast -c "TRUNCATE $1.calls, $1.call_events"
    milliseconds "$1" "INSERT INTO $1.call_events (payload) SELECT payload FROM source" >>"$files/stamp_$1"
    milliseconds "$1" "SELECT process_call_events($((2 * EVENTS)), '$1.call_events')" >>"$files/process_$1"
    milliseconds "$1" "DO \$\$BEGIN FOR i IN 1 .. $SINGLE LOOP
        PERFORM ingest_call_event(payload, '$1.call_events') FROM single WHERE id = i; END LOOP; END\$\$" >>"$files/ingest_$1"
}

row() { echo "| $1 | $(time_of "$2_own") | $(time_of "$2_built_in") | $(ratio "$2_own" "$2_built_in") |"; }

create_database
run -f "$here/queue_peers.sql"
fast <<SQL
CREATE SCHEMA built_in;
CREATE SCHEMA own;
SELECT create_call_tables('built_in');
SELECT create_call_tables('own', 'dialpad', call_event_shape('dialpad'));
CREATE TABLE source AS SELECT payload FROM bodies(1, $EVENTS, 300);
CREATE TABLE single AS SELECT number AS id, payload FROM bodies($((EVENTS + 1)), $((EVENTS + SINGLE)), 300);
ALTER TABLE single ADD PRIMARY KEY (id);
VACUUM (ANALYZE);
SQL
settings
for log in built_in own; do one_round $log; done
rm "$files"/{stamp,process,ingest}_{built_in,own}
for ((round = 0; round < ROUNDS; ++round)); do
    for log in built_in own; do one_round $log; done
done
echo "| ms | own shape | built-in | own / built-in |"
echo "|---|---|---|---|"
row "stamping $EVENTS events in one statement" stamp
row "process_call_events of them" process
row "ingest_call_event, $SINGLE statements" ingest
