
-- figures of all nodes -----------------------------------------------------------------------------
--
-- Each node answers for what is on it. A node that does not answer is a WARNING and a row, and never a zero.

CREATE FUNCTION _callhardening.distributed_name(shard text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT coalesce((SELECT s.name FROM _callhardening.citus_rows('SELECT s.logicalrelid::regclass::text
        FROM pg_catalog.pg_dist_shard AS s
        WHERE s.shardid = substring(($1)[1] FROM ''_([0-9]{1,18})"?$'')::bigint
            AND ($1)[1] IN (pg_catalog.shard_name(s.logicalrelid, s.shardid),
                _callhardening.shard_name(s.logicalrelid, s.shardid))', ARRAY[shard]) AS s (name text)), shard)
$$;

COMMENT ON FUNCTION _callhardening.distributed_name(text) IS
'the name of the distributed table of a shard, which is named as in a message; any other name stays as it is';

CREATE FUNCTION _callhardening.node_figures(what text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    CASE what
        WHEN 'status' THEN
            RETURN (SELECT jsonb_agg(f.figures) FROM (
                SELECT to_jsonb(s) || jsonb_build_object('shard_id', l.shard_id, 'distributed_log',
                    CASE WHEN l.shard_id IS NOT NULL THEN _callhardening.distributed_name(l.events::text) END)
                FROM @extschema@.call_event_log_status AS s JOIN _callhardening.logs AS l ON l.events = s.log
                WHERE _callhardening.distribution(l.events) IS NULL
                UNION ALL
                SELECT jsonb_build_object('log', u.relation, 'shard_id', u.shard_id, 'distributed_log', u.shell,
                    'error', u.obstacle)
                FROM _callhardening.unread_shards() AS u) AS f (figures));
        WHEN 'issues' THEN
            RETURN (SELECT jsonb_agg(to_jsonb(i)
                || jsonb_build_object('table_name', _callhardening.distributed_name(i.table_name)))
                FROM @extschema@.call_issues AS i);
        WHEN 'dead_events' THEN
            RETURN (SELECT jsonb_agg(to_jsonb(d)
                || jsonb_build_object('log', _callhardening.distributed_name(l.events::text), 'shard_id', l.shard_id))
                FROM @extschema@.call_dead_events AS d LEFT JOIN _callhardening.logs AS l ON l.log_id = d.log_id);
        WHEN 'enforcement' THEN
            RETURN (SELECT jsonb_agg(to_jsonb(e)) FROM @extschema@.call_enforcement AS e);
    END CASE;
END
$$;

COMMENT ON FUNCTION _callhardening.node_figures(text) IS
'the rows of this node for a cluster view: status, issues, dead_events or enforcement, as an array; NULL: no row';

CREATE FUNCTION _callhardening.cluster_figures(what text) RETURNS TABLE (node text, figures jsonb, error text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM _callhardening.require_citus(format('cluster_call_%s', CASE what WHEN 'status' THEN 'event_log_status'
        ELSE what END));
    RETURN QUERY SELECT n.node, f.figures, n.error
    FROM _callhardening.ask_nodes(format('SELECT _callhardening.node_figures(%L)', what), true) AS n
    LEFT JOIN LATERAL jsonb_array_elements(nullif(n.answer, '')::jsonb) AS f (figures) ON true
    WHERE n.error IS NOT NULL OR f.figures IS NOT NULL;
END
$$;

COMMENT ON FUNCTION _callhardening.cluster_figures(text) IS
'the rows of all nodes for a cluster view. A node that does not answer has a row with its error alone. Error: 55000 no '
'Citus';

CREATE VIEW @extschema@.cluster_call_event_log_status AS
SELECT c.node, f.log, f.distributed_log, f.shard_id, f.calls, f.lanes, f.pending_estimate, f.oldest_received_at,
    f.open_claims, f.claims_over, f.claimed, f.retrying, f.blocked, f.dead, f.events_per_second, f.ignored,
    COALESCE(c.error, f.error) AS error
FROM _callhardening.cluster_figures('status'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (log text, distributed_log text, shard_id bigint, calls text,
    lanes int, pending_estimate bigint, oldest_received_at timestamptz, open_claims bigint, claims_over bigint,
    claimed bigint, retrying bigint, blocked bigint, dead bigint, events_per_second float8, ignored bigint, error text)
    ON true;
REVOKE ALL ON @extschema@.cluster_call_event_log_status FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_event_log_status', 'SELECT'), ('monitor', 'cluster_call_event_log_status', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_event_log_status IS
'call_event_log_status of all nodes of a cluster of Citus: each shard, and each log that is not
distributed. A node that does not answer is a WARNING, and a row with its error: its figures are
NULL. So a sum over the nodes is complete only if no row has an error. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.log IS
'the event log or shard, by its name on the node; NULL: the node does not answer, as for all columns but error';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.distributed_log IS
'the distributed log of the shard; NULL: it is none';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.shard_id IS 'the number of the shard; NULL: it is none';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.calls IS 'its calls table, or the shard of it';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.lanes IS
'this and the next columns are those of call_event_log_status';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.pending_estimate IS 'events without a worker, estimated';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.oldest_received_at IS
'when the first pending event was received';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.open_claims IS 'claims of workers';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.claims_over IS 'of these, with an expired lease';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.claimed IS 'events in open claims';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.retrying IS
'failed events with a time for their next attempt';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.blocked IS 'events behind them in the same calls';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.dead IS 'events given up, and events without a call';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.events_per_second IS 'completed';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.ignored IS 'events without a call, by the settings';
COMMENT ON COLUMN @extschema@.cluster_call_event_log_status.error IS
'why the node did not answer, or the log cannot be read; NULL: all figures are here';

CREATE VIEW @extschema@.cluster_call_issues AS
SELECT c.node, f.happened_at, f.kind, f.table_name, f.call_id, f.old_value, f.new_value, f.event_seq, f.occurrences,
    f.detail, f.role_name, f.application_name, c.error
FROM _callhardening.cluster_figures('issues'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (happened_at timestamptz, kind text, table_name text,
    call_id text, old_value text, new_value text, event_seq bigint, occurrences bigint, detail text, role_name text,
    application_name text) ON true;
REVOKE ALL ON @extschema@.cluster_call_issues FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_issues', 'SELECT'), ('monitor', 'cluster_call_issues', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_issues IS
'call_issues of all nodes of a cluster of Citus. A node that does not answer is a WARNING, and a
row with its error. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_issues.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_issues.happened_at IS 'this and the next columns are those of call_issues';
COMMENT ON COLUMN @extschema@.cluster_call_issues.kind IS 'what was refused or not understood';
COMMENT ON COLUMN @extschema@.cluster_call_issues.table_name IS
'the calls table or event log; of a shard, the distributed table';
COMMENT ON COLUMN @extschema@.cluster_call_issues.call_id IS 'the call';
COMMENT ON COLUMN @extschema@.cluster_call_issues.old_value IS 'what the row had before';
COMMENT ON COLUMN @extschema@.cluster_call_issues.new_value IS 'the refused value, or the unknown word';
COMMENT ON COLUMN @extschema@.cluster_call_issues.event_seq IS 'the event behind it; NULL: a statement';
COMMENT ON COLUMN @extschema@.cluster_call_issues.occurrences IS '1; or of how many more the row is all there is';
COMMENT ON COLUMN @extschema@.cluster_call_issues.detail IS 'what else is known';
COMMENT ON COLUMN @extschema@.cluster_call_issues.role_name IS 'the role of the session';
COMMENT ON COLUMN @extschema@.cluster_call_issues.application_name IS 'of the session on the node';
COMMENT ON COLUMN @extschema@.cluster_call_issues.error IS 'why the node did not answer; NULL: it did';

CREATE VIEW @extschema@.cluster_call_dead_events AS
SELECT c.node, f.log, f.shard_id, f.consumer, f.event_seq, f.lane, f.call_id, f.attempts, f.sqlstate,
    COALESCE(c.error, f.error) AS error, f.errors, f.died_at, c.error IS NULL AS is_answered
FROM _callhardening.cluster_figures('dead_events'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (log text, shard_id bigint, consumer text, event_seq bigint,
    lane int, call_id text, attempts int, sqlstate text, error text, errors jsonb, died_at timestamptz) ON true;
REVOKE ALL ON @extschema@.cluster_call_dead_events FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_dead_events', 'SELECT'), ('monitor', 'cluster_call_dead_events', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_dead_events IS
'call_dead_events of all nodes of a cluster of Citus. A node that does not answer is a WARNING,
and a row with its error. To try an event again, call retry_dead_call_events on its node, for its
shard. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.log IS 'the event log; of a shard, the distributed log';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.shard_id IS 'the number of the shard; NULL: it is none';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.consumer IS
'this and the next columns are those of call_dead_events';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.event_seq IS 'the number of the event in its log';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.lane IS 'below 0: the event has no call';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.call_id IS 'the call';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.attempts IS 'how often it was handed out';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.sqlstate IS 'of the last error';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.error IS 'the last error, or why the node did not answer';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.errors IS 'the last 10 failed attempts';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.died_at IS 'when it was given up';
COMMENT ON COLUMN @extschema@.cluster_call_dead_events.is_answered IS
'false: the row is no dead event, but a node that did not answer';

CREATE VIEW @extschema@.cluster_call_enforcement AS
SELECT c.node, f.relation, COALESCE(f.level, 'gap') AS level, COALESCE(f.gap, 'node_silent') AS gap,
    COALESCE(f.detail, 'the node did not answer: ' OPERATOR(pg_catalog.||) c.error) AS detail, f.advice
FROM _callhardening.cluster_figures('enforcement'::text) c
LEFT JOIN LATERAL pg_catalog.jsonb_to_record(c.figures) f (relation text, level text, gap text, detail text,
    advice text) ON true;
REVOKE ALL ON @extschema@.cluster_call_enforcement FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'cluster_call_enforcement', 'SELECT'), ('monitor', 'cluster_call_enforcement', 'SELECT');

COMMENT ON VIEW @extschema@.cluster_call_enforcement IS
'call_enforcement of all nodes of a cluster of Citus. A node that does not answer is a WARNING,
and a gap. Error: 55000 without Citus.';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.node IS 'host and port';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.relation IS
'the table, by its name on the node; NULL: the gap is everywhere';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.level IS 'gap, note or ok';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.gap IS
'the words of call_enforcement; node_silent: the node did not answer, so what is on it is not known';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.detail IS 'what was found';
COMMENT ON COLUMN @extschema@.cluster_call_enforcement.advice IS 'what to do about it; NULL: nothing';
