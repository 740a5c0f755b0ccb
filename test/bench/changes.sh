#!/usr/bin/env bash
# Calls with a log of their changes, compared with calls without one. Rounds take turns, each in new tables. Prints a
# markdown table.
#
#   test/bench/changes.sh              runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# ROUNDS, CALLS (of call_traffic, with more than four events each), SINGLE (UPDATE statements of one call)
. "$(dirname "$0")/event_log.sh"

: "${ROUNDS:=7}" "${CALLS:=5000}" "${SINGLE:=5000}"

one_round() {
    fast >/dev/null <<SQL
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
SELECT create_call_tables('bench');
$([ "$1" = none ] || echo "SELECT create_call_changes('bench.calls');")
INSERT INTO bench.call_events (payload) SELECT payload FROM traffic ORDER BY id;
VACUUM (ANALYZE);
SQL
    measure_session "process_$1" "DO \$\$DECLARE n bigint; BEGIN
        LOOP SELECT claimed INTO n FROM process_call_events(1000); COMMIT; EXIT WHEN n = 0; END LOOP; END\$\$"
    [ "$1" = none ] || run -c "SELECT count(*) FROM bench.call_changes" >"$files/changes"
    measure_session "update_$1" "UPDATE bench.calls SET to_number = '+14155550100'"
    measure_session "single_$1" "DO \$\$BEGIN FOR i IN 1 .. $SINGLE LOOP
        UPDATE bench.calls SET from_number = i::text WHERE id = i % $CALLS; END LOOP; END\$\$"
}

row() {
    echo "| $1 | $(time_of "$2_none" 0) | $(time_of "$2_log" 0) | $(ratio "$2_log" "$2_none") |" \
        "$(ratio "cpu_$2_log" "cpu_$2_none") |"
}

create_database
settings
fast <<SQL
CREATE TABLE traffic AS SELECT row_number() OVER () AS id, body::jsonb AS payload FROM (SELECT call_traffic($CALLS) AS body) AS made;
ANALYZE traffic;
SQL
for ((round = 0; round < ROUNDS; ++round)); do
    for variant in none log; do one_round $variant; done
done
echo "| ms | without | with a log of changes | with / without | processor time |"
echo "|---|---|---|---|---|"
row "process_call_events of $(run -c 'SELECT count(*) FROM traffic') events, $(cat "$files/changes") changes" process
row "an UPDATE of $CALLS calls" update
row "$SINGLE UPDATEs of one call" single
