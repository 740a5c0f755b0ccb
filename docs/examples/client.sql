-- Every verb of a client, one after the other: psql -X -f client.sql, in a database without pending events.
-- What is made of the events here: how long was talked in each call.
\set ON_ERROR_STOP on
CREATE TABLE talked (event_seq bigint PRIMARY KEY, call_id text NOT NULL, milliseconds numeric NOT NULL);
SELECT count(ingest_call_event(body)) AS ingested FROM unnest(ARRAY[
    '{"call_id": 4711, "state": "ringing"}', '{"call_id": 4711, "state": "hangup", "talk_time": 61250.4}',
    '{"call_id": 4711, "state": "recording"}']::jsonb[]) AS body;

-- Claim: a short transaction of its own. All rows are read, since completing the claim settles them all.
CREATE TEMP TABLE batch AS
SELECT * FROM claim_call_events(max_events => 100, lease => '30 seconds', worker => 'client.sql');
SELECT event_seq, call_id, event_type, attempt FROM batch ORDER BY event_seq;

-- Renew, where the work takes longer than the lease. NULL would say that it is too late.
SELECT renew_call_claim(claim_id, '1 minute') > now() AS renewed FROM (SELECT DISTINCT claim_id FROM batch) AS claims;

-- Fail an event that cannot be processed now. What comes later for the same call waits behind it: skip that.
SELECT claim_id, event_seq FROM batch WHERE event_type = 'recording' \gset failed_
SELECT fail_call_event(:failed_claim_id, :failed_event_seq, 'the recording is not there yet', retry_after => '1 minute');
DELETE FROM batch WHERE event_seq >= :failed_event_seq;

-- Process and complete in one transaction: what is written counts once. Where another worker has taken the
-- events over, assert_call_claim raises 55000; else nobody can take them over before the commit.
BEGIN;
SELECT assert_call_claim(claim_id) FROM (SELECT DISTINCT claim_id FROM batch ORDER BY 1) AS claims;
INSERT INTO talked SELECT event_seq, call_id, (payload ->> 'talk_time')::numeric FROM batch WHERE payload ? 'talk_time';
SELECT outcome FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM batch));
COMMIT;

-- A second time, the claim is not current any more, and of 1 nothing is known. Nothing changes.
SELECT outcome FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM batch) || 1::bigint);

-- Release what is not to be done now: the next worker gets it at once, and the attempt does not count.
SELECT ingest_call_event('{"call_id": 4712, "state": "hangup", "talk_time": 500}'::jsonb) IS NOT NULL AS ingested;
SELECT array_agg(DISTINCT claim_id) AS claim_ids FROM claim_call_events(100, worker => 'client.sql') \gset
SELECT outcome FROM release_call_events(:'claim_ids');

-- Or everything in one transaction, without a lease: a rollback makes it as if nothing had been claimed.
BEGIN;
CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT * FROM claim_call_events(100, lease => NULL);
INSERT INTO talked SELECT event_seq, call_id, (payload ->> 'talk_time')::numeric FROM mine WHERE payload ? 'talk_time';
SELECT outcome FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM mine));
COMMIT;
SELECT event_seq, call_id, milliseconds FROM talked ORDER BY event_seq;
