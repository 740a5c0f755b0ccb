
-- roles ----------------------------------------------------------------------------------------

-- What was granted is remembered with what each grant has added to the rights of the role: no other may be taken back.
-- Roles go by name, as a dump may come where they are not yet. No key: dropped logs leave equal rows.
CREATE TABLE _callhardening.role_tasks (
    role name NOT NULL,
    role_oid oid,
    task text NOT NULL,
    log regclass NOT NULL,
    relation regclass NOT NULL,
    column_name name,
    column_number smallint,
    function text,
    schema name,
    privilege text NOT NULL,
    is_added boolean NOT NULL
);
ALTER TABLE _callhardening.role_tasks REPLICA IDENTITY FULL;
SELECT pg_catalog.pg_extension_config_dump('_callhardening.role_tasks', '');
REVOKE ALL ON _callhardening.role_tasks FROM PUBLIC;

COMMENT ON TABLE _callhardening.role_tasks IS
'the tasks granted to roles by grant_call_role, a row for each privilege: what revoke_call_role goes by';
COMMENT ON COLUMN _callhardening.role_tasks.role_oid IS
'the role in this cluster; NULL: it did not exist when this was restored';
COMMENT ON COLUMN _callhardening.role_tasks.log IS
'the log the task is for; -: none (own, backup, monitor without a log), or it was dropped';
COMMENT ON COLUMN _callhardening.role_tasks.relation IS
'what the privilege is on: this relation, or with - the function or schema';
COMMENT ON COLUMN _callhardening.role_tasks.column_name IS
'the column the privilege is on, with column_number; NULL: on the whole';
COMMENT ON COLUMN _callhardening.role_tasks.is_added IS
'the role did not have the privilege before: it is revoked with the last task in need of it';

CREATE VIEW @extschema@.call_role_tasks AS SELECT DISTINCT t.role, t.task, t.log FROM _callhardening.role_tasks t;
REVOKE ALL ON @extschema@.call_role_tasks FROM PUBLIC;

COMMENT ON VIEW @extschema@.call_role_tasks IS
'The tasks granted to roles by grant_call_role, and for which log.';
COMMENT ON COLUMN @extschema@.call_role_tasks.role IS 'the name of the role';
COMMENT ON COLUMN @extschema@.call_role_tasks.task IS 'as in call_role_grants';
COMMENT ON COLUMN @extschema@.call_role_tasks.log IS
'the log the task is for; -: none (own, backup, monitor without a log), or it was dropped';

CREATE FUNCTION _callhardening.locate_role_task() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.role_oid := (SELECT oid FROM pg_roles WHERE rolname = NEW.role);
    NEW.column_number := (SELECT attnum FROM pg_attribute
                          WHERE attrelid = NEW.relation AND attname = NEW.column_name AND NOT attisdropped);
    RETURN NEW;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.locate_role_task() FROM PUBLIC;
CREATE TRIGGER locate_role_task BEFORE INSERT ON _callhardening.role_tasks FOR EACH ROW
    EXECUTE FUNCTION _callhardening.locate_role_task();
ALTER TABLE _callhardening.role_tasks ENABLE ALWAYS TRIGGER locate_role_task;

COMMENT ON FUNCTION _callhardening.locate_role_task() IS
'trigger function: finds the role and the column of a remembered privilege by their names, in a restored database as '
'well';

CREATE FUNCTION _callhardening.role_log_needs(what text, log _callhardening.logs)
    RETURNS TABLE (relation oid, privilege text, column_number smallint)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT log.events, unnest(CASE what WHEN 'operate' THEN '{SELECT, DELETE}' ELSE '{SELECT}' END::text[]), NULL::smallint
WHERE what NOT IN ('read', 'monitor')
UNION ALL
-- Figures are counted by the stamps and times of events.
SELECT a.attrelid, 'SELECT', a.attnum FROM pg_attribute AS a
WHERE a.attrelid = log.events AND what = 'monitor' AND NOT a.attisdropped
  AND a.attname IN ('event_seq', 'event_lane', 'event_xid', log.received_at_column, log.processed_at_column)
