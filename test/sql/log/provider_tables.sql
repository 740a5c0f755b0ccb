\set SHOW_CONTEXT never
SET client_min_messages = warning;
-- Providers with ids that are texts
CREATE SCHEMA zoom;
SELECT create_call_tables('zoom', 'Zoom Phone');
\d zoom.calls
SELECT (call_settings('zoom.calls')).*;
SELECT calls, provider, lanes FROM call_event_logs;
SELECT col_description('zoom.calls'::regclass, attnum) FROM pg_attribute
WHERE attrelid = 'zoom.calls'::regclass AND attname IN ('user_id', 'duration_seconds') ORDER BY attnum;
-- Providers with ids that are integers
CREATE SCHEMA aircall;
SELECT create_call_tables('aircall', provider => 'aircall');
-- Dialpad's tables are the same under any spelling of its name.
CREATE SCHEMA dialpad;
SELECT create_call_tables('dialpad', 'Dial-Pad');
SELECT attrelid::regclass AS calls, attname, atttypid::regtype FROM pg_attribute
WHERE attrelid IN ('zoom.calls'::regclass, 'aircall.calls'::regclass, 'dialpad.calls'::regclass) AND attname ~ '_id$'
ORDER BY attrelid::regclass::text, attnum;
SELECT provider, id_type FROM call_providers() WHERE provider IN ('aircall', 'dialpad', 'twilio', 'zoom_phone');
SELECT provider FROM call_providers() WHERE id_type = 'bigint';

CREATE SCHEMA none;
SELECT create_call_tables('none', 'dialpd');
SELECT create_call_tables('none', 'no such provider');
SELECT create_call_tables('none', '');
SELECT create_call_tables('none', NULL);
SELECT create_call_tables('none', 'cloudtalk');
SELECT count(*) FROM pg_class WHERE relnamespace = 'none'::regnamespace;

-- Ids beyond 2^63, a name of a resource, and 255 bytes
CREATE FUNCTION zoom.body(call text, event text, who text) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_build_object('event', 'phone.callee_' || event, 'event_ts', 1767225600000, 'payload', jsonb_build_object('object',
    jsonb_build_object('call_id', call, 'callee', jsonb_build_object('user_id', who, 'phone_number', '+14155550100'))))::text
$$;
SET search_path = zoom, public;
SELECT count(ingest_call_event(zoom.body(call, 'answered', who), 'zoom.call_events')) FROM (VALUES
    ('9223372036854775808', 'u-1'), ('007', NULL), ('123e4567-e89b-12d3-a456-426614174000', '12'),
    ('arn:aws:connect:eu-west-1:111122223333:instance/a/contact/b', 'arn:aws:connect:eu-west-1:111122223333:agent/c'),
    (repeat('x', 255), 'u-2'), (repeat('y', 256), 'u-2'), ('', 'u-2'), (E'quote " \\ '' and \u00fc', 'u-3')) AS c (call, who);
SELECT applied, failed FROM process_call_events(log => 'zoom.call_events');
SELECT left(call_id, 60) AS call_id, length(call_id), status, user_id FROM zoom.calls ORDER BY call_id COLLATE "C";
SELECT error FROM call_dead_events ORDER BY event_seq;
-- The key of Aircall's table is bigint. An event with another id is dead.
SELECT count(ingest_call_event(format('{"event": "call.answered", "timestamp": 1767225600, "data": {"id": %s, "user": {"id": %s}}}',
    call, who)::text, 'aircall.call_events'))
FROM (VALUES ('42', '7'), ('"042"', '"7"'), ('43', '"u-7"'), ('9223372036854775808', '7'), ('"CA1"', '7')) AS c (call, who);
SELECT applied, unchanged, failed FROM process_call_events(log => 'aircall.call_events');
SELECT call_id, status, user_id FROM aircall.calls ORDER BY 1;
SELECT error, count(*) FROM call_dead_events GROUP BY error ORDER BY 1;

-- Nothing is missing around these tables.
SELECT relation, gap, detail FROM call_enforcement WHERE level <> 'ok' AND relation::text ~ '^(zoom|calls|call_events|aircall)';
SELECT check_name, violations FROM audit_calls('zoom.calls') WHERE violations <> 0;
SELECT * FROM check_call_hardening() WHERE NOT ok;
RESET search_path;

-- harden_calls takes call_id as the key of a table without dialpad_call_id.
CREATE TABLE neutral (call_id text, status text, direction text);
CREATE TABLE both_names (call_id text, dialpad_call_id bigint, status text, direction text);
CREATE TABLE no_name (sid text, status text, direction text);
SELECT check_name, sample FROM audit_calls('neutral') WHERE check_name = 'missing_columns';
SELECT harden_calls('neutral'), harden_calls('both_names');
SELECT (call_settings('neutral')).call_id_column, (call_settings('both_names')).call_id_column AS both;
SELECT harden_calls('no_name');
SELECT harden_calls('no_name', 'sid');
SELECT harden_calls('no_name', 'default');
SELECT harden_calls('neutral', 'default'), (call_settings('neutral')).call_id_column;

-- A table with Dialpad's names keeps a user_id of its own.
ALTER TABLE both_names ADD user_id bigint, ADD dialpad_user_id bigint;
CREATE TABLE own_users (LIKE dialpad.call_events INCLUDING ALL);
SELECT register_call_event_log('own_users', 'both_names');
SELECT ingest_call_event('{"call_id": 1, "state": "connected", "target": {"id": 9, "type": "user"}}'::text, 'own_users') > 0 AS kept;
SELECT applied FROM process_call_events(log => 'own_users');
SELECT dialpad_call_id, user_id, dialpad_user_id FROM both_names;
ALTER TABLE both_names DROP dialpad_user_id;
UPDATE both_names SET user_id = 0;
ALTER TABLE both_names ALTER user_id SET NOT NULL;
SELECT gap, detail FROM call_enforcement WHERE relation = 'both_names'::regclass AND detail ~ 'user_id';

DROP SCHEMA zoom, aircall, dialpad, none CASCADE;
DROP TABLE neutral, both_names, no_name, own_users;
