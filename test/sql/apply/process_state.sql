-- Own columns store the state for merging later events. It is not read back from the sanitized payload.
\set SHOW_CONTEXT never
DELETE FROM call_issues;
SELECT create_call_tables('public');
CREATE FUNCTION pg_temp.ingest(VARIADIC bodies text[])
    RETURNS bigint LANGUAGE sql AS $$ SELECT count(ingest_call_event(body::jsonb)) FROM unnest(bodies) AS body $$;

-- A duration after a talk time, in one batch and in two, even if the policy drops the talk time
SELECT harden_calls('calls', policy => jsonb_insert(call_payload_policy(), '{rules,0}', '{"path": "talk_time", "action": "drop"}'));
SELECT pg_temp.ingest('{"call_id": 1, "state": "hangup", "talk_time": 60000, "event_timestamp": 1767225600000}',
    '{"call_id": 1, "duration": 90000, "event_timestamp": 1767225601000}',
    '{"call_id": 2, "state": "hangup", "talk_time": 60000, "event_timestamp": 1767225600000}');
SELECT claimed FROM process_call_events();
SELECT pg_temp.ingest('{"call_id": 2, "duration": 90000, "event_timestamp": 1767225601000}');
SELECT claimed FROM process_call_events();
SELECT pg_temp.ingest('{"call_id": 2, "duration": 95000, "event_timestamp": 1767225602000}');
SELECT claimed FROM process_call_events();
SELECT dialpad_call_id, duration_seconds, merge_has_talk_time FROM calls ORDER BY 1;

-- The newest event is known even if the table has no column for its time, and the policy drops it.
ALTER TABLE calls DROP COLUMN last_event_at;
SELECT harden_calls('calls', policy => jsonb_insert(call_payload_policy(), '{rules,0}', '{"path": "event_timestamp", "action": "drop"}'));
SELECT pg_temp.ingest('{"call_id": 3, "state": "connected", "n": 1,
    "external_number": "+14155550101", "direction": "inbound", "event_timestamp": 1767225605000}');
SELECT claimed FROM process_call_events();
SELECT pg_temp.ingest('{"call_id": 3, "n": 2, "external_number": "+14155550102",
    "internal_number": "+14155550199", "direction": "inbound", "event_timestamp": 1767225604000}');
SELECT * FROM process_call_events();
SELECT from_number, to_number, raw_payload -> 'n' AS n, merge_newest_at AT TIME ZONE 'UTC' AS newest FROM calls WHERE dialpad_call_id = 3;

-- Earlier events refine an end without a reason. One batch gives the same result as two.
SELECT pg_temp.ingest('{"call_id": 11, "state": "ringing", "event_timestamp": 1767225600000}',
    '{"call_id": 11, "state": "hangup", "event_timestamp": 1767225610000}',
    '{"call_id": 11, "state": "missed", "event_timestamp": 1767225609000}',
    '{"call_id": 12, "state": "ringing", "event_timestamp": 1767225600000}',
    '{"call_id": 12, "state": "hangup", "event_timestamp": 1767225610000}',
    '{"call_id": 13, "state": "hangup", "event_timestamp": 1767225610000}',
    '{"call_id": 14, "state": "connected", "event_timestamp": 1767225600000}',
    '{"call_id": 14, "state": "hangup", "event_timestamp": 1767225610000}',
    '{"call_id": 15, "state": "hangup", "event_timestamp": 1767225610000}', '{"call_id": 16, "state": "hangup"}');
SELECT * FROM process_call_events();
SELECT pg_temp.ingest('{"call_id": 12, "state": "missed", "event_timestamp": 1767225609000}',
    '{"call_id": 13, "state": "voicemail", "event_timestamp": 1767225610000}',
    '{"call_id": 14, "state": "missed", "event_timestamp": 1767225609000}',
    '{"call_id": 15, "state": "missed", "event_timestamp": 1767225611000}',
    '{"call_id": 16, "state": "missed", "event_timestamp": 1767225609000}');
SELECT * FROM process_call_events();
SELECT dialpad_call_id AS id, status, merge_status_before_end AS before_end, merge_ended_at AT TIME ZONE 'UTC' AS ended
FROM calls WHERE dialpad_call_id BETWEEN 11 AND 19 ORDER BY 1;
SELECT kind, call_id, old_value, new_value,
    event_seq = (SELECT event_seq FROM call_events e WHERE e.call_id = i.call_id AND e.event_type IN ('missed', 'voicemail')) AS is_of_event
FROM call_issues i WHERE kind IN ('refined_status', 'refused_status') ORDER BY call_id;