UNION ALL
-- Who ingests does not number or stamp events: a number of his own would be in the way of those to come.
SELECT a.attrelid, 'INSERT', a.attnum FROM pg_attribute AS a
WHERE a.attrelid = log.events AND what = 'ingest' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  AND (a.attname NOT IN ('event_seq', 'event_lane', 'event_xid') OR log.shard_id IS NOT NULL) -- Citus writes all
UNION ALL
-- What an existing table says of its events is kept true.
SELECT a.attrelid, 'UPDATE', a.attnum FROM pg_attribute AS a
WHERE a.attrelid = log.events AND what IN ('process', 'claim') AND a.attname = log.processed_at_column
  AND NOT a.attisdropped
UNION ALL
SELECT log.calls, unnest(CASE what WHEN 'process' THEN '{SELECT, INSERT, UPDATE}' ELSE '{SELECT}' END::text[]), NULL
WHERE what IN ('process', 'operate', 'read') AND log.calls <> 0
UNION ALL
-- A serial column needs a right on its sequence at INSERT; an identity column does not, nor does a log's own.
SELECT d.objid, 'USAGE', NULL
FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
  AND d.refobjid = CASE what WHEN 'ingest' THEN log.events WHEN 'process' THEN log.calls END
  AND d.objid IS DISTINCT FROM log.sequence
UNION ALL
-- A shard has no identity column of its own: attach_call_shards gives it the sequence of its node as a default.
SELECT d.refobjid, 'USAGE', NULL
FROM pg_attrdef AS a JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
    AND d.refclassid = 'pg_class'::regclass
JOIN pg_class AS s ON s.oid = d.refobjid AND s.relkind = 'S'
WHERE a.adrelid = log.calls AND what = 'process' AND log.shard_id IS NOT NULL
$$;

COMMENT ON FUNCTION _callhardening.role_log_needs(text, _callhardening.logs) IS
'what a task of call_role_grants needs on the tables and sequences of a log and its calls table';

-- Citus passes rights on a table on to shards, but none on a column.
CREATE FUNCTION _callhardening.log_and_shards(log _callhardening.logs) RETURNS SETOF _callhardening.logs
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT log.*
UNION ALL
SELECT s.* FROM _callhardening.logs AS s WHERE s.shard_id IS NOT NULL AND log.shard_id IS NULL
    AND _callhardening.known_name(s.events) = _callhardening.known_name(log.events)
$$;

COMMENT ON FUNCTION _callhardening.log_and_shards(_callhardening.logs) IS
'a log, and its shards on this server if Citus has distributed it';

CREATE FUNCTION _callhardening.role_needs(what text, log _callhardening.logs) RETURNS SETOF _callhardening.role_tasks
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET quote_all_identifiers = off -- a function is remembered by its text
    SET citus.override_table_visibility = off
    AS $$
WITH extension AS (
    SELECT oid, extnamespace AS home, extconfig FROM pg_extension WHERE extname = 'callhardening'
), members AS (
    SELECT d.classid, d.objid FROM extension AS e JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass
        AND d.refobjid = e.oid AND d.deptype = 'e'
), needed AS (
    SELECT g.privilege, g.except_columns, m.classid, m.objid
    FROM _callhardening.task_grants AS g
    JOIN members AS m ON g.object = CASE m.classid WHEN 'pg_proc'::regclass
        THEN (SELECT proname FROM pg_proc WHERE oid = m.objid)
        WHEN 'pg_class'::regclass THEN (SELECT relname FROM pg_class WHERE oid = m.objid) END
    WHERE g.task = what
), relations (relation, privilege, column_number) AS (
    SELECT n.* FROM _callhardening.log_and_shards(log) AS l
    CROSS JOIN LATERAL _callhardening.role_log_needs(what, l) AS n WHERE what NOT IN ('own', 'backup')
    UNION ALL SELECT n.objid, n.privilege, NULL FROM needed AS n WHERE n.classid = 'pg_class'::regclass
        AND n.except_columns IS NULL
    UNION ALL SELECT a.attrelid, n.privilege, a.attnum
    FROM needed AS n JOIN pg_attribute AS a ON a.attrelid = n.objid AND a.attnum > 0
        AND a.attname <> ALL (n.except_columns)
    WHERE n.classid = 'pg_class'::regclass
    UNION ALL SELECT unnest(extconfig), 'SELECT', NULL FROM extension WHERE what = 'backup'
)
SELECT NULL::name, NULL::oid, what, coalesce(log.events, 0), r.relation::regclass, a.attname, r.column_number,
    NULL::text, NULL::name, r.privilege, NULL::boolean
