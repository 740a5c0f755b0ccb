
-- the self-test --------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_library_version() RETURNS text
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_call_library_version';
REVOKE EXECUTE ON FUNCTION @extschema@.call_library_version() FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'call_library_version'), ('monitor', 'call_library_version');

COMMENT ON FUNCTION @extschema@.call_library_version() IS
'Returns the version of the library in this session, as in "0.1.0". After an upgrade it is the
old one until the session ends.';

-- Each check is a query for what is wrong, or NULL.
CREATE FUNCTION _callhardening.answer_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('library_version', $check$
    SELECT format('the library is version %s, the extension %s: end the session, or update the extension',
        v.version, e.extversion)
    FROM @extschema@.call_library_version() AS v (version), pg_extension e
    WHERE e.extname = 'callhardening' AND v.version <> e.extversion
$check$, 'library and extension have the same version'),
('functions_present', $check$
    -- ALTER EXTENSION can take a member out and put another object in.
    SELECT string_agg(format('%s: %s', CASE WHEN m.object IS NULL THEN 'missing' ELSE 'not installed' END,
        coalesce(m.object, i.object)), ', ' ORDER BY coalesce(m.object, i.object))
    FROM (SELECT object FROM _callhardening.installed_members WHERE kind = 'function') AS i
    FULL JOIN (SELECT object FROM _callhardening.members() WHERE kind = 'function') AS m ON m.object = i.object
    WHERE m.object IS NULL OR i.object IS NULL
$check$, 'the extension has the functions that were installed, and no other'),
('direction', $check$
    SELECT string_agg(format('"%s" is %s', word,
        coalesce(@extschema@.normalize_call_direction(word, NULL::text), 'NULL')), ', ' ORDER BY word)
    FROM (VALUES ('Incoming', 'inbound'), ('IN', 'inbound'), ('out-bound', 'outbound'), (' outgoing ', 'outbound'),
        ('', NULL)) AS k (word, answer)
    WHERE @extschema@.normalize_call_direction(word, NULL::text) IS DISTINCT FROM answer
$check$, 'known answers'),
('status', $check$
    SELECT string_agg(format('"%s" is %s', word,
        coalesce(@extschema@.normalize_call_status(word, 'dialpad'::text), 'NULL')), ', ' ORDER BY word)
    FROM (VALUES ('hangup', 'ended'), ('Connected', 'active'), ('ringing', 'ringing'), ('voicemail', 'voicemail'),
        ('recording', NULL)) AS k (word, answer)
    WHERE @extschema@.normalize_call_status(word, 'dialpad'::text) IS DISTINCT FROM answer
$check$, 'known answers'),
('transitions', $check$
    WITH steps AS (SELECT current_status AS a, next_status AS b FROM @extschema@.call_status_transitions(NULL::jsonb)),
        statuses (status) AS (SELECT a FROM steps UNION SELECT b FROM steps),
        known (a, b, answer) AS (VALUES ('ringing', 'active', true), ('active', 'ended', true),
            ('active', 'ringing', false), ('ended', 'ringing', false), ('ended', 'active', false),
            ('missed', 'active', false), ('ended', 'ended', true))
    SELECT string_agg(format('"%s" to "%s"', a, b), ', ' ORDER BY a, b)
    FROM (SELECT k.a, k.b, k.answer FROM known AS k
          UNION SELECT x.status, y.status, x.status = y.status
              OR EXISTS (SELECT FROM steps AS s WHERE s.a = x.status AND s.b = y.status)
          FROM statuses AS x, statuses AS y) AS expected
    WHERE @extschema@.is_valid_status_transition(a, b, NULL::jsonb) IS DISTINCT FROM answer
$check$, 'known answers, and all pairs of statuses'),
('sanitizer', $check$
    SELECT 'a secret, a bulky text or the call id is not treated as it should be: '
        || octet_length(d.done::text) || ' bytes'
    FROM (SELECT @extschema@.sanitize_call_payload(format('{"call_id": 9007199254740993, "password": "hunter2-%s", '
            '"transcription_text": "%s"}', 'secret', repeat('word ', 4000)), NULL::jsonb) AS done) AS d
    WHERE d.done->>'call_id' IS DISTINCT FROM '9007199254740993' OR d.done::text LIKE '%hunter2%'
        OR octet_length(d.done::text) > 8192
$check$, 'secrets go, ids stay, within the size')
$$;

