#!/usr/bin/env bash
# Webhook traffic of an invented company runs through callhardening, on a private server that is removed afterwards.
#
#   scripts/demo.sh [calls]              2000 calls unless said
#   scripts/demo.sh --installed          runs the extension that is installed, and needs no compiler
#   scripts/demo.sh --build              builds these sources, even if the extension is installed
#   SEED=7 scripts/demo.sh               other traffic
#   CALLHARDENING_SERVER=17 or PG_CONFIG=/path/to/pg_config chooses the server
#
# It leaves one file, the report on what has run: the last line has its name.
#
# Without an option, the extension is built if no server has this version of it. The server has PostgreSQL's default
# settings, with fsync on, so the rates are those of this machine.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

STARTED_IN=$PWD PARTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) MODE=any
[ -w "$STARTED_IN" ] || STARTED_IN=${TMPDIR:-/tmp}
case ${1:-} in
--installed | --build) MODE=${1#--} && shift ;;
esac
CALLS=${1:-2000} SEED=${SEED:-1} WORKERS=4 SILENCE=5
[[ "$#" -le 1 && "$CALLS" =~ ^[1-9][0-9]{0,6}$ ]] ||
    die "usage: scripts/demo.sh [--installed | --build] [calls], a number from 1 to 9999999"
[[ "$SEED" =~ ^-?[0-9]{1,9}$ ]] || die "SEED is a whole number of at most nine digits"

query() { run "$BINDIR/psql" -X -q -v ON_ERROR_STOP=1 "$@"; }
value() { query -At -c "$1"; }
table() { query -P border=2 -P linestyle=unicode -P footer=off -c "$1" | sed '$d'; }

# show SQL: prints the statement as typed, its warnings and its result.
show() {
    printf '%s=> %s%s\n' "$BOLD" "$1" "$PLAIN"
    run "$BINDIR/psql" -X -v ON_ERROR_STOP=1 -P null=NULL -c "$1" 2>&1 | sed '${ /^$/d }'
}

ingest() {
    heading "Ingesting $CALLS calls (seed $SEED) through one connection"
    query -c "CREATE EXTENSION callhardening" \
        -c "SELECT create_call_tables('public')" \
        -c "CREATE SCHEMA demo" \
        -c "CREATE TABLE demo.ingest AS SELECT clock_timestamp() AS begun, 0::bigint AS delivered, clock_timestamp() AS done" \
        -c "UPDATE demo.ingest SET delivered = generate_call_events($CALLS, $SEED)" \
        -c "UPDATE demo.ingest SET done = clock_timestamp()" >/dev/null
    table "SELECT delivered AS \"webhooks\", kept AS \"events kept\", delivered - kept AS \"redelivered\",
               pg_size_pretty(bytes) AS \"size\", round(seconds, 2) AS \"seconds\", round(delivered / seconds) AS \"webhooks/s\"
           FROM (SELECT delivered, extract(epoch FROM done - begun) AS seconds FROM demo.ingest) AS ingest,
               (SELECT count(*) AS kept, sum(octet_length(payload::text)) AS bytes FROM call_events) AS log"
    echo "The time includes making the webhooks up."
}

# Four workers: each runs batches until no event is left to claim.
work() {
    local worker workers=() TELLER
    begin_telling
    for ((worker = 1; worker <= WORKERS; worker++)); do
        # The server log has the warnings of the workers. A later step reads them there.
        PGOPTIONS='-c client_min_messages=error' run_batches "$worker" {TELLER}>&- &
        workers+=($!)
    done
    for worker in "${workers[@]}"; do
        wait "$worker" || die "a worker failed"
    done
    end_telling
}

run_batches() {
    local claimed
    until [ "${claimed:-}" = 0 ]; do
        claimed=$("$BINDIR/psql" -X -q -At -v ON_ERROR_STOP=1 -c "
            INSERT INTO demo.batches SELECT $1, clock_timestamp(), b.* FROM process_call_events(1000) AS b
            RETURNING claimed") || return 1
    done
}

process() {
    heading "Processing with $WORKERS workers at the same time, at most 1000 events a batch"
    query -c "CREATE TABLE demo.batches (worker int, done timestamptz, claimed bigint, applied bigint,
                  unchanged bigint, refused bigint, failed bigint, begun timestamptz DEFAULT now())"
    work
    table "SELECT coalesce(worker::text, 'all') AS \"worker\", count(*) FILTER (WHERE claimed > 0) AS \"batches\", sum(claimed) AS \"claimed\",
               sum(applied) AS \"applied\", sum(unchanged) AS \"unchanged\", sum(refused) AS \"refused\", sum(failed) AS \"failed\"
           FROM demo.batches GROUP BY ROLLUP (worker) ORDER BY demo.batches.worker"
    table "SELECT sum(claimed) AS \"events\", round(extract(epoch FROM max(done) - min(begun)), 2) AS \"seconds\",
               round(sum(claimed) / extract(epoch FROM max(done) - min(begun))) AS \"events/s\",
               (SELECT count(*) FROM call_events) - sum(claimed) AS \"events left\"
           FROM demo.batches"
}

# claims_of WORKER: the ids of its open claims
claims_of() { value "SELECT string_agg(claim_id::text, ', ') FROM call_open_claims WHERE worker = '$1'"; }

# All events belong to one call, so they come in one claim.
webhooks() {
    local state
    for state in "${@:2}"; do
        value "SELECT ingest_call_event('{\"call_id\": $1, \"state\": \"$state\"}'::jsonb)" >/dev/null
    done
}

claims() {
    local claim="SELECT event_seq, call_id, event_type, attempt FROM claim_call_events" seq lost
    heading "A client for a CRM follows the same log, and cannot process one of the events"
    show "SELECT create_call_consumer('call_events', 'crm');"
    webhooks 4711 ringing recording hangup
    show "SELECT claimed, applied FROM process_call_events();"
    echo "The client gets these events as well, since it is another consumer."
    show "$claim(worker => 'client one', consumer => 'crm');"
    seq=$(value "SELECT event_seq FROM call_events WHERE call_id = '4711' AND event_type = 'recording'")
    show "SELECT fail_call_event($(claims_of 'client one'), $seq, 'the recording is not there yet', retry_after => '10 seconds');"
    show "SELECT event_seq, attempts, due_at, errors #>> '{0,error}' AS error FROM call_retrying_events ORDER BY event_seq;"
    show "SELECT outcome FROM complete_call_events(ARRAY[$(claims_of 'client one')]);"
    show "SELECT consumer, pending_estimate, retrying, blocked, dead FROM call_consumers ORDER BY consumer;"
    echo "The hangup waits behind the recording. Both come again, in this order."

    heading "A client dies"
    webhooks 4712 ringing
    show "$claim(lease => '1 second', worker => 'client one', consumer => 'crm');"
    lost=$(claims_of 'client one')
    sleep 1.1
    echo "Its lease is over. Another client gets the event, and then the first one comes back."
    show "$claim(worker => 'client two', consumer => 'crm');"
    show "SELECT outcome FROM complete_call_events(ARRAY[$lost]);"
    show "SELECT outcome FROM complete_call_events(ARRAY[$(claims_of 'client two')]);"
}

# True when no event is pending, claimed or waiting.
is_done() {
    [ "$(value "SELECT (SELECT sum(pending) FROM pending_call_events(exact => true)) + open_claims + retrying + blocked
                FROM call_event_log_status")" = 0 ]
}

# The worker sleeps until a commit wakes it. Each webhook is committed alone.
latency() {
    heading "From the commit of a webhook to its row, with a sleeping worker"
    query -c "CREATE TABLE demo.latency (ms float8)"
    query -c "DO \$\$
DECLARE
    committed timestamptz;
BEGIN
    FOR i IN 1 .. 50 LOOP
        PERFORM pg_sleep(0.01);
        PERFORM ingest_call_event(jsonb_build_object('call_id', 6000 + i, 'state', 'ringing'));
        COMMIT;
        committed := clock_timestamp();
        WHILE NOT EXISTS (SELECT FROM calls WHERE dialpad_call_id = 6000 + i) LOOP
            PERFORM pg_sleep(0.0001);
        END LOOP;
        INSERT INTO demo.latency VALUES (extract(epoch FROM clock_timestamp() - committed) * 1000);
    END LOOP;
END \$\$"
    table "SELECT count(*) AS \"webhooks\", round(percentile_disc(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 1) AS \"median ms\",
               round(max(ms)::numeric, 1) AS \"slowest ms\" FROM demo.latency"
    query -c "DELETE FROM calls WHERE dialpad_call_id BETWEEN 6001 AND 6050" >/dev/null
}

timeline() {
    local call
    heading "The life of one call"
    call=$(value "SELECT call_id FROM call_issues WHERE kind = 'refused_status' AND event_seq IS NOT NULL
                  ORDER BY happened_at DESC LIMIT 1")
    show "SELECT event_seq, event_type, state, attempts, settled_after, reason FROM call_timeline('${call:-4711}');"
}

server_worker() {
    local more=$(((CALLS + 39) / 40)) i before
    heading "A worker inside the server, while the webhooks of $((more * 10)) more calls come in"
    before=$(value "SELECT count(*) FROM call_events")
    show "CREATE ROLE call_worker LOGIN;"
    show "SELECT grant_call_role('call_worker', 'process');"
    show "SET ROLE call_worker; SELECT start_call_worker();"
    for ((i = 1; i <= 10; i++)); do
        value "SELECT generate_call_events($more, $((SEED + i)))" >/dev/null
    done
    for ((i = 1; i <= 600; i++)); do
        is_done && break
        sleep 0.1
    done
    show "SELECT pending_estimate, claimed, retrying, blocked, dead FROM call_event_log_status;"
    table "SELECT count(*) - $before AS \"events that came in\",
               (SELECT sum(pending) FROM pending_call_events(exact => true)) AS \"events left\" FROM call_events"
    latency
    show "SELECT stop_call_worker();"
}

purge() {
    heading "Purging events that all consumers have settled"
    show "SELECT consumer, pending_estimate, behind, holds_purges FROM call_consumers ORDER BY consumer;"
    echo "The CRM's client has not come back. It will begin with the next event."
    show "SELECT seek_call_consumer('call_events', 'crm', received_at => 'infinity');"
    echo "The events of the first quarter of the time go."
    show "SELECT count(*) AS events, purge_call_events(now() - (min(received_at) + (max(received_at) - min(received_at)) / 4),
    max_events => 100000) AS purged FROM call_events;"
}

calls() {
    heading "Calls by status and direction"
    table "SELECT CASE WHEN grouping(status) = 1 THEN 'all' ELSE coalesce(status, 'none yet') END AS \"status\",
               count(*) FILTER (WHERE direction = 'inbound') AS \"inbound\",
               count(*) FILTER (WHERE direction = 'outbound') AS \"outbound\",
               count(*) FILTER (WHERE direction IS NULL) AS \"unknown\", count(*) AS \"calls\"
           FROM calls GROUP BY ROLLUP (status) ORDER BY grouping(status), count(*) DESC"
    heading "Calls with two rows"
    show "SELECT dialpad_call_id, count(*) FROM calls GROUP BY dialpad_call_id HAVING count(*) > 1;"
}

payloads() {
    heading "Payloads before and after"
    table "WITH document (stage, place, bytes) AS (
               SELECT 'events as they came', 1, octet_length(payload::text) FROM call_events
               UNION ALL
               SELECT 'the same, sanitized', 2, octet_length(sanitize_call_payload(payload)::text) FROM call_events
               UNION ALL
               SELECT 'calls.raw_payload', 3, octet_length(raw_payload::text) FROM calls)
           SELECT stage AS \"payloads\", count(bytes) AS \"documents\", pg_size_pretty(sum(bytes)) AS \"total\",
               round(avg(bytes)) AS \"average bytes\", max(bytes) AS \"largest\",
               CASE WHEN place > 1 THEN
                   round(100 - 100.0 * sum(bytes) / first_value(sum(bytes)) OVER (ORDER BY place), 1)
               END AS \"saved, %\"
           FROM document GROUP BY place, stage ORDER BY place"
    heading "One of them, as stored for debugging"
    value "SELECT jsonb_pretty(raw_payload) FROM calls WHERE raw_payload ? '_sanitized' AND status = 'ended'
           ORDER BY dialpad_call_id LIMIT 1"
}

