
-- roles ----------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_role_grants(what text, log regclass DEFAULT NULL) RETURNS TABLE (privileges text, object text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    home oid := (SELECT extnamespace FROM pg_extension WHERE extname = 'callhardening');
    settings record;
    functions name[] := CASE what
        WHEN 'ingest' THEN '{ingest_call_event, ingest_signed_call_event}'
        WHEN 'process' THEN '{process_call_events, start_call_worker, stop_call_worker, launch_call_worker, call_worker_pids, call_log_number}'
        WHEN 'claim' THEN '{claim_call_events, complete_call_events, release_call_events, fail_call_event, renew_call_claim, assert_call_claim}'
        WHEN 'operate' THEN '{pending_call_events, retry_dead_call_events, configure_call_log, purge_call_events}'
        WHEN 'read' THEN '{call_settings}' END;
    views name[] := CASE what
        WHEN 'operate' THEN '{call_log_status, call_lane_status, call_open_claims, call_horizon, call_parked_events, call_dead_events}'
        ELSE '{}' END;
BEGIN
    IF functions IS NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = format('what must be ingest, process, claim, operate or read, not %s', coalesce('"' || what || '"', 'NULL'));
    END IF;
    SELECT l.events, l.calls, e.relnamespace AS events_schema, c.relnamespace AS calls_schema INTO settings
    FROM @extschema@.call_logs AS l JOIN pg_class AS e ON e.oid = l.events LEFT JOIN pg_class AS c ON c.oid = l.calls
    WHERE l.log_id = @extschema@.call_log_number(log);

    RETURN QUERY
    SELECT 'USAGE', 'SCHEMA ' || schema::regnamespace FROM unnest(ARRAY[home,
        CASE WHEN what <> 'read' THEN settings.events_schema END,
        CASE WHEN what IN ('process', 'read') THEN settings.calls_schema END]) AS schema
    WHERE schema IS NOT NULL GROUP BY schema
    UNION ALL SELECT 'EXECUTE', 'FUNCTION ' || p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = home AND p.proname = ANY (functions)
    UNION ALL SELECT 'SELECT', 'TABLE ' || c.oid::regclass FROM pg_class AS c WHERE c.relnamespace = home AND c.relname = ANY (views)
    UNION ALL SELECT CASE what WHEN 'ingest' THEN 'SELECT, INSERT' WHEN 'operate' THEN 'SELECT, DELETE' ELSE 'SELECT' END, 'TABLE ' || settings.events
    WHERE what <> 'read'
    UNION ALL SELECT CASE what WHEN 'process' THEN 'SELECT, INSERT, UPDATE' ELSE 'SELECT' END, 'TABLE ' || settings.calls
    WHERE what IN ('process', 'read') AND settings.calls <> 0;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_role_grants(text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_role_grants(text, regclass) IS
'what a role needs for a task, and nothing else: ingest (events into the log), process (them, and start workers), claim (them, in a client), operate (watch, configure, retry and purge; reads bodies), read (the calls table). log: NULL is the only event log there is. Errors: 22023 no such task, 55000 no such log, 42P08 several logs and none named';

CREATE FUNCTION @extschema@.grant_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    needed record;
BEGIN
    IF role IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'role must not be NULL';
    END IF;
    FOR needed IN SELECT * FROM @extschema@.call_role_grants(what, log) LOOP
        EXECUTE format('GRANT %s ON %s TO %s', needed.privileges, needed.object, role);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.grant_call_role(regrole, text, regclass) IS
'grants a role what call_role_grants lists for a task; the caller has to be able to grant it. Errors: 22004 no role, 22023 no such task, 42501 not the owner, 55000 no such log, 42P08 several logs and none named';

CREATE FUNCTION @extschema@.revoke_call_role(role regrole, what text, log regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    needed record;
BEGIN
    IF role IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = 'role must not be NULL';
    END IF;
    FOR needed IN SELECT * FROM @extschema@.call_role_grants(what, log) WHERE object !~ '^SCHEMA ' LOOP
        EXECUTE format('REVOKE %s ON %s FROM %s', needed.privileges, needed.object, role);
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.revoke_call_role(regrole, text, regclass) IS
'takes back what grant_call_role granted for a task, but for USAGE on schemas. What the role needs for another task as well goes with it: grant that task again. Errors: as grant_call_role';
