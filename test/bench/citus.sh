#!/usr/bin/env bash
# The same traffic on a plain server and on Citus: by the call with one, two and three workers, and a schema for a tenant.
# Compares the calls row by row. Prints markdown tables of the processor time of each server: all processes of its postmaster,
# those that have ended too.
#
#   test/bench/citus.sh                as an ordinary user; PG_CONFIG chooses the server, with Citus and the extension
#
# ROUNDS, CALLS (of call_traffic), WEBHOOKS of a round, SHARDS. Each of these webhooks is a transaction of its own. One INSERT
# takes all others. In each round of processing all events come again, first on the plain server, then on Citus. The rows of the
# tables come as progress too.
. "$(dirname "$0")/event_log.sh"
unset PGOPTIONS PGHOST PGPORT PGUSER PGDATABASE

: "${ROUNDS:=5}" "${CALLS:=6000}" "${WEBHOOKS:=500}" "${SHARDS:=24}"
bin=$("${PG_CONFIG:-pg_config}" --bindir)
plain=4 nodes=(0 1 2 3) # of Citus: the coordinator and three workers
ticks=$(getconf CLK_TCK)

clean_up() {
    local number
    for number in 0 1 2 3 $plain; do
        "$bin/pg_ctl" -D "$files/data$number" -m immediate stop >/dev/null 2>&1 || true
    done
    rm -rf "$files"
}

on() { "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -h "$files" -p $((7400 + $1)) -d postgres "${@:2}"; }

is_installed() {
    [ -e "$("${PG_CONFIG:-pg_config}" --sharedir)/extension/citus.control" ] &&
        [ -e "$("${PG_CONFIG:-pg_config}" --pkglibdir)/citus.so" ]
}

# start_server NUMBER LIBRARIES
start_server() {
    "$bin/initdb" -D "$files/data$1" -A trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    cat >>"$files/data$1/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$files'
port = $((7400 + $1))
shared_preload_libraries = '$2'
max_connections = 60
max_prepared_transactions = 60
fsync = off
autovacuum = off
max_wal_size = 10GB
client_min_messages = error
$([ -z "$2" ] || echo "citus.local_hostname = '$files'")
END
    "$bin/pg_ctl" -D "$files/data$1" -l "$files/log$1" -w start >/dev/null
}

start_cluster() {
    local number
    for number in "${nodes[@]}"; do
        start_server "$number" citus
        on "$number" -c 'CREATE EXTENSION citus'
    done
    on 0 -c "SELECT citus_set_coordinator_host('$files', 7400)" >/dev/null
    for number in 1 2 3; do
        on 0 -c "SELECT citus_add_node('$files', $((7400 + number)))" >/dev/null
    done
    on 0 -c 'CREATE EXTENSION callhardening'
}

# spent NUMBER: processor milliseconds of a server until now. A process has the time of its ended children too. One that ends in
# between would be missed, so the postmaster is read twice.
spent() {
    local postmaster before='' after=none
    postmaster=$(head -n 1 "$files/data$1/postmaster.pid")
    until [ "$before" = "$after" ]; do
        sleep 0.2
        before=$(time_of_children "$postmaster")
        pgrep -P "$postmaster" | sed 's|.*|/proc/&/stat|' | xargs cat "/proc/$postmaster/stat" >"$files/stat" 2>/dev/null || true
        after=$(time_of_children "$postmaster")
    done
    sed 's/.*) //' "$files/stat" | awk -v ticks="$ticks" '{ used += $12 + $13 + $14 + $15 } END { print 1000 * used / ticks }'
}

# Of those that have ended
time_of_children() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 14,15; }

# measure NAME COMMAND ...: what each server has spent, in NAME_NUMBER, and all workers together, in NAME_workers. The command prints
# processor nanoseconds of its sessions, if they count: NAME_sessions.
measure() {
    local name=$1 number before=() used
    shift
    for number in "${nodes[@]}" $plain; do before[number]=$(spent "$number"); done
    "$@" >"$files/used"
    awk '{ used += $1 } END { print used / 1e6 }' "$files/used" >>"$files/${name}_sessions"
    for number in "${nodes[@]}" $plain; do
        used=$(calculate "$(spent "$number") - ${before[number]}")
        echo "$used" >>"$files/${name}_$number"
    done
    paste "$files/${name}"_[123] | tail -n 1 | awk '{ print $1 + $2 + $3 }' >>"$files/${name}_workers"
}

