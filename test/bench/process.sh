#!/usr/bin/env bash
# From ingested events to rows of `calls`: process_call_events by one and two workers, and the older pipeline, a client in node.
# The client claims 50 events with SKIP LOCKED, asks for each call's status, writes the call and marks the event: statement by
# statement, and in a transaction for each 50. Prints a markdown table.
#
#   test/bench/process.sh              runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# ROUNDS, CALLS (of call_traffic, with more than four events each). WORKER_CALLS for two workers against one: node would take
# too long for so many, and with fewer the start of a session would count too much. NODE_PATH with the package pg, otherwise
# installed into a temporary directory. In each round all of them get the same events, in new tables.
. "$(dirname "$0")/event_log.sh"

: "${ROUNDS:=5}" "${CALLS:=4000}" "${WORKER_CALLS:=40000}"

# The table of a hook that only stores bodies, and a calls table like that of create_call_tables without its triggers.
create_tables() {
    fast >/dev/null <<SQL
DROP SCHEMA IF EXISTS bench, node CASCADE;
CREATE SCHEMA bench;
CREATE SCHEMA node;
SELECT create_call_tables('bench');
INSERT INTO bench.call_events (payload) SELECT payload FROM $1 ORDER BY id;
CREATE TABLE node.calls (LIKE bench.calls INCLUDING ALL);
CREATE TABLE node.webhook_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payload jsonb COMPRESSION lz4 NOT NULL,
    processed_at timestamptz,
    received_at timestamptz DEFAULT now());
CREATE INDEX ON node.webhook_events (id) WHERE processed_at IS NULL;
INSERT INTO node.webhook_events (payload) SELECT payload FROM $1 ORDER BY id;
VACUUM (ANALYZE);
SQL
}

# Each batch is a transaction. A worker ends when no free event is left.
worker() {
    run <<'SQL'
DO $$
DECLARE
    n bigint;
BEGIN
    LOOP
        SELECT claimed INTO n FROM process_call_events(1000);
        COMMIT;
        EXIT WHEN n = 0;
    END LOOP;
END
$$;
SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1);
SQL
}

ours() {
    local i workers=()
    for ((i = 0; i < $1; ++i)); do
        worker &
        workers+=($!)
    done
    wait "${workers[@]}"
    [ "$(run -c "SELECT claimed FROM process_call_events(1)")" = 0 ]
}

in_node() { node "$here/process_node.js" "$1"; }

# measure NAME EVENTS COMMAND ...: events/s, processor microseconds and WAL bytes per event. The command prints processor
# nanoseconds: of its sessions in the server, and of itself if it does more than wait.
measure() {
    local name=$1 events=$2 lsn start seconds
    shift 2
    lsn=$(wal_position)
    start=$(date +%s.%N)
    "$@" >"$files/used"
    seconds=$(calculate "$(date +%s.%N) - $start" 6)
    echo "$(calculate "$events / $seconds" 1)" >>"$files/$name"
    awk -v events="$events" '{ used += $1 } END { print used / 1000 / events }' "$files/used" >>"$files/cpu_$name"
    echo $((($(wal_position) - lsn) / events)) >>"$files/wal_$name"
}

# Compares the calls of both, for calls with events in the order of their times.
agreement() {
    run -c "SELECT format('Calls: %s by process_call_events, %s by node; the same status, direction and numbers in %s.', count(o), count(n),
            count(*) FILTER (WHERE (o.status, o.direction, o.from_number, o.to_number) IS NOT DISTINCT FROM
                (n.status, n.direction, n.from_number, n.to_number)))
        FROM bench.calls AS o FULL JOIN node.calls AS n USING (dialpad_call_id)" >"$files/agreement_$1"
}

# compare TABLE TITLE
compare() {
    local events round
    events=$(run -c "SELECT count(*) FROM $1")
    for ((round = 0; round < ROUNDS; ++round)); do
        create_tables "$1"
        measure "$1_one" "$events" ours 1
        measure "$1_node" "$events" in_node autocommit
        agreement "$1"
        create_tables "$1"
        measure "$1_batch" "$events" in_node transaction
    done
    echo "| $2: $events events of $(run -c "SELECT round(avg(octet_length(payload::text))) FROM $1") B | events/s | to node |" \
        "to node with transactions | processor's us per event | node / this | WAL bytes per event |"
    echo "|---|---|---|---|---|---|---|"
    row "$1_one" "process_call_events, one worker" "$1"
    row "$1_node" "node, one worker, statement by statement" "$1"
    row "$1_batch" "node, one worker, a transaction for each 50 events" "$1"
    echo
    cat "$files/agreement_$1"
    echo
}

# row MEASURED TITLE TABLE
row() {
    echo "| $2 | $(rate "$1") | $(ratio "$1" "$3_node") | $(ratio "$1" "$3_batch") | $(time_of "cpu_$1") |" \
        "$(ratio "cpu_$3_node" "cpu_$1") | $(rate "wal_$1") |"
}

# compare_workers TABLE TITLE
compare_workers() {
    local events round
    events=$(run -c "SELECT count(*) FROM $1")
    for ((round = 0; round < ROUNDS; ++round)); do
        create_tables "$1"
        measure "$1_alone" "$events" ours 1
        create_tables "$1"
        measure "$1_two" "$events" ours 2
    done
    echo "| $2: $events events | one worker, events/s | two workers | two / one | processor's us per event: one | two |"
    echo "|---|---|---|---|---|---|"
    echo "| process_call_events | $(rate "$1_alone") | $(rate "$1_two") | $(ratio "$1_two" "$1_alone") | $(time_of "cpu_$1_alone") |" \
        "$(time_of "cpu_$1_two") |"
    echo
}

# create_traffic CALLS: bodies as they are sent, and bodies without transcripts.
create_traffic() {
    fast -c "DROP TABLE IF EXISTS traffic, ordinary" \
        -c "CREATE TABLE traffic (id bigint GENERATED ALWAYS AS IDENTITY, payload jsonb COMPRESSION lz4 NOT NULL)" \
        -c "INSERT INTO traffic (payload) SELECT body::jsonb FROM (SELECT call_traffic($1) AS body) AS made" \
        -c "CREATE TABLE ordinary (LIKE traffic INCLUDING COMPRESSION)" \
        -c "INSERT INTO ordinary SELECT * FROM traffic WHERE octet_length(payload::text) < 2000"
}

create_database
settings
install_node_packages pg
create_traffic "$CALLS"
compare ordinary "ordinary events"
compare traffic "with transcripts, recaps and breadcrumbs"
create_traffic "$WORKER_CALLS"
compare_workers ordinary "ordinary events"
compare_workers traffic "with transcripts, recaps and breadcrumbs"
