
-- roles ----------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_role_functions(what text) RETURNS name[]
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- Who audits a table has these from either task.
WITH audit (functions) AS (VALUES ('{audit_calls, audit_call_rows, faulty_call_rows, repeated_call_ids, held_call_word, check_audited_calls, check_relation_exists, call_column_fault, check_call_column,
    check_call_id_column, check_call_payload_column, call_status_words, call_age_columns, call_triggers, call_settings,
    call_trigger_settings, merge_call_column, merge_call_settings, has_unique_call_id}'::name[]))
SELECT CASE what
    WHEN 'own' THEN functions || '{query_as_owner, write_as_owner, create_call_tables, register_call_event_log, check_log_settings, check_log_tables,
        configure_call_event_log, operated_call_event_log, move_default_call_event_log, call_event_log_number,
        harden_calls, unharden_calls, call_settings_change, check_kept_payload, replace_call_triggers,
        check_call_settings, check_call_table, check_table_owner, has_call_triggers, has_payload_index, lock_call_table,
        add_unique_call_id, add_call_payload, create_call_triggers, call_table_leaves, validate_hardened_call, refuse_illegal_call,
        backfill_calls, begin_call_backfill, next_call_backfill_batch, take_call_backfill, call_backfill_step, lock_passed_call, call_repair_statement,
        repair_call_rows, call_row_places, end_call_backfill_batch, end_call_backfill_pass, report_call_backfill, call_rules_hash, call_table_pages,
        prepare_call_events, harden_call_events, unharden_call_events, event_triggers, check_event_settings, check_event_table, check_event_column,
        check_carried_columns, event_columns, has_event_columns, add_event_columns, event_stamp_comment, call_key_type, event_sequence,
        free_relation_name, has_event_index, missing_event_indexes, add_event_indexes, stamp_pending_events, stamp_call_event, bury_call_event,
        why_no_call_lane, pending_call_events, set_call_event_secret}'
    WHEN 'ingest' THEN '{ingest_call_event, ingest_signed_call_event}'
    WHEN 'process' THEN '{process_call_events, start_call_worker, stop_call_worker, call_worker_pids, call_event_log_number}'
    WHEN 'claim' THEN '{claim_call_events, complete_call_events, release_call_events, fail_call_event, renew_call_claim, assert_call_claim}'
    WHEN 'operate' THEN functions || '{pending_call_events, pending_events_or_error, retry_dead_call_events, configure_call_event_log,
        operated_call_event_log, move_default_call_event_log, purge_call_events, purge_call_issues, release_call_events, stop_call_worker, call_worker_pids, call_event_log_number, call_enforcement_gaps,
        call_health, call_rows_health, call_row_groups, call_issues_health, call_event_logs_health}'
    WHEN 'read' THEN '{call_settings}'
    WHEN 'backup' THEN '{}' END::name[]