COMMENT ON FUNCTION _callhardening.answer_checks() IS
'checks of check_call_hardening: whether the functions are there and give known answers';

CREATE FUNCTION _callhardening.member_oids(catalog regclass) RETURNS SETOF oid
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT d.objid FROM pg_depend d
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'callhardening'
WHERE d.classid = catalog AND d.deptype = 'e'
$$;

COMMENT ON FUNCTION _callhardening.member_oids(regclass) IS
'the members of the extension in a catalog, as pg_class';

CREATE FUNCTION _callhardening.catalog_layouts() RETURNS TABLE (name text, columns text)
    LANGUAGE c STABLE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_catalog_layouts';

COMMENT ON FUNCTION _callhardening.catalog_layouts() IS
'the tables the library reads and writes by the number of a column, and the columns expected there';

CREATE FUNCTION _callhardening.table_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('encoding', $check$
    SELECT format('the database is in %s', pg_encoding_to_char(encoding)) FROM pg_database
    WHERE datname = current_database() AND pg_encoding_to_char(encoding) <> 'UTF8'
$check$, 'UTF8'),
('bookkeeping_tables', $check$
    -- As the library reads and writes them, by number.
    SELECT string_agg(format('%s has %s', k.name, coalesce(a.columns, 'no columns')), '; ' ORDER BY k.name)
    FROM (
        SELECT * FROM _callhardening.catalog_layouts()
        -- These are read by the names of columns.
        UNION ALL VALUES ('event_secrets',
                'log_id integer, name name, secret bytea, is_public boolean, created_at timestamp with time zone'),
            ('event_signatures', 'log_id integer, scheme jsonb'),
            ('pseudonym_keys',
                'key_number bigint, key_id text, secret bytea, created_at timestamp with time zone'))
            AS k (name, columns)
    LEFT JOIN LATERAL (
        SELECT string_agg(
                CASE WHEN a.attisdropped THEN 'a dropped column'
                    ELSE a.attname || ' ' || format_type(a.atttypid, a.atttypmod) END, ', ' ORDER BY a.attnum)
            || CASE
                WHEN c.relkind <> 'r' THEN ', and is no table'
                WHEN c.relpersistence <> 'p' THEN ', and is not permanent'
                WHEN c.relrowsecurity THEN ', and row-level security'
                WHEN m.amname <> 'heap' THEN ', and the access method ' || m.amname
                ELSE '' END AS columns
        FROM pg_class c LEFT JOIN pg_am m ON m.oid = c.relam JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relname = k.name
        GROUP BY c.oid, c.relkind, c.relpersistence, c.relrowsecurity, m.amname) AS a ON true
    WHERE a.columns IS DISTINCT FROM k.columns
$check$, 'columns as the library expects them'),
('bookkeeping_indexes', $check$
    -- Rows are written without a look at expressions and conditions.
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT 'missing: ' || k.name AS problem FROM unnest('{claims_pkey,dead_events_pkey,event_secrets_pkey,
            event_signatures_pkey,
            lanes_pkey,logs_pkey,logs_events_key,logs_is_default_key,retrying_events_pkey,purge_leftovers_pkey,
            purges_pkey,kept_workers_pkey,
            idx_issues_happened_at,idx_retrying_events_due}'::name[]) AS k (name)
        WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
            WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relname = k.name AND i.indisvalid
                AND 0 = ALL (i.indoption::int2[])) -- ascending
        UNION ALL
        SELECT 'with an expression or condition: ' || i.indexrelid::regclass FROM pg_index i
        WHERE i.indrelid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
            AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)) AS p
