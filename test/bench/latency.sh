#!/usr/bin/env bash
# From the commit of a webhook to the committed row of its call, with one worker inside the server. Beside it PgQue and a Node
# client that listens. Then what waiting workers cost those who ingest. Prints markdown tables.
#
#   test/bench/latency.sh              runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# The server needs track_commit_timestamp = on: both times are of commit records. The flushes of the webhook's commit and of the
# worker's claim are in between; the flush of the row's commit comes after. The line before the tables has the time of one.
#
# SECONDS_EACH of a latency (0: none), ROUNDS of the costs. PGQUE=/path/to/pgque.sql measures PgQue, with a consumer that looks
# again after a millisecond. As installed, its ticker looks each 100 ms and waits for 500 events or 3 seconds; the two others
# wait for a millisecond. NODE_PATH with the package pg measures LISTEN. Else they are left out.
. "$(dirname "$0")/event_log.sh"

: "${SECONDS_EACH:=20}" "${ROUNDS:=9}" "${PGQUE:=}"
background=()

end_background() {
    [ "${#background[@]}" -eq 0 ] || kill "${background[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    background=()
}
trap 'end_background; clean_up' EXIT

[ "$(run -d "$server_database" -c 'SHOW track_commit_timestamp')" = on ] || {
    echo 'The server needs track_commit_timestamp = on.' >&2
    exit 1
}

# -- loads ---------------------------------------------------------------------------------------

cat >"$files/ingest.sql" <<'SQL'
\set call random(1, 1000000000000000)
SELECT ingest_call_event(jsonb_build_object('call_id', :call, 'state', 'ringing'), 'call_events');
SQL
# load SCRIPT RATE: webhooks, one a transaction. 50 a second leave the server idle.
load() {
    local clients=1
    [ "$2" -le 50 ] || clients=8
    pgbench -n -c $clients -j 2 -R "$2" -T "$SECONDS_EACH" -f "$files/$1.sql" >"$files/load" 2>&1
}

# Prints median, 99th percentile, count and how many never came, of a query with columns sent and done.
print_latencies() {
    run -F ' | ' -c "
        WITH pairs AS ($1), waits AS (SELECT extract(epoch FROM done - sent) * 1000 AS wait FROM pairs)
        SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY wait)::numeric, 2),
            round(percentile_cont(0.99) WITHIN GROUP (ORDER BY wait)::numeric, 2), round(max(wait), 1),
            count(*), count(*) FILTER (WHERE wait IS NULL) FROM waits"
}

new_tables() {
    fast >/dev/null <<'SQL'
DROP TABLE IF EXISTS call_events, calls, applied;
SELECT create_call_tables('public');
CREATE TABLE applied (call_id bigint PRIMARY KEY);
SQL
}

# -- ways ----------------------------------------------------------------------------------------

ours() {
    new_tables
    run -c 'SELECT start_call_worker()' >/dev/null
    sleep 1
    load ingest "$1"
    sleep 1
    printf '| a worker inside the server | %s | %s |\n' "$1" "$(print_latencies "
        SELECT pg_xact_commit_timestamp(e.xmin) AS sent, pg_xact_commit_timestamp(c.xmin) AS done
        FROM call_events AS e LEFT JOIN calls AS c ON c.dialpad_call_id = e.call_id::bigint")"
    run -c 'SELECT stop_call_worker()' >/dev/null
}

# print_applied NAME RATE: the latencies of a client that writes to the table `applied`.
print_applied() {
    printf '| %s | %s | %s |\n' "$1" "$2" "$(print_latencies "
        SELECT pg_xact_commit_timestamp(e.xmin) AS sent, pg_xact_commit_timestamp(a.xmin) AS done
        FROM call_events AS e LEFT JOIN applied AS a ON a.call_id = e.call_id::bigint")"
}

# A client of wait_for_call_events, in SQL.
waiting_client() {
    new_tables
    cat >"$files/client.sql" <<'SQL'
CALL wait_for_call_events(timeout => '1 second');
WITH claimed AS MATERIALIZED (SELECT claim_id, call_id FROM claim_call_events(1000)),
completed AS MATERIALIZED (SELECT FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM claimed)))
INSERT INTO applied SELECT call_id::bigint FROM claimed, (SELECT count(*) FROM completed) AS c;
SQL
    pgbench -n -c 1 -T 86400 -f "$files/client.sql" >/dev/null 2>&1 &
    background+=($!)
    sleep 1
    load ingest "$1"
    sleep 1
    end_background
    print_applied 'a client of wait_for_call_events' "$1"
}

listening_node() {
    new_tables
    run -c 'SELECT configure_call_event_log(notify => true)' >/dev/null
    node "$here/latency_node.js" &
    background+=($!)
    sleep 2
    load ingest "$1"
    sleep 1
    end_background
    print_applied 'LISTEN, a Node client' "$1"
}