-- Clients still follow the graph, even inside the statement that refines.
UPDATE calls SET status = 'missed' WHERE dialpad_call_id = 15;
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN UPDATE calls SET status = NEW.status WHERE dialpad_call_id = 16; RETURN NULL; END $$;
CREATE TRIGGER meddle AFTER UPDATE ON calls FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION meddle();
SELECT pg_temp.ingest('{"call_id": 17, "state": "hangup", "event_timestamp": 1767225610000}');
SELECT claimed FROM process_call_events();
SELECT pg_temp.ingest('{"call_id": 17, "state": "blocked", "event_timestamp": 1767225609000}');
SELECT claimed FROM process_call_events();
SELECT dialpad_call_id AS id, status FROM calls WHERE dialpad_call_id BETWEEN 15 AND 17 ORDER BY 1;
DROP TRIGGER meddle ON calls;
-- A status set by another trigger is still refused.
CREATE OR REPLACE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status := 'rejected'; RETURN NEW; END $$;
CREATE TRIGGER zz_meddle BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION meddle();
SELECT pg_temp.ingest('{"call_id": 15, "state": "missed", "event_timestamp": 1767225608000}');
SELECT claimed, failed FROM process_call_events();
SELECT errors #>> '{0,sqlstate}' AS sqlstate, errors #>> '{0,error}' AS error FROM call_retrying_events;
DROP TRIGGER zz_meddle ON calls;
DROP FUNCTION meddle();
SELECT status FROM calls WHERE dialpad_call_id = 15;

-- A subscriber takes a status refined by its publisher, and no other status after an end.
ALTER TABLE calls ENABLE ALWAYS TRIGGER validate_hardened_call, ENABLE ALWAYS TRIGGER validate_hardened_call_update;
SET session_replication_role = replica;
INSERT INTO calls (dialpad_call_id, status, merge_ended_at)
    VALUES (21, 'ended', '2026-01-01'), (22, 'ended', '2026-01-01'), (23, 'ended', NULL);
UPDATE calls SET status = CASE dialpad_call_id WHEN 22 THEN 'active' ELSE 'voicemail' END WHERE dialpad_call_id BETWEEN 21 AND 23;
RESET session_replication_role;
SELECT dialpad_call_id AS id, status FROM calls WHERE dialpad_call_id BETWEEN 21 AND 23 ORDER BY 1;

-- A partitioned table, and a table with on_invalid => 'reject'
DROP TABLE calls, call_events;
SELECT create_call_tables('public');
DROP TABLE calls;
CREATE TABLE calls (dialpad_call_id bigint UNIQUE, status text, direction text) PARTITION BY HASH (dialpad_call_id);
CREATE TABLE calls_0 PARTITION OF calls FOR VALUES WITH (MODULUS 1, REMAINDER 0) PARTITION BY HASH (dialpad_call_id);
CREATE TABLE calls_0_0 PARTITION OF calls_0 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT harden_calls('calls', on_invalid => 'reject');
CREATE TABLE hooks (payload jsonb);
SELECT harden_call_events('hooks', 'calls');
SELECT count(ingest_call_event(body::jsonb, 'hooks'))
FROM unnest(ARRAY['{"call_id": 1, "state": "hangup", "event_timestamp": 1767225610000}']) AS body;
SELECT claimed, failed FROM process_call_events(log => 'hooks');
SELECT count(ingest_call_event(body::jsonb, 'hooks'))
FROM unnest(ARRAY['{"call_id": 1, "state": "missed", "event_timestamp": 1767225609000}']) AS body;
SELECT claimed, failed FROM process_call_events(log => 'hooks');
SELECT dialpad_call_id, status FROM calls;
UPDATE calls SET status = 'ended';

-- A client drops the columns: harden_calls adds them again, and unharden_calls drops them.
ALTER TABLE calls DROP COLUMN merge_ended_at;
SELECT * FROM process_call_events(log => 'hooks');
SELECT gap, detail, advice FROM call_enforcement WHERE relation = 'hooks'::regclass AND gap IS NOT NULL;
SELECT harden_calls('calls');
SELECT claimed FROM process_call_events(log => 'hooks');
SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum)
FROM pg_attribute WHERE attrelid = 'calls'::regclass AND attname LIKE 'merge%' ORDER BY 1;
-- They stay if a view needs them.
CREATE VIEW all_of_calls AS SELECT * FROM calls;
SELECT unharden_calls('calls');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'calls'::regclass;
DROP VIEW all_of_calls;
SELECT unharden_calls('calls');
SELECT harden_calls('calls');
SELECT unharden_calls('calls', drop_payload => true);
SELECT attname FROM pg_attribute WHERE attrelid = 'calls'::regclass AND attnum > 0 AND NOT attisdropped;
SELECT unharden_calls('calls');
SELECT harden_calls('calls');
SELECT claimed FROM process_call_events(log => 'hooks');
-- A column of another type belongs to somebody else.
SELECT unharden_call_events('hooks'), unharden_calls('calls');
ALTER TABLE calls ADD merge_newest_at text;
SELECT harden_calls('calls');
SELECT harden_call_events('hooks', 'calls');
DROP TABLE calls, hooks, call_events;
