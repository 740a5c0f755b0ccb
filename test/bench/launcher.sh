#!/usr/bin/env bash
# What the launcher of kept workers costs while it has nothing to do: transactions, transaction ids and WAL of the whole
# server, and the launcher's own wake-ups and processor time. Without and with shared_preload_libraries, on a private server
# with eight databases that have the extension; and with a worker that it tries to start, to see that this would be counted.
# The server does not count transactions of a process without a database: the wake-ups tell whether it can have begun one.
# Prints a markdown table.
#
#   test/bench/launcher.sh [seconds]        as an ordinary user; PG_CONFIG chooses the server, the extension is installed there
set -eu
seconds=${1:-60} databases=8
bin=$("${PG_CONFIG:-pg_config}" --bindir)
work=$(mktemp -d)
trap '"$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

run() { "$bin/psql" -XqAt -h "$work" -d "${database:-postgres}" -v ON_ERROR_STOP=1 "$@"; }

restart() {
    "$bin/pg_ctl" -D "$work/data" -l "$work/log" -w -o "-c shared_preload_libraries=$1" restart >/dev/null
}

make_server() {
    "$bin/initdb" -D "$work/data" --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    # Nothing else may write WAL or begin transactions.
    cat >>"$work/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$work'
autovacuum = off
wal_level = minimal
max_wal_senders = 0
checkpoint_timeout = 1d
max_wal_size = 10GB
END
    "$bin/pg_ctl" -D "$work/data" -l "$work/log" -w start >/dev/null
    for number in $(seq "$databases"); do
        run -c "CREATE DATABASE calls$number"
        database=calls$number run -c 'SET client_min_messages = error' -c 'CREATE EXTENSION callhardening' \
            -c 'SELECT create_call_tables()' >/dev/null
    done
}

# The transaction of the measurement has no id, and is counted after its end.
measure() {
    run -v seconds="$seconds" <<'SQL'
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS callhardening;
CREATE FUNCTION pg_temp.figures() RETURNS numeric[] LANGUAGE plpgsql AS $$
DECLARE
    launcher text := (SELECT pid FROM pg_stat_activity WHERE backend_type = 'callhardening launcher');
    status text := pg_read_file('/proc/' || launcher || '/status');
    times text[] := string_to_array(pg_read_file('/proc/' || launcher || '/stat'), ' ');
BEGIN
    PERFORM pg_stat_clear_snapshot();
    RETURN ARRAY[(SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database),
        pg_snapshot_xmax(pg_current_snapshot())::text::numeric, pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
        substring(status FROM 'voluntary_ctxt_switches:\s*(\d+)')::numeric,
        10 * (times[array_length(times, 1) - 38]::numeric + times[array_length(times, 1) - 37]::numeric)];
END
$$;
CHECKPOINT;
SELECT pg_sleep(5);
BEGIN;
SELECT pg_temp.figures() AS before \gset
SELECT pg_sleep(:seconds);
SELECT pg_temp.figures() AS after \gset
COMMIT;
SELECT string_agg(coalesce((a - b)::text, '-'), ' | ' ORDER BY n)
FROM unnest(:'before'::numeric[], :'after'::numeric[]) WITH ORDINALITY AS f (b, a, n);
SQL
}

# The launcher tries again each second.
keep_a_worker_that_cannot_run() {
    run -c 'CREATE ROLE worker LOGIN'
    database=calls1 run -c "SELECT grant_call_role('worker', 'process')" -c 'SET ROLE worker' \
        -c 'SELECT start_call_worker(keep => true)' -c 'RESET ROLE' -c 'ALTER ROLE worker NOLOGIN' \
        -c 'ALTER SYSTEM SET callhardening.max_restart_pause = 1' -c 'SELECT pg_reload_conf()' >/dev/null
}

make_server
printf '| in %s s, %s databases | transactions | transaction ids | WAL, bytes | wake-ups of the launcher | its CPU, ms |\n' \
    "$seconds" "$databases"
printf '|---|---|---|---|---|---|\n'
restart ''
printf '| not preloaded | %s |\n' "$(measure | tail -n 1)"
restart callhardening
printf '| preloaded, nothing kept | %s |\n' "$(measure | tail -n 1)"
keep_a_worker_that_cannot_run
printf '| one kept worker without LOGIN, a try each second | %s |\n' "$(measure | tail -n 1)"
