#!/usr/bin/env bash
# Gives half of the calls of a partition to a new database, while webhooks come in.
#
#   split_partition.sh FROM TO PARTITION PARTITIONS ROUTER [SETUP]
#
#   FROM, TO, ROUTER  addresses as psql takes them. TO is a new, empty database. All are used as a superuser
#   PARTITION         the number that moves, of PARTITIONS: PARTITIONS / 2 + the number of FROM before
#   SETUP             SQL for the new database before webhooks reach it: secrets, roles, workers
#
# The router has PARTITIONS addresses already, and that of PARTITION is still FROM. FROM has no background worker, and
# nobody else writes to its tables. After an error before "routed": drop TO, and in FROM
#     SELECT attach_call_event_log('call_events', 'calls');
set -euo pipefail
from=$1 to=$2 partition=$3 partitions=$4 router=$5 setup=${6:-/dev/null}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
    local database=$1
    shift
    psql -XAtq -v ON_ERROR_STOP=1 -d "$database" "$@"
}

# The partition of a call id. Events without a call stay: it would be one partition for all of them.
partition_of="CREATE FUNCTION pg_temp.partition_of(id text, partitions int) RETURNS int IMMUTABLE LANGUAGE sql
    AS \$\$ SELECT call_event_partition(convert_to(jsonb_build_object('call_id', id)::text, 'UTF8'), partitions) \$\$;"

echo 'the tables, without indexes and triggers'
run "$to" -c 'CREATE EXTENSION callhardening'
pg_dump -d "$from" --section=pre-data -t calls -t call_events | run "$to" >"$work/log"

echo 'the state of the log: from now on the old database refuses webhooks, and their providers send them again'
run "$from" -c "SELECT detach_call_event_log('call_events')" >"$work/state"

echo 'the rows that move'
run "$from" <<SQL
$partition_of
BEGIN;
LOCK TABLE calls, call_events IN SHARE MODE;
\copy (SELECT * FROM calls WHERE pg_temp.partition_of(dialpad_call_id::text, $partitions) = $partition) TO '$work/calls'
\copy (SELECT * FROM call_events WHERE event_lane >= 0 AND pg_temp.partition_of(call_id, $partitions) = $partition) TO '$work/events'
COMMIT;
SQL
run "$to" >"$work/log" <<SQL
\copy calls FROM '$work/calls'
\copy call_events FROM '$work/events'
SELECT setval(pg_get_serial_sequence('calls', 'id'), max(id)) FROM calls;
SQL
pg_dump -d "$from" --section=post-data -t calls -t call_events | run "$to" >"$work/log"

echo 'the new database goes on where the old one was'
run "$to" >"$work/log" <<SQL
\set state \`cat '$work/state'\`
SELECT attach_call_event_log('call_events', 'calls', :'state');
SQL
run "$to" -f "$setup" >"$work/log"

# Later transactions of the router take the new address. Those before must have ended.
run "$router" -v to="$to" >"$work/log" <<SQL
ALTER SERVER calls OPTIONS (SET p$partition :'to');
SELECT set_config('router.switched_at', clock_timestamp()::text, false);
DO \$\$
BEGIN
    WHILE EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND xact_start <= current_setting('router.switched_at')::timestamptz)
    LOOP
        PERFORM pg_sleep(0.1), pg_stat_clear_snapshot();
    END LOOP;
END
\$\$;
SQL
echo 'routed'

run "$from" -v moved="$(cat "$work/calls" "$work/events" | wc -l)" >"$work/log" <<SQL
$partition_of
BEGIN;
LOCK TABLE calls, call_events IN SHARE ROW EXCLUSIVE MODE;
WITH c AS (DELETE FROM calls WHERE pg_temp.partition_of(dialpad_call_id::text, $partitions) = $partition RETURNING 1),
    e AS (DELETE FROM call_events WHERE event_lane >= 0 AND pg_temp.partition_of(call_id, $partitions) = $partition RETURNING 1)
SELECT (SELECT count(*) FROM c) + (SELECT count(*) FROM e) = :moved AS same \gset
\if :same
\else
    ROLLBACK;
    DO \$\$ BEGIN RAISE EXCEPTION 'rows of the new partition were written to the old database meanwhile'; END \$\$;
\endif
COMMIT;
SELECT attach_call_event_log('call_events', 'calls');
SQL
echo 'the old database takes webhooks again'
