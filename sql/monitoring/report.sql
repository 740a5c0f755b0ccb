
-- a report for people ----------------------------------------------------------------------------
--
-- Events and calls are counted with the rights of the extension's owner, since a monitor has no right on bodies and
-- rows: count_rows. Tables are read as their owners (query_as_owner). All else comes from the views, as the caller sees
-- them. A part that cannot be read has its SQLSTATE: the text of an error may quote a body.

CREATE FUNCTION _callhardening.shown_word(word text) RETURNS text
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN word ~ '^\([0-9]{1,9} bytes\)$' OR word ~ '^[A-Za-z0-9 ._-]{1,40}$'
        AND length(regexp_replace(word, '[^0-9]', '', 'g')) <= 3
        AND @extschema@.sanitize_call_payload(jsonb_build_object('word', word), NULL::jsonb) ->> 'word' = word THEN word
    ELSE format('(%s bytes)', octet_length(word)) END
$$;

COMMENT ON FUNCTION _callhardening.shown_word(text) IS
'a word of a client as the report shows it: (12 bytes) if it has more than 3 digits, looks like no word, or is a '
'finding of the sanitizer';

CREATE FUNCTION _callhardening.shown_client(client text) RETURNS text
    LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT left(regexp_replace(@extschema@.sanitize_call_payload(jsonb_build_object('client',
    regexp_replace(client, ' \(pid [0-9]+\)$', '')), NULL::jsonb) ->> 'client', '[0-9]{5,}', '#', 'g'), 64)
$$;

COMMENT ON FUNCTION _callhardening.shown_client(text) IS
'an application name or a worker as the report shows it: at most 64 characters, without process id and findings of the '
'sanitizer, and # for numbers of 5 and more digits; NULL: it is empty';

CREATE FUNCTION _callhardening.report_width(span interval) RETURNS interval
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(min(w) FILTER (WHERE span <= w * 100), interval '28 days')
FROM unnest(ARRAY['1 second', '5 seconds', '15 seconds', '1 minute', '5 minutes', '15 minutes', '1 hour', '3 hours',
    '6 hours', '1 day', '7 days']::interval[]) AS w
$$;

COMMENT ON FUNCTION _callhardening.report_width(interval) IS
'the width of the bars of a chart over this time: at most some 100 bars';

-- what each log says of itself -------------------------------------------------------------------

CREATE FUNCTION _callhardening.sample_clause(percentage float8) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce('TABLESAMPLE system (' || percentage || ')', '')
$$;

COMMENT ON FUNCTION _callhardening.sample_clause(float8) IS
'the clause that reads this percentage of a table; NULL: all of it';

-- What events_of_call finds out for each event, for all at once. In a restored log positions mean less: NULL.
CREATE FUNCTION _callhardening.lane_positions(log _callhardening.logs) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('lane', t.lane, 'done', c.done_snapshot, 'open', c.window_snapshot,
    'xid', c.read_xid, 'seq', c.read_seq)), '[]')
FROM _callhardening.lanes AS t CROSS JOIN LATERAL (
    SELECT * FROM _callhardening.claims AS r WHERE r.consumer_id = t.consumer_id AND r.lane = t.lane
    ORDER BY r.record_no DESC LIMIT 1) AS c
WHERE t.consumer_id = log.log_id
HAVING NOT log.is_of_changes AND log.adopted IS NULL AND log.first_lane = 0
    AND log.system_identifier = (SELECT system_identifier FROM pg_control_system())
    AND _callhardening.distribution(log.events) IS NULL
$$;

COMMENT ON FUNCTION _callhardening.lane_positions(_callhardening.logs) IS
'how far the default consumer of a log is in each lane; NULL: it was restored, it is a log of changes, or Citus has '
'distributed it: each shard has positions of its own';

CREATE FUNCTION _callhardening.timed_events(log _callhardening.logs, percentage float8) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('(SELECT CAST(%s AS timestamptz) AS t, e.event_lane AS lane, pg_column_size(e.%I) AS bytes,
        e.event_lane >= 0 AND %s AND (r.lane IS NULL OR NOT pg_visible_in_snapshot(e.event_xid, r.done) AND (
            r.open IS NULL OR NOT pg_visible_in_snapshot(e.event_xid, r.open) OR r.xid IS NULL
            OR (e.event_xid, e.event_seq) > (r.xid, r.seq))) AS is_waiting
    FROM ONLY %s AS e %s LEFT JOIN jsonb_to_recordset($1[1]::jsonb)
        AS r (lane int, done pg_snapshot, open pg_snapshot, xid xid8, seq bigint) ON r.lane = e.event_lane)',
    coalesce('e.' || quote_ident(log.received_at_column), 'NULL'), log.payload_column,
    coalesce('e.' || quote_ident(log.processed_at_column) || ' IS NULL', 'true'), log.events,
    _callhardening.sample_clause(percentage))
$$;

COMMENT ON FUNCTION _callhardening.timed_events(_callhardening.logs, float8) IS
'the subquery of a log for query_as_owner: t (of the receipt; NULL: not known), lane, bytes (as stored, compressed) '
'and is_waiting (not taken by the default consumer, or in an open claim) of each event. The first argument of the '
'statement is lane_positions';