$check$, 'there, valid, and without conditions'),
('event_triggers', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT format('event trigger %I does not fire', t.evtname) AS problem FROM pg_event_trigger t
        WHERE t.oid IN (SELECT _callhardening.member_oids('pg_event_trigger'::regclass)) AND t.evtenabled IN ('D', 'R')
        UNION ALL
        SELECT format('event trigger %s is gone', k.name)
        FROM unnest('{forget_dropped_call_event_logs,keep_call_schema}'::name[]) AS k (name) WHERE NOT EXISTS (
            SELECT FROM pg_event_trigger t
            JOIN pg_proc p ON p.oid = t.evtfoid AND p.pronamespace = '_callhardening'::regnamespace
            WHERE p.proname = k.name)
        UNION ALL
        -- pg_restore --disable-triggers enables them again as ordinary ones.
        SELECT CASE WHEN t.tgname IS NULL THEN format('trigger %s is gone', k.name)
                    ELSE format('trigger %s does not fire always: ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', k.name,
                        t.tgrelid::regclass, t.tgname) END
        FROM (VALUES ('mark_restored_log', 'logs'), ('follow_log', 'logs'), ('skip_restored_claim', 'claims'),
            ('forget_restored_event_xid', 'retrying_events'), ('locate_role_task', 'role_tasks'),
            ('refuse_kept_worker', 'kept_workers')) AS k (name, of)
        LEFT JOIN (pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid)
            ON c.relnamespace = '_callhardening'::regnamespace AND c.relname = k.of AND p.proname = k.name
        WHERE t.tgenabled IS DISTINCT FROM 'A') AS p
$check$, 'they fire')
$$;

COMMENT ON FUNCTION _callhardening.table_checks() IS
'checks of check_call_hardening: whether tables, indexes and triggers are as the library needs them';

CREATE FUNCTION _callhardening.rights_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('public_functions', $check$
    SELECT 'anybody may call ' || string_agg(m.object, ', ' ORDER BY m.object)
    FROM _callhardening.members() AS m
    LEFT JOIN _callhardening.installed_members AS i ON i.kind = m.kind AND i.object = m.object
    WHERE m.is_public AND i.is_public IS NOT TRUE
$check$, 'anybody may call no more functions than after the installation'),
('public_tables', $check$
    SELECT 'anybody has ' || string_agg(format('%s on %s', a.privilege_type, c.oid::regclass), ', '
        ORDER BY c.relname, a.privilege_type)
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass)) AND a.grantee = 0
        AND (c.relname NOT IN ('call_event_logs', 'logs', 'placed_logs', 'shown_logs') OR a.privilege_type <> 'SELECT')
$check$, 'anybody may read call_event_logs, and nothing else'),
('own_schema', $check$
    SELECT string_agg(p.problem, ', ' ORDER BY p.problem)
    FROM pg_namespace n JOIN pg_extension e ON e.extname = 'callhardening' CROSS JOIN LATERAL (
        SELECT format('its owner is not %s, the owner of the extension', e.extowner::regrole)
        WHERE n.nspowner <> e.extowner
        UNION ALL
        SELECT format('%s may %s', CASE a.grantee WHEN 0 THEN 'anybody' ELSE a.grantee::regrole::text END,
            CASE a.privilege_type WHEN 'CREATE' THEN 'create in it' ELSE 'use it' END)
        FROM aclexplode(n.nspacl) AS a
        WHERE a.grantee <> n.nspowner AND (a.privilege_type = 'CREATE' OR a.grantee = 0)) AS p (problem)
    WHERE n.nspname = '_callhardening'
$check$, 'only its owner creates in it'),
('secrets', $check$
    SELECT string_agg(DISTINCT format('%I may read or write %s', r.rolname, c.oid::regclass), ', ')
    FROM pg_class c
    JOIN pg_roles r ON NOT r.rolsuper AND r.oid <> c.relowner AND r.oid >= 16384
    -- A backup role with pg_read_all_data may read keys and secrets. It may not write them.
    CROSS JOIN LATERAL (SELECT CASE WHEN pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') THEN ''
        ELSE 'SELECT, ' END) AS m (reading)
    WHERE c.relnamespace = '_callhardening'::regnamespace AND c.relname IN ('pseudonym_keys', 'event_secrets')
        AND (has_table_privilege(r.oid, c.oid, m.reading || 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
        OR has_any_column_privilege(r.oid, c.oid, m.reading || 'INSERT, UPDATE'))
$check$, 'only owner, superusers and pg_read_all_data read keys and secrets'),
('search_paths', $check$
    SELECT 'the search_path of the caller applies in '
        || string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.proname)
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.oid IN (SELECT _callhardening.member_oids('pg_proc'::regclass))
      AND (p.prosecdef OR l.lanname IN ('sql', 'plpgsql'))
      AND p.prokind <> 'p' -- a procedure that commits cannot pin it
      AND p.proname <> 'repair_rows' -- nor what fires the triggers of a table, which see the caller's
      AND NOT coalesce(p.proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
$check$, 'pinned')
$$;

COMMENT ON FUNCTION _callhardening.rights_checks() IS
'checks of check_call_hardening: whether other roles have no more rights than after the installation';

CREATE FUNCTION _callhardening.member_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('views_present', $check$
    -- ALTER EXTENSION can take a member out and put another object in.
    SELECT string_agg(format('%s: %s', CASE WHEN m.object IS NULL THEN 'missing' ELSE 'not installed' END,
        coalesce(m.object, i.object)), ', ' ORDER BY coalesce(m.object, i.object))
    FROM (SELECT object FROM _callhardening.installed_members WHERE kind = 'view') AS i
    FULL JOIN (SELECT object FROM _callhardening.members() WHERE kind = 'view') AS m ON m.object = i.object
    WHERE m.object IS NULL OR i.object IS NULL
$check$, 'the extension has the views that were installed, and no other'),
('owners', $check$
    SELECT format('not owned by %I, the owner of the extension: ', e.extowner::regrole)
        || string_agg(x.object, ', ' ORDER BY x.object)
    FROM pg_extension e JOIN (
        SELECT p.proowner AS owner, p.oid::regprocedure::text AS object FROM pg_proc p
        WHERE p.oid IN (SELECT _callhardening.member_oids('pg_proc'::regclass))
        UNION ALL
        SELECT c.relowner, c.oid::regclass::text FROM pg_class c
        WHERE c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))) AS x ON x.owner <> e.extowner
    WHERE e.extname = 'callhardening'
    GROUP BY e.extowner
