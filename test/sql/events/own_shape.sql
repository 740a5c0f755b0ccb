\set SHOW_CONTEXT never
SET timezone = 'UTC';
-- a provider that nobody knows
CREATE SCHEMA own_shape;
SELECT create_call_tables('own_shape', 'acme');
SELECT create_call_tables('own_shape', 'acme', '{"version": 1, "forms": [{"fields": {"call_id": "a..b"}}]}');
SELECT create_call_tables('own_shape', 'acme', '{"version": 1, "forms": [
    {"call": "call", "when": {"$.what": "call-*"}, "fields": {"call_id": "no", "state": "$.what"}}]}');
SELECT provider, shape FROM call_event_logs WHERE events = 'own_shape.call_events'::regclass;
SELECT configure_call_event_log('own_shape.call_events', is_default => true);
INSERT INTO own_shape.call_events (payload) VALUES
    ('{"what": "call-end", "call": {"no": "x 1"}}'),
    ('{"what": "sms", "call": {"no": "x 1"}}');
SELECT call_id, event_type,
    _callhardening.why_no_lane(event_lane) FROM own_shape.call_events ORDER BY event_seq;
SELECT create_call_event_log('own_shape.calls', 'Acme''s', 'other', shape => '{"version": 1, "forms": [{"fields": {"call_id": "a"}}]}');
-- another one counts from the next event on, also for events in the log before
SELECT configure_call_event_log(shape => '{"version": 1, "zone": "Asia/Kolkata", "forms": [
    {"call": "call", "fields": {
        "call_id": "no",
        "state": [{"when": {"$.what": "call-end"}, "value": "ended"}, {"when": {"$.what": "call-begin"}, "value": "ringing"}],
        "direction": {"when": {"out": true}, "value": "outbound"},
        "from_number": "from", "started_at": "at", "duration": "secs"}}]}');
INSERT INTO own_shape.call_events (payload) VALUES
    ('{"what": "call-begin", "call": {"no": "x 2", "out": true, "from": "200", "at": "2026-01-01 05:30:00"}}');
SELECT ingest_call_event('{"what": "call-end", "call": {"no": "x 2", "secs": 9}}'::text) > 0 AS ingested;
SELECT applied, failed FROM process_call_events();
SELECT call_id, status, direction, from_number, started_at, duration_seconds FROM own_shape.calls ORDER BY call_id;
-- what is no shape changes nothing
SELECT configure_call_event_log(shape => '{"version": 2, "forms": []}');
SELECT configure_call_event_log(shape => '[]');
SELECT configure_call_event_log(shape => to_jsonb(repeat('x', 70000)));
SELECT configure_call_event_log(shape => '{"version": 1, "zone": "Mars/Base", "forms": [{"fields": {"call_id": "a"}}]}');
SELECT configure_call_event_log(shape => 'null');
SELECT shape -> 'zone' AS zone FROM call_event_logs WHERE events = 'own_shape.call_events'::regclass;
-- dead events get another chance under another key
SELECT ingest_call_event(payload, event_key => 'again ' || event_seq) > 0 AS ingested
FROM own_shape.call_events JOIN call_dead_events USING (event_seq) WHERE event_lane < 0;
SELECT claimed, applied FROM process_call_events();
-- in one transaction, and back
BEGIN;
SELECT configure_call_event_log(shape => '{"version": 1, "forms": [{"fields": {"call_id": "a"}}]}');
INSERT INTO own_shape.call_events (payload) VALUES ('{"a": 1, "b": 2}') RETURNING call_id;
SELECT configure_call_event_log(shape => '{"version": 1, "forms": [{"fields": {"call_id": "b"}}]}');
INSERT INTO own_shape.call_events (payload) VALUES ('{"a": 1, "b": 2}') RETURNING call_id;
ROLLBACK;
INSERT INTO own_shape.call_events (payload) VALUES ('{"call": {"no": 3}, "a": 1, "b": 2}') RETURNING call_id;

-- the provider's shape again
CREATE SCHEMA own_shape_of_twilio;
SELECT create_call_tables('own_shape_of_twilio', 'twilio', call_event_shape('plivo'));
INSERT INTO own_shape_of_twilio.call_events (payload) VALUES ('"CallUUID=p1&CallSid=t1&CallStatus=ringing"') RETURNING call_id, event_type;
SELECT configure_call_event_log('own_shape_of_twilio.call_events', shape => 'null');
SELECT shape IS NULL AS none FROM call_event_logs WHERE events = 'own_shape_of_twilio.call_events'::regclass;
INSERT INTO own_shape_of_twilio.call_events (payload) VALUES ('"CallUUID=p1&CallSid=t1&CallStatus=ringing"') RETURNING call_id, event_type;

-- a table with events
CREATE TABLE own_shape.hooks (body jsonb, done timestamptz);
INSERT INTO own_shape.hooks VALUES ('{"call": {"no": "h 1"}}'), ('{"call": {"no": "h 2"}}');
SELECT harden_call_events('own_shape.hooks', 'own_shape.calls', 'body', processed_at_column => 'done', provider => 'acme');
SELECT harden_call_events('own_shape.hooks', 'own_shape.calls', 'body', processed_at_column => 'done', provider => 'twillio',
    shape => '{"version": 1, "forms": [{"call": "call", "fields": {"call_id": "no"}}]}');
SELECT call_id FROM own_shape.hooks ORDER BY event_seq;
INSERT INTO own_shape.hooks VALUES ('{"call": {"no": "h 3"}}') RETURNING call_id;

