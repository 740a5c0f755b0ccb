-- A log is detached, and attached again: in its place, and as a copy in another schema.
SET client_min_messages = warning;
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
CREATE SCHEMA away;
SELECT create_call_tables();
CREATE FUNCTION add(VARIADIC calls int[]) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO call_events (payload) SELECT jsonb_build_object('call_id', call, 'state', 'ringing') FROM unnest(calls) AS call;
    SELECT max(event_seq) FROM call_events $$;
CREATE TABLE taken (log regclass, consumer name, claim_id bigint, event_seq bigint, attempt int);
CREATE FUNCTION take(log regclass, wanted name DEFAULT 'default', lease interval DEFAULT '1 hour') RETURNS text LANGUAGE sql AS $$
    WITH claimed AS (SELECT * FROM claim_call_events(1000, lease, 'worker', log, consumer => wanted)),
        kept AS (INSERT INTO taken SELECT log, wanted, claim_id, event_seq, attempt FROM claimed)
    SELECT string_agg(concat(event_seq, '/' || nullif(attempt, 1)), ' ' ORDER BY event_seq) FROM claimed $$;
CREATE FUNCTION fail(wanted name, seq bigint, retry_after interval DEFAULT '0') RETURNS text LANGUAGE sql AS $$
    SELECT fail_call_event(claim_id, event_seq, 'no', retry_after) FROM taken WHERE consumer = wanted AND event_seq = seq $$;
CREATE FUNCTION complete(wanted name) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(DISTINCT outcome, ' ')
    FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM taken WHERE consumer = wanted)) $$;
-- A copy with its stamps.
CREATE FUNCTION copy_log(log regclass) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE away.call_events (LIKE %1$s INCLUDING ALL);
        INSERT INTO away.call_events OVERRIDING SYSTEM VALUE TABLE %1$s', log);
    RETURN 'away.call_events';
END $$;
RESET client_min_messages;

-- -- consumers, retries, dead events and claims travel ----------------------------------------------------------------

SELECT configure_call_event_log(max_attempts => 2, retry_base => '0', retry_cap => '1 hour', max_retrying => 77,
    ignored_event_types => '{sms}', ignored_members => '{contact}', notify => true);
SELECT create_call_consumer('call_events', 'crm', true), create_call_consumer('call_events', 'lake'),
    configure_call_event_log('call_events', max_attempts => 9, consumer => 'crm');
SELECT add(101, 102, 103, 104), add(101, 102, 103, 104);
SELECT ingest_call_event('{"no": 1}');
SELECT take('call_events');
-- Events 1 and 5 are of one call: the second one is blocked. Event 2 dies.
SELECT fail('default', 1, '1 hour'), fail('default', 2, '0'), complete('default');
DELETE FROM taken;
SELECT take('call_events'), fail('default', 2), complete('default');
SELECT take('call_events'), complete('default');
SELECT add(102, 103);
-- One consumer has an open claim, the other has completed its claim.
SELECT take('call_events', 'crm'), take('call_events', 'lake'), complete('lake');
SELECT event_seq, attempts, due_at > now() AS waits, errors IS NOT NULL AS has_errors FROM call_retrying_events ORDER BY 1;
SELECT event_seq, lane < 0 AS without_lane, attempts, error FROM call_dead_events ORDER BY 1;
SELECT detach_call_event_log('call_events') AS state \gset
-- The statement may be repeated: a client may have lost the answer.
SELECT detach_call_event_log('call_events') = :'state' AS same;

SELECT count(*) FROM call_event_logs;
SELECT count(*) FROM _callhardening.lanes;
SELECT count(*) FROM _callhardening.claims;
SELECT relation, level, gap, regexp_replace(detail, '\d{4}-\S+ \S+:', '(time):') AS detail, advice
FROM call_enforcement ORDER BY relation::text;
SELECT take('call_events');
SELECT complete('crm');
-- The events of clients get marks, and so does one that is ignored, or has no call.
SELECT add(101, 105);
INSERT INTO call_events (payload) VALUES ('{"call_id": 7, "state": "sms"}'), ('{"no": 2}');
SELECT event_seq, event_lane BETWEEN 0 AND 63 AS has_lane, event_xid >= _callhardening.first_restore_mark() AS has_mark, call_id
FROM call_events WHERE event_seq > 11 ORDER BY 1;

SELECT copy_log('call_events');
SELECT attach_call_event_log('away.call_events', 'calls', :'state');
SELECT attach_call_event_log('away.call_events', 'calls', :'state');
SELECT events, calls, provider, lanes, first_lane, adopted IS NOT NULL AS has_old_lanes, notify, max_attempts, retry_base, retry_cap,
    max_retrying, is_default, ignored_event_types, ignored_members, cardinality(other_consumers) AS others FROM call_event_logs;
SELECT consumer, max_attempts FROM call_consumers ORDER BY 1;
SELECT event_seq, attempts, due_at > now() AS waits, errors IS NOT NULL AS has_errors, event_xid FROM call_retrying_events ORDER BY 1;
SELECT event_seq, lane < 0 AS without_lane, attempts, error FROM call_dead_events ORDER BY 1;
SELECT event_seq, event_lane >= 64 AS has_lane, event_xid >= _callhardening.first_restore_mark() AS has_mark, call_id,
    _callhardening.why_no_lane(event_lane) FROM away.call_events WHERE event_seq > 11 ORDER BY 1;
