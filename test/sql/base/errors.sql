-- what a user sees of an error: message, DETAIL, HINT, and one line of CONTEXT at most
CREATE TABLE calls (call_id bigint, status text, direction text, note text GENERATED ALWAYS AS (status) STORED);
CREATE TABLE events (id bigint, body jsonb, done_at timestamptz);
CREATE VIEW call_view AS SELECT * FROM calls;
-- hardening calls
SELECT harden_calls(NULL);
SELECT harden_calls('call_view');
SELECT harden_calls('pg_class');
SELECT harden_calls('calls');
SELECT harden_calls('calls', call_id_column => 'call_id', status_column => 'state');
SELECT harden_calls('calls', call_id_column => 'call_id', status_column => 'note');
SELECT harden_calls('calls', call_id_column => 'call_id', status_column => 'call_id');
SELECT harden_calls('calls', call_id_column => 'call_id', direction_column => 'status', status_column => 'direction', payload_column => 'status');
SELECT harden_calls('calls', call_id_column => 'call_id', on_invalid => 'drop');
SELECT harden_calls('calls', call_id_column => 'call_id', provider => 'nobody');
SELECT harden_calls('calls', call_id_column => 'call_id', policy => '{"rules": []}');
SELECT harden_calls('calls', call_id_column => 'call_id', policy => '[]');
SELECT harden_calls('calls', call_id_column => 'call_id', transitions => '{"ringing": "ended"}');
SELECT unharden_calls('calls');
SELECT * FROM audit_calls('call_view');
SELECT * FROM audit_calls('calls');
SELECT * FROM call_health('calls');
CALL backfill_calls('calls');
-- hardening events
SELECT harden_call_events('events', 'calls');
SELECT harden_calls('calls', call_id_column => 'call_id');
SELECT harden_call_events('events', 'calls');
SELECT harden_call_events('events', 'calls', payload_column => 'id');
SELECT harden_call_events('events', 'calls', payload_column => 'body', carry => '{note}');
SELECT harden_call_events('events', 'calls', payload_column => 'body', lanes => 0);
SELECT harden_call_events('call_view', 'calls', payload_column => 'body');
CALL prepare_harden_call_events('events', 'calls', payload_column => 'no_body');
SELECT unharden_call_events('events');
SELECT register_call_event_log('events', 'calls', 'dialpad', 64);
-- a new installation
SELECT create_call_tables('nowhere');
SELECT create_call_tables();
CREATE SCHEMA phone;
SELECT create_call_tables('phone');
SELECT create_call_tables('phone');
DROP TABLE calls CASCADE;
CREATE TABLE call_events (
);
SELECT create_call_tables();
-- tasks and operating
SELECT configure_call_event_log('events');
SELECT configure_call_event_log('phone.call_events', max_attempts => 0);
SELECT grant_call_role(current_user::regrole, 'everything');
SELECT ingest_call_event('{}'::jsonb, 'events');
SELECT * FROM claim_call_events(0);
SELECT process_call_events(0);
SELECT purge_call_issues(NULL);
SELECT generate_call_events(-1);
-- the lines of the caller's own function stay
CREATE FUNCTION set_up() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM harden_calls('phone.calls', status_column => 'state');
END
$$;
SELECT set_up();
SET client_min_messages = warning;
DROP FUNCTION set_up();
DROP TABLE events, call_events;
DROP SCHEMA phone CASCADE;