# -- what is measured ------------------------------------------------------------------------------

# ingest SERVER ROUND: a part of the traffic
ingest() {
    on "$1" >/dev/null <<SQL
DO \$\$
DECLARE
    webhook record;
BEGIN
    FOR webhook IN SELECT body FROM bodies WHERE n > $2 * $WEBHOOKS AND n <= ($2 + 1) * $WEBHOOKS ORDER BY n LOOP
        PERFORM ingest_call_event(webhook.body, 't.call_events');
        COMMIT;
    END LOOP;
END
\$\$;
SQL
}

# fill SERVER [COLUMN VALUE]: all others
fill() {
    on "$1" -c "INSERT INTO t.call_events (${2+$2, }payload) SELECT ${3+$3, }body::jsonb FROM bodies
        WHERE n > $ROUNDS * $WEBHOOKS ORDER BY n"
}

process_plain() {
    on $plain -c 'TRUNCATE t.calls' -c "SELECT seek_call_consumer('t.call_events', NULL, '-infinity')" >/dev/null
    measure "$1" on $plain <<'SQL'
DO $$
BEGIN
    WHILE (SELECT claimed FROM process_call_events(1000)) > 0 LOOP
        COMMIT;
    END LOOP;
END
$$;
SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1);
SQL
}

# The events of the biggest shard decide how often the procedure runs.
process_on_workers() {
    local worker
    for worker in 1 2 3; do
        on $worker -c "DO 'BEGIN FOR i IN 1 .. $1 LOOP CALL process_node_call_events(1000); END LOOP; END'" \
            -c "SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)"
    done
}