explanation() {
    heading "The changes of one event, value by value"
    table "SELECT explained.* FROM (SELECT payload FROM call_events WHERE octet_length(payload::text) < 3000
               ORDER BY payload ? 'recap_summary' DESC, octet_length(payload::text) DESC, event_seq LIMIT 1) AS event,
               explain_call_payload(payload) AS explained WHERE action <> 'kept'"
}

followed_number() {
    local number
    heading "Following a number without storing it"
    number=$(value "SELECT payload ->> 'external_number' FROM call_events WHERE payload ->> 'external_number' LIKE '+%'
                    GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    show "SELECT add_call_pseudonym_key();"
    show "CREATE TABLE demo.followed AS SELECT sanitize_call_payload(payload, jsonb_insert(call_payload_policy(), '{rules,0}',
    '{\"path\": \"**.external_number\", \"action\": \"hash\"}')) AS payload FROM call_events;"
    show "SELECT count(*) AS events, count(DISTINCT payload -> 'call_id') AS calls, min(payload ->> 'external_number') AS stored
  FROM demo.followed WHERE payload ->> 'external_number' = call_pseudonym('$number');"
}

# logged 'text': the number of such lines, and the first three different ones
logged() {
    printf '%s: %d\n' "$1" "$(grep -cF "$1" "$WORK/server.log" || true)"
    awk -F 'WARNING:  ' -v text="$1" 'index($0, text) && !seen[$2]++ && ++shown <= 3 { print "    " $0 }' \
        "$WORK/server.log" | cut -c 1-160
}

