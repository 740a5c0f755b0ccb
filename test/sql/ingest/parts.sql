\set SHOW_CONTEXT never
SET timezone = 'UTC';
-- A body with several calls becomes an event of each.
CREATE SCHEMA parts;
SELECT create_call_tables('parts');
CREATE TABLE leg_calls (LIKE parts.calls INCLUDING ALL);
ALTER TABLE leg_calls ALTER dialpad_call_id TYPE text, ALTER dialpad_user_id TYPE text, ALTER master_call_id TYPE text;
SELECT harden_calls('leg_calls', provider => 'ringcentral');
CREATE TABLE leg_events (LIKE parts.call_events INCLUDING ALL);
ALTER TABLE leg_events ADD app_id int;
SELECT register_call_event_log('leg_events', 'leg_calls', 'ringcentral', 4);
DROP SCHEMA parts CASCADE;
UPDATE _callhardening.logs SET is_default = events = 'leg_events'::regclass;

CREATE FUNCTION session(number int, parties text, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$
SELECT format('{"uuid": "u-%s", "body": {"telephonySessionId": "s-1", "sequence": %1$s, "eventTime": "2026-01-01T00:00:0%1$sZ",
    "parties": %s}%s}', number, parties, more)
$$;
CREATE VIEW legs AS
SELECT event_seq - (SELECT min(event_seq) FROM leg_events) AS n, call_id, event_type, event_lane >= 0 AS has_lane,
    payload #> '{body,parties}' AS parties, payload #>> '{uuid}' AS uuid, num_nonnulls(event_digest) AS digest FROM leg_events;
SELECT ingest_call_event(session(1, '[{"id": "p-1", "status": {"code": "Setup"}, "direction": "Outbound"},
    {"id": "p-2", "status": {"code": "Proceeding"}, "direction": "Inbound"}, {"id": "p-3", "status": {"code": "Gone"}}]')) AS first \gset
SELECT * FROM legs ORDER BY n;
-- A redelivery finds all of them, as text, jsonb and bytes, and returns the first number.
SELECT ingest_call_event(body) = :first AS text, ingest_call_event(body::jsonb) = :first AS jsonb,
    ingest_call_event(convert_to(body, 'UTF8')) = :first AS bytea
FROM session(1, '[{"id": "p-1", "status": {"code": "Setup"}, "direction": "Outbound"},
    {"id": "p-2", "status": {"code": "Proceeding"}, "direction": "Inbound"}, {"id": "p-3", "status": {"code": "Gone"}}]') AS body;
SELECT count(*) FROM leg_events;
-- It brings back what a purge has deleted.
SELECT digest_before FROM (SELECT string_agg(DISTINCT encode(event_digest, 'hex'), '') AS digest_before FROM leg_events) AS d \gset
DELETE FROM leg_events WHERE call_id = 'p-2';
SELECT ingest_call_event(session(1, '[{"id": "p-1", "status": {"code": "Setup"}, "direction": "Outbound"},
    {"id": "p-2", "status": {"code": "Proceeding"}, "direction": "Inbound"}, {"id": "p-3", "status": {"code": "Gone"}}]')) = :first AS same;
SELECT count(*), string_agg(DISTINCT encode(event_digest, 'hex'), '') = :'digest_before' AS same_digests FROM leg_events;
SELECT claimed, applied FROM process_call_events();
SELECT dialpad_call_id, direction, status, master_call_id, raw_payload #> '{body,parties}' AS parties FROM leg_calls ORDER BY 1;

-- One call: as before. The members around the array are in each event.
SELECT ingest_call_event(session(2, '[{"id": "p-1", "status": {"code": "Answered"}}]', ', "more": [1, {"a": null}]')) > 0 AS one;
SELECT ingest_call_event(session(3, '{"id": "p-1", "status": {"code": "Answered"}}')) > 0 AS no_array;
SELECT ingest_call_event(session(4, '[{"id": "p-4"}, {"id": "p-5"}]', ', "more": [1, {"a": null}]')) > 0 AS two;
SELECT call_id, payload -> 'more' AS more, payload #> '{body,parties}' AS parties FROM leg_events
WHERE payload #> '{body,sequence}' >= '2' ORDER BY event_seq;

-- Elements that are no call: nothing is lost.
SELECT ingest_call_event(session(5, '[{"name": "nobody"}, {"id": "p-6"}, 7, null, "a=b&c=d"]')) > 0 AS ingested;
SELECT l.call_id, l.parties, d.error FROM leg_events AS e JOIN legs AS l ON l.n = e.event_seq - (SELECT min(event_seq) FROM leg_events)
LEFT JOIN call_dead_events AS d USING (event_seq) WHERE uuid = 'u-5' ORDER BY event_seq;
SELECT ingest_call_event(session(6, '[{"name": "nobody"}, {}]')) > 0 AS no_call;
SELECT parties FROM legs WHERE uuid = 'u-6';

-- A trigger cannot make several rows out of one.
INSERT INTO leg_events (payload) SELECT session(7, '[{"id": "p-7"}, {"id": "p-8"}]')::jsonb;
INSERT INTO leg_events (payload) SELECT session(8, '[{"id": "p-9"}]')::jsonb;
SELECT l.call_id, l.parties, d.error FROM leg_events AS e JOIN legs AS l ON l.n = e.event_seq - (SELECT min(event_seq) FROM leg_events)
LEFT JOIN call_dead_events AS d USING (event_seq) WHERE uuid IN ('u-7', 'u-8') ORDER BY event_seq;
SELECT kind, new_value, detail FROM call_issues WHERE table_name LIKE '%leg_events' ORDER BY happened_at DESC, event_seq DESC LIMIT 1;
SELECT * FROM retry_dead_call_events('leg_events');
SELECT ingest_call_event(payload) > 0 AS ingested FROM leg_events WHERE event_lane = _callhardening.no_lane('several_calls');
SELECT call_id, has_lane FROM legs WHERE uuid = 'u-7' ORDER BY n;
SELECT (_callhardening.event_stamp(session(7, '[{"id": "p-7"}, {"id": "p-8"}]')::jsonb, 'ringcentral', 8, 'text')).*;

-- In a table older than its log, too.
CREATE TABLE old_events (id int PRIMARY KEY, payload jsonb NOT NULL, processed_at timestamptz);
INSERT INTO old_events SELECT 1, session(7, '[{"id": "p-7"}, {"id": "p-8"}]')::jsonb
UNION ALL SELECT 2, session(8, '[{"id": "p-9"}]')::jsonb;
SET client_min_messages = warning;
SELECT harden_call_events('old_events', 'leg_calls', processed_at_column => 'processed_at', provider => 'ringcentral');
RESET client_min_messages;
SELECT id, e.call_id, d.error FROM old_events AS e LEFT JOIN call_dead_events AS d USING (event_seq) ORDER BY id;
DROP TABLE old_events;

-- An event type, a key and carried values beside the body are those of each event.
SELECT ingest_call_event(session(9, '[{"id": "p-1"}, {"id": "p-2"}]'), event_type => 'own', event_key => 'k-1') AS keyed \gset
SELECT ingest_call_event(session(9, '[{"id": "p-3"}, {"id": "p-4"}]'), event_key => 'k-1') = :keyed AS same_key;
SELECT call_id, event_type FROM leg_events WHERE event_seq >= :keyed ORDER BY event_seq;

-- Too many calls: nothing is stored a thousand times.
CREATE FUNCTION calls(count int) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_agg(jsonb_build_object('id', 'q-' || n))::text FROM generate_series(1, count) AS n
$$;
SELECT ingest_call_event(session(10, calls(1000))) AS first \gset
SELECT count(*), count(DISTINCT call_id), bool_and(event_lane >= 0) AS have_lanes FROM leg_events WHERE event_seq >= :first;
SELECT ingest_call_event(session(11, calls(1001))) AS first \gset
SELECT count(*), min(error) FROM leg_events LEFT JOIN call_dead_events USING (event_seq) WHERE event_seq >= :first;
SELECT ingest_call_event(session(12, calls(700), format(', "bulk": "%s"', repeat('x', 100000)))) AS first \gset
SELECT count(*), min(error) FROM leg_events LEFT JOIN call_dead_events USING (event_seq) WHERE event_seq >= :first;

-- what a log finds in such a body
SELECT field, path, value, outcome FROM explain_call_event(session(1, '[{"id": "p-1", "status": {"code": "Setup"}}, {"name": "nobody"}]'),
    'ringcentral') WHERE outcome NOT IN ('missing', 'a condition does not hold');
-- levels of arrays
SELECT value, outcome FROM explain_call_event('{"people": [{"no": 1, "calls": [{"id": "a"}, {"id": "b"}]}, {"no": 2}, {"no": 3,
    "calls": [{"id": "c"}]}]}', shape => '{"version": 1, "forms": [{"call": "people[*].calls[*]", "fields": {"call_id": "id",
    "user_id": "$.people.no"}}]}') WHERE outcome NOT IN ('missing');
