
-- what is enforced, and where it is not --------------------------------------------------------

CREATE FUNCTION _callhardening.firing_gaps(watched regclass[]) RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states()
)
SELECT w.relation, 'gap', CASE s.state WHEN 'D' THEN 'trigger_disabled' ELSE 'trigger_replica_only' END,
       format('the trigger %I %s', s.trigger_name,
           CASE s.state WHEN 'D' THEN 'is disabled' ELSE 'fires for replication only' END),
       format('ALTER TABLE %s ENABLE %sTRIGGER %I.', w.relation, CASE WHEN s.part IN ('stamp', 'bury') THEN 'ALWAYS '
           WHEN s.part = 'keep' THEN 'REPLICA ' ELSE '' END, s.trigger_name)
FROM unnest(watched) AS w (relation) JOIN states s ON s.relation = w.relation
WHERE s.state = 'D' OR s.state = 'R' AND s.part <> 'keep'
UNION ALL
SELECT w.relation, 'gap', 'rule',
       format('the rule %I does something else instead of %s', r.rulename,
           CASE r.ev_type WHEN '2' THEN 'UPDATE' ELSE 'INSERT' END),
       format('Make it a trigger, or DROP RULE %I ON %s. Its own statements are checked if they write to hardened '
           'tables.', r.rulename, w.relation)
FROM unnest(watched) AS w (relation)
JOIN pg_rewrite r ON r.ev_class = w.relation AND r.is_instead AND r.ev_type IN ('2', '3') AND r.ev_enabled <> 'D'
UNION ALL
SELECT w.relation, 'note', 'later_trigger', format('the BEFORE trigger %I runs after %I', t.tgname, s.trigger_name),
       CASE s.part
           WHEN 'validate' THEN 'An invalid status from it is refused, but a payload from it is not sanitized. '
               'Rename it to come before.'
           ELSE 'If it writes a body or a call id, the stamps of the event are wrong. Rename it to come before.' END
FROM unnest(watched) AS w (relation) JOIN states s ON s.relation = w.relation AND s.part IN ('validate', 'stamp')
JOIN pg_trigger t ON t.tgrelid = w.relation AND NOT t.tgisinternal AND t.tgenabled <> 'D'
    AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
    AND t.tgname > s.trigger_name
WHERE NOT EXISTS (SELECT FROM states o WHERE o.relation = w.relation AND o.trigger_name = t.tgname)
$$;

COMMENT ON FUNCTION _callhardening.firing_gaps(regclass[]) IS
'of these tables and logs: silent triggers, rules before them, and triggers after them';

CREATE FUNCTION _callhardening.replica_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT NULL::regclass, 'gap', 'replica_role', format('session_replication_role is replica for %s%s: no trigger fires',
           CASE r.setrole WHEN 0 THEN 'all roles' ELSE 'role ' || r.setrole::regrole END,
               CASE r.setdatabase WHEN 0 THEN '' ELSE ' in this database' END),
       CASE WHEN r.setrole = 0 AND r.setdatabase = 0 THEN 'ALTER ROLE ALL RESET session_replication_role.'
            WHEN r.setrole = 0 THEN format('ALTER DATABASE %I RESET session_replication_role.', current_database())
            ELSE format('ALTER ROLE %s %sRESET session_replication_role.', r.setrole::regrole,
                        CASE r.setdatabase WHEN 0 THEN '' ELSE format('IN DATABASE %I ', current_database()) END) END
FROM pg_db_role_setting r
WHERE r.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND 'session_replication_role=replica' = ANY (SELECT lower(c) FROM unnest(r.setconfig) AS c)
UNION ALL
SELECT NULL, 'gap', 'replica_role', 'session_replication_role is replica for the whole server: no trigger fires',
    'Take it out of the server''s configuration.'
FROM pg_settings WHERE name = 'session_replication_role' AND setting = 'replica'
    AND source IN ('configuration file', 'command line', 'environment variable')
$$;

COMMENT ON FUNCTION _callhardening.replica_gaps() IS 'roles, databases and servers without firing triggers';

CREATE FUNCTION _callhardening.enforcement_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH watched AS MATERIALIZED (
    SELECT h.relation FROM _callhardening.hardened_tables() h UNION SELECT l.events FROM _callhardening.logs l
), gaps AS MATERIALIZED (
    SELECT * FROM _callhardening.table_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.change_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.table_column_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_trigger_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_table_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_column_gaps()
    UNION ALL
    SELECT * FROM _callhardening.log_calls_gaps()
    UNION ALL
    SELECT * FROM _callhardening.distribution_gaps()
    UNION ALL
    SELECT * FROM _callhardening.replica_gaps()
    UNION ALL
    SELECT * FROM _callhardening.firing_gaps(ARRAY(SELECT relation FROM watched))
)
SELECT * FROM gaps
UNION ALL
SELECT w.relation, 'ok', 'none', 'every row written here passes the rules', NULL
FROM watched w WHERE NOT EXISTS (SELECT FROM gaps g WHERE g.relation = w.relation AND g.level = 'gap')
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.enforcement_gaps() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'enforcement_gaps'), ('monitor', 'enforcement_gaps');

COMMENT ON FUNCTION _callhardening.enforcement_gaps() IS
'the rows of the view call_enforcement. SECURITY DEFINER, so readers of the view need no rights on its parts';

CREATE VIEW @extschema@.call_enforcement AS
SELECT g.relation, g.level, g.gap, g.detail, g.advice FROM _callhardening.enforcement_gaps() g
ORDER BY g.relation::text COLLATE "C", g.level, g.gap, g.detail COLLATE "C";
REVOKE ALL ON @extschema@.call_enforcement FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_enforcement', 'SELECT'), ('monitor', 'call_enforcement', 'SELECT');

COMMENT ON VIEW @extschema@.call_enforcement IS
'Each hardened table, its partitions and children, and each event log, with every way around the
rules in the catalogs. A table without a gap has one row of level ok. Not shown, because the
catalogs do not have it: earlier writes past the triggers, by a superuser, an owner or SET
session_replication_role. A reader needs EXECUTE on enforcement_gaps.';
COMMENT ON COLUMN @extschema@.call_enforcement.detail IS 'what was found';
COMMENT ON COLUMN @extschema@.call_enforcement.advice IS 'what to do about it; NULL: nothing';
COMMENT ON COLUMN @extschema@.call_enforcement.relation IS 'NULL: the gap is everywhere';
COMMENT ON COLUMN @extschema@.call_enforcement.level IS
'gap: rows can pass by, or are not written at all; note: look at it; ok: no gap';
COMMENT ON COLUMN @extschema@.call_enforcement.gap IS
'trigger_disabled, trigger_replica_only, trigger_missing, trigger_altered, settings_differ, '
'policy_missing, rule, '
'partition_not_hardened, child_not_hardened, foreign_partition, unique_key_missing, unique_key_invalid, '
'unique_key_deferrable, key_unfit, column_missing, column_type, replica_role; of calls tables with a log also '
'column_not_filled, unique_not_filled, partition_missing; of event logs also log_missing, log_detached, '
'log_not_registered, table_altered, table_unlogged, index_missing, calls_missing, calls_not_hardened, '
'calls_column_missing, carried_column_missing, carried_column_type, sequence_missing, shape_unusable, '
'events_outside_lanes, trigger_not_always, distributed_log, shard_not_attached, shard_on_its_way, '
'shard_moved_away, moving_table_missing; notes: '
'later_trigger, subscription, row_security, column_not_null, column_short, carried_column_null, call_ids_shared, '
'not_read, default_log, no_default_log, payload_index_missing, distributed; none';