server_log() {
    heading "Messages for an operator in the server log"
    logged 'Invalid status transition'
    logged 'Unknown call direction'
}

by_hand() {
    local call
    heading "Setting an ended call back to ringing, by hand"
    call=$(value "SELECT min(dialpad_call_id) FROM calls WHERE status = 'ended'")
    if [ -z "$call" ]; then
        echo "No call has ended in this traffic."
        return
    fi
    show "UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = $call;"
    show "SELECT dialpad_call_id, status, direction FROM calls WHERE dialpad_call_id = $call;"
}

# Tables of an existing pipeline: half of the events are processed, and the words are as the clients wrote them.
create_legacy() {
    query -c "
CREATE SCHEMA legacy;
CREATE TABLE legacy.calls (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), app_id uuid NOT NULL, dialpad_call_id bigint UNIQUE NOT NULL,
    direction text, from_number text, to_number text, status text, started_at timestamp, ended_at timestamp, duration_seconds integer,
    raw_payload jsonb, created_at timestamp DEFAULT now());
CREATE TABLE legacy.webhook_events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), app_id uuid, event_type text,
    dialpad_event_id text UNIQUE, payload jsonb NOT NULL, processed_at timestamp, received_at timestamp DEFAULT now());
INSERT INTO legacy.webhook_events (app_id, event_type, dialpad_event_id, payload, processed_at)
SELECT '00000000-0000-0000-0000-000000000001', type, format('%s-%s', call, type),
    jsonb_build_object('call', jsonb_build_object('id', call, 'direction', 'incoming', 'from', '+14155550100', 'to', '+14155550199')),
    CASE WHEN call <= 100 THEN now() END
