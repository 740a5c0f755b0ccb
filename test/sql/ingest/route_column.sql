\set SHOW_CONTEXT never
SET timezone = 'UTC';
-- A distributed log is distributed by a column of its own. Here the table is an ordinary one: what ingest_call_event writes, and
-- what workers ask of its indexes, is the same.
SELECT create_call_tables('public');
ALTER TABLE call_events ADD call_key bigint NOT NULL, DROP CONSTRAINT call_events_pkey,
    DROP CONSTRAINT call_events_event_digest_key;
DROP INDEX idx_call_events_lane;
UPDATE _callhardening.logs SET route_column = 'call_key';
SELECT claim_call_events(1);
SELECT gap, detail, advice FROM call_enforcement WHERE gap = 'index_missing';
CREATE UNIQUE INDEX ON call_events (event_lane, event_xid, event_seq);
SELECT claim_call_events(1);
CREATE UNIQUE INDEX ON call_events (event_lane, event_xid, event_seq, call_key);
CREATE UNIQUE INDEX ON call_events (event_seq, call_key);
SELECT gap, detail FROM call_enforcement WHERE gap = 'index_missing';
CREATE UNIQUE INDEX ON call_events (event_digest, call_key);
SELECT gap FROM call_enforcement WHERE relation = 'call_events'::regclass AND level = 'gap';
ALTER TABLE call_events ADD CONSTRAINT call_key_of_call
    CHECK (CASE WHEN event_lane < 0 THEN call_key < 0 OR event_lane = _callhardening.no_lane('ignored')
        ELSE call_key = call_id::bigint END);

-- The key is the call id, by each way in. It may be in any spelling.
SELECT ingest_call_event('{"call_id": 4711, "state": "ringing"}'::jsonb) AS first \gset
SELECT ingest_call_event('{"call_id": "0004711.0", "state": "connected"}'::text) - :first AS text,
    ingest_call_event('{"call_id": "4711", "state": "hangup"}'::bytea) - :first AS bytea;
SELECT call_key, call_id, event_type FROM call_events ORDER BY event_seq;

-- A redelivery finds its first delivery: in the same bytes, and by its key.
SELECT ingest_call_event('{"call_id": 4711, "state": "ringing"}'::jsonb) - :first AS same,
    ingest_call_event('{"call_id": 5, "n": 1}'::jsonb, event_key => 'k')
    - ingest_call_event('{"call_id": 5, "n": 2}'::jsonb, event_key => 'k') AS same_key;
-- Two calls with one key are two events: they can be on two servers.
SELECT ingest_call_event('{"call_id": 6}'::jsonb, event_key => 'k') <> ingest_call_event('{"call_id": 5}'::jsonb, event_key => 'k')
    AS other_call;

-- A body without a call gets a negative key, always the same.
SELECT ingest_call_event('no call') = ingest_call_event('no call') AS same;
SELECT ingest_call_event('{"call_id": "no number"}') = ingest_call_event('{"call_id": "no number"}') AS same,
    ingest_call_event('[]') = ingest_call_event('[]') AS same_array;
SELECT count(*), count(DISTINCT call_key), bool_and(call_key < 0) AS negative FROM call_events WHERE event_lane < 0;
SELECT why FROM call_dead_events AS d, _callhardening.why_no_lane(d.lane) AS why ORDER BY d.event_seq;

-- No other writer can give an event the key of another call. The trigger says so without the body.
-- An ignored event has no call, but may have its id.
INSERT INTO call_events (call_key, payload) VALUES (8, '{"call_id": 9}');
INSERT INTO call_events (call_key, payload) VALUES (8, '"no call"');
INSERT INTO call_events (call_key, payload) VALUES (9, '{"call_id": 9}');
SELECT configure_call_event_log(ignored_event_types => '{sms}');
SELECT ingest_call_event('{"call_id": 10, "state": "sms"}') > 0 AS ignored;

-- Workers read it, by lane and by number.
SELECT claimed, applied, unchanged, failed FROM process_call_events();
SELECT dialpad_call_id, status FROM calls ORDER BY 1;
SELECT ingest_call_event('{"call_id": 4713, "state": "ringing"}'::jsonb) IS NOT NULL AS ingested;
SELECT claim_id AS id, event_seq AS seq FROM claim_call_events() \gset
SELECT fail_call_event(:id, :seq, 'not yet', '0');
SELECT outcome FROM complete_call_events(ARRAY[:id]);
SELECT call_id, attempt FROM claim_call_events();
SELECT lane >= 0 AS lane, pending FROM pending_call_events(exact => true) WHERE pending > 0;
DROP TABLE calls, call_events;