CREATE FUNCTION _callhardening.log_extent(log _callhardening.logs, starts timestamptz, exact boolean) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT jsonb_build_object('rows_read', e.rows_read, 'percentage', p.percentage, 'oldest', e.oldest, 'first', e.first,
    'newest', e.newest, 'waiting', CASE WHEN p.percentage IS NULL AND l.lanes IS NOT NULL THEN e.waiting END)
FROM _callhardening.sample_percentage(log.events, exact) AS p (percentage)
CROSS JOIN _callhardening.lane_positions(log) AS l (lanes)
CROSS JOIN LATERAL _callhardening.query_as_owner(log.events,
    'SELECT count(*), min(t), min(t) FILTER (WHERE t >= $1[2]::timestamptz), max(t), count(*) FILTER (WHERE is_waiting)
        FROM ' || _callhardening.timed_events(log, p.percentage) || ' AS e', ARRAY[l.lanes::text, starts::text])
    AS e (rows_read bigint, oldest timestamptz, first timestamptz, newest timestamptz, waiting bigint)
$$;

COMMENT ON FUNCTION _callhardening.log_extent(_callhardening.logs, timestamptz, boolean) IS
'when events of a log were received, and how many of them wait. rows_read: of a sample, if percentage is not NULL. '
'first: since starts. NULL: there is none, it is not known, or the log has no received_at_column';

CREATE FUNCTION _callhardening.binned_events(log _callhardening.logs, percentage float8, starts timestamptz,
        ends timestamptz, width interval)
    RETURNS TABLE (at timestamptz, received bigint, ignored bigint, without_call bigint, waiting bigint, bytes bigint)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT e.at, e.received, e.ignored, e.without_call, CASE WHEN l.lanes IS NOT NULL THEN e.waiting END, e.bytes
FROM _callhardening.lane_positions(log) AS l (lanes)
CROSS JOIN LATERAL _callhardening.query_as_owner(log.events, format(
    'SELECT date_bin($1[4]::interval, t, date_trunc(''day'', $1[3]::timestamptz)), count(*),
        count(*) FILTER (WHERE lane = %1$s), count(*) FILTER (WHERE lane < 0 AND lane <> %1$s),
        count(*) FILTER (WHERE is_waiting), sum(bytes)
    FROM %2$s AS e WHERE t >= $1[2]::timestamptz AND t <= $1[3]::timestamptz GROUP BY 1',
    _callhardening.no_lane('ignored'), _callhardening.timed_events(log, percentage)),
    ARRAY[l.lanes::text, starts::text, ends::text, width::text])
    AS e (at timestamptz, received bigint, ignored bigint, without_call bigint, waiting bigint, bytes bigint)
$$;

COMMENT ON FUNCTION _callhardening.binned_events(_callhardening.logs, float8, timestamptz, timestamptz, interval) IS
'events of a log by the time of their receipt, as read (percentage: a sample). waiting: as in timed_events; NULL: not '
'known. bytes: of bodies as stored, compressed';

CREATE FUNCTION _callhardening.report_events(log _callhardening.logs, extent jsonb, starts timestamptz,
        ends timestamptz, width interval)
    RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT extent - 'first' || jsonb_build_object('has_times', log.received_at_column IS NOT NULL, 'bins', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('at', b.at, 'received', round(b.received * s.factor), 'ignored',
        round(b.ignored * s.factor), 'without_call', round(b.without_call * s.factor), 'waiting',
        round(b.waiting * s.factor), 'bytes', round(b.bytes * s.factor)) ORDER BY b.at), '[]')
    FROM _callhardening.binned_events(log, (extent ->> 'percentage')::float8, starts, ends, width) AS b))
FROM (SELECT coalesce(100 / (extent ->> 'percentage')::numeric, 1)) AS s (factor)
$$;

COMMENT ON FUNCTION _callhardening.report_events(_callhardening.logs, jsonb, timestamptz, timestamptz, interval) IS
'a part of call_report: the events of a log over time, estimated if extent is of a sample';

-- The newest bodies are sanitized once more. The log has them as they came, and the calls table only the last one of
-- each call.
CREATE FUNCTION _callhardening.newest_bodies(log _callhardening.logs, percentage float8, most int)
    RETURNS TABLE (body jsonb)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT q.body FROM _callhardening.query_as_owner(log.events, format(
    'SELECT e.%I::jsonb FROM ONLY %s AS e %s WHERE e.event_seq IS NOT NULL ORDER BY e.event_seq DESC LIMIT %s',
    log.payload_column, log.events, _callhardening.sample_clause(percentage), most), NULL) AS q (body jsonb)
WHERE NOT log.is_of_changes
$$;

COMMENT ON FUNCTION _callhardening.newest_bodies(_callhardening.logs, float8, int) IS
'the bodies of the newest events of a log, at most most; percentage: of those that a sample finds';