$check$, 'functions, tables and views are the extension owner''s'),
('owner_rights', $check$
    -- A function with the rights of its owner acts as the owner of the extension for every caller.
    SELECT string_agg(format('%s with the rights of %s', m.object,
        CASE WHEN m.is_definer THEN 'its owner' ELSE 'its caller' END), ', ' ORDER BY m.object)
    FROM _callhardening.members() AS m
    JOIN _callhardening.installed_members AS i ON i.kind = m.kind AND i.object = m.object
    WHERE m.is_definer <> i.is_definer
$check$, 'functions run with the rights of their owner or caller as installed'),
('volatility', $check$
    SELECT string_agg(format('%s is %s', m.object,
        CASE m.volatility WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END), ', '
        ORDER BY m.object)
    FROM _callhardening.members() AS m
    JOIN _callhardening.installed_members AS i ON i.kind = m.kind AND i.object = m.object
    WHERE m.volatility <> i.volatility
$check$, 'functions are immutable, stable or volatile as installed')
$$;

COMMENT ON FUNCTION _callhardening.member_checks() IS
'checks of check_call_hardening: whether the extension''s functions and views are as they were installed';

CREATE FUNCTION _callhardening.overdue_events(log regclass, age interval) RETURNS timestamptz
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    received timestamptz;
BEGIN
    -- A superuser looks at tables of others here: a type of theirs may have casts of their own.
    IF (SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind = 'r'
            WHERE c.oid = log AND (a.attname, a.atttypid) IN (
            ('event_seq', 'bigint'::regtype), ('received_at', 'timestamptz'::regtype),
            ('received_at', 'timestamp'::regtype))) = 2 THEN
        SELECT r.received INTO received FROM _callhardening.query_as_owner(log,
            format('SELECT received_at::timestamptz FROM %s WHERE event_seq <> ALL (CAST($1 AS bigint[])) '
                'ORDER BY event_seq LIMIT 1', log),
            ARRAY(SELECT d.event_seq::text FROM _callhardening.dead_events AS d
                JOIN _callhardening.consumers AS c ON c.consumer_id = d.consumer_id
                JOIN _callhardening.logs AS l ON l.log_id = c.log_id WHERE l.events = log))
            AS r (received timestamptz);
    END IF;
    RETURN CASE WHEN received < clock_timestamp() - age THEN received END;
END
$$;

COMMENT ON FUNCTION _callhardening.overdue_events(regclass, interval) IS
'receipt of the first living event of a log, if older than age; otherwise NULL. For check_call_hardening';