FROM relations AS r LEFT JOIN pg_attribute AS a ON a.attrelid = r.relation AND a.attnum = r.column_number
UNION ALL
SELECT NULL, NULL, what, coalesce(log.events, 0), 0, NULL, NULL, p.oid::regprocedure::text, NULL, 'EXECUTE', NULL
FROM needed AS n JOIN pg_proc AS p ON n.classid = 'pg_proc'::regclass AND p.oid = n.objid
UNION ALL
SELECT NULL, NULL, what, coalesce(log.events, 0), 0, NULL, NULL, NULL, n.nspname, 'USAGE', NULL
FROM extension, pg_namespace AS n
WHERE n.oid IN (home, '_callhardening'::regnamespace) OR n.oid IN (
    SELECT c.relnamespace FROM pg_class AS c
    WHERE c.oid = log.events AND what <> 'read'
       OR c.oid = log.calls AND what IN ('process', 'operate', 'read', 'monitor'))
$$;

COMMENT ON FUNCTION _callhardening.role_needs(text, _callhardening.logs) IS
'what call_role_grants lists, one privilege a row, as role_tasks remembers it. log: NULL for a task without one';

CREATE FUNCTION _callhardening.role_object(need _callhardening.role_tasks) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass
FROM pg_class AS c WHERE c.oid = need.relation
UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::regprocedure
FROM pg_proc AS p WHERE p.oid = to_regprocedure(need.function)
UNION ALL SELECT 'SCHEMA ' || quote_ident(n.nspname) FROM pg_namespace AS n WHERE n.nspname = need.schema
$$;

COMMENT ON FUNCTION _callhardening.role_object(_callhardening.role_tasks) IS
'what a privilege is on, as GRANT names it: "TABLE public.calls"; NULL if it is gone';

CREATE FUNCTION _callhardening.role_log(what text, log regclass) RETURNS _callhardening.logs
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    number int;
    settings _callhardening.logs;
BEGIN
    IF (what IN ('ingest', 'process', 'claim', 'operate', 'monitor', 'read', 'own', 'backup')) IS NOT TRUE THEN
        PERFORM _callhardening.raise_error('22023',
            format('what must be ingest, process, claim, operate, monitor, read, own or backup, not %s',
                coalesce('"' || what || '"', 'NULL')));
    END IF;
    -- An owner has tables before there is a log, a dump has what is remembered about all of them, and tables of calls
    -- can be watched without a log.
    IF NOT (what IN ('own', 'backup')
            OR what = 'monitor' AND coalesce(log = 0, NOT EXISTS (SELECT FROM _callhardening.logs))) THEN
        number := _callhardening.log_number(log);
        SELECT * INTO settings FROM _callhardening.logs AS l WHERE l.log_id = number;
        IF settings.is_of_changes AND what IN ('ingest', 'process') THEN
            PERFORM _callhardening.raise_error('55000', format('%s is a log of changes', settings.events),
                detail => 'Its events come from the calls table, and no function of ours applies them.',
                hint => 'Readers of changes need the task claim.');
        END IF;
    END IF;
    RETURN settings;
END
$$;

