#!/usr/bin/env bash
# A log with three consumers, compared with a log with one. Each consumer claims and completes all events, in batches of 100:
# one after the other, and all three at once. Ingest into both. Rounds take turns, each in new tables. Prints a markdown table.
#
#   test/bench/consumers.sh            runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# ROUNDS, EVENTS
. "$(dirname "$0")/event_log.sh"

: "${ROUNDS:=7}" "${EVENTS:=50000}"

# prepare CONSUMERS: a log with so many consumers. Prints nothing.
prepare() {
    fast >/dev/null <<SQL
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
SELECT create_call_tables('bench');
SELECT create_call_consumer('bench.call_events', 'c' || i) FROM generate_series(2, $1) AS i;
CREATE PROCEDURE bench.drain(wanted name) LANGUAGE plpgsql AS \$\$
DECLARE
    ids bigint[];
    claimed bigint := 0;
BEGIN
    LOOP
        SELECT array_agg(DISTINCT claim_id), count(*) + claimed INTO ids, claimed
        FROM claim_call_events(100, log => 'bench.call_events', consumer => wanted);
        COMMIT;
        EXIT WHEN ids IS NULL;
        PERFORM complete_call_events(ids);
        COMMIT;
    END LOOP;
    ASSERT claimed = $EVENTS, claimed;
END \$\$;
SQL
}

ingest="INSERT INTO bench.call_events (payload) SELECT jsonb_build_object('call_id', i, 'state', 'ringing', 'text', repeat('x', 250))
    FROM generate_series(1, $EVENTS) AS i"

one_round() {
    prepare 1
    measure_session ingest_1 "$ingest"
    fast -c 'VACUUM ANALYZE bench.call_events'
    measure_session claim_1 "CALL bench.drain(NULL)"
    prepare 3
    measure_session ingest_3 "$ingest"
    fast -c 'VACUUM ANALYZE bench.call_events'
    measure_session claim_3 "CALL bench.drain('default')"
    measure_session claim_3 "CALL bench.drain('c2')"
    measure_session claim_3 "CALL bench.drain('c3')"
    fast -c "SELECT seek_call_consumer('bench.call_events', consumer, '-infinity') FROM call_consumers" >/dev/null
    measure_session at_once_1 "CALL bench.drain('default')" &
    measure_session at_once_2 "CALL bench.drain('c2')" &
    measure_session at_once_3 "CALL bench.drain('c3')" &
    wait
}

# rate FILE: events a second, the median
rate() { calculate "1000 * $EVENTS / $(median <"$files/$1")"; }
micros() { calculate "1000 * $(median <"$files/$1") / $EVENTS" 1; }

row() { echo "| $1 | $(rate "$2") | $(micros "cpu_$2") |"; }

create_database
settings
for ((round = 0; round < ROUNDS; ++round)); do one_round; done
cat "$files"/at_once_? >"$files/at_once"
cat "$files"/cpu_at_once_? >"$files/cpu_at_once"
echo "| $EVENTS events of 300 B, medians of $ROUNDS rounds | events/s | processor time of an event, µs |"
echo "|---|---:|---:|"
row 'ingest, one consumer' ingest_1
row 'ingest, three consumers' ingest_3
row 'claims of one consumer alone' claim_1
row 'claims of each of three, one after the other' claim_3
row 'claims of each of three at once' at_once
