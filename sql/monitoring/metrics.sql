
-- metrics for Prometheus -----------------------------------------------------------------------
--
-- The one list of metrics. call_metrics() and the files of docs/monitoring are made from it
-- (scripts/development/make_monitoring.py).

CREATE FUNCTION _callhardening.metrics()
    RETURNS TABLE (metric text, type text, labels text[], collector text, present_if text, help text)
    LANGUAGE sql IMMUTABLE ROWS 60 SET search_path = pg_catalog, pg_temp
    AS $$
VALUES
    ('extension_info', 'info', '{version,library_version}'::text[], 'server_metrics', NULL,
        'The version of the extension in this database and of the library in this session.'),
    ('server_shared_memory_up', 'gauge', '{}', 'server_metrics', NULL,
        '0: the server has no shared memory left for the extension. Commits wake nobody, and nothing is counted.'),
    ('server_free_waiting_places', 'gauge', '{}', 'server_metrics', 'server_free_waiting_places',
        'Free places of the server for workers and clients that commits wake. At 0 others only poll.'),
    ('server_snapshots_visible', 'gauge', '{}', 'server_metrics', NULL,
        '0: the reader is not a member of pg_read_all_stats. The metrics of snapshots are absent.'),

    ('event_log_up', 'gauge', '{log}', 'log_metrics', NULL,
        '0: the reader cannot read the log. event_log_error_info has the reason.'),
    ('event_log_error_info', 'info', '{log,sqlstate}', 'log_metrics', 'event_log_error_info',
        'Why the log cannot be read, as an SQLSTATE. 42501: the reader has no right.'),
    ('event_log_lanes', 'gauge', '{log}', 'log_metrics', NULL, 'Lanes of the log.'),
    ('event_log_other_consumers', 'gauge', '{log}', 'log_metrics', NULL,
        'Consumers of the log beside the default one.'),
    ('event_log_ignored_events', 'gauge', '{log}', 'log_metrics', 'event_log_ignored_events',
        'Ignored events in the log, counted up to 10000.'),
    ('event_log_events_per_second', 'gauge', '{log}', 'log_metrics', 'event_log_events_per_second',
        'Events completed by the default consumer, over the last records of each lane.'),

    ('events_received_total', 'counter', '{log}', 'count_metrics', 'events_received_total',
        'Events appended to the log.'),
    ('events_redelivered_total', 'counter', '{log}', 'count_metrics', 'events_received_total',
        'Events that were delivered again, and found in the log.'),
    ('events_purged_total', 'counter', '{log}', 'count_metrics', 'events_received_total',
        'Events deleted by purge_call_events.'),
    ('events_claimed_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events handed out to clients, each time.'),
    ('events_completed_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events in claims that clients completed.'),
    ('events_applied_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events applied to a call by process_call_events.'),
    ('events_unchanged_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events that process_call_events found without news.'),
    ('events_refused_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Events with a status that the calls table refused.'),
    ('events_failed_total', 'counter', '{log,consumer}', 'count_metrics', 'events_claimed_total',
        'Failed attempts. Lost workers do not count.'),
    ('events_dead_total', 'counter', '{log,consumer}', 'count_metrics', 'events_dead_total',
        'Events after their last attempt, and events that no worker can take.'),
    ('counters_up', 'gauge', '{log,consumer}', 'count_metrics', NULL,
        '0: the server has no memory to count these events. Their counters and histograms are absent.'),
    ('counters_start_timestamp_seconds', 'gauge', '{log,consumer}', 'count_metrics',
        'counters_start_timestamp_seconds',
        'When the counters began at 0. Absent: nothing was counted yet.'),
    ('event_lag_seconds', 'histogram', '{log,consumer}', 'lag_metrics', NULL,
        'Time from the receipt of an event to its application, or to the first claim of a client.'),

    ('consumer_pending_events', 'gauge', '{log,consumer}', 'consumer_metrics', 'consumer_pending_events',
        'Events without a worker, estimated. Absent: the log cannot be read.'),
    ('consumer_oldest_pending_seconds', 'gauge', '{log,consumer}', 'consumer_metrics',
        'consumer_oldest_pending_seconds',
        'Age of the first pending event. 0: nothing is pending. Absent: the log has no time of receipt.'),
    ('consumer_open_claims', 'gauge', '{log,consumer}', 'consumer_metrics', NULL, 'Claims of workers.'),
    ('consumer_expired_claims', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Claims with an expired lease. No other worker has taken their events over.'),
    ('consumer_claimed_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL, 'Events in open claims.'),
    ('consumer_oldest_claim_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Age of the oldest open claim. 0: there is none.'),
    ('consumer_last_claim_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', 'consumer_last_claim_seconds',
        'Time since the last claim. Absent: there was none.'),
    ('consumer_retrying_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Failed events with a time for their next attempt.'),
    ('consumer_blocked_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Events behind retrying events of the same call.'),
    ('consumer_oldest_retry_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Time since the first retrying or blocked event began to wait. 0: there is none.'),
    ('consumer_lock_waiting_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Events that wait for a locked row of calls.'),
    ('consumer_oldest_lock_wait_seconds', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Time since the oldest wait for a locked row of calls began. 0: there is none.'),
    ('consumer_full_lanes', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Lanes that take no new events, since max_retrying events are retrying or blocked.'),
    ('consumer_dead_events', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        'Events that are never tried again.'),
    ('consumer_holds_purges', 'gauge', '{log,consumer}', 'consumer_metrics', NULL,
        '1: of all consumers of the log, this one has the first event that is not done. Purges wait for it.'),

    ('workers_running', 'gauge', '{log,consumer}', 'worker_metrics', NULL, 'Workers inside the server that run.'),
    ('workers_kept', 'gauge', '{log,consumer}', 'worker_metrics', NULL, 'Workers that start with the server.'),
    ('worker_status_info', 'info', '{log,consumer,status,launcher}', 'worker_metrics', NULL,
        'The columns status and launcher of call_worker_status.'),
    ('worker_last_failure_timestamp_seconds', 'gauge', '{log,consumer}', 'worker_metrics',
        'worker_last_failure_timestamp_seconds',
        'When a kept worker last failed. Absent: none did, or none is kept.'),
    ('waiting_sessions', 'gauge', '{log,consumer,kind,state}', 'waiter_metrics', NULL,
        'Sessions that commits wake: workers in the server, and clients of wait_for_call_events.'),

    ('oldest_snapshot_transactions', 'gauge', '{holder}', 'snapshot_metrics', NULL,
        'Transactions that began since the oldest snapshot. 0: no snapshot is held.'),
    ('oldest_snapshot_seconds', 'gauge', '{holder}', 'snapshot_metrics', 'oldest_snapshot_seconds',
        'Age of the transaction with the oldest snapshot. Absent: slots have no time.'),

    ('enforcement_rows', 'gauge', '{relation,level,gap}', 'enforcement_metrics', NULL,
        'Rows of call_enforcement. level ok: the table has no gap. No relation: the gap is everywhere.'),
    ('issues_last_hour', 'gauge', '{relation,kind}', 'issue_metrics', NULL, 'Issues of the last hour in call_issues.'),
    ('relation_bytes', 'gauge', '{relation,kind}', 'size_metrics', 'relation_bytes',
        'Size on disk with indexes: calls tables, event logs, and the bookkeeping of the extension.'),

    ('backfill_state_info', 'info', '{relation,part,state}', 'backfill_metrics', NULL,
        'The state of the last backfill_calls: running, interrupted or finished.'),
    ('backfill_done_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL, 'Rows that the backfill looked at.'),
    ('backfill_left_rows', 'gauge', '{relation,part}', 'backfill_metrics', 'backfill_left_rows',
        'Rows still to come, estimated. Absent: not known yet.'),
    ('backfill_repaired_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL,
        'Rows that the backfill repaired.'),
    ('backfill_unwritten_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL, 'Rows with a failed repair.'),
    ('backfill_locked_rows', 'gauge', '{relation,part}', 'backfill_metrics', NULL, 'Rows locked by other sessions.'),

    ('calls_up', 'gauge', '{relation}', 'calls_metrics', 'calls_up',
        '0: the reader cannot read the calls table. calls_error_info has the reason.'),
    ('calls_error_info', 'info', '{relation,sqlstate}', 'calls_metrics', 'calls_error_info',
        'Why the calls table cannot be read, as an SQLSTATE.'),
    ('calls_table_rows', 'gauge', '{relation}', 'calls_metrics', 'calls_table_rows',
        'Rows of the calls table. A large table is estimated.'),
    ('calls_duplicate_ids', 'gauge', '{relation}', 'calls_metrics', 'calls_duplicate_ids',
        'Call ids in several rows. Absent: a large table without a unique index.'),
    ('calls_other_directions', 'gauge', '{relation}', 'calls_metrics', 'calls_other_directions',
        'Words beside inbound and outbound.'),
    ('calls_average_payload_bytes', 'gauge', '{relation}', 'calls_metrics', 'calls_average_payload_bytes',
        'Average size of a stored payload. Absent: there is none.'),
    ('calls_largest_payload_bytes', 'gauge', '{relation}', 'calls_metrics', 'calls_largest_payload_bytes',
        'Size of the largest stored payload. Absent: there is none.'),
    ('stuck_calls', 'gauge', '{relation}', 'calls_metrics', 'stuck_calls',
        'Calls without news: ringing for an hour, or not over for a day. Absent: no column tells the time.'),
    ('health_level', 'gauge', '{relation,figure}', 'calls_metrics', 'health_level',
        'The level of each figure of call_health. 0: ok, 1: warning, 2: critical.'),

    ('collector_up', 'gauge', '{collector}', 'call_metrics', NULL,
        '0: the collector failed, and its metrics are absent. collector_error_info has the reason.'),
    ('collector_error_info', 'info', '{collector,sqlstate}', 'call_metrics', 'collector_error_info',
        'Why the collector failed, as an SQLSTATE.'),
    ('collector_seconds', 'gauge', '{collector}', 'call_metrics', NULL, 'How long the collector took.')
$$;

COMMENT ON FUNCTION _callhardening.metrics() IS
'the metrics of this extension, in the order of call_metrics. metric: the name without the prefix callhardening_, and '
'the column of the collector. collector: the function with the values; call_metrics itself for how the collectors did. '
'present_if: the metric is absent if this column is NULL; NULL: it is always there';

CREATE FUNCTION _callhardening.metric_labels(labels jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce('{' || string_agg(format('%s="%s"', key,
    replace(replace(replace(value, '\', '\\'), '"', '\"'), E'\n', '\n')), ',' ORDER BY key) || '}', '')
FROM jsonb_each_text(labels) WHERE value IS NOT NULL
$$;

COMMENT ON FUNCTION _callhardening.metric_labels(jsonb) IS 'labels as OpenMetrics writes them; NULL is no label';

CREATE FUNCTION _callhardening.metric_samples(name text, metric text, type text, labels jsonb, found jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN type <> 'histogram'
    THEN format(E'%s%s %s\n', name, _callhardening.metric_labels(labels), found ->> metric)
    ELSE (SELECT string_agg(format(E'%s_bucket%s %s\n', name,
              _callhardening.metric_labels(labels || jsonb_build_object('le', b.bound)), b.events), '' ORDER BY b.n)
          FROM ROWS FROM (jsonb_array_elements_text((found -> metric) || '["+Inf"]'::jsonb),
              jsonb_array_elements_text((found -> (metric || '_bucket')) || (found -> (metric || '_count'))))
              WITH ORDINALITY AS b (bound, events, n))
        || (SELECT string_agg(format(E'%s_%s%s %s\n', name, s.suffix, _callhardening.metric_labels(labels),
              found ->> (metric || '_' || s.suffix)), '') FROM (VALUES ('count'), ('sum')) AS s (suffix)) END
$$;

COMMENT ON FUNCTION _callhardening.metric_samples(text, text, text, jsonb, jsonb) IS
'the samples of one row of a collector: one line, or the lines of a histogram';

CREATE FUNCTION _callhardening.metric_text(metric text, type text, labels text[], present_if text, help text,
        found jsonb)
    RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format(E'# TYPE %1$s %2$s\n%3$s# HELP %1$s %4$s\n', f.family, type,
    '# UNIT ' || f.family || ' ' || substring(f.family FROM '_(seconds|bytes)$') || E'\n', help) || s.samples
FROM (SELECT 'callhardening_' || regexp_replace(metric, '_(total|info)$', '')) AS f (family),
    (SELECT string_agg(_callhardening.metric_samples('callhardening_' || metric, metric, type,
         (SELECT jsonb_object_agg(label, r -> label) FROM unnest(labels) AS label), r), '')
     FROM jsonb_array_elements(found) AS r WHERE present_if IS NULL OR r ->> present_if IS NOT NULL) AS s (samples)
$$;

COMMENT ON FUNCTION _callhardening.metric_text(text, text, text[], text, text, jsonb) IS
'a row of metrics() with its samples, as OpenMetrics writes them; found: the rows of its collector. NULL: no sample';

CREATE FUNCTION @extschema@.call_metrics(calls boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    collector text;
    began timestamptz;
    found jsonb;
    collected jsonb := '{}';
    fault text;
    answers jsonb := '[]';
BEGIN
    FOR collector IN SELECT DISTINCT m.collector FROM _callhardening.metrics() AS m
        WHERE m.collector <> 'call_metrics' AND (coalesce(calls, false) OR m.collector <> 'calls_metrics')
    LOOP
        began := clock_timestamp();
        fault := NULL;
        BEGIN
            EXECUTE format('SELECT jsonb_agg(to_jsonb(c)) FROM _callhardening.%I() AS c', collector) INTO found;
            collected := collected || jsonb_build_object(collector, coalesce(found, '[]'));
        EXCEPTION WHEN OTHERS THEN
            fault := SQLSTATE; -- one fault does not hide the other metrics
        END;
        answers := answers || jsonb_build_object('collector', collector, 'sqlstate', fault,
            'collector_up', (fault IS NULL)::int, 'collector_error_info', CASE WHEN fault IS NOT NULL THEN 1 END,
            'collector_seconds', extract(epoch FROM clock_timestamp() - began));
    END LOOP;
    collected := collected || jsonb_build_object('call_metrics', answers);
    RETURN (SELECT string_agg(_callhardening.metric_text(m.metric, m.type, m.labels, m.present_if, m.help,
                collected -> m.collector), '' ORDER BY m.position)
            FROM _callhardening.metrics() WITH ORDINALITY
                AS m (metric, type, labels, collector, present_if, help, position)) || E'# EOF\n';
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_metrics(boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_metrics'), ('monitor', 'call_metrics');

COMMENT ON FUNCTION @extschema@.call_metrics(boolean) IS
'Returns every counter, gauge and histogram of this database as a text of OpenMetrics 1.0, for
Prometheus.

What is not known is absent. Then a metric with a name in up or visible is 0, and tells so. Times
are in seconds, sizes in bytes. The commit saves the counts, so that no counter falls after a crash
of the server. Two exceptions: a read-only transaction saves none, and no transaction saves those
that another session is saving.
- calls: true adds the metrics that read the calls tables, as call_health does; NULL: false';