FROM generate_series(1, 200) AS call, unnest(ARRAY['call.ring', 'call.started', 'call.ended']) AS type;
INSERT INTO legacy.calls (app_id, dialpad_call_id, direction, status, raw_payload, created_at)
SELECT '00000000-0000-0000-0000-000000000001', call, (ARRAY['Incoming', 'inbound', 'sideways'])[call % 3 + 1],
    (ARRAY['completed', 'ended', 'ringing', 'ended'])[call % 4 + 1], '{\"password\": \"hunter2\", \"transcription_text\": \"Hello?\"}', '2026-01-01'
FROM generate_series(1, 100) AS call;"
}

existing() {
    create_legacy
    heading "An existing installation: the faults of its rows"
    show "SELECT check_name, violations, sample FROM audit_calls('legacy.calls') WHERE violations > 0;"
    heading "Hardened, and its rows repaired"
    show "SELECT harden_calls('legacy.calls');"
    show "CALL backfill_calls('legacy.calls');"
    show "SELECT harden_call_events('legacy.webhook_events', 'legacy.calls', event_type_column => 'event_type',
    received_at_column => 'received_at', processed_at_column => 'processed_at', carry => '{app_id}');"
    echo "Its old clients go on as before:"
    show "INSERT INTO legacy.webhook_events (app_id, event_type, dialpad_event_id, payload)
  VALUES ('00000000-0000-0000-0000-000000000001', 'call.ring', 'late', '{\"call\": {\"id\": 200}}');"
    show "SELECT * FROM process_call_events(log => 'legacy.webhook_events');"
    while [ "$(value "SELECT claimed FROM process_call_events(log => 'legacy.webhook_events')")" != 0 ]; do :; done
    show "SELECT count(*) FILTER (WHERE processed_at IS NULL) AS unprocessed, count(*) AS events FROM legacy.webhook_events;"
    show "SELECT direction, status, count(*) FROM legacy.calls GROUP BY 1, 2 ORDER BY 1, 2;"
}