CREATE FUNCTION _callhardening.report_bodies(log _callhardening.logs, extent jsonb) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH bodies AS MATERIALIZED (
    SELECT n.body FROM _callhardening.newest_bodies(log, (extent ->> 'percentage')::float8, 300) AS n
), settings AS (
    SELECT (@extschema@.call_settings(log.calls)).policy
), sizes AS (
    SELECT octet_length(b.body::text) AS before,
        octet_length(@extschema@.sanitize_call_payload(b.body, s.policy)::text) AS after
    FROM bodies AS b, settings AS s
), changes AS (
    -- Of several reasons, the first one has decided.
    SELECT split_part(e.action, ', ', 1) AS action,
        regexp_replace(split_part(e.reason, ', ', 1), 'rules\[\d+\] ', '') AS reason, count(*) AS changed,
        sum(e.bytes_in - e.bytes_out) AS saved,
        row_number() OVER (ORDER BY sum(e.bytes_in - e.bytes_out) DESC, count(*) DESC, min(e.path)) AS place
    FROM bodies AS b, settings AS s, LATERAL @extschema@.explain_call_payload(b.body, s.policy) AS e
    WHERE e.action <> 'kept' GROUP BY 1, 2
), grouped AS (
    SELECT c.action, c.reason, c.changed, c.saved, c.place FROM changes AS c WHERE c.place <= 12
    UNION ALL
    SELECT NULL, NULL, sum(c.changed), sum(c.saved), 13 FROM changes AS c WHERE c.place > 12 HAVING count(*) > 0
)
SELECT jsonb_build_object('bodies', count(*), 'before', coalesce(sum(s.before), 0), 'after',
    coalesce(sum(s.after), 0), 'largest_before', max(s.before), 'largest_after', max(s.after), 'changes', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('action', g.action, 'reason', g.reason, 'values', g.changed,
            'saved', g.saved) ORDER BY g.place), '[]') FROM grouped AS g))
FROM sizes AS s
$$;

COMMENT ON FUNCTION _callhardening.report_bodies(_callhardening.logs, jsonb) IS
'a part of call_report: the newest 300 bodies of a log before and after the sanitizer, with the policy of the calls '
'table, in bytes as text. changes: the values that were changed, by reason; the reason NULL has all after the first 12';

CREATE FUNCTION _callhardening.sqlstate_of(error text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT substring(error FROM '\(([0-9A-Z]{5})\)$')
$$;

COMMENT ON FUNCTION _callhardening.sqlstate_of(text) IS 'the SQLSTATE of an error of call_lane_status';

CREATE FUNCTION _callhardening.report_lag(events regclass, named name) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH buckets AS MATERIALIZED (
    SELECT g.up_to, g.events, max(g.events) OVER () AS total
    FROM @extschema@.call_event_lag AS g WHERE g.log = report_lag.events AND g.consumer = named
)
SELECT jsonb_build_object('events', max(b.total), 'buckets', jsonb_agg(jsonb_build_object(
        'up_to', extract(epoch FROM b.up_to), 'events', b.events) ORDER BY b.up_to), 'percentiles', (
    SELECT jsonb_agg(jsonb_build_object('percent', p.percent, 'up_to', (
        SELECT extract(epoch FROM min(k.up_to)) FROM buckets AS k
        WHERE k.events >= k.total * p.percent / 100.0 AND k.total > 0)) ORDER BY p.percent)
    FROM unnest(ARRAY[50, 90, 95, 99]) AS p (percent)))
FROM buckets AS b
$$;

COMMENT ON FUNCTION _callhardening.report_lag(regclass, name) IS
'a part of call_report: the histogram of call_event_lag in seconds, and upper bounds of percentiles; NULL: no bound, '
'or no event';

CREATE FUNCTION _callhardening.report_consumers(events regclass) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('consumer', c.consumer, 'pending', c.pending_estimate, 'retrying',
    c.retrying, 'blocked', c.blocked, 'dead', c.dead, 'claims_over', c.claims_over, 'behind',
    extract(epoch FROM c.behind), 'unknown', _callhardening.sqlstate_of(c.error), 'counted_since', n.counted_since,
    'claimed', n.claimed, 'completed', n.completed, 'applied', n.applied, 'unchanged', n.unchanged, 'refused',
    n.refused, 'failed', n.failed, 'died', n.dead, 'lag', _callhardening.report_lag(c.log, c.consumer))
    ORDER BY c.consumer <> 'default', c.consumer), '[]')
FROM @extschema@.call_consumers AS c
LEFT JOIN @extschema@.call_event_counts AS n ON n.log = c.log AND n.consumer = c.consumer
WHERE c.log = events
$$;

COMMENT ON FUNCTION _callhardening.report_consumers(regclass) IS
'a part of call_report: each consumer of a log, now and since counted_since';

CREATE FUNCTION _callhardening.report_counts(events regclass) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Without received it is the row of another consumer, or the server has no memory for it.
SELECT jsonb_build_object('counted_since', n.counted_since, 'delivered', n.received + n.redelivered,
    'redelivered', n.redelivered, 'received', n.received, 'purged', n.purged)
FROM @extschema@.call_event_counts AS n
WHERE n.log = events AND coalesce(n.consumer, 'default') = 'default'
$$;

COMMENT ON FUNCTION _callhardening.report_counts(regclass) IS
'a part of call_report: what call_event_counts has of a log itself';

-- what the tables of calls say -------------------------------------------------------------------

