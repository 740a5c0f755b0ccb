-- callhardening 0.1.0 to 0.2.0

\echo Use "ALTER EXTENSION callhardening UPDATE" to load this file. \quit

-- logs that are distributed by their calls -----------------------------------------------------

ALTER TABLE _callhardening.logs ADD COLUMN route_column name;
CREATE OR REPLACE VIEW @extschema@.call_event_logs AS SELECT * FROM _callhardening.logs;
COMMENT ON COLUMN @extschema@.call_event_logs.route_column IS
'the column that a distributed log is distributed by: the call id, or a negative number of an event without a call; '
'NULL: the log is not distributed by its calls';

CREATE OR REPLACE FUNCTION _callhardening.log_table_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH logs AS MATERIALIZED (
    SELECT l.*, c.relkind, c.relpersistence FROM _callhardening.logs l JOIN pg_class c ON c.oid = l.events
)
SELECT l.events, 'gap', 'log_missing', format('event log %s was dropped while triggers were off', l.log_id),
    'Delete its row in call_event_logs.'
FROM _callhardening.logs l WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = l.events)
UNION ALL
SELECT l.events, 'gap', 'table_altered', 'the log is no ordinary table, or has children',
    'Copy the events to a new log.'
FROM logs l WHERE l.relkind <> 'r' OR EXISTS (SELECT FROM pg_inherits i WHERE l.events IN (i.inhparent, i.inhrelid))
UNION ALL
SELECT l.events, 'gap', 'table_unlogged', 'the log is an unlogged table: a crash of the server empties it',
    format('ALTER TABLE %s SET LOGGED.', l.events)
FROM logs l WHERE l.relpersistence = 'u'
UNION ALL
SELECT l.events, 'note', 'default_log', 'functions called without a log use this one',
    'To choose another: SELECT configure_call_event_log(log, is_default => true).'
FROM logs l WHERE l.is_default AND (SELECT count(*) FROM logs w WHERE NOT w.is_of_changes) > 1
UNION ALL
SELECT NULL, 'note', 'no_default_log',
    'there are several event logs, and none is the default: functions called without a log fail',
    'SELECT configure_call_event_log(log, is_default => true).'
WHERE (SELECT count(*) FROM logs l WHERE NOT l.is_of_changes) > 1 AND NOT EXISTS (SELECT FROM logs l WHERE l.is_default)
UNION ALL
SELECT l.events, 'gap', 'sequence_missing', 'the sequence of event_seq is gone: rows cannot be inserted',
    'Call unharden_call_events, and harden_call_events again.'
FROM logs l WHERE l.sequence IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_class s WHERE s.oid = l.sequence AND s.relkind = 'S')
UNION ALL
SELECT l.events, 'note', 'row_security',
       'row-level security is enabled: a worker fails if it applies to the worker''s role',
       format('Give their roles BYPASSRLS, or ALTER TABLE %s DISABLE ROW LEVEL SECURITY.', l.events)
FROM logs l JOIN pg_class c ON c.oid = l.events WHERE c.relrowsecurity
UNION ALL
SELECT l.events, 'gap', 'index_missing',
       format('there is no valid unique index on (%s)', array_to_string(k.keys, ', ')),
       format('CREATE UNIQUE INDEX ON %s (%s).', l.events, array_to_string(k.keys, ', '))
FROM logs l CROSS JOIN LATERAL (SELECT array_remove(e.keys || l.route_column, NULL)
    FROM _callhardening.event_indexes() AS e) AS k (keys)
WHERE NOT _callhardening.has_event_index(l.events, k.keys)
UNION ALL
SELECT l.events, s.level, s.gap, s.detail, s.advice
FROM logs l CROSS JOIN LATERAL _callhardening.stray_event_gaps(l.events) AS s WHERE l.relkind = 'r'
$$;

-- the members as installed ---------------------------------------------------------------------

DELETE FROM _callhardening.installed_members;
INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();
