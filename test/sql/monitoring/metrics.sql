-- call_metrics: the text of OpenMetrics, and what is absent from it
SET client_min_messages = error;
SELECT create_call_tables('public');
SELECT create_call_consumer('call_events', 'crm');
-- A log with an odd name, and one without a time of receipt
\set odd 'an "odd" \\n' '\n' 'name'
SELECT format('CREATE TABLE public.%I (LIKE call_events INCLUDING ALL)', :'odd') \gexec
SELECT register_call_event_log(format('public.%I', :'odd')::regclass, 'calls', 'dialpad', 2);
CREATE TABLE timeless (id int PRIMARY KEY, payload jsonb);
SELECT harden_call_events('timeless', 'calls', lanes => 2);
RESET client_min_messages;

CREATE TABLE text_of_metrics (line text, n bigint);
CREATE PROCEDURE take_metrics(calls boolean DEFAULT false) LANGUAGE sql AS $$
    TRUNCATE text_of_metrics;
    INSERT INTO text_of_metrics SELECT * FROM regexp_split_to_table(call_metrics(calls), E'\n') WITH ORDINALITY;
$$;
CREATE FUNCTION samples(wanted text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT substring(line, 15) FROM text_of_metrics WHERE line LIKE 'callhardening_' || wanted || '%' ORDER BY line COLLATE "C" $$;

SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb), ingest_call_event('{"call_id": 1, "state": "hangup"}'::jsonb),
    ingest_call_event('{"call_id": 1, "state": "hangup"}'::jsonb) AS again;
SELECT * FROM process_call_events();
SELECT ingest_call_event('{"call_id": 1, "state": "ringing", "n": 2}'::jsonb);
SELECT * FROM process_call_events();
SELECT ingest_call_event('{"call_id": 2, "state": "ringing"}'::jsonb);
SELECT count(*) FROM claim_call_events(100, '1 hour', 'w', 'call_events', consumer => 'crm');
CALL take_metrics(true);

-- The grammar: metadata, then the samples of this family; each family once, each series once, and the end
SELECT line FROM text_of_metrics
WHERE line !~ '^# (TYPE|UNIT|HELP) callhardening_[a-z_]+ .+$'
    AND line !~ '^callhardening_[a-z_]+(\{([a-z_]+="([^"\\]|\\["\\n])*"(,(?=[a-z])|(?=\})))+\})? -?[0-9.]+$' ORDER BY n;
SELECT line, count(*) FROM (SELECT regexp_replace(line, ' [^ ]+$', '') AS line FROM text_of_metrics WHERE line <> '') AS l
GROUP BY 1 HAVING count(*) > 1;
WITH families AS (
    SELECT line, n, max(CASE WHEN line LIKE '# TYPE %' THEN n END) OVER (ORDER BY n) AS family FROM text_of_metrics
)
SELECT f.line AS outside_its_family FROM families AS f JOIN text_of_metrics AS t ON t.n = f.family
WHERE f.line LIKE 'callhardening%' AND f.line !~ ('^' || split_part(t.line, ' ', 3) || CASE split_part(t.line, ' ', 4)
    WHEN 'counter' THEN '_total' WHEN 'info' THEN '_info' WHEN 'histogram' THEN '_(bucket|count|sum)' ELSE '' END || '[{ ]');
SELECT line FROM text_of_metrics ORDER BY n DESC LIMIT 2;

-- Counters, by log and by consumer, as in call_event_counts
SELECT samples('events_%{%public.call_events"');
SELECT count(*) AS buckets, count(*) FILTER (WHERE samples LIKE '%le="+Inf"%} 3') AS all_in_the_last
FROM samples('event_lag_seconds_bucket{consumer="default",%public.call_events"');
-- The odd name
SELECT samples('event_log_up');

-- Gauges
-- Ages are not shown.
SELECT regexp_replace(samples('consumer_%{consumer="crm"'), ' \d+\.\d+$', ' <age>') AS samples;
SELECT samples('consumer_pending_events');
SELECT samples('issues_last_hour{%public.calls"');
SELECT samples('enforcement_rows');
SELECT samples('calls_up'), samples('calls_table_rows'), samples('stuck_calls');
SELECT count(*) AS levels FROM samples('health_level{');

