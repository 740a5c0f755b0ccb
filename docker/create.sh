#!/bin/sh
# The image runs this once, while the directory of the server is empty: the extension, its tables, a role for each task.
set -eu
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv provider PROVIDER
\getenv webhook_secret WEBHOOK_SECRET
\getenv receiver_password RECEIVER_PASSWORD
\getenv monitor_password MONITOR_PASSWORD

SET log_statement = none;                 -- the server log would have the passwords
SET log_min_error_statement = panic;
CREATE EXTENSION callhardening;
SELECT create_call_tables('public', provider => :'provider');
SELECT set_call_event_secret('public.call_events', convert_to(:'webhook_secret', 'UTF8'));

CREATE ROLE call_receiver LOGIN PASSWORD :'receiver_password';
SELECT grant_call_role('call_receiver', 'ingest');

CREATE ROLE call_monitor LOGIN PASSWORD :'monitor_password';
SELECT grant_call_role('call_monitor', 'monitor');
GRANT pg_read_all_stats TO call_monitor;

CREATE ROLE call_worker LOGIN;            -- without a password: only the server itself logs in
SELECT grant_call_role('call_worker', 'process');
SET ROLE call_worker;
SELECT start_call_worker(keep => true);
SQL
