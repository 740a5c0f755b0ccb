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

# The processor time of the receiver until now, in milliseconds. Other programs on the machine count less in it.
processor_time() { awk -v ticks="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000 / ticks }' "/proc/$receiver/stat"; }

# Each adds a rate and a 99th percentile to its files, and the receivers their processor time for a webhook.
measure_receiver() {
    local name=$1 before webhooks
    shift
    start "$@"
    before=$(processor_time)
    node "$here/receiver_load.js" "http://127.0.0.1:$PORT/webhooks/aircall" "$SECONDS_EACH" >"$files/load"
    read -r rate p99 webhooks <"$files/load"
    echo "$rate" >>"$files/$name"
    echo "$p99" >>"$files/p99_$name"
    calculate "($(processor_time) - $before) / $webhooks" 4 >>"$files/cpu_$name"
    echo >>"$files/cpu_$name"
    end_receiver
}

measure_function() {
    (cd "$files" && pgbench -n -M extended -c 20 -j 2 -T "$SECONDS_EACH" -f call.sql --log >pgbench)
    sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$files/pgbench" >>"$files/function"
    cat "$files"/pgbench_log.* | awk '{ print $3 / 1000 }' | sort -g |
        awk '{ t[NR] = $1 } END { print t[int(NR * 0.99)] }' >>"$files/p99_function"
    rm "$files"/pgbench_log.*
}

# print_row NAME FILES PROCESSOR_TIME
print_row() { printf '| %s | %s | %s | %s | %s |\n' "$1" "$(rate "$2")" "$(time_of "p99_$2")" "$(ratio "$2" function)" "$3"; }

create_database
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
echo '| 20 connections | webhooks/s | 99th percentile, ms | to the function | processor time of the receiver, ms |'
echo '|---|---|---|---|---|'
print_row 'the function, by pgbench' function ''
print_row 'the receiver in Node' node "$(time_of cpu_node 2)"
print_row 'the receiver in Python' python "$(time_of cpu_python 2)"
