-- An event failed, then its worker was lost. It is retried once its range is settled, and the range does not return it too.

SET client_min_messages = warning;
CREATE SCHEMA template;
SELECT create_call_tables('template');
CREATE SCHEMA one_lane;
CREATE TABLE one_lane.calls (LIKE template.calls INCLUDING ALL);
CREATE TABLE one_lane.call_events (LIKE template.call_events INCLUDING ALL);
DROP SCHEMA template CASCADE;
SELECT harden_calls('one_lane.calls', provider => 'dialpad');
SELECT register_call_event_log('one_lane.call_events', 'one_lane.calls', 'dialpad', 1);

CREATE TABLE claims (step int, claim_id bigint, event_seq bigint, call_id text, attempt int);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb);
SELECT ingest_call_event('{"call_id": 1, "state": "connected"}'::jsonb);
SELECT ingest_call_event('{"call_id": 2, "state": "ringing"}'::jsonb);
INSERT INTO claims SELECT 1, claim_id, event_seq, call_id, attempt FROM claim_call_events(10, '1 microsecond');
SELECT fail_call_event(claim_id, event_seq, 'no', '0 seconds') FROM claims WHERE event_seq = 1;
INSERT INTO claims SELECT 2, claim_id, event_seq, call_id, attempt FROM claim_call_events(10);
SELECT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claims WHERE step = 2));
INSERT INTO claims SELECT 3, claim_id, event_seq, call_id, attempt FROM claim_call_events(10);
SELECT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claims WHERE step = 3));
INSERT INTO claims SELECT 4, claim_id, event_seq, call_id, attempt FROM claim_call_events(10);
SELECT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claims WHERE step = 4));
INSERT INTO claims SELECT 5, claim_id, event_seq, call_id, attempt FROM claim_call_events(10);
SELECT step, event_seq, call_id, attempt FROM claims ORDER BY step, event_seq;

-- The same for a released claim, in a lane that is too full for a new range
SELECT configure_call_event_log(max_retrying => 1);
SELECT ingest_call_event('{"call_id": 3, "state": "ringing"}'::jsonb);
SELECT ingest_call_event('{"call_id": 4, "state": "ringing"}'::jsonb);
TRUNCATE claims;
INSERT INTO claims SELECT 1, claim_id, event_seq, call_id, attempt FROM claim_call_events(10);
SELECT fail_call_event(claim_id, event_seq, 'no', '0 seconds') FROM claims WHERE call_id = '3';
SELECT outcome FROM release_call_events((SELECT array_agg(DISTINCT claim_id) FROM claims));
INSERT INTO claims SELECT 2, claim_id, event_seq, call_id, attempt FROM claim_call_events(10);
SELECT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claims WHERE step = 2));
INSERT INTO claims SELECT 3, claim_id, event_seq, call_id, attempt FROM claim_call_events(10);
SELECT outcome FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM claims WHERE step = 3));
SELECT count(*) FROM claim_call_events(10);
SELECT step, event_seq, call_id, attempt FROM claims ORDER BY step, event_seq;

DROP TABLE claims;
DROP SCHEMA one_lane CASCADE;