SELECT relation, level, gap FROM call_enforcement WHERE level = 'gap' ORDER BY relation::text;
-- The claim of before is not known here. Its events come again, and the attempt counts.
SELECT complete('crm');
DELETE FROM taken;
SELECT take('away.call_events'), take('away.call_events', 'crm'), take('away.call_events', 'lake');
SELECT complete('default'), complete('crm'), complete('lake');
SELECT take('away.call_events'), take('away.call_events', 'crm'), take('away.call_events', 'lake');
SELECT complete('crm'), complete('lake');
SELECT retry_dead_call_events('away.call_events'), take('away.call_events'), complete('default');
DELETE FROM taken;
UPDATE _callhardening.retrying_events SET due_at = now();
SELECT take('away.call_events'), complete('default');
DELETE FROM taken;
SELECT take('away.call_events'), complete('default');
-- Nothing is left in the lanes of before, and an event of now gets the next number.
SELECT take('away.call_events'), take('away.call_events'), adopted IS NULL AS old_lanes_are_gone FROM call_event_logs;
SELECT ingest_call_event('{"call_id": 101, "state": "hangup"}'), take('away.call_events');
DROP TABLE away.call_events;
DELETE FROM taken;

-- -- in its place -----------------------------------------------------------------------------------------------------

-- The state that was kept counts.
SELECT attach_call_event_log('call_events', 'calls'), take('call_events'), complete('default');
SELECT attach_call_event_log('call_events', 'calls');
-- With a state of before it would be another log.
SELECT attach_call_event_log('call_events', 'calls', jsonb_set(:'state', '{id}', '"00000000-0000-0000-0000-000000000000"'));
SELECT take('call_events');
SELECT complete('default');
DELETE FROM taken;
-- Again, with events of two times without a log: one event is still pending, or the old lanes are gone.
SELECT add(106);
SELECT detach_call_event_log('call_events') -> 'marks' AS marks;
SELECT add(106, 101);
SELECT attach_call_event_log('call_events', 'calls');
SELECT first_lane FROM call_event_logs;
SELECT take('call_events');
SELECT complete('default');
DELETE FROM taken;
SELECT take('call_events');
SELECT complete('default');
DELETE FROM taken;
SELECT drop_call_consumer('call_events', 'crm'), drop_call_consumer('call_events', 'lake');
SELECT take('call_events');
SELECT adopted IS NULL AS old_lanes_are_gone FROM call_event_logs;
SELECT detach_call_event_log('call_events') -> 'marks' AS marks;
SELECT add(106);
SELECT attach_call_event_log('call_events', 'calls');
SELECT take('call_events');
SELECT complete('default');
DELETE FROM taken;

-- -- without a state --------------------------------------------------------------------------------------------------

-- All events come once more, and a body without a call is dead again.
SELECT count(*) AS events, count(*) FILTER (WHERE event_lane >= 0) AS of_calls FROM call_events;
SELECT copy_log('call_events');
SELECT attach_call_event_log('away.call_events', 'calls');
CREATE TRIGGER stamp_call_event BEFORE INSERT ON away.call_events FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'dialpad', '64', 'bigint');
SELECT attach_call_event_log('away.call_events', 'calls');
SELECT claimed FROM process_call_events(log => 'away.call_events');
SELECT event_seq, error FROM call_dead_events JOIN call_event_logs USING (log_id) WHERE events = 'away.call_events'::regclass ORDER BY 1;
SELECT detach_call_event_log('away.call_events') IS NOT NULL AS detached;
-- A table that goes takes the state along. register_call_event_log makes a new log of it.
SELECT count(*) FROM _callhardening.detached_logs WHERE state IS NOT NULL;
DROP TABLE away.call_events;
SELECT count(*) FROM _callhardening.detached_logs WHERE state IS NOT NULL;
SELECT detach_call_event_log('call_events') IS NOT NULL AS detached;
SELECT register_call_event_log('call_events', 'calls');
SELECT count(*) FROM _callhardening.detached_logs;
SELECT (SELECT sum(pending) FROM pending_call_events('call_events', true)) = count(*) AS all_again FROM call_events WHERE event_lane >= 0;
DROP SCHEMA away;
DROP TABLE call_events, calls, taken;
DROP FUNCTION add, take, fail, complete, copy_log;

-- -- the default log, and old states ----------------------------------------------------------------------------------

-- No other log takes the place of the default log while it is detached: it would get the bodies.
CREATE SCHEMA first;
CREATE SCHEMA second;
SELECT create_call_tables('first');
SET client_min_messages = warning;
SELECT create_call_tables('second', provider => 'twilio');
SELECT detach_call_event_log('first.call_events') AS older \gset
SELECT ingest_call_event('{"call_id": 1}');
SELECT count(*) FROM call_event_logs WHERE is_default;
SELECT attach_call_event_log('first.call_events', 'first.calls');
SELECT ingest_call_event('{"call_id": 1}');
SELECT events FROM call_event_logs WHERE is_default;
-- An older state would bring back events that are done, and the state of another log would settle events that are not.
SELECT claimed FROM process_call_events();
SELECT detach_call_event_log('first.call_events') IS NOT NULL AS detached;
SELECT attach_call_event_log('first.call_events', 'first.calls', :'older');
SELECT attach_call_event_log('first.call_events', 'first.calls');
SELECT attach_call_event_log('first.call_events', 'first.calls', :'older');
SELECT claimed FROM process_call_events();
RESET client_min_messages;
DROP TABLE first.call_events, first.calls, second.call_events, second.calls;
DROP SCHEMA first, second;
