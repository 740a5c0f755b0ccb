
-- what happened, in numbers that only grow -------------------------------------------------------

CREATE FUNCTION _callhardening.total_counts(events regclass, consumer_id int, OUT counted_since timestamptz,
        OUT numbers bigint[])
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_total_counts';
REVOKE EXECUTE ON FUNCTION _callhardening.total_counts(regclass, int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'total_counts'), ('monitor', 'total_counts');

COMMENT ON FUNCTION _callhardening.total_counts(regclass, int) IS
'the counts of a consumer, of the table and of memory: received, redelivered, purged, claimed, completed, applied, '
'unchanged, refused, failed, dead, the sum of all lags in microseconds, and the buckets of their histogram. NULL: it '
'is not counted, since the server has no shared memory left, or 256 consumers count already. counted_since: NULL if '
'nothing was counted yet';

CREATE FUNCTION @extschema@.flush_call_event_counts() RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_flush_call_event_counts';
REVOKE EXECUTE ON FUNCTION @extschema@.flush_call_event_counts() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'flush_call_event_counts'), ('monitor', 'flush_call_event_counts');

COMMENT ON FUNCTION @extschema@.flush_call_event_counts() IS
'Saves the numbers of call_event_counts of this database at the commit. Call it before a planned
restart of the server, which empties its memory. Commits do it once a minute anyway.';

CREATE FUNCTION _callhardening.lag_bounds() RETURNS bigint[]
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_lag_bounds';

COMMENT ON FUNCTION _callhardening.lag_bounds() IS
'the upper bounds of the buckets of call_event_lag, in microseconds; NULL: no bound';

-- What happens to the log itself is in the row of its default consumer, which has the log's number. A log of changes
-- has no default consumer, so it has a row of its own.
CREATE VIEW _callhardening.counted_consumers AS
SELECT l.events, k.name AS consumer, k.consumer_id OPERATOR(pg_catalog.=) l.log_id AS has_log,
    true AS has_consumer, c.counted_since, c.numbers
FROM _callhardening.shown_logs l JOIN _callhardening.consumers k ON k.log_id OPERATOR(pg_catalog.=) l.log_id
CROSS JOIN LATERAL _callhardening.total_counts(l.events, k.consumer_id) c
WHERE _callhardening.distribution(l.events) IS NULL
UNION ALL
SELECT l.events, NULL, true, false, c.counted_since, c.numbers
FROM _callhardening.shown_logs l CROSS JOIN LATERAL _callhardening.total_counts(l.events, l.log_id) c
WHERE _callhardening.distribution(l.events) IS NULL
    AND NOT EXISTS (SELECT FROM _callhardening.consumers k WHERE k.consumer_id OPERATOR(pg_catalog.=) l.log_id);

COMMENT ON VIEW _callhardening.counted_consumers IS
'a part of call_event_counts and call_event_lag. has_log, has_consumer: whose counts the row has';

CREATE VIEW @extschema@.call_event_counts AS
SELECT c.events AS log, c.consumer, c.counted_since,
    CASE WHEN c.has_log THEN c.numbers[1] END AS received,
    CASE WHEN c.has_log THEN c.numbers[2] END AS redelivered,
    CASE WHEN c.has_log THEN c.numbers[3] END AS purged,
    CASE WHEN c.has_consumer THEN c.numbers[4] END AS claimed,
    CASE WHEN c.has_consumer THEN c.numbers[5] END AS completed,
    CASE WHEN c.has_consumer THEN c.numbers[6] END AS applied,
    CASE WHEN c.has_consumer THEN c.numbers[7] END AS unchanged,
    CASE WHEN c.has_consumer THEN c.numbers[8] END AS refused,
    CASE WHEN c.has_consumer THEN c.numbers[9] END AS failed,
    c.numbers[10] AS dead
