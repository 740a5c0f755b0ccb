\set SHOW_CONTEXT never
-- A session or database with quote_all_identifiers: names of types and functions have quotes.
\set here :DBNAME
CREATE DATABASE regress_callhardening_quoted ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
\c regress_callhardening_quoted
SET client_min_messages = error;
SET quote_all_identifiers = on;
CREATE EXTENSION callhardening;
CREATE TABLE calls (dialpad_call_id text PRIMARY KEY, status text, direction text, raw_payload jsonb);
SELECT harden_calls('calls');
CREATE TABLE hooks (payload jsonb, processed_at timestamptz);
INSERT INTO hooks VALUES ('{"call_id": "1", "state": "hangup"}');
SELECT harden_call_events('hooks', 'calls', processed_at_column => 'processed_at');
SELECT ingest_call_event('{"call_id": "2", "state": "ringing"}'::jsonb);
SELECT claimed FROM process_call_events();
INSERT INTO calls VALUES ('3', 'Hangup', 'in', '{"password": "x"}');
SELECT dialpad_call_id, status, direction, raw_payload FROM calls ORDER BY 1;
SELECT relation, level, gap FROM call_enforcement;
SELECT check_name, detail FROM check_call_hardening() WHERE NOT ok;
-- Two tasks need the same right, granted with and without quotes. After one revoke the other task keeps it.
CREATE ROLE regress_quoted;
SELECT grant_call_role('regress_quoted', 'claim');
RESET quote_all_identifiers;
SELECT grant_call_role('regress_quoted', 'operate');
SELECT revoke_call_role('regress_quoted', 'claim');
SELECT has_function_privilege('regress_quoted', 'release_call_events(bigint[])', 'EXECUTE') AS has_both,
    has_function_privilege('regress_quoted', 'complete_call_events(bigint[])', 'EXECUTE') AS has_claim;
SELECT revoke_call_role('regress_quoted', 'operate');
SELECT check_name, detail FROM check_call_hardening() WHERE NOT ok;
\c :here
DROP DATABASE regress_callhardening_quoted;
DROP ROLE regress_quoted;