# The calls of the plan, and those whose row differs from it
another_provider() {
    local few=$(((CALLS + 9) / 10))
    heading "Webhooks of Twilio: forms, and ids that are text"
    show "CREATE SCHEMA twilio;"
    show "SELECT create_call_tables('twilio', provider => 'twilio');"
    show "SELECT generate_call_events($few, $SEED, log => 'twilio.call_events') AS webhooks;"
    show "SELECT call_id, event_type, left(payload #>> '{}', 40) || '...' AS body FROM twilio.call_events ORDER BY event_seq LIMIT 2;"
    echo "They are processed, without a worker in the server."
    while [ "$(PGOPTIONS='-c client_min_messages=error' \
        value "SELECT claimed FROM process_call_events(1000, 'twilio.call_events')")" != 0 ]; do :; done
    show "SELECT direction, status, count(*) AS calls, sum(duration_seconds) AS seconds FROM twilio.calls GROUP BY 1, 2 ORDER BY 1, 2;"
    echo "The traffic is made from a plan. The rows are compared with it:"
    show "SELECT count(*) AS planned, count(c) AS rows, count(*) FILTER (WHERE p.status IS DISTINCT FROM c.status) AS other_status
  FROM call_traffic_calls($few, $SEED, 'twilio') AS p FULL JOIN twilio.calls AS c USING (call_id);"
}

# The log of another provider, with events that are not applied yet.
elsewhere() {
    local state
    heading "A log and its calls go to another database"
    value "SELECT ingest_call_event('{\"CallSid\": \"CAmoved\", \"CallStatus\": \"ringing\"}', 'twilio.call_events')" >/dev/null
    echo "=> SELECT detach_call_event_log('twilio.call_events');"
    state=$(value "SELECT detach_call_event_log('twilio.call_events')")
    printf '%s\n' "$state" | cut -c 1-100
    echo "No worker reads it here from now on. It still takes events."
    value "INSERT INTO twilio.call_events (payload) VALUES ('{\"CallSid\": \"CAmoved\", \"CallStatus\": \"completed\"}')" >/dev/null
    echo '$ createdb elsewhere; pg_dump --schema twilio | psql elsewhere'
    value "CREATE DATABASE elsewhere"
    query -d elsewhere -c 'CREATE EXTENSION callhardening'
    run "$BINDIR/pg_dump" --schema twilio >"$WORK/twilio.sql"
    query -d elsewhere -f "$WORK/twilio.sql" >/dev/null
    PGDATABASE=elsewhere show "SELECT attach_call_event_log('twilio.call_events', 'twilio.calls', '$state');" |
        sed "s/'{.*}'/'{ ... }'/"
    PGDATABASE=elsewhere show "SELECT claimed, applied FROM process_call_events();"
    PGDATABASE=elsewhere show "SELECT call_id, status FROM twilio.calls WHERE call_id = 'CAmoved';"
}