CREATE FUNCTION _callhardening.report_time_columns(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(array_agg(c.name ORDER BY array_position(ARRAY['started_at', 'created_at', 'last_event_at',
    'updated_at']::name[], c.name)), ARRAY[NULL]::name[])
FROM unnest(_callhardening.age_columns(calls)) AS c (name)
$$;

COMMENT ON FUNCTION _callhardening.report_time_columns(regclass) IS
'the columns that say when a call began, or at least when its row came or changed, the best first; one NULL: the table '
'has none';

CREATE FUNCTION _callhardening.newest_call(calls regclass, time_column name, percentage float8, OUT rows_read bigint,
        OUT newest timestamptz)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT q.rows_read, q.newest FROM _callhardening.query_as_owner(calls, format(
    'SELECT count(*), max(t) FILTER (WHERE t <= clock_timestamp()) FROM %s AS c %s
        CROSS JOIN LATERAL (SELECT CAST(%s AS timestamptz)) AS v (t)',
    calls, _callhardening.sample_clause(percentage), coalesce('c.' || quote_ident(time_column), 'NULL')), NULL)
    AS q (rows_read bigint, newest timestamptz)
$$;

COMMENT ON FUNCTION _callhardening.newest_call(regclass, name, float8) IS
'how many rows a sample of a table of calls has, and when the newest call began; times to come do not count';

-- A record is read only from a payload that is certainly in its row: reading others out of TOAST could take minutes.
CREATE FUNCTION _callhardening.binned_calls(calls regclass, settings _callhardening.settings, time_column name,
        percentage float8, starts timestamptz, ends timestamptz, width interval)
    RETURNS TABLE (at timestamptz, direction text, status text, calls_in_bin bigint, payloads bigint, bytes bigint,
        largest int, records bigint, dropped bigint, masked bigint, truncated bigint, shed bigint)
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT q.* FROM _callhardening.query_as_owner(calls, format(
    'SELECT CASE WHEN t > $1[1]::timestamptz AND t <= $1[2]::timestamptz
            THEN date_bin($1[3]::interval, t, date_trunc(''day'', $1[2]::timestamptz)) END,
        CASE WHEN d IS NULL OR d IN (''inbound'', ''outbound'') THEN d ELSE ''other'' END,
        CASE WHEN s IS NULL OR s = ANY ($1[4]::text[]) THEN s ELSE ''other'' END, count(*), count(p),
        sum(pg_column_size(p))::bigint, max(pg_column_size(p)), count(k), sum(k[1])::bigint, sum(k[2])::bigint,
        sum(k[3])::bigint, sum(k[4])::bigint
    FROM %s AS c %s
    CROSS JOIN LATERAL (SELECT CAST(%s AS timestamptz), CAST(%s AS text), CAST(%s AS text), %s) AS v (t, d, s, p)
    CROSS JOIN LATERAL (SELECT CASE WHEN pg_column_size(p) <= 2000
        THEN substring(CAST(p AS jsonb) ->> ''_sanitized'' FROM ''^((\d{1,9},){3}\d{1,9}) '') END) AS w (record)
    CROSS JOIN LATERAL (SELECT CAST(string_to_array(record, '','') AS int[])) AS x (k)
    GROUP BY 1, 2, 3',
    calls, _callhardening.sample_clause(percentage), coalesce('c.' || quote_ident(time_column), 'NULL'),
    coalesce('c.' || quote_ident(settings.direction_column), 'NULL'),
    coalesce('c.' || quote_ident(settings.status_column), 'NULL'),
    coalesce('c.' || quote_ident(settings.payload_column), 'NULL::jsonb')),
    ARRAY[starts::text, ends::text, width::text, _callhardening.status_words(settings.transitions)::text])
    AS q (at timestamptz, direction text, status text, calls_in_bin bigint, payloads bigint, bytes bigint,
        largest int, records bigint, dropped bigint, masked bigint, truncated bigint, shed bigint)
$$;

COMMENT ON FUNCTION _callhardening.binned_calls(regclass, _callhardening.settings, name, float8, timestamptz,
    timestamptz, interval) IS
'counts the rows of a table of calls by the time of their beginning (NULL: not after starts, or not known), direction '
'and status (other: another word), and their payloads: bytes as stored, and what the records of those up to 2000 bytes '
'say. A NULL column of the settings is not read';

CREATE FUNCTION _callhardening.report_stored(settings _callhardening.settings, payloads numeric, bytes numeric,
        largest int, counts numeric[])
    RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Without a row or a record the sums are NULL, and nothing was stored or dropped.
SELECT CASE WHEN settings.payload_column IS NOT NULL THEN jsonb_build_object('payloads', coalesce(payloads, 0),
    'bytes', coalesce(bytes, 0), 'largest', largest, 'records', coalesce(counts[1], 0),
    'dropped', coalesce(counts[2], 0), 'masked', coalesce(counts[3], 0), 'truncated', coalesce(counts[4], 0),
    'shed', coalesce(counts[5], 0)) END
$$;

COMMENT ON FUNCTION _callhardening.report_stored(_callhardening.settings, numeric, numeric, int, numeric[]) IS
'a part of call_report: the payloads of a table of calls as they are stored; NULL: there is no such column';

CREATE FUNCTION _callhardening.report_calls(calls regclass, since interval, exact boolean) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings _callhardening.settings := @extschema@.call_settings(calls);
    present _callhardening.settings := _callhardening.present_columns(calls, settings);
    time_columns name[] := _callhardening.report_time_columns(calls);
    time_column name;
    percentage float8 := _callhardening.sample_percentage(calls, exact);
    factor numeric := coalesce(100 / percentage::numeric, 1);
    width interval := CASE WHEN since <= interval '8 days' THEN interval '1 hour'
        ELSE _callhardening.report_width(since) END;
    newest record;
BEGIN
    IF settings.status_column IS NULL THEN
        RAISE object_not_in_prerequisite_state USING MESSAGE = format('table %s is not hardened', calls);
    END IF;
    FOREACH time_column IN ARRAY time_columns LOOP
        SELECT * INTO newest FROM _callhardening.newest_call(calls, time_column, percentage);
        EXIT WHEN newest.newest IS NOT NULL;
        time_column := time_columns[1];
    END LOOP;
    RETURN (
        SELECT jsonb_build_object('time_column', time_column, 'width', extract(epoch FROM width), 'newest',
            newest.newest, 'rows_read', newest.rows_read, 'percentage', percentage, 'calls',
            coalesce(round(sum(b.calls_in_bin) * factor), 0), 'bins', coalesce(jsonb_agg(jsonb_build_object(
                'at', b.at, 'direction', b.direction, 'status', b.status, 'calls', round(b.calls_in_bin * factor))
                ORDER BY b.at, b.direction, b.status), '[]'),
            'stored', _callhardening.report_stored(present, round(sum(b.payloads) * factor),
                round(sum(b.bytes) * factor), max(b.largest), ARRAY[round(sum(b.records) * factor),
                    round(sum(b.dropped) * factor), round(sum(b.masked) * factor), round(sum(b.truncated) * factor),
                    round(sum(b.shed) * factor)]))
        FROM _callhardening.binned_calls(calls, present, time_column, percentage, newest.newest - since,
            newest.newest, width) AS b);
END
$$;

COMMENT ON FUNCTION _callhardening.report_calls(regclass, interval, boolean) IS
'a part of call_report: the calls of a table by hour, direction and status, over this time up to the newest call. The '
'bin without at has all other calls';

CREATE FUNCTION _callhardening.report_health(calls regclass, exact boolean) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
-- These two may quote a word of a row, or the error of a worker.
SELECT jsonb_agg(jsonb_build_object('figure', h.figure, 'value', h.value, 'unit', h.unit, 'level', h.level, 'why',
    CASE WHEN h.figure NOT IN ('directions', 'missing_workers') THEN h.why END))
FROM @extschema@.call_health(calls, exact) AS h
$$;

COMMENT ON FUNCTION _callhardening.report_health(regclass, boolean) IS 'a part of call_report: the rows of call_health';

-- what went wrong --------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.report_issues(starts timestamptz, ends timestamptz, width interval) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH recent AS MATERIALIZED (
    SELECT i.*, date_bin(width, i.happened_at, date_trunc('day', ends)) AS at
    FROM @extschema@.call_issues AS i WHERE i.happened_at >= starts
), providers AS MATERIALIZED (
    SELECT DISTINCT _callhardening.known_name(t.relation) AS table_name, nullif(t.settings[7], '') AS provider
    FROM _callhardening.hardened_tables() AS t
), words AS (
    SELECT p.provider, _callhardening.shown_client(r.application_name) AS client, r.kind,
        _callhardening.shown_word(r.new_value) AS word, sum(r.occurrences) AS occurrences, max(r.happened_at) AS last
    FROM recent AS r LEFT JOIN providers AS p ON p.table_name = r.table_name
    WHERE r.kind LIKE 'unknown%' GROUP BY 1, 2, 3, 4
), steps AS (
    SELECT r.table_name, _callhardening.shown_client(r.application_name) AS client,
        _callhardening.shown_word(r.old_value) AS old, _callhardening.shown_word(r.new_value) AS new,
        sum(r.occurrences) AS occurrences, max(r.happened_at) AS last
    FROM recent AS r WHERE r.kind = 'refused_status' GROUP BY 1, 2, 3, 4
)
SELECT jsonb_build_object('oldest', (SELECT min(i.happened_at) FROM @extschema@.call_issues AS i), 'bins', (
        SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY b.at, b.kind), '[]') FROM (
            SELECT r.at, r.kind, sum(r.occurrences) AS occurrences FROM recent AS r GROUP BY 1, 2) AS b),
    'words', (SELECT coalesce(jsonb_agg(to_jsonb(w) ORDER BY w.occurrences DESC, w.word), '[]') FROM (
        SELECT * FROM words ORDER BY occurrences DESC, word LIMIT 50) AS w),
    'more_words', (SELECT greatest(count(*) - 50, 0) FROM words),
    'steps', (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.occurrences DESC, s.new, s.old), '[]') FROM (
        SELECT * FROM steps ORDER BY occurrences DESC, new, old LIMIT 20) AS s),
    'more_steps', (SELECT greatest(count(*) - 20, 0) FROM steps))
