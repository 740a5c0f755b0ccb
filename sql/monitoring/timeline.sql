
-- the life of a call -----------------------------------------------------------------------------

CREATE FUNCTION _callhardening.events_of_call(call_id text, log regclass, consumer name)
    RETURNS TABLE (events regclass, home_lane int, event_seq bigint, event_type text, received_at timestamptz, lane int,
        state text, attempts int, claimed_at timestamptz, worker text, settled_at timestamptz)
    LANGUAGE c ROWS 10
    AS 'MODULE_PATHNAME', 'callhardening_events_of_call';

COMMENT ON FUNCTION _callhardening.events_of_call(text, regclass, name) IS
'the events of a call by event_seq, and what their lanes say of them. For call_timeline, which adds retries, dead '
'events and issues. home_lane: the lane in call_retrying_events. NOTICE: the log has no index on call_id. Errors: as '
'call_timeline';

CREATE FUNCTION @extschema@.call_timeline(call_id text, log regclass DEFAULT NULL, consumer name DEFAULT NULL)
    RETURNS TABLE (event_seq bigint, event_type text, received_at timestamptz, state text, attempts int,
        claimed_at timestamptz, worker text, settled_at timestamptz, settled_after interval, reason text)
    LANGUAGE sql ROWS 10
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH found AS MATERIALIZED (
    SELECT l.log_id, _callhardening.known_name(l.calls) AS calls,
        ARRAY[call_id, format('(%s bytes)', octet_length(call_id))] AS shown, e.*
    FROM _callhardening.events_of_call(call_id, log, consumer) AS e
    JOIN @extschema@.call_event_logs AS l ON l.events = e.events
), refusals AS MATERIALIZED (
    -- One read of at most some 200,000 rows
    SELECT i.* FROM @extschema@.call_issues AS i
    WHERE i.kind IN ('refused_status', 'refused_call_id') AND i.table_name = (SELECT f.calls FROM found AS f LIMIT 1)
        AND i.happened_at >= (SELECT min(coalesce(f.received_at, '-infinity')) FROM found AS f)
        AND coalesce(consumer, 'default') = 'default'
), issues AS MATERIALIZED (
    -- Two logs of one calls table can have the same numbers, so the call id is compared as well. If it is no word, an
    -- issue has its length.
    SELECT DISTINCT ON (i.event_seq) i.event_seq,
        concat(i.kind, CASE WHEN r.texts_are_shown
            THEN concat(': ', coalesce(i.old_value, 'NULL'), ' -> ', coalesce(i.new_value, 'NULL')) END) AS reason
    FROM refusals AS i JOIN found AS f ON f.event_seq = i.event_seq
    CROSS JOIN has_table_privilege('_callhardening.quoted_bodies'::regclass, 'SELECT') AS r (texts_are_shown)
    WHERE i.call_id = ANY (f.shown) AND i.happened_at >= coalesce(f.received_at, '-infinity')
    ORDER BY i.event_seq, i.happened_at DESC
), without_row AS (
    -- The refusals of a transaction behind the hundredth are one row.
    SELECT f.event_seq, sum(i.occurrences) AS refusals
    FROM refusals AS i JOIN found AS f ON i.happened_at BETWEEN coalesce(f.claimed_at, f.received_at, '-infinity')
        AND coalesce(f.settled_at, 'infinity')
    WHERE i.call_id IS NULL AND i.detail IS NOT NULL GROUP BY f.event_seq
), known AS (
    SELECT f.event_seq, f.event_type, f.received_at,
        CASE WHEN d.event_seq IS NOT NULL THEN 'dead'
            WHEN w.claim_id IS NOT NULL THEN 'claimed'
            WHEN w.due_at IS NOT NULL THEN 'retrying'
            WHEN w.event_seq IS NOT NULL THEN 'blocked'
            WHEN f.state = 'done' AND i.event_seq IS NOT NULL THEN 'refused'
            ELSE f.state END AS state,
        coalesce(d.attempts, w.attempts, f.attempts) AS attempts,
        coalesce(o.claimed_at, f.claimed_at) AS claimed_at,
        coalesce(o.worker, d.errors -> -1 ->> 'worker', w.errors -> -1 ->> 'worker', f.worker) AS worker,
        CASE WHEN d.event_seq IS NOT NULL THEN d.died_at WHEN w.event_seq IS NULL THEN f.settled_at END AS settled_at,
        CASE WHEN d.event_seq IS NOT NULL THEN nullif(concat_ws(': ', d.sqlstate, d.error), '')
            WHEN w.event_seq IS NOT NULL THEN nullif(concat_ws(': ', w.errors -> -1 ->> 'sqlstate',
                w.errors -> -1 ->> 'error'), '')
            WHEN f.lane < 0 THEN _callhardening.why_no_lane(f.lane)
            WHEN f.state = 'done' AND i.reason IS NULL AND r.refusals IS NOT NULL
                THEN format('refused or not: %s refusals of its batch have no row in call_issues', r.refusals)
            ELSE i.reason END AS reason
    FROM found AS f
    LEFT JOIN @extschema@.call_retrying_events AS w ON w.log_id = f.log_id AND w.lane = f.home_lane
        AND w.event_seq = f.event_seq AND w.consumer = coalesce(call_timeline.consumer, 'default')
    LEFT JOIN @extschema@.call_dead_events AS d ON d.log_id = f.log_id AND d.event_seq = f.event_seq
        AND d.consumer = coalesce(call_timeline.consumer, 'default')
    LEFT JOIN @extschema@.call_open_claims AS o ON o.claim_id = w.claim_id
    LEFT JOIN issues AS i ON i.event_seq = f.event_seq
    LEFT JOIN without_row AS r ON r.event_seq = f.event_seq
)
SELECT k.event_seq, k.event_type, k.received_at, k.state, k.attempts, k.claimed_at, k.worker, k.settled_at,
    k.settled_at - k.received_at, k.reason
FROM known AS k ORDER BY k.event_seq
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_timeline(text, regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_timeline'), ('monitor', 'call_timeline');

COMMENT ON FUNCTION @extschema@.call_timeline(text, regclass, name) IS
'Shows each event of a call in a log, by event_seq: its state for a consumer, who had it, when it
was done, and why it failed or was refused. NULL: not known, or it does not apply.

Events have no such columns: claims are read from the records of the lane, and each lane keeps
the last 64 records at least, some 32 claims. Of older claims nothing is known. The same holds
if the lane has had retries since: the event may have been one of them. The column processed_at,
if the log has one, always says when. A refusal is looked up in call_issues by number, table and
call id. Events from before harden_call_events have no call id. NOTICE: the log has no index on
call_id, so all of its events were read.
- call_id: as the log has it, with the provider if the calls table has several; NULL: no rows
- log: NULL is the default log
- consumer: of the log; NULL is the default one
- state: pending; claimed; retrying (it failed), blocked (behind such an event of the call),
  dead; done (applied, or completed by a client); refused (done, and the calls table refused its
  status); ignored (no call, by the settings of the log)
- attempts: how often it was handed out
- claimed_at, worker: the last claim; of a failed event, the worker of its last attempt
- settled_at: when it was done or died
- settled_after: how long after its receipt
- event_type: NULL also for a caller with the task monitor alone
- reason: of a failure the last error, of a refusal the kind, the old and the refused value; for
  the task monitor alone the SQLSTATE or the kind. A transaction has rows for a hundred refusals of
  a table: if there were more, the reason of its other events tells their number
Errors:
- 42501: no SELECT on the log or on call_issues
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log, or an altered one';