-- What is not known is absent. A log without a time of receipt has no lag, and no age of its pending events.
INSERT INTO timeless VALUES (1, '{"call_id": 3, "state": "ringing"}');
CALL take_metrics();
SELECT samples('consumer_%pending%{%timeless');
SELECT count(*) FROM samples('event_lag_seconds%timeless');
-- Without calls => true, nothing of the calls tables
SELECT count(*) FROM samples('calls_');
SELECT count(*) FROM samples('health_level');

-- The commit saves what the metrics show. A read-only transaction does not.
SELECT sum(numbers[1]) AS saved FROM _callhardening.counts;
SELECT ingest_call_event('{"call_id": 5}'::jsonb);
SELECT ingest_call_event('{"call_id": 6}'::jsonb);
BEGIN READ ONLY;
SELECT call_metrics() LIKE '%events_received_total{log="public.call_events"} 6%' AS is_shown;
COMMIT;
SELECT sum(numbers[1]) AS saved FROM _callhardening.counts;
CALL take_metrics();
SELECT sum(numbers[1]) AS saved FROM _callhardening.counts;
-- If nothing new was counted, nothing is written.
SELECT string_agg(xmin::text, ' ' ORDER BY consumer_id) AS writers FROM _callhardening.counts \gset
CALL take_metrics();
SELECT string_agg(xmin::text, ' ' ORDER BY consumer_id) = :'writers' AS nothing_is_written FROM _callhardening.counts;

-- A reader without rights on a log, and on an object of one collector
CREATE ROLE regress_metrics LOGIN;
SELECT grant_call_role('regress_metrics', 'operate', 'call_events');
REVOKE SELECT ON call_issues FROM regress_metrics;
GRANT INSERT, SELECT, TRUNCATE ON text_of_metrics TO regress_metrics;
SET ROLE regress_metrics;
CALL take_metrics(true);
SELECT samples('event_log_%up'), samples('event_log_error_info');
SELECT samples('collector_up') EXCEPT SELECT samples('collector_up%} 1');
SELECT samples('collector_error_info');
SELECT samples('server_snapshots_visible');
SELECT count(*) FROM samples('oldest_snapshot');
SELECT samples('calls_up'), samples('calls_error_info');
RESET ROLE;

-- A log that cannot be read
ALTER TABLE call_events RENAME event_seq TO event_number;
CALL take_metrics();
ALTER TABLE call_events RENAME event_number TO event_seq;
SELECT samples('event_log_%up%public.call_events"'), samples('event_log_error_info');
SELECT count(*) FROM samples('consumer_pending_events%public.call_events"');

-- The list: names with a unit, and the columns of the collectors
SELECT metric FROM _callhardening.metrics()
WHERE (type = 'counter') <> (metric LIKE '%\_total') OR (type = 'info') <> (metric LIKE '%\_info')
    OR metric ~ '(_count|_sum|_bucket|_created)$';
SELECT m.collector, m.metric, m.labels FROM _callhardening.metrics() AS m
WHERE m.collector <> 'call_metrics' AND NOT EXISTS (
    SELECT FROM pg_proc AS p WHERE p.pronamespace = '_callhardening'::regnamespace AND p.proname = m.collector
        AND p.proargnames @> (m.labels || CASE type WHEN 'histogram' THEN ARRAY[m.metric, m.metric || '_bucket', m.metric || '_count',
            m.metric || '_sum'] ELSE ARRAY[m.metric, coalesce(m.present_if, m.metric)] END));
SELECT metric FROM _callhardening.metrics() GROUP BY metric HAVING count(*) > 1;

DROP PROCEDURE take_metrics;
DROP FUNCTION samples;
DROP TABLE text_of_metrics;
REVOKE ALL ON call_issues FROM regress_metrics;
SELECT revoke_call_role('regress_metrics', 'operate', 'call_events');
DROP ROLE regress_metrics;
SET client_min_messages = error;
SELECT format('DROP TABLE public.%I', :'odd') \gexec
DROP TABLE timeless, call_events, calls;
RESET client_min_messages;
