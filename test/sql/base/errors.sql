-- A user sees of an error: message, DETAIL, HINT, and at most one line of CONTEXT.
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
    context text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
    -- This function adds the last lines. Line numbers change with each edit.
    context := regexp_replace(context, E'\n?PL/pgSQL function error_of.*', '');
    context := regexp_replace(replace(context, 'SQL statement "' || statement || '"', ''), E'\n$', '');
    context := regexp_replace(context, ' line \d+ ', ' ', 'g');
    RETURN concat_ws(E'\n', SQLSTATE || ' ' || SQLERRM, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''),
        'CONTEXT: ' || nullif(context, ''));
END
$$;
\pset format unaligned
\pset tuples_only on
CREATE TABLE calls (call_id bigint, status text, direction text, note text GENERATED ALWAYS AS (status) STORED);
CREATE TABLE events (id bigint, body jsonb, done_at timestamptz);
CREATE VIEW call_view AS SELECT * FROM calls;
-- Hardening calls
SELECT error_of($$SELECT harden_calls(NULL)$$);
SELECT error_of($$SELECT harden_calls('call_view')$$);
SELECT error_of($$SELECT harden_calls('pg_class')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'dialpad_call_id')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', status_column => 'state')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', status_column => 'note')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', status_column => 'call_id')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', direction_column => 'status',
    status_column => 'direction', payload_column => 'status')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', on_invalid => 'drop')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', provider => 'nobody')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', policy => '{"rules": []}')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', policy => '[]')$$);
SELECT error_of($$SELECT harden_calls('calls', call_id_column => 'call_id', transitions => '{"ringing": "ended"}')$$);
SELECT error_of($$SELECT unharden_calls('calls')$$);
SELECT error_of($$SELECT * FROM audit_calls('call_view')$$);
SELECT error_of($$SELECT * FROM call_health('calls')$$);
SELECT error_of($$CALL backfill_calls('calls')$$);
-- Hardening events
SELECT error_of($$SELECT harden_call_events('events', 'calls')$$);
SELECT harden_calls('calls', call_id_column => 'call_id');
SELECT error_of($$SELECT harden_call_events('events', 'calls')$$);
SELECT error_of($$SELECT harden_call_events('events', 'calls', payload_column => 'id')$$);
SELECT error_of($$SELECT harden_call_events('events', 'calls', payload_column => 'body', carry => '{note}')$$);
SELECT error_of($$SELECT harden_call_events('events', 'calls', payload_column => 'body', lanes => 0)$$);
SELECT error_of($$SELECT harden_call_events('call_view', 'calls', payload_column => 'body')$$);
SELECT error_of($$CALL prepare_harden_call_events('events', 'calls', payload_column => 'no_body')$$);
SELECT error_of($$SELECT unharden_call_events('events')$$);
SELECT error_of($$SELECT register_call_event_log('events', 'calls', 'dialpad', 64)$$);
-- A new installation
SELECT error_of($$SELECT create_call_tables('nowhere')$$);
SELECT error_of($$SELECT create_call_tables()$$);
CREATE SCHEMA phone;
SELECT create_call_tables('phone');
SELECT error_of($$SELECT create_call_tables('phone')$$);
DROP TABLE calls CASCADE;
CREATE TABLE call_events (
);
SELECT error_of($$SELECT create_call_tables()$$);
-- Tasks and operating
SELECT error_of($$SELECT configure_call_event_log('events')$$);
SELECT error_of($$SELECT configure_call_event_log('phone.call_events', max_attempts => 0)$$);
SELECT error_of($$SELECT grant_call_role(current_user::regrole, 'everything')$$);
SELECT error_of($$SELECT ingest_call_event('{}'::jsonb, 'events')$$);
SELECT error_of($$SELECT * FROM claim_call_events(0)$$);
SELECT error_of($$SELECT process_call_events(0)$$);
SELECT error_of($$SELECT purge_call_issues(NULL)$$);
SELECT error_of($$SELECT generate_call_events(-1)$$);
SELECT error_of($$SELECT create_call_event_log('pg_class', 'twilio')$$);
SELECT error_of($$SELECT seek_call_consumer('phone.call_events', 'nobody', 'now')$$);
SELECT error_of($$SELECT * FROM call_timeline('1', 'pg_class')$$);
SELECT error_of($$SELECT start_call_worker(workers => 0)$$);
SELECT error_of($$SELECT stop_call_worker('pg_class')$$);
SELECT error_of($$SELECT * FROM audit_calls('pg_class', 'x')$$);
SELECT error_of($$SELECT ingest_signed_call_event('x', 'phone.call_events')$$);
-- The trigger of a calls table
SELECT harden_calls('phone.calls', on_invalid => 'reject');
INSERT INTO phone.calls (dialpad_call_id, status) VALUES (1, 'ended');
SELECT error_of($$UPDATE phone.calls SET status = 'ringing'$$);
SELECT error_of($$UPDATE phone.calls SET dialpad_call_id = 2$$);
-- Of the user's own triggers their lines, and not the statement that fired them
CREATE FUNCTION phone.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE insufficient_privilege; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON phone.call_events FOR EACH ROW EXECUTE FUNCTION phone.refuse();
SELECT error_of($$SELECT ingest_call_event('{"call_id": 3}'::jsonb, 'phone.call_events')$$);
ALTER TABLE phone.call_events DISABLE TRIGGER refuse;
SELECT count(ingest_call_event('{"call_id": 3, "state": "ringing"}'::jsonb, 'phone.call_events')) AS ingested;
CREATE TRIGGER refuse BEFORE INSERT ON phone.calls FOR EACH ROW EXECUTE FUNCTION phone.refuse();
SELECT error_of($$SELECT process_call_events(log => 'phone.call_events')$$);
-- A backfill cannot be a part of a transaction.
SELECT error_of($$CALL backfill_calls('phone.calls')$$);
-- The lines of the caller's own function stay.
CREATE FUNCTION set_up() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM harden_calls('phone.calls', status_column => 'state');
END
$$;
SELECT error_of('SELECT set_up()');
SET client_min_messages = warning;
DROP FUNCTION set_up(), error_of(text);
DROP TABLE events, call_events;
DROP SCHEMA phone CASCADE;