FROM _callhardening.counted_consumers c;
REVOKE ALL ON @extschema@.call_event_counts FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_counts', 'SELECT'), ('monitor', 'call_event_counts', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_counts IS
'What happened to the events of each log and consumer since counted_since: numbers that only
grow, of events received, applied, refused, dead. A rollback counts nothing, PREPARE TRANSACTION
counts like a commit. After a crash or a restart of the server, numbers of the last minute may be
missing. If the library is not preloaded, and neither a worker nor a claim has looked since, all
numbers since the last save are missing. Not dumped: a restored log begins anew. NULL: it is not
counted for this row, or the server has no memory for it. Logs without SELECT for the reader are
left out.';
COMMENT ON COLUMN @extschema@.call_event_counts.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_counts.consumer IS
'NULL: the row of a log of changes, which has no default consumer';
COMMENT ON COLUMN @extschema@.call_event_counts.counted_since IS
'when the numbers began. NULL: nothing was counted yet';
COMMENT ON COLUMN @extschema@.call_event_counts.received IS
'events appended to the log. In the row of the default consumer, as the two columns behind it';
COMMENT ON COLUMN @extschema@.call_event_counts.redelivered IS
'events that ingest_call_event and ingest_call_webhook found in the log';
COMMENT ON COLUMN @extschema@.call_event_counts.purged IS 'events deleted by purge_call_events';
COMMENT ON COLUMN @extschema@.call_event_counts.claimed IS
'events handed out by claim_call_events, each time it was handed out';
COMMENT ON COLUMN @extschema@.call_event_counts.completed IS
'events in claims that clients completed, also those that failed in the claim';
COMMENT ON COLUMN @extschema@.call_event_counts.applied IS 'events that process_call_events applied to a call';
COMMENT ON COLUMN @extschema@.call_event_counts.unchanged IS 'events that process_call_events found without news';
COMMENT ON COLUMN @extschema@.call_event_counts.refused IS 'events with a status that the calls table refused';
COMMENT ON COLUMN @extschema@.call_event_counts.failed IS
'failed attempts, of fail_call_event and process_call_events; lost workers do not count';
COMMENT ON COLUMN @extschema@.call_event_counts.dead IS
'events after their last attempt; in the row of the default consumer also events that no worker can take';

CREATE VIEW @extschema@.call_event_lag AS
SELECT c.events AS log, c.consumer,
    pg_catalog.make_interval(secs => b.bound OPERATOR(pg_catalog./) 1e6::float8) AS up_to,
    (SELECT pg_catalog.sum(n.number)::bigint
        FROM pg_catalog.unnest(c.numbers[12:11 OPERATOR(pg_catalog.+) b.bucket::int]) AS n (number)) AS events,
    pg_catalog.make_interval(secs => c.numbers[11] OPERATOR(pg_catalog./) 1e6::float8) AS total_lag
FROM _callhardening.counted_consumers c
CROSS JOIN LATERAL pg_catalog.unnest(_callhardening.lag_bounds()) WITH ORDINALITY AS b (bound, bucket)
WHERE c.has_consumer;
REVOKE ALL ON @extschema@.call_event_lag FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_lag', 'SELECT'), ('monitor', 'call_event_lag', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_lag IS
'How long events waited until they were applied, as a cumulative histogram for each log and
consumer: from the receipt to the application by process_call_events, or to the first claim of a
client, as a completion does not name its events. Counted as call_event_counts is. Logs without
a received_at_column, and logs without SELECT for the reader, have no events here.';
COMMENT ON COLUMN @extschema@.call_event_lag.log IS 'the event log';
COMMENT ON COLUMN @extschema@.call_event_lag.consumer IS 'the consumer whose events waited';
COMMENT ON COLUMN @extschema@.call_event_lag.up_to IS
'the upper bound of the bucket: 1 ms, 2 ms, 4 ms, ... 2.3 hours; NULL: no bound';
COMMENT ON COLUMN @extschema@.call_event_lag.events IS
'events with this lag or a shorter one; NULL: not counted';
COMMENT ON COLUMN @extschema@.call_event_lag.total_lag IS 'the sum over all events, the same in each row of a consumer';