-- who may set it
CREATE ROLE shape_operator;
SELECT grant_call_role('shape_operator', 'operate', log => 'own_shape.call_events');
SET ROLE shape_operator;
SELECT configure_call_event_log('own_shape.call_events', max_attempts => 3);
SELECT configure_call_event_log('own_shape.call_events', shape => '{"version": 1, "forms": [{"fields": {"call_id": "a"}}]}');
RESET ROLE;

-- as a dump of a newer version, or one after an editor
UPDATE _callhardening.logs SET shape = '{"version": 7, "forms": []}' WHERE events = 'own_shape.call_events'::regclass;
INSERT INTO own_shape.call_events (payload) VALUES ('{"call": {"no": 4}}');
SELECT ingest_call_event('{"call": {"no": 4}}'::jsonb);
SELECT * FROM process_call_events();
SELECT relation, level, detail, advice FROM call_enforcement WHERE gap = 'shape_unusable';
UPDATE _callhardening.logs SET shape = to_jsonb(repeat('x', 70000)) WHERE events = 'own_shape.call_events'::regclass;
SELECT relation, level, detail, advice FROM call_enforcement WHERE gap = 'shape_unusable';
INSERT INTO own_shape.call_events (payload) VALUES ('{"call": {"no": 4}}');
UPDATE _callhardening.logs SET shape = '{"version": 1, "zone": "Mars/Base", "forms": [{"call": "call",
    "fields": {"call_id": "no", "started_at": ["at"]}}]}' WHERE events = 'own_shape.call_events'::regclass;
SELECT relation, level, detail, advice FROM call_enforcement WHERE gap = 'shape_unusable';
INSERT INTO own_shape.call_events (payload) VALUES ('{"call": {"no": 4, "at": "2026-01-01 00:00:00"}}') RETURNING call_id;
SELECT purge_call_events('0 seconds', 'own_shape.call_events') >= 0 AS purged;

-- what an event would do to its call
SELECT configure_call_event_log('own_shape.call_events', shape => '{"version": 1, "forms": [{"call": "call",
    "fields": {"call_id": "no", "state": "is", "direction": "way", "from_number": "from", "started_at": "at", "event_time": "at"}}]}');
SELECT field, value, outcome FROM explain_call_event('{"call": {"no": "x 2", "is": "ringing", "way": "in", "from": "+44",
    "at": "2027-01-01T00:00:00Z"}}', log => 'own_shape.call_events') WHERE field ~ '[.>]' AND field <> 'call.last_event_at';
SELECT field, value, outcome FROM explain_call_event('{"call": {"no": "x 2", "is": "ended", "at": "2025-01-01T00:00:00Z"}}',
    log => 'own_shape.call_events') WHERE field ~ '[.>]';
SELECT field, value, outcome FROM explain_call_event('{"call": {"no": "x 9", "is": "on fire", "way": "up"}}',
    log => 'own_shape.call_events') WHERE field ~ '[.>]';
SELECT field, value, outcome FROM explain_call_event('CallSid=CA1&CallStatus=busy&Direction=outbound-api&From=%2B44&CallDuration=0',
    'twilio') WHERE field ~ '[.>]';
SELECT call_id, status, direction, from_number FROM own_shape.calls WHERE call_id IN ('x 2', 'x 9');
SELECT count(*) FROM explain_call_event('{}', log => 'own_shape.calls');
SET ROLE shape_operator;
SELECT count(*) FROM explain_call_event('{"call": {"no": "x 2"}}', log => 'own_shape.call_events');
RESET ROLE;

-- more logs than a session keeps shapes for
SET client_min_messages = warning;
\set ECHO none
SELECT format('CREATE SCHEMA own_shape_%s', n) FROM generate_series(1, 12) AS n \gexec
SELECT count(create_call_tables(format('own_shape_%s', n)::name, 'acme',
    format('{"version": 1, "forms": [{"fields": {"call_id": "id%s"}}]}', n)::jsonb)) FROM generate_series(1, 12) AS n;
SELECT format('INSERT INTO own_shape_%s.call_events (payload)
    SELECT jsonb_object_agg(''id'' || i, ''call '' || i) FROM generate_series(1, 12) AS i', n)
FROM generate_series(1, 36) AS k, LATERAL (SELECT (k * 7) % 12 + 1 AS n) AS o \gexec
\set ECHO all
SELECT count(*), count(DISTINCT call_id) FROM (
    SELECT (xpath('//call_id/text()',
        query_to_xml(format('SELECT call_id FROM own_shape_%s.call_events', n), false, false, '')))[1]::text AS call_id
    FROM generate_series(1, 12) AS n) AS c;
-- a statement with two logs
WITH a AS (INSERT INTO own_shape_1.call_events (payload) VALUES ('{"id1": "a"}') RETURNING call_id),
    b AS (INSERT INTO own_shape_2.call_events (payload) VALUES ('{"id2": "b"}') RETURNING call_id)
SELECT a.call_id, b.call_id FROM a, b;

-- rows of a restore of data alone keep their calls, as long as the registry has no row of the log
BEGIN;
SELECT event_lane AS lane FROM own_shape_3.call_events LIMIT 1 \gset
DELETE FROM _callhardening.logs WHERE events = 'own_shape_3.call_events'::regclass;
INSERT INTO own_shape_3.call_events (event_lane, call_id, payload) VALUES (:lane, 'call 3', '{"id3": "call 3"}'), (-3, NULL, '{}')
RETURNING event_lane = :lane AS same_lane, call_id, event_lane < 0 AS is_dead;
ROLLBACK;

\set ECHO none
SELECT format('DROP SCHEMA own_shape_%s CASCADE', n) FROM generate_series(1, 12) AS n \gexec
\set ECHO all
DROP SCHEMA own_shape, own_shape_of_twilio CASCADE;
SELECT revoke_call_role('shape_operator', 'operate');
DROP ROLE shape_operator;