# pgque NAME TICK EVENTS LAG RATE: its own loop, and a consumer that writes a row for each event. The ticker looks each TICK
# milliseconds, and makes a batch after EVENTS or LAG.
pgque() {
    new_tables
    run >/dev/null <<SQL
DROP TABLE IF EXISTS sent;
CREATE TABLE sent (call_id bigint);
SELECT pgque.set_tick_period_ms($2);
SELECT pgque.set_queue_config('calls', 'ticker_max_count', '$3');
SELECT pgque.set_queue_config('calls', 'ticker_max_lag', '$4');
SQL
    (while true; do run -c 'CALL pgque.ticker_loop()' >/dev/null 2>&1 || exit; done) &
    background+=($!)
    run >/dev/null 2>&1 <<'SQL' &
DO $$
DECLARE
    batch bigint;
BEGIN
    LOOP
        WITH received AS MATERIALIZED (SELECT * FROM pgque.receive('calls', 'bench', 10000)),
        written AS (INSERT INTO applied SELECT (payload::jsonb ->> 'call_id')::bigint FROM received ON CONFLICT DO NOTHING)
        SELECT max(batch_id) INTO batch FROM received;
        IF batch IS NULL THEN
            COMMIT;
            PERFORM pg_sleep(0.001);
        ELSE
            PERFORM pgque.ack(batch);
        END IF;
        COMMIT;
    END LOOP;
END
$$
SQL
    background+=($!)
    sleep 1
    cat >"$files/send.sql" <<'SQL'
\set call random(1, 1000000000000000)
BEGIN \; INSERT INTO sent VALUES (:call) \;
SELECT pgque.send('calls', jsonb_build_object('call_id', :call, 'state', 'ringing')) \; COMMIT;
SQL
    load send "$5"
    sleep 2
    end_background
    run >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SQL
    printf '| PgQue, %s | %s | %s |\n' "$1" "$5" "$(print_latencies "
        SELECT pg_xact_commit_timestamp(s.xmin) AS sent, pg_xact_commit_timestamp(a.xmin) AS done
        FROM sent AS s LEFT JOIN applied AS a USING (call_id)")"
}

print_flush() {
    run <<'SQL'
CREATE TABLE flushes (milliseconds float8);
DO $$
DECLARE
    begun timestamptz;
BEGIN
    FOR i IN 1 .. 300 LOOP
        INSERT INTO flushes VALUES (NULL);
        begun := clock_timestamp();
        COMMIT;
        UPDATE flushes SET milliseconds = extract(epoch FROM clock_timestamp() - begun) * 1000 WHERE milliseconds IS NULL;
    END LOOP;
END
$$;
SELECT format('A commit with its flush takes %s ms (median), %s ms (99th percentile). Load of the machine: ',
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY milliseconds)::numeric, 2),
    round(percentile_cont(0.99) WITHIN GROUP (ORDER BY milliseconds)::numeric, 2)) FROM flushes;
DROP TABLE flushes;
SQL
}

latencies() {
    [ -z "$PGQUE" ] || run --single-transaction -f "$PGQUE" -c "SELECT pgque.create_queue('calls')" \
        -c "SELECT pgque.subscribe('calls', 'bench')" >/dev/null
    printf '%s%s.\n\n' "$(print_flush)" "$(cut -d ' ' -f 1-3 /proc/loadavg)"
    echo '| | webhooks/s | median, ms | 99th percentile | longest | webhooks | not applied |'
    echo '|---|---|---|---|---|---|---|'
    local rate
    for rate in 50 2000; do
        ours $rate
        waiting_client $rate
        if node -e "require('pg')" 2>/dev/null; then listening_node $rate; fi
        if [ -n "$PGQUE" ]; then
            pgque 'as installed' 100 500 '3 seconds' $rate
            pgque 'a tick each 100 ms' 100 1 '1 ms' $rate
            pgque 'a tick each ms' 1 1 '1 ms' $rate
        fi
    done
    [ -n "$PGQUE" ] || printf '\nPgQue is left out: PGQUE names no file.\n'
    node -e "require('pg')" 2>/dev/null || printf '\nLISTEN is left out: NODE_PATH has no package pg.\n'
}

# -- what it costs ---------------------------------------------------------------------------------

# rate_of CLIENTS: webhooks/s
rate_of() { pgbench -n -c "$1" -j 2 -T 3 -f "$files/ingest.sql" | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }

# processor_time: of one receiver, in nanoseconds for 4000 webhooks. Other programs on the machine count less in it.
processor_time() {
    run -v ON_ERROR_STOP=1 <<'SQL'
SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint AS before \gset
DO $$
BEGIN
    FOR i IN 1 .. 4000 LOOP
        PERFORM ingest_call_event(jsonb_build_object('call_id', (random() * 1e15)::bigint, 'state', 'ringing'), 'call_events');
        COMMIT;
    END LOOP;
END
$$;
SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint - :before;
SQL
}

# measure NAME
measure() {
    sleep 0.3
    rate_of 1 >>"$files/$1_1"
    rate_of 8 >>"$files/$1_8"
    processor_time >>"$files/$1_processor"
}

# Nobody waits; a worker of another log waits; the log's own worker.
round() {
    new_tables
    measure none
    run -c "SELECT start_call_worker('other.call_events', poll => '1 hour')" >/dev/null
    measure other
    run -c "SELECT stop_call_worker('other.call_events')" -c "SELECT start_call_worker('call_events', poll => '1 hour')" >/dev/null
    measure own
    run -c "SELECT stop_call_worker('call_events')" >/dev/null
}

costs() {
    local clients i
    fast -c 'CREATE SCHEMA other' -c "SELECT create_call_tables('other')" >/dev/null
    for ((i = 0; i < ROUNDS; ++i)); do round; done
    printf '\nA webhook, against one without a waiting worker: median of %s rounds.\n\n' "$ROUNDS"
    echo '| | without | a worker of another log waits | a worker of this log |'
    echo '|---|---|---|---|'
    printf '| processor time of its receiver, µs | %s | %s | %s |\n' "$(calculate "$(rate none_processor) / 4000 / 1000")" \
        "$(ratio other_processor none_processor)" "$(ratio own_processor none_processor)"
    for clients in 1 8; do
        printf '| time, receivers: %s | %s/s | %s | %s |\n' $clients "$(rate none_$clients)" \
            "$(ratio none_$clients other_$clients)" "$(ratio none_$clients own_$clients)"
    done
}

create_database
[ "$SECONDS_EACH" -eq 0 ] || latencies
costs
