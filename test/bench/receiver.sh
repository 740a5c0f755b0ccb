#!/usr/bin/env bash
# Webhooks a second over HTTP: 20 connections of autocannon to each example receiver, and 20 clients of pgbench that call
# ingest_call_webhook themselves. In turns. Prints a markdown table.
#
#   test/bench/receiver.sh             runs on the server that libpq finds (PGHOST, PGUSER, ...), as a superuser
#
# SECONDS_EACH, ROUNDS. NODE_PATH with the packages autocannon and pg, else npm installs them into a temporary directory. PYTHON is a
# python with aiohttp, asyncpg and prometheus_client.
. "$(dirname "$0")/event_log.sh"

: "${SECONDS_EACH:=10}" "${ROUNDS:=3}" "${PYTHON:=/usr/bin/python3}" "${PORT:=8378}"
examples=$here/../../examples/receiver
receiver=

end_receiver() {
    [ -n "$receiver" ] || return 0
    kill -TERM "$receiver"
    wait "$receiver"
    receiver=
}
trap 'end_receiver; clean_up' EXIT

# Aircall's signature is a token in the body, so a load needs no signing.
cat >"$files/call.sql" <<'SQL'
\set call random(1, 1000000000000000)
SELECT ingest_call_webhook(convert_to('{"event": "call.created", "token": "a made-up token", "data": {"id": ' || :call || '}}', 'UTF8'),
    '{}', NULL, 'call_events');
SQL

# start COMMAND ...
start() {
    DRAIN_SECONDS=0 WEBHOOKS='{"aircall": {"log": "public.call_events"}}' PORT=$PORT "$@" >"$files/receiver.log" 2>&1 &
    receiver=$!
    until curl --silent --fail "http://127.0.0.1:$PORT/readyz" >/dev/null; do
        kill -0 $receiver
        sleep 0.1
    done
}

# Processor times in milliseconds: of a process, and of all sessions that have ended. Other programs on the machine count less
# in them than in rates.
ticks=$(getconf CLK_TCK)
time_of_process() { awk -v ticks="$ticks" '{ print ($14 + $15) * 1000 / ticks }' "/proc/$1/stat"; }
time_of_sessions() { awk -v ticks="$ticks" '{ print ($16 + $17) * 1000 / ticks }' "/proc/$postmaster/stat"; }

# record NAME RATE P99 WEBHOOKS PROCESSOR_TIME SESSIONS_BEFORE
record() {
    echo "$2" >>"$files/$1"
    echo "$3" >>"$files/p99_$1"
    calculate "$5 / $4" 4 | sed 's/$/\n/' >>"$files/receiver_$1"
    calculate "($(time_of_sessions) - $6) / $4" 4 | sed 's/$/\n/' >>"$files/sessions_$1"
}

measure_receiver() {
    local name=$1 sessions before rate p99 webhooks own
    shift
    sessions=$(time_of_sessions)
    start "$@"
    before=$(time_of_process $receiver)
    node "$here/receiver_load.js" "http://127.0.0.1:$PORT/webhooks/aircall" "$SECONDS_EACH" >"$files/load"
    read -r rate p99 webhooks <"$files/load"
    own=$(calculate "$(time_of_process $receiver) - $before")
    end_receiver
    record "$name" "$rate" "$p99" "$webhooks" "$own" "$sessions"
}

measure_function() {
    local sessions
    sessions=$(time_of_sessions)
    (cd "$files" && pgbench -n -M extended -c 20 -j 2 -T "$SECONDS_EACH" -f call.sql --log >pgbench)
    cat "$files"/pgbench_log.* | awk '{ print $3 / 1000 }' | sort -g >"$files/latencies"
    rm "$files"/pgbench_log.*
    record function "$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$files/pgbench")" \
        "$(awk '{ t[NR] = $1 } END { print t[int(NR * 0.99)] }' "$files/latencies")" "$(wc -l <"$files/latencies")" 0 "$sessions"
}

print_row() {
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$(rate "$2")" "$(time_of "p99_$2")" "$(ratio "$2" function)" \
        "$(time_of "receiver_$2" 2)" "$(time_of "sessions_$2" 2)"
}

create_database
postmaster=$(run -c "SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)")
settings
install_node_packages autocannon pg
mkdir "$files/receiver"
cp "$examples"/node/* "$files/receiver"
ln -s "$NODE_PATH" "$files/receiver/node_modules"
run >/dev/null -c "SELECT create_call_tables(provider => 'aircall')" -c "SELECT set_call_event_secret(NULL, 'a made-up token')"
for ((i = 0; i < ROUNDS; ++i)); do
    measure_function
    measure_receiver node node "$files/receiver/receiver.js"
    measure_receiver python "$PYTHON" "$examples/python/receiver.py"
done
echo '| 20 connections | webhooks/s | 99th percentile, ms | to the function | processor of the receiver, ms | of the sessions, ms |'
echo '|---|---|---|---|---|---|'
print_row 'the function, by pgbench' function
print_row 'the receiver in Node' node
print_row 'the receiver in Python' python