process_distributed() {
    local worker runs
    on 0 -c 'TRUNCATE t.calls'
    for worker in 1 2 3; do
        on $worker -c "SELECT seek_call_consumer(events, NULL, '-infinity') FROM call_event_logs WHERE shard_id IS NOT NULL"
    done >/dev/null
    runs=$(on 0 -c "SELECT 1 + ceil(max(result::int) / 1000.0)
        FROM run_command_on_placements('t.call_events', 'SELECT count(*) FROM %s')")
    measure "$1" process_on_workers "$runs"
}

# compare: how many calls differ, and how many there are
compare() {
    local columns server
    columns=$(on 0 -c "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
        WHERE attrelid = 't.calls'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'created_at')")
    for server in 0 $plain; do
        on $server -c "COPY (SELECT $columns FROM t.calls ORDER BY dialpad_call_id) TO STDOUT" >"$files/calls_$server"
    done
    echo "$(diff "$files/calls_$plain" "$files/calls_0" | grep -c '^[<>]' || true) of $(wc -l <"$files/calls_$plain")"
}

# take_webhooks NAME TITLE SERVER
take_webhooks() {
    local round
    on 0 -c "SELECT attach_call_shards('t.call_events')" >/dev/null
    for ((round = 0; round < ROUNDS; ++round)); do
        measure "ingest_$1" ingest "$3" $round
    done
    ingest_row "$1" "$2" | tee -a "$files/ingest_rows" >&2
}

# process_events NAME TITLE [COLUMN VALUE]
process_events() {
    local round
    fill 0 "${@:3}"
    for ((round = 0; round < ROUNDS; ++round)); do
        process_plain "plain_$1"
        process_distributed "process_$1"
    done
    process_row "$1" "$2" "$(compare)" | tee -a "$files/process_rows" >&2
}

drop_tables() { on 0 -c 'DROP SCHEMA t CASCADE' >/dev/null; }

use_workers() {
    local worker
    for worker in 1 2 3; do
        on 0 -c "SELECT citus_set_node_property('$files', $((7400 + worker)), 'shouldhaveshards', $worker <= $1)"
    done >/dev/null
}

by_call() {
    on 0 -c 'CREATE SCHEMA t' -c "SELECT create_distributed_call_tables('t', shard_count => $SHARDS)" >/dev/null
}

by_schema() {
    on 0 -c 'CREATE SCHEMA t' -c "SELECT create_call_tables('t')" -c 'SET citus.enable_unsafe_triggers = on' \
        -c "SELECT citus_schema_distribute('t')" >/dev/null
}

# -- tables ----------------------------------------------------------------------------------------

# range FILE [FACTOR [DIGITS]]: the median, and the spread
range() {
    awk -v factor="${2:-1}" '{ print $1 * factor }' "$files/$1" >"$files/range"
    printf "%.${3:-0}f (%.${3:-0}f to %.${3:-0}f)" "$(median <"$files/range")" "$(lowest <"$files/range")" "$(highest <"$files/range")"
}

each() { range "$1" "$(calculate "1000 / $WEBHOOKS" 6)"; }

ingest_row() { echo "| $2 | $(each "ingest_$1_0") | $(each "ingest_$1_workers") |"; }

process_row() {
    echo "| $2 | $3 | $(range "plain_$1_$plain") | $(range "process_$1_1") | $(range "process_$1_2") | $(range "process_$1_3") |" \
        "$(ratio "process_$1_workers" "plain_$1_$plain") | $(ratio "process_$1_sessions" "plain_$1_sessions") |" \
        "$(range "process_$1_0") | $(ratio "process_$1_0" "process_$1_workers") |"
}

# -- all of it ---------------------------------------------------------------------------------------

is_installed || {
    echo 'This server has no Citus: there is nothing to measure.'
    exit 0
}
start_server $plain ''
on $plain -c 'CREATE EXTENSION callhardening' -c 'CREATE SCHEMA t' -c "SELECT create_call_tables('t')" >/dev/null
start_cluster
for server in 0 1 $plain; do
    on $server -c "CREATE TABLE bodies AS SELECT row_number() OVER (ORDER BY min(n)) AS n, body
        FROM call_traffic($CALLS) WITH ORDINALITY AS b (body, n) GROUP BY body"
done
echo "$(on $plain -c 'SHOW server_version'), Citus $(on 0 -c "SELECT extversion FROM pg_extension WHERE extname = 'citus'")," \
    "fsync off, autovacuum off. $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
    "load $(cut -d' ' -f1 /proc/loadavg)."

for ((round = 0; round < ROUNDS; ++round)); do
    measure ingest_plain ingest $plain $round
done
fill $plain
echo "| plain server | | $(each ingest_plain_$plain) |" >"$files/ingest_rows"
for workers in 1 2 3; do
    use_workers $workers
    by_call
    take_webhooks call_$workers "by the call, workers: $workers" 0
    process_events call_$workers "by the call, workers: $workers" call_key \
        "coalesce((_callhardening.event_stamp(body::jsonb, 'dialpad', 1, 'bigint')).call_id::bigint, -n)"
    drop_tables
done
by_call
take_webhooks call_node 'by the call, workers: 3, all webhooks at one of them' 1
drop_tables
use_workers 1
by_schema
take_webhooks schema 'a schema for a tenant' 0
process_events schema 'a schema for a tenant'
drop_tables
by_schema
take_webhooks schema_node 'a schema for a tenant, at its node' 1
measure idle sleep 60

echo
echo "| a webhook of $(on 0 -c 'SELECT round(avg(octet_length(body)) / 1000.0, 1) FROM bodies') kB, µs | coordinator | workers together |"
echo '|---|---|---|'
cat "$files/ingest_rows"
echo
echo "| processing $(on $plain -c 'SELECT count(*) FROM t.call_events') events, ms | calls that differ | plain server | worker 1 |" \
    "worker 2 | worker 3 | workers together / plain server | sessions alone | coordinator | coordinator / workers |"
echo '|---|---|---|---|---|---|---|---|---|---|'
cat "$files/process_rows"
echo
echo "Without work a worker took $(range idle_1) ms in a minute, the coordinator $(range idle_0) ms, and the plain server" \
    "$(range idle_$plain) ms."