COMMENT ON FUNCTION _callhardening.role_log(text, regclass) IS
'the log a task is for; NULL for own, for backup, and for monitor if there is no log. Errors: those of '
'call_role_grants';

CREATE FUNCTION @extschema@.call_role_grants(what text, log regclass DEFAULT NULL)
    RETURNS TABLE (privileges text, object text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH privileges AS (
    SELECT _callhardening.role_object(n) AS object, n.privilege,
           ' (' || string_agg(quote_ident(n.column_name), ', ' ORDER BY n.column_number) || ')' AS columns
    FROM _callhardening.role_needs(what, _callhardening.role_log(what, log)) AS n
    GROUP BY 1, 2, n.column_number IS NULL
)
SELECT string_agg(p.privilege || coalesce(p.columns, ''), ', '
        ORDER BY array_position('{SELECT,INSERT,UPDATE,DELETE}', p.privilege)), p.object
FROM privileges AS p GROUP BY p.object
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_grants(text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_grants(text, regclass) IS
'Lists what a role needs for a task, and nothing else.
- what: ingest: events into the log, without a say in their numbers; process: them, and start
  workers; claim: them, in a client; operate: watch, audit, configure, retry and purge; reads
  bodies and calls; monitor: watch the figures of the log and of all calls tables, without bodies
  and texts that can quote one; read: the calls table; own: harden, audit, backfill, configure and
  unharden tables of the role; backup: pg_dump by a role with the right to read the other tables
  of the database: what a dump has of the extension: no bodies, keys or secrets
- log: NULL is the default log; does not matter for own and backup. -, or NULL without any log:
  monitor is for the calls tables alone
Errors:
- 22023: no such task
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE FUNCTION _callhardening.find_role_tasks(role oid) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
-- A dropped role has lost its rights, and its name may be another's now.
DELETE FROM _callhardening.role_tasks AS t
WHERE t.role_oid IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = t.role_oid);
-- An update has dropped the function.
DELETE FROM _callhardening.role_tasks AS t WHERE t.function IS NOT NULL AND to_regprocedure(t.function) IS NULL;
UPDATE _callhardening.role_tasks AS t SET role = r.rolname
FROM pg_roles AS r WHERE r.oid = t.role_oid AND r.rolname <> t.role;
UPDATE _callhardening.role_tasks AS t SET role_oid = r.oid
FROM pg_roles AS r WHERE r.oid = find_role_tasks.role AND r.rolname = t.role AND t.role_oid IS NULL
$$;

COMMENT ON FUNCTION _callhardening.find_role_tasks(oid) IS
'a part of grant_call_role and revoke_call_role: afterwards role_oid finds what role_tasks has of this role, whether '
'it was renamed, dropped and made again or restored';

CREATE FUNCTION _callhardening.has_role_privilege(role oid, need _callhardening.role_tasks, by_task boolean)
    RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
-- Its own entry: others have the privilege by membership, PUBLIC or the whole table.
WITH lists (acl) AS (
    SELECT coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM pg_class WHERE oid = need.relation AND need.column_number IS NULL
    UNION ALL SELECT attacl FROM pg_attribute
    WHERE attrelid = need.relation AND attnum = need.column_number AND NOT attisdropped
    UNION ALL SELECT coalesce(proacl, acldefault('f', proowner)) FROM pg_proc WHERE oid = to_regprocedure(need.function)
    UNION ALL SELECT coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace WHERE nspname = need.schema)
SELECT EXISTS (SELECT FROM lists AS l, aclexplode(l.acl) AS a
               WHERE a.grantee = role AND a.privilege_type = need.privilege AND NOT (by_task AND a.is_grantable))
$$;

COMMENT ON FUNCTION _callhardening.has_role_privilege(oid, _callhardening.role_tasks, boolean) IS
'whether a role was granted a privilege by name; by_task: without the grant option, unused by tasks';

CREATE FUNCTION @extschema@.grant_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    grantee oid := role;
    settings _callhardening.logs := _callhardening.role_log(what, log);
    need _callhardening.role_tasks;
BEGIN
    IF grantee IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'role must not be NULL';
    END IF;
    LOCK TABLE _callhardening.role_tasks IN SHARE ROW EXCLUSIVE MODE;
    PERFORM _callhardening.find_role_tasks(grantee);
    FOR need IN SELECT * FROM _callhardening.role_needs(what, settings) LOOP
        need.is_added := NOT _callhardening.has_role_privilege(grantee, need, false);
        IF need.is_added THEN
            EXECUTE format('GRANT %s%s ON %s TO %s', need.privilege, '(' || quote_ident(need.column_name) || ')',
                _callhardening.role_object(need), grantee::regrole);
            IF NOT _callhardening.has_role_privilege(grantee, need, false) THEN -- PostgreSQL warned
                RAISE insufficient_privilege USING
                    MESSAGE = format('no right to grant %s on %s', need.privilege, _callhardening.role_object(need));
            END IF;
        END IF;
        -- A row from before knows whether that was by us.
        UPDATE _callhardening.role_tasks AS t SET is_added = t.is_added OR need.is_added
        WHERE t.role_oid = grantee AND t.task = what AND t.log = need.log
          AND (t.relation, t.column_number, t.function, t.schema, t.privilege)
              IS NOT DISTINCT FROM (need.relation, need.column_number, need.function, need.schema, need.privilege);
        IF NOT FOUND THEN
            need.role := (SELECT r.rolname FROM pg_roles AS r WHERE r.oid = grantee);
            INSERT INTO _callhardening.role_tasks SELECT need.*;
        END IF;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) IS