CREATE FUNCTION _callhardening.running_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('enforcement', $check$
    SELECT format('gaps: %s, see call_enforcement (%s)', count(*), string_agg(DISTINCT gap, ', '))
    FROM @extschema@.call_enforcement WHERE level = 'gap' HAVING count(*) > 0
$check$, 'no gap in any hardened table or event log'),
('lanes', $check$
    SELECT string_agg(format('consumer %s of %s has %s of %s lanes', c.name, l.events, n.count, l.lanes), ', '
        ORDER BY c.consumer_id)
    FROM _callhardening.logs AS l JOIN _callhardening.consumers AS c ON c.log_id = l.log_id
    CROSS JOIN LATERAL (SELECT count(*) FROM _callhardening.lanes AS t
        WHERE t.consumer_id = c.consumer_id AND t.lane >= l.first_lane AND t.lane < l.first_lane + l.lanes) AS n
    WHERE n.count <> l.lanes
$check$, 'each consumer of an event log has its lanes'),
('events', $check$
    SELECT string_agg(CASE WHEN n.strays IS NULL THEN format('%s is locked: its events were not looked at', l.events)
        ELSE format('no worker looks for %s events of %s', n.strays + n.unstamped, l.events) END, ', '
        ORDER BY l.log_id)
    FROM _callhardening.placed_logs AS l JOIN pg_class AS c ON c.oid = l.events AND c.relkind = 'r'
    CROSS JOIN LATERAL (SELECT _callhardening.stray_events(l.events, 9223372036854775807::bigint) AS strays,
        _callhardening.unstamped_events(l.events) AS unstamped
        WHERE _callhardening.distribution(l.events) IS NULL) AS n
    WHERE n.strays IS NULL OR n.strays + n.unstamped > 0
$check$, 'workers look into the lane of each pending event'),
('sequences', $check$
    -- Replication, and numbers written by an owner, do not move the sequence.
    SELECT string_agg(format('%s has event %s, and its sequence is behind: SELECT setval(%L, %s)',
        n.events, n.newest, n.sequence, n.newest), ', ' ORDER BY n.log_id)
    FROM (SELECT l.log_id, l.events, coalesce(l.sequence, d.objid)::regclass AS sequence, q.newest
          FROM _callhardening.placed_logs AS l JOIN pg_class AS c ON c.oid = l.events AND c.relkind = 'r'
          JOIN pg_attribute AS a ON a.attrelid = l.events AND a.attname = 'event_seq' AND a.atttypid = 'bigint'::regtype
          LEFT JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
              AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'i'
          CROSS JOIN LATERAL _callhardening.query_as_owner(l.events,
              format('SELECT max(event_seq) FROM ONLY %s', l.events),
              NULL::text[]) AS q (newest bigint)
          -- Each node of Citus has numbers of its own, and a shard has no sequence.
          WHERE _callhardening.distribution(l.events) IS NULL
              AND l.events NOT IN (SELECT h.relation FROM _callhardening.local_shards() AS h
                  WHERE h.relation IS NOT NULL)) AS n
    WHERE n.newest > coalesce(pg_sequence_last_value(n.sequence), 0)
$check$, 'none is behind the newest event of its log'),
('consumers', $check$
    SELECT string_agg(CASE WHEN c.error IS NOT NULL THEN format('consumer %s of %s: %s', c.consumer, c.log, c.error)
        ELSE format('consumer %s of %s has not had events of %s', c.consumer, c.log,
            to_char(c.oldest_received_at, 'YYYY-MM-DD')) END, ', ' ORDER BY c.log::text, c.consumer)
    FROM @extschema@.call_consumers AS c WHERE c.error IS NOT NULL OR c.behind > interval '1 day'
$check$, 'none is a day behind'),
('kept_workers', $check$
    SELECT string_agg(format('%s of %s kept workers of %s run: %s', least(w.running, w.kept), w.kept,
        coalesce(w.log::text, 'all shards'), coalesce(w.why, w.status)), '; ' ORDER BY w.log::text)
    FROM @extschema@.call_worker_status AS w
    WHERE w.kept IS NOT NULL AND w.launcher <> 'standby' AND w.status <> 'copied'
        AND (w.running < w.kept OR w.why IS NOT NULL)
$check$, 'all kept workers run')
$$;

COMMENT ON FUNCTION _callhardening.running_checks() IS
'checks of check_call_hardening: whether what was set up runs as it should';