-- an array as the body
SELECT field, value, outcome FROM explain_call_event('[{"type": "text"}, {"type": "call", "data": {"id": 1}}, 5]',
    shape => '{"version": 1, "forms": [{"call": "$[*].data", "when": {"$.type": "call"}, "fields": {"call_id": "id"}}]}');
SELECT field, value, outcome FROM explain_call_event(session(14, calls(1001)), 'ringcentral');
-- A body that is an array: its events are the objects in it.
CREATE SCHEMA stream;
SELECT create_call_tables('stream', 'twilio');
SELECT ingest_call_event('[{"type": "com.twilio.voice.x.call.ringing", "id": "NO1", "data": {"sid": "CA1"}},
    {"type": "com.twilio.sms", "data": {"sid": "SM1"}}, 5,
    {"type": "com.twilio.voice.x.call.completed", "id": "NO2", "data": {"sid": "CA2"}}]',
    'stream.call_events') > 0 AS several;
SELECT ingest_call_event('[{"type": "com.twilio.voice.x.call.completed", "id": "NO3", "data": {"sid": "CA1"}}]',
    'stream.call_events') > 0 AS one;
SELECT ingest_call_event('[]', 'stream.call_events') > 0 AS none;
INSERT INTO stream.call_events (payload) VALUES
    ('[{"type": "com.twilio.voice.x.call.answered", "data": {"sid": "CA3"}}]'),
    ('[{"type": "com.twilio.voice.x.call.answered", "data": {"sid": "CA4"}}, {}]');
SELECT payload, e.call_id, d.error FROM stream.call_events AS e LEFT JOIN call_dead_events AS d ON d.event_seq = e.event_seq
    AND d.log_id = (SELECT log_id FROM _callhardening.logs WHERE events = 'stream.call_events'::regclass) ORDER BY e.event_seq;
SELECT claimed, applied FROM process_call_events(log => 'stream.call_events');
SELECT call_id, status, raw_payload FROM stream.calls ORDER BY 1;
-- A log of another provider does not look into an array.
SELECT ingest_call_event('[{"id": "p-1"}, {"id": "p-2"}]', 'leg_events') AS first \gset
SELECT payload FROM leg_events WHERE event_seq >= :first;
SET client_min_messages = warning;
DROP SCHEMA stream CASCADE;
RESET client_min_messages;
DROP VIEW legs;
DROP FUNCTION session, calls;
DROP TABLE leg_events, leg_calls;