$$;

COMMENT ON FUNCTION _callhardening.report_issues(timestamptz, timestamptz, interval) IS
'a part of call_report: call_issues over time, unknown words by provider and client, and refused steps by client';

-- The text of an error may quote a body, so events are counted by what they failed of. A monitor has no text at all.
CREATE FUNCTION _callhardening.failure_cause(lane int, attempt jsonb, sqlstate text, error text, lock_waits int,
        OUT cause text, OUT detail text)
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE WHEN lane < 0 THEN 'no call' WHEN lock_waits > 0 THEN 'locked row' WHEN sqlstate IS NOT NULL THEN 'error'
        WHEN error = 'the lease expired before the claim was completed' THEN 'lost worker'
        WHEN error IS NOT NULL THEN 'client' WHEN attempt IS NULL THEN 'not tried' ELSE 'client or lost worker' END,
    CASE WHEN lane < 0 THEN _callhardening.why_no_lane(lane) ELSE sqlstate END
$$;

COMMENT ON FUNCTION _callhardening.failure_cause(int, jsonb, text, text, int) IS
'why an event is retrying or dead: no call (detail: why it has no lane), locked row, error (detail: the SQLSTATE), '
'lost worker, client (it called fail_call_event), client or lost worker (the caller may not see which), not tried (it '
'waits behind another event). attempt: the last one; NULL: there was none';

