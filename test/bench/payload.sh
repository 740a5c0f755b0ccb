#!/usr/bin/env bash
# Compares the sanitizer with PostgreSQL's own work on the same documents, with its rules in PL/pgSQL and JavaScript, and with
# nlohmann's parser with an empty handler. The rounds are interleaved in one session. Then it counts instructions of the
# core. Prints markdown tables: the median processor time for a document, hardly affected by load on the machine, and the
# median of the ratios of pairs.
#
#   test/bench/payload.sh [rounds]              runs on the server that psql finds (PGHOST, PGUSER, ...)
#
# The server must be on this machine, on Linux, and the user a superuser: the server's /proc/self/schedstat has the time.
# node and valgrind are used if present. `make build/bench/payload_instructions` builds the program.
set -euo pipefail
shopt -s inherit_errexit
rounds=${1:-11}
here=$(cd "$(dirname "$0")" && pwd)
program=$here/../../build/bench/payload_instructions
schema=callhardening_bench_payload
files=$(mktemp -d)
trap 'rm -rf "$files"; run -c "DROP SCHEMA IF EXISTS $schema CASCADE"' EXIT

run() {
    PGOPTIONS="-c client_min_messages=error -c search_path=$schema,public -c jit=off -c max_parallel_workers_per_gather=0" \
        psql -XqAt -v ON_ERROR_STOP=1 "$@"
}

create() {
    run -c "DROP SCHEMA IF EXISTS $schema CASCADE" -c "CREATE SCHEMA $schema" \
        -c "CREATE EXTENSION IF NOT EXISTS callhardening SCHEMA public"
    run -f "$here/payload_documents.sql" -f "$here/payload_texts.sql" -f "$here/payload_rules.sql" >/dev/null
    run -c "SELECT call_payload_policy()" >"$files/default"
    for kind in event bulky; do
        run -c "SELECT body FROM ${kind}_body ORDER BY id" >"$files/$kind"
        run -c "CREATE TABLE ${kind}_cleaned (id int GENERATED ALWAYS AS IDENTITY, body text)" \
            -c "ALTER TABLE ${kind}_cleaned ALTER body SET STORAGE EXTERNAL"
        if command -v node >/dev/null; then
            node "$here/payload_client.js" clean "$files/default" <"$files/$kind" |
                run -c "COPY ${kind}_cleaned (body) FROM STDIN (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
        fi
    done
    run -f "$here/payload_measure.sql" >/dev/null
}

# The programs outside the server run between the parts of a round inside it.
outside() {
    local kind passes
    for kind in event bulky; do
        if command -v node >/dev/null; then
            echo "\set $kind \`node '$here/payload_client.js' time '$files/default' < '$files/$kind'\`"
        else
            echo "\set $kind null"
        fi
        passes=$((20000 / $(wc -l <"$files/$kind")))
        if [ -x "$program" ]; then
            echo "\set sax_$kind \`'$program' sax '$files/default' '$files/$kind' $passes\`"
        else
            echo "\set sax_$kind null"
        fi
    done
}

round() {
    outside
    echo "CALL measure($1, jsonb_build_object('event', :event, 'bulky', :bulky, 'sax_event', :sax_event, 'sax_bulky', :sax_bulky));"
}

# -- instructions ------------------------------------------------------------------------------

collected() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 |
        sed -n 's/.*Collected : //p; /^payload_instructions/w /dev/stderr'
}

# instructions feed|text|sax POLICY BODIES
instructions() {
    local bodies once twice
    bodies=$(wc -l <"$3")
    once=$(collected "$@" 1)
    twice=$(collected "$@" 2)
    echo $(((twice - once) / bodies))
}

# row TITLE POLICY BODIES
row() {
    local feed text sax
    feed=$(instructions feed "$files/$2" "$files/$3")
    text=$(instructions text "$files/$2" "$files/$3")
    sax=$(instructions sax "$files/$2" "$files/$3")
    echo "| $1 | $feed | $text | $sax |"
}

count_instructions() {
    if ! command -v valgrind >/dev/null || [ ! -x "$program" ]; then
        echo "No instructions: valgrind or build/bench/payload_instructions is not here."
        return
    fi
    for rules in 10 1000; do
        run -c "SELECT idle_policy($rules, '**.absent_%s')" >"$files/$rules"
        run -c "SELECT idle_policy($rules, '**.absent_%s_*')" >"$files/$rules stars"
    done
    run -c "SELECT body FROM event_body ORDER BY id LIMIT 40" >"$files/events"
    run -c "SELECT body FROM bulky_body WHERE id % 4 = 0 ORDER BY id" >"$files/bulks"
    run -c "SELECT body FROM structured_body ORDER BY id" >"$files/structured"
    echo "| instructions of the core for a document | events of a jsonb | text | nlohmann's SAX, empty handler |"
    echo "|---|---|---|---|"
    row "1.2 kB" default events
    row "15 kB" default bulks
    row "30 kB, structured" default structured
    for rules in 10 1000; do
        row "1.2 kB, $rules rules that match nothing" $rules events
        row "1.2 kB, the same with a star in each name" "$rules stars" events
    done
}

create
{
    echo "CALL prepare_measurements();"
    for ((i = 0; i <= rounds; ++i)); do
        round $i
    done
} | run >/dev/null

echo "| documents | number | bytes as text | bytes stored | bytes sanitized | less |"
echo "|---|---|---|---|---|---|"
run -c "SELECT line FROM document_size"
echo
echo "| documents | against | callhardening | the other | callhardening / the other | middle half | wanted |"
echo "|---|---|---|---|---|---|---|"
run -c "SELECT line FROM result ORDER BY id"
echo
run -c "SELECT line FROM agreement"
echo
count_instructions