router() {
    heading "One of four databases for each webhook: all events of a call go to the same one"
    show "SELECT body, call_event_partition(convert_to(body, 'UTF8'), 4) FROM unnest(ARRAY['{\"call_id\": 4711, \"state\": \"ringing\"}',
  '{\"state\": \"hangup\", \"call_id\": \"4711\"}', '{\"call_id\": 4713}', 'no JSON']) AS body;"
}

supervision() {
    heading "Gaps and faults"
    show "SELECT relation, level, gap, detail FROM call_enforcement;"
    show "SELECT kind, table_name, call_id, old_value, new_value, occurrences FROM call_issues ORDER BY happened_at DESC LIMIT 5;"
    show "SELECT figure, value, unit, level FROM call_health('legacy.calls');"
    show "SELECT count(*) AS checks, count(*) FILTER (WHERE NOT ok) AS failed FROM check_call_hardening();"
}

# The user of the server may not be able to read these sources, nor write here.
monitor() {
    heading "A monitor: it sees the figures, and no body"
    show "CREATE ROLE watcher LOGIN;"
    show "SELECT grant_call_role('watcher', 'monitor');"
    show "SET ROLE watcher; SELECT line FROM string_to_table(call_metrics(), E'\n') AS line
  WHERE line LIKE 'callhardening_events_%_total{%' ORDER BY line LIMIT 8;"
    show "SELECT has_column_privilege('watcher', 'call_events', 'payload', 'SELECT') AS reads_bodies;"
}

report() {
    heading "A report on all of it"
    PATH=$BINDIR:$PATH "$PARTS/report.sh" -o "$STARTED_IN/callhardening_demo.html"
    echo "It loads nothing, and has no body, number or secret."
}

# -- the extension -----------------------------------------------------------------------------

version_of() { sed -n "s/^default_version = '\(.*\)'/\1/p" "$1/callhardening.control" 2>/dev/null || true; }

# is_installed SHAREDIR: with the version of these sources, if they are here and we may build.
is_installed() {
    local version
    version=$(version_of "$1/extension")
    [ -n "$version" ] && [[ "$MODE" = installed || ! -f "$ROOT/Makefile" || "$version" = "$(version_of "$ROOT")" ]]
}

# Finds a server that has the extension: the chosen one, or else the newest.
find_installed() {
    local server
    if [ -n "${PG_CONFIG:-}" ]; then
        BINDIR=$("$PG_CONFIG" --bindir)
        is_installed "$("$PG_CONFIG" --sharedir)"
        return
    fi
    while read -r server; do
        BINDIR=/usr/lib/postgresql/$server/bin
        [ ! -x "$BINDIR/postgres" ] || ! is_installed "/usr/share/postgresql/$server" || return 0
    done < <(compgen -G "/usr/share/postgresql/${CALLHARDENING_SERVER:-*}" | sed 's:.*/::' | sort -rn || true)
    return 1
}

prepare_extension() {
    if [ "$MODE" != build ] && find_installed; then
        make_work
        choose_user
        cd "$WORK"
        echo "callhardening as it is installed, with $("$BINDIR/postgres" --version)"
        return
    fi
    [ "$MODE" != installed ] && [ -f "$ROOT/Makefile" ] || die "no server here has the extension installed"
    prepare_server
    spent packages
    prepare_module
    spent build
}

prepare_extension
start_server
ingest
process
claims
server_worker
timeline
calls
payloads
explanation
followed_number
purge
server_log
by_hand
existing
another_provider
elsewhere
router
supervision
monitor
report

spent demo
heading "$(printf '%s, ' "${SPENT[@]}")in all $SECONDS s"
echo "the report: $STARTED_IN/callhardening_demo.html"