'Grants a role what call_role_grants lists for a task. It remembers the task (call_role_tasks),
and what it added to the rights of the role. The caller has to be able to grant it.
- what: a task of call_role_grants
- log: NULL is the default log
Errors:
- 22004: no role
- 22023: no such task
- 42501: the caller is not the owner
- 42P08: several logs, none is the default and none is named
- 55000: no such log';

CREATE FUNCTION _callhardening.renew_role_tasks(log regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    known record;
BEGIN
    FOR known IN SELECT DISTINCT t.role_oid::regrole AS role, t.task FROM _callhardening.role_tasks AS t
        JOIN pg_roles AS r ON r.oid = t.role_oid WHERE t.log = renew_role_tasks.log
    LOOP
        PERFORM @extschema@.grant_call_role(known.role, known.task, log);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    PERFORM _callhardening.report('WARNING'::text, format('roles with a task for %s have no rights on its new shards',
        log), detail => SQLERRM, hint => 'Call grant_call_role for them again, on this server.'::text);
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.renew_role_tasks(regclass) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.renew_role_tasks(regclass) IS
'gives roles with a task for a distributed log their rights on shards that were attached since, as its caller';

CREATE FUNCTION _callhardening.take_role_privilege(role oid, need _callhardening.role_tasks) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    object text := _callhardening.role_object(need);
    present_name name := (
        SELECT attname FROM pg_attribute WHERE attrelid = need.relation AND attnum = need.column_number);
    kept name[];
    grantable boolean[];
BEGIN
    -- The rights of an owner are entries like others: those of the present owner are its own.
    IF NOT _callhardening.has_role_privilege(role, need, true) OR role IN (
        SELECT relowner FROM pg_class WHERE oid = need.relation AND need.column_number IS NULL
        UNION ALL SELECT proowner FROM pg_proc WHERE oid = to_regprocedure(need.function)
        UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = need.schema)
    THEN
        RETURN;
    END IF;
    -- REVOKE on a table takes the same privilege on its columns along.
    IF need.column_number IS NULL THEN
        SELECT array_agg(a.attname), array_agg(e.is_grantable) INTO kept, grantable
        FROM pg_attribute AS a, aclexplode(a.attacl) AS e
        WHERE a.attrelid = need.relation AND NOT a.attisdropped AND e.grantee = role
          AND e.privilege_type = need.privilege;
    END IF;
    EXECUTE format('REVOKE %s%s ON %s FROM %s', need.privilege, '(' || quote_ident(present_name) || ')', object,
        role::regrole);
    FOR i IN 1 .. coalesce(cardinality(kept), 0) LOOP
        EXECUTE format('GRANT %s (%I) ON %s TO %s %s', need.privilege, kept[i], object, role::regrole,
            CASE WHEN grantable[i] THEN 'WITH GRANT OPTION' END);
    END LOOP;
END
$$;

COMMENT ON FUNCTION _callhardening.take_role_privilege(oid, _callhardening.role_tasks) IS
'a part of revoke_call_role: takes one privilege back, and nothing with it; a dropped object or column is left out';

CREATE FUNCTION _callhardening.role_task_logs(role oid, what text, log regclass) RETURNS regclass[]
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- Dropped logs cannot be named any more.
    gone regclass[] := ARRAY(
        SELECT DISTINCT t.log FROM _callhardening.role_tasks AS t
        WHERE t.role_oid = role_task_logs.role AND t.task = what
          AND NOT EXISTS (SELECT FROM _callhardening.logs AS l WHERE l.events = t.log));
    settings _callhardening.logs;
BEGIN
    IF what IN ('own', 'backup') THEN
        RETURN ARRAY[0];
    ELSIF log = ANY (gone) THEN
        RETURN ARRAY[log, 0];
    END IF;
    BEGIN
        settings := _callhardening.role_log(what, log);
    EXCEPTION WHEN ambiguous_parameter OR object_not_in_prerequisite_state THEN
        IF log IS NOT NULL OR gone = '{}' THEN
            RAISE;
        END IF;
    END;
    RETURN settings.events || CASE WHEN log IS NULL THEN gone ELSE ARRAY[0::regclass] END;
END
$$;

COMMENT ON FUNCTION _callhardening.role_task_logs(oid, text, regclass) IS
'a part of revoke_call_role: the logs of the revoked task. log: NULL is the default log, if there is one, and the '
'former logs of the role''s task. Errors: those of call_role_grants';

CREATE FUNCTION @extschema@.revoke_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    grantee oid := role;
    logs regclass[];
    was_granted boolean := false;
    taken _callhardening.role_tasks;
BEGIN
    IF grantee IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'role must not be NULL';
    END IF;
    LOCK TABLE _callhardening.role_tasks IN SHARE ROW EXCLUSIVE MODE;
    PERFORM _callhardening.find_role_tasks(grantee);
    logs := _callhardening.role_task_logs(grantee, what, log);
    FOR taken IN DELETE FROM _callhardening.role_tasks AS t
        WHERE t.role_oid = grantee AND t.task = what AND t.log = ANY (logs) RETURNING t.*
    LOOP
        was_granted := true;
        CONTINUE WHEN NOT taken.is_added;
        -- Another task needs it: then it is that one's.
        UPDATE _callhardening.role_tasks AS t SET is_added = true
        WHERE t.role_oid = grantee AND (t.relation, t.column_number, t.function, t.schema, t.privilege)
              IS NOT DISTINCT FROM (taken.relation, taken.column_number, taken.function, taken.schema, taken.privilege);
        IF NOT FOUND THEN
            PERFORM _callhardening.take_role_privilege(grantee, taken);
        END IF;
    END LOOP;
    IF NOT was_granted THEN
        PERFORM _callhardening.report('NOTICE', format('role %s was not granted %s', grantee::regrole, what),
            detail => 'Nothing is revoked. What was granted by other means than grant_call_role is revoked by REVOKE.');
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) IS
'Takes back what grant_call_role has added to the rights of a role for a task, as far as no other
task of the role needs it. What the role had before, or owns, it keeps. NOTICE: the task was not
granted.
- log: NULL is the default log, and with it the former logs
Errors:
- those of grant_call_role';