CREATE FUNCTION _callhardening.report_failures(starts timestamptz, ends timestamptz, width interval) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH failures AS MATERIALIZED (
    SELECT 'dead' AS state, d.log_id, d.consumer, d.died_at AS since, NULL::timestamptz AS due_at, c.*
    FROM @extschema@.call_dead_events AS d
    CROSS JOIN LATERAL _callhardening.failure_cause(d.lane, coalesce(d.errors -> -1, 'true'), d.sqlstate, d.error, 0)
        AS c
    UNION ALL
    SELECT CASE WHEN r.due_at IS NULL THEN 'blocked' ELSE 'retrying' END, r.log_id, r.consumer, r.waiting_since,
        r.due_at, c.*
    FROM @extschema@.call_retrying_events AS r
    CROSS JOIN LATERAL _callhardening.failure_cause(r.lane, r.errors -> -1, r.errors -> -1 ->> 'sqlstate',
        r.errors -> -1 ->> 'error', r.lock_waits) AS c
), causes AS (
    SELECT l.events AS log, f.consumer, f.state, f.cause, f.detail, count(*) AS events, min(f.since) AS first,
        max(f.since) AS last, min(f.due_at) AS due_at
    FROM failures AS f JOIN @extschema@.call_event_logs AS l ON l.log_id = f.log_id GROUP BY 1, 2, 3, 4, 5
)
SELECT jsonb_build_object('causes', (
        SELECT coalesce(jsonb_agg(to_jsonb(c) ORDER BY c.state <> 'dead', c.events DESC, c.log::text, c.consumer,
            c.cause, c.detail), '[]') FROM causes AS c),
    'bins', (SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY b.at), '[]') FROM (
        SELECT date_bin(width, f.since, date_trunc('day', ends)) AS at, count(*) AS dead
        FROM failures AS f WHERE f.state = 'dead' AND f.since >= starts GROUP BY 1) AS b))
$$;

COMMENT ON FUNCTION _callhardening.report_failures(timestamptz, timestamptz, interval) IS
'a part of call_report: dead, retrying and blocked events by cause, and dead ones by the time of their death';

CREATE FUNCTION _callhardening.report_gaps() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(to_jsonb(e)), '[]') FROM @extschema@.call_enforcement AS e
$$;

COMMENT ON FUNCTION _callhardening.report_gaps() IS 'a part of call_report: the rows of call_enforcement';

-- the life of one call ---------------------------------------------------------------------------