FROM audit
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_functions(text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_functions(text) IS
'the functions of a task of call_role_grants, with those that they call; NULL: no such task';

CREATE FUNCTION @extschema@.call_role_views(what text) RETURNS TABLE (privileges text, name name)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'SELECT', unnest('{call_event_log_status, call_lane_status, call_open_claims, call_horizon, call_parked_events, call_dead_events, call_enforcement,
    call_issues, call_backfill_progress}'::name[]) WHERE what = 'operate'
UNION ALL SELECT v.privileges, v.name
FROM (VALUES ('SELECT, INSERT, DELETE', 'own_call_event_logs'), ('INSERT', 'own_call_dead_events'), ('SELECT', 'call_backfill_progress')) AS v (privileges, name)
WHERE what = 'own'
UNION ALL SELECT v.privileges, v.name
FROM (VALUES ('SELECT, DELETE', 'operated_call_dead_events'), ('INSERT', 'operated_call_parked_events')) AS v (privileges, name) WHERE what = 'operate'
-- Of a log's row, the settings.
UNION ALL SELECT format('SELECT, UPDATE (%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)), 'operated_call_event_logs'
FROM pg_extension e JOIN pg_class c ON c.relnamespace = e.extnamespace AND c.relname = 'operated_call_event_logs'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attname NOT IN ('log_id', 'events')
WHERE e.extname = 'callhardening' AND what IN ('own', 'operate') HAVING count(*) > 0
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_views(text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_views(text) IS
'what a task of call_role_grants needs on views and tables of the extension';

CREATE FUNCTION @extschema@.call_role_log_grants(what text, log @extschema@.call_event_logs) RETURNS TABLE (privileges text, object text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT CASE what WHEN 'ingest' THEN 'SELECT, INSERT' WHEN 'operate' THEN 'SELECT, DELETE' ELSE 'SELECT' END, 'TABLE ' || log.events
WHERE what <> 'read'
-- What a table that was there before says of its events is kept true.
UNION ALL SELECT format('UPDATE (%I)', log.processed_at_column), 'TABLE ' || log.events
WHERE what IN ('process', 'claim') AND log.processed_at_column IS NOT NULL
UNION ALL SELECT CASE what WHEN 'process' THEN 'SELECT, INSERT, UPDATE' ELSE 'SELECT' END, 'TABLE ' || log.calls
WHERE what IN ('process', 'operate', 'read') AND log.calls <> 0
-- A serial column asks whoever inserts for its sequence; an identity column does not, nor does a log's own.
UNION ALL SELECT 'USAGE', 'SEQUENCE ' || d.objid::regclass
FROM pg_depend AS d JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a' AND d.objid IS DISTINCT FROM log.sequence
  AND d.refobjid = CASE what WHEN 'ingest' THEN log.events WHEN 'process' THEN log.calls END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_log_grants(text, @extschema@.call_event_logs) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_log_grants(text, @extschema@.call_event_logs) IS
'what a task of call_role_grants needs on a log and its calls table';

CREATE FUNCTION @extschema@.call_role_objects(what text) RETURNS TABLE (privileges text, object text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH extension AS (SELECT extnamespace AS home FROM pg_extension WHERE extname = 'callhardening')
SELECT 'EXECUTE', CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || p.oid::regprocedure FROM pg_proc AS p, extension
WHERE p.pronamespace = home AND p.proname = ANY (@extschema@.call_role_functions(what))
    AND EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') -- and no namesake
UNION ALL SELECT v.privileges, 'TABLE ' || c.oid::regclass
FROM extension CROSS JOIN @extschema@.call_role_views(what) AS v JOIN pg_class AS c ON c.relnamespace = home AND c.relname = v.name
UNION ALL SELECT 'SELECT', CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass
FROM pg_extension AS e JOIN pg_class AS c ON c.oid = ANY (e.extconfig) WHERE e.extname = 'callhardening' AND what = 'backup'
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_objects(text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_objects(text) IS
'what a task of call_role_grants needs on functions, views and tables of the extension, whether there is a log or not';

CREATE FUNCTION @extschema@.call_role_grants(what text, log regclass DEFAULT NULL) RETURNS TABLE (privileges text, object text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    home oid := (SELECT extnamespace FROM pg_extension WHERE extname = 'callhardening');
    settings @extschema@.call_event_logs;
BEGIN
    IF @extschema@.call_role_functions(what) IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('what must be ingest, process, claim, operate, read, own or backup, not %s', coalesce('"' || what || '"', 'NULL'));
    END IF;
    -- An owner has tables before he has a log, and a dump has what is remembered about all of them.
    IF what NOT IN ('own', 'backup') THEN
        SELECT * INTO settings FROM @extschema@.call_event_logs AS l WHERE l.log_id = @extschema@.call_event_log_number(log);
    END IF;

    RETURN QUERY
    SELECT 'USAGE', 'SCHEMA ' || needed.schema::regnamespace FROM (
        SELECT home AS schema
        UNION SELECT relnamespace FROM pg_class WHERE oid = settings.events AND what <> 'read'
        UNION SELECT relnamespace FROM pg_class WHERE oid = settings.calls AND what IN ('process', 'operate', 'read')) AS needed
    UNION ALL SELECT o.privileges, o.object FROM @extschema@.call_role_objects(what) AS o
    UNION ALL SELECT g.privileges, g.object FROM @extschema@.call_role_log_grants(what, settings) AS g WHERE what NOT IN ('own', 'backup');
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_grants(text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_grants(text, regclass) IS
'what a role needs for a task, and nothing else: ingest (events into the log), process (them, and start workers), claim (them, in a client), operate (watch, audit, configure, retry and purge; reads bodies and calls), read (the calls table), own (harden, audit, backfill and unharden tables that the role owns; log does not matter), backup (pg_dump by a role that may read the other tables of the database: what a dump has of the extension, which are no bodies, keys or secrets; log does not matter). log: NULL is the default log. Errors: 22023 no such task, 55000 no such log, 42P08 several logs, none is the default and none is named';

CREATE FUNCTION @extschema@.change_call_role(statement text, role regrole, what text, log regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    needed record;
    without_log boolean := statement NOT LIKE 'GRANT %' AND what <> 'own' AND @extschema@.call_role_functions(what) IS NOT NULL
        AND NOT EXISTS (SELECT FROM @extschema@.call_event_logs);
BEGIN
    IF role IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'role must not be NULL';
    END IF;
    IF without_log THEN
        -- Which tables they were, and which of the rights on them are for something else as well, nobody knows any more.
        RAISE NOTICE USING MESSAGE = 'there is no event log: what the role was granted on tables of events and calls stays',
            HINT = 'Revoke that by REVOKE ALL ON the tables, and grant again what the role needs otherwise.';
    END IF;
    -- The way into a schema may be for something else as well.
    FOR needed IN SELECT * FROM @extschema@.call_role_objects(what) WHERE without_log
        UNION ALL SELECT * FROM @extschema@.call_role_grants(what, log) WHERE NOT without_log AND (statement LIKE 'GRANT %' OR object NOT LIKE 'SCHEMA %') LOOP
        EXECUTE format(statement, needed.privileges, needed.object, role);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.change_call_role(text, regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.change_call_role(text, regrole, text, regclass) IS
'runs a GRANT or REVOKE for each privilege that call_role_grants lists, or where there is no log (any more) to revoke something on, that call_role_objects lists; statement: with %s for privileges, object and role';

CREATE FUNCTION @extschema@.grant_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT @extschema@.change_call_role('GRANT %s ON %s TO %s'::text, role, what, log)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) IS
'grants a role what call_role_grants lists for a task; the caller has to be able to grant it. Errors: 22004 no role, 22023 no such task, 42501 not the owner, 55000 no such log, 42P08 several logs, none is the default and none is named';

CREATE FUNCTION @extschema@.revoke_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT @extschema@.change_call_role('REVOKE %s ON %s FROM %s'::text, role, what, log)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) IS
'takes back what grant_call_role granted for a task, but for USAGE on schemas. What the role needs for another task as well goes with it: grant that task again. Where there is no event log any more, the functions and views alone, and a NOTICE: so call it before unharden_call_events. Errors: as grant_call_role';