CREATE FUNCTION _callhardening.upkeep_checks() RETURNS TABLE (check_name text, query text, passed text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
VALUES ('publications', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT format('publication %I carries %s: publish calls tables and event logs by name', p.pubname,
            string_agg(p.tablename, ', ' ORDER BY p.tablename)) AS problem
        FROM pg_publication_tables p JOIN pg_namespace n ON n.nspname = p.schemaname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
        WHERE c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
        GROUP BY p.pubname
        UNION ALL
        SELECT format('a subscription writes to %s', r.srrelid::regclass) FROM pg_subscription_rel r
        WHERE r.srrelid IN (SELECT _callhardening.member_oids('pg_class'::regclass))) AS p
$check$, 'no publication carries secrets, keys or another table of the extension'),
('autovacuum', $check$
    SELECT string_agg(problem, ', ' ORDER BY problem)
    FROM (
        SELECT 'off in the server' AS problem WHERE NOT current_setting('autovacuum')::boolean
        UNION ALL
        SELECT 'off for ' || c.oid::regclass FROM pg_class c CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS o
        WHERE o.option_name = 'autovacuum_enabled' AND NOT o.option_value::boolean AND (
            c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
            OR c.oid IN (SELECT h.relation FROM _callhardening.hardened_tables() AS h)
            OR c.oid IN (SELECT l.events FROM _callhardening.logs AS l))
        UNION ALL
        SELECT 'claims waits for a share of its rows' FROM pg_class c
        WHERE c.oid = '_callhardening.claims'::regclass
            AND NOT coalesce(c.reloptions, '{}') @> '{autovacuum_vacuum_scale_factor=0}') AS p
$check$, 'on, and claims is vacuumed by number of rows'),
('purge', $check$
    SELECT string_agg(format('%s has events of %s: %s', l.events, to_char(o.received, 'YYYY-MM-DD'),
        coalesce(k.advice, 'call purge_call_events')), ', ' ORDER BY l.log_id)
    FROM _callhardening.placed_logs AS l
    CROSS JOIN LATERAL _callhardening.overdue_events(l.events, interval '90 days') AS o (received)
    LEFT JOIN LATERAL (SELECT format('consumer %s has not had them, see call_consumers', c.consumer) AS advice
        FROM @extschema@.call_consumers AS c
        WHERE c.log = l.events AND c.holds_purges AND c.behind > interval '90 days' LIMIT 1) AS k ON true
    WHERE o.received IS NOT NULL AND _callhardening.distribution(l.events) IS NULL
$check$, 'no event is older than 90 days'),
('issues', $check$
    -- A file once full is as large when it is empty.
    SELECT CASE WHEN s.is_full THEN 'call_issues is full, and the oldest rows make room: call purge_call_issues'
                ELSE 'call_issues has rows older than 90 days: call purge_call_issues' END
    FROM (SELECT CASE WHEN pg_relation_size('_callhardening.issues') >= 33554432
                      THEN (SELECT sum(pg_column_size(i)) FROM _callhardening.issues AS i) > 16777216
                          ELSE false END AS is_full,
                 (SELECT min(happened_at) FROM _callhardening.issues) AS oldest) AS s
    WHERE s.is_full OR s.oldest < clock_timestamp() - interval '90 days'
$check$, 'purged')
$$;

COMMENT ON FUNCTION _callhardening.upkeep_checks() IS
'checks of check_call_hardening: whether replication, vacuum and purges are set up';

CREATE FUNCTION @extschema@.check_call_hardening() RETURNS TABLE (check_name text, ok boolean, detail text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET quote_all_identifiers = off -- types are compared by their names
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT * FROM _callhardening.answer_checks()
        UNION ALL SELECT * FROM _callhardening.table_checks()
        UNION ALL SELECT * FROM _callhardening.rights_checks()
        UNION ALL SELECT * FROM _callhardening.member_checks()
        UNION ALL SELECT * FROM _callhardening.running_checks()
        UNION ALL SELECT * FROM _callhardening.upkeep_checks()
    LOOP
        check_name := item.check_name;
        BEGIN
            EXECUTE item.query INTO detail;
            ok := detail IS NULL;
            detail := coalesce(detail, item.passed);
        EXCEPTION WHEN OTHERS THEN
            ok := false;
            detail := format('%s (%s)', SQLERRM, SQLSTATE);
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.check_call_hardening() FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.check_call_hardening() IS
'Tests an installation, for use after an installation, an upgrade or a restore. Call it as a
superuser or as the owner of the extension. It has one row per check. It tests versions, known
answers and the members of the extension. It tests the rights of PUBLIC, keys and secrets. It
tests gaps of call_enforcement, lanes, sequences, publications, autovacuum and purges. It writes
nothing.
- ok: false also if a check cannot run: detail has the error';