CREATE FUNCTION _callhardening.telling_call(OUT log_id int, OUT consumer name, OUT call_id text, OUT kind text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT * FROM (
    (SELECT d.log_id, d.consumer, d.call_id, 'dead' FROM @extschema@.call_dead_events AS d
     WHERE d.call_id !~ '^\(' AND d.lane >= 0 ORDER BY d.died_at DESC LIMIT 1)
    UNION ALL
    (SELECT r.log_id, r.consumer, r.call_id, 'retrying' FROM @extschema@.call_retrying_events AS r
     WHERE r.due_at IS NOT NULL AND r.call_id !~ '^\(' ORDER BY r.waiting_since LIMIT 1)
    UNION ALL
    (SELECT l.log_id, 'default', i.call_id, 'refused' FROM @extschema@.call_issues AS i
     JOIN _callhardening.placed_logs AS l ON _callhardening.known_name(l.calls) = i.table_name AND NOT l.is_of_changes
     WHERE i.kind = 'refused_status' AND i.event_seq IS NOT NULL AND i.call_id !~ '^\(' ORDER BY i.happened_at DESC
     LIMIT 1)) AS c (log_id, consumer, call_id, kind)
LIMIT 1
$$;

COMMENT ON FUNCTION _callhardening.telling_call() IS
'the call that the report shows if none is named: the last one with a dead event, else the first one with a retrying '
'event, else the last one with a refused status; NULL: there is none';

CREATE FUNCTION _callhardening.report_steps(log_id int, consumer name, call_id text) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT jsonb_agg(jsonb_build_object('type', _callhardening.shown_word(t.event_type), 'received_at', t.received_at,
    'state', t.state, 'attempts', t.attempts, 'claimed_at', t.claimed_at, 'worker',
    _callhardening.shown_client(t.worker), 'settled_at', t.settled_at, 'settled_after',
    extract(epoch FROM t.settled_after), 'sqlstate', substring(t.reason FROM '^([0-9A-Z]{5})(?:: |$)'), 'old',
    _callhardening.shown_word(r.words[1]), 'new', _callhardening.shown_word(r.words[2])) ORDER BY t.event_seq)
FROM @extschema@.call_event_logs AS l
CROSS JOIN LATERAL @extschema@.call_timeline(report_steps.call_id, l.events, report_steps.consumer) AS t
CROSS JOIN LATERAL regexp_match(CASE t.state WHEN 'refused' THEN t.reason END, '^refused_status: (.*) -> (.*)$')
    AS r (words)
WHERE l.log_id = report_steps.log_id
$$;

COMMENT ON FUNCTION _callhardening.report_steps(int, name, text) IS
'a part of call_report: the rows of call_timeline without the texts of errors; NULL: the log has no event of the call';

CREATE FUNCTION _callhardening.report_call(call_id text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    telling record;
    log _callhardening.logs;
    steps jsonb;
BEGIN
    IF call_id IS NULL THEN
        SELECT * INTO telling FROM _callhardening.telling_call();
        -- A refusal does not tell the shard of its call.
        RETURN (SELECT jsonb_build_object('log', l.events, 'consumer', telling.consumer, 'kind', telling.kind,
                'events', s.steps)
            FROM _callhardening.logs AS t JOIN _callhardening.placed_logs AS l ON l.log_id = t.log_id
                OR t.shard_id IS NOT NULL AND l.shard_id IS NOT NULL
                AND _callhardening.known_name(l.events) = _callhardening.known_name(t.events)
            CROSS JOIN LATERAL _callhardening.report_steps(l.log_id, telling.consumer, telling.call_id) AS s (steps)
            WHERE t.log_id = telling.log_id
            ORDER BY s.steps IS NULL, l.log_id <> t.log_id, l.log_id LIMIT 1);
    END IF;
    FOR log IN SELECT * FROM _callhardening.shown_logs AS l
        WHERE NOT l.is_of_changes AND _callhardening.distribution(l.events) IS NULL ORDER BY l.log_id
    LOOP
        steps := _callhardening.report_steps(log.log_id, 'default', call_id);
        EXIT WHEN steps IS NOT NULL;
    END LOOP;
    RETURN jsonb_build_object('kind', 'named', 'call_id', call_id, 'log', CASE WHEN steps IS NOT NULL THEN log.events
        END, 'consumer', 'default', 'events', coalesce(steps, '[]'));
END
$$;

COMMENT ON FUNCTION _callhardening.report_call(text) IS
'a part of call_report: the events of a call in the first log that has it. call_id: NULL is that of telling_call, which'
' is not shown';

-- all of it --------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.count_rows(part text, relation regclass, extent jsonb, starts timestamptz,
        ends timestamptz, width interval, exact boolean)
    RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    log _callhardening.logs;
BEGIN
    SELECT * INTO log FROM _callhardening.logs AS l WHERE l.events = relation;
    RETURN CASE part
        WHEN 'extent' THEN _callhardening.log_extent(log, starts, exact)
        WHEN 'events' THEN _callhardening.report_events(log, extent, starts, ends, width)
        WHEN 'bodies' THEN _callhardening.report_bodies(log, extent)
        WHEN 'calls' THEN _callhardening.report_calls(relation, ends - starts, exact) END;
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('unknown', SQLSTATE);
END
$$;
REVOKE EXECUTE ON FUNCTION
    _callhardening.count_rows(text, regclass, jsonb, timestamptz, timestamptz, interval, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'count_rows'), ('monitor', 'count_rows');

COMMENT ON FUNCTION _callhardening.count_rows(text, regclass, jsonb, timestamptz, timestamptz, interval, boolean) IS
'a part of call_report that reads events or calls: extent, events or bodies of a log, or calls of a hardened table. '
'extent: the first one of these. If it cannot be read: {"unknown": SQLSTATE}';

CREATE FUNCTION _callhardening.report_part(part text, relation regclass, starts timestamptz, ends timestamptz,
        width interval, exact boolean, call_id text)
    RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN CASE part
        WHEN 'consumers' THEN _callhardening.report_consumers(relation)
        WHEN 'counts' THEN _callhardening.report_counts(relation)
        WHEN 'health' THEN _callhardening.report_health(relation, exact)
        WHEN 'issues' THEN _callhardening.report_issues(starts, ends, width)
        WHEN 'failures' THEN _callhardening.report_failures(starts, ends, width)
        WHEN 'enforcement' THEN _callhardening.report_gaps()
        WHEN 'call' THEN _callhardening.report_call(call_id) END;
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('unknown', SQLSTATE);
END
$$;

COMMENT ON FUNCTION
    _callhardening.report_part(text, regclass, timestamptz, timestamptz, interval, boolean, text) IS
'a part of call_report that reads views, with the rights of the caller. If it cannot be read: {"unknown": SQLSTATE}';

CREATE FUNCTION _callhardening.report_beginning(extents jsonb, starts timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(min(f.first), starts) FROM (
    SELECT (e.value ->> 'first')::timestamptz FROM jsonb_each(extents) AS e
    UNION ALL SELECT min(i.happened_at) FROM @extschema@.call_issues AS i WHERE i.happened_at >= starts
    UNION ALL SELECT min(d.died_at) FROM @extschema@.call_dead_events AS d WHERE d.died_at >= starts) AS f (first)
$$;

COMMENT ON FUNCTION _callhardening.report_beginning(jsonb, timestamptz) IS
'where the time axis of a report begins: at its first event, issue or dead event since starts, else at starts. extents:'
' log_extent of each log';

CREATE FUNCTION _callhardening.report_logs(extents jsonb, starts timestamptz, ends timestamptz, width interval)
    RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('log', l.events, 'calls', CASE WHEN l.calls <> 0 THEN l.calls END,
    'provider', l.provider, 'is_default', l.is_default IS TRUE, 'is_of_changes', l.is_of_changes,
    'counts', _callhardening.report_part('counts', l.events, starts, ends, width, false, NULL),
    'consumers', _callhardening.report_part('consumers', l.events, starts, ends, width, false, NULL),
    'events', CASE WHEN e.extent ? 'unknown' THEN e.extent
        ELSE _callhardening.count_rows('events', l.events, e.extent, starts, ends, width, false) END,
    'bodies', CASE WHEN l.is_of_changes THEN NULL WHEN e.extent ? 'unknown' THEN e.extent
        ELSE _callhardening.count_rows('bodies', l.events, e.extent, starts, ends, width, false) END)
    ORDER BY l.log_id), '[]')
FROM _callhardening.logs AS l JOIN jsonb_each(extents) AS e (log_id, extent) ON e.log_id = l.log_id::text
$$;

COMMENT ON FUNCTION _callhardening.report_logs(jsonb, timestamptz, timestamptz, interval) IS
'a part of call_report: each event log. extents: as in report_beginning';

CREATE FUNCTION _callhardening.report_tables(starts timestamptz, ends timestamptz, exact boolean) RETURNS jsonb
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce(jsonb_agg(jsonb_build_object('table', t.root, 'provider', t.provider,
    'calls', _callhardening.count_rows('calls', t.root, NULL, starts, ends, NULL, exact),
    'health', _callhardening.report_part('health', t.root, starts, ends, NULL, exact, NULL))
    ORDER BY t.root::text), '[]')
FROM (SELECT h.root, min(nullif(h.settings[7], '')) AS provider FROM _callhardening.hardened_tables() AS h
      WHERE NOT _callhardening.is_moved_away(h.root) GROUP BY h.root) AS t
$$;

COMMENT ON FUNCTION _callhardening.report_tables(timestamptz, timestamptz, boolean) IS
'a part of call_report: each hardened table';

CREATE FUNCTION @extschema@.call_report(since interval DEFAULT '7 days', call_id text DEFAULT NULL,
        exact boolean DEFAULT false)
    RETURNS jsonb
    LANGUAGE plpgsql
    -- The queries are small, and compiling them would take longer than they do. A locked table has the SQLSTATE 55P03.
    -- Times are arguments as text: other styles than ISO have names of zones, and read some as another zone.
    SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1s' SET datestyle = 'ISO'
    AS $$
DECLARE
    ends timestamptz := clock_timestamp();
    starts timestamptz := ends - since;
    extents jsonb;
    begins timestamptz;
    width interval;
BEGIN
    IF since IS NULL OR exact IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'since and exact must not be NULL';
    ELSIF starts >= ends THEN
        RAISE invalid_parameter_value USING MESSAGE = 'since must be longer than 0';
    END IF;
    extents := (SELECT coalesce(jsonb_object_agg(l.log_id, _callhardening.count_rows('extent', l.events, NULL, starts,
            ends, NULL, exact)), '{}')
        FROM _callhardening.shown_logs AS l);
    begins := _callhardening.report_beginning(extents, starts);
    width := _callhardening.report_width(ends - begins);
    RETURN jsonb_build_object('version', (SELECT e.extversion FROM pg_extension AS e
            WHERE e.extname = 'callhardening'), 'server', current_setting('server_version'),
        'database', current_database(), 'time_zone', current_setting('TimeZone'), 'made_at', ends, 'starts', starts,
        'axis', jsonb_build_object('begins', date_bin(width, begins, date_trunc('day', ends)), 'ends', ends,
            'width', extract(epoch FROM width)),
        'shows_words', has_table_privilege('_callhardening.quoted_bodies'::regclass, 'SELECT'),
        'logs', _callhardening.report_logs(extents, starts, ends, width),
        'tables', _callhardening.report_tables(starts, ends, exact))
        || (SELECT jsonb_object_agg(p.part, _callhardening.report_part(p.part, NULL, starts, ends, width, exact,
                call_report.call_id))
            FROM unnest(ARRAY['issues', 'failures', 'enforcement', 'call']) AS p (part))
        || jsonb_build_object('seconds', round(extract(epoch FROM clock_timestamp() - ends), 3));
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_report(interval, text, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_report'), ('monitor', 'call_report');

COMMENT ON FUNCTION @extschema@.call_report(interval, text, boolean) IS
'Returns the figures of the report as one document: event logs, tables of calls, issues, dead and
retrying events, gaps in enforcement, and the life of one call.

It has no body, no text of an error, and no call id but call_id. Words of clients are shown if they
look like words, have at most 3 digits, and hold nothing that the sanitizer finds; to a caller with
the task monitor alone only the statuses of the default graph. Logs without SELECT on a column for
the caller are left out. A part that cannot be read is {"unknown": SQLSTATE}, after a second also if
its table is locked (55P03). NULL: not known, never 0. percentage: how much of a log or table was
read; the numbers are estimates then.
- since: how far back events, issues and dead events are counted, and how far back from the newest
  call the calls are
- call_id: shows the events of this call, as the log has it; NULL: those of the last call with a dead
  event, else of one with a retrying event, else of one with a refused status, without its id
- exact: false reads a random 64 MB of each log and table above 256 MB, true reads all
Errors:
- 22004: since or exact is NULL
- 22008: since goes back beyond all times
- 22023: since is not longer than 0';
