
-- audit ----------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.require_auditable(calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    kind "char" := (SELECT relkind FROM pg_class WHERE oid = calls);
BEGIN
    PERFORM _callhardening.require_relation(calls, 'calls'::text);
    PERFORM _callhardening.require_placed(calls);
    IF kind NOT IN ('r', 'p') THEN
        PERFORM _callhardening.raise_error('42809', format('%s is not a table', calls),
            hint => 'Only tables and partitioned tables can be hardened; for a view, audit the table behind it.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_auditable(regclass) IS
'refuses what cannot be audited: 22004 NULL, 42P01 no relation, 42809 no ordinary or partitioned table, 55000 a shard '
'that is on another server now';

CREATE FUNCTION _callhardening.column_fault(calls regclass, column_name name, kind text, words text[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    CASE kind
        WHEN 'call id' THEN PERFORM _callhardening.require_call_id_column(calls, column_name);
        WHEN 'payload' THEN PERFORM _callhardening.require_payload_column(calls, column_name);
        WHEN 'words' THEN PERFORM _callhardening.require_word_column(calls, column_name, words);
    END CASE;
    RETURN NULL;
EXCEPTION
    WHEN undefined_column THEN
        RETURN 'missing';
    WHEN generated_always OR datatype_mismatch THEN
        RETURN sqlerrm;
END
$$;

COMMENT ON FUNCTION _callhardening.column_fault(regclass, name, text, text[]) IS
'why harden_calls would refuse a column: NULL it would not, missing, or the message. kind: call id, payload or words';

CREATE FUNCTION _callhardening.age_columns(calls regclass) RETURNS name[]
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- What a call's last sign of life is, the best known first.
SELECT array_agg(a.attname ORDER BY t.preference)
FROM unnest(ARRAY['last_event_at', 'updated_at', 'started_at', 'created_at']) WITH ORDINALITY AS t (name, preference)
JOIN pg_attribute a ON a.attrelid = calls AND a.attname = t.name AND NOT a.attisdropped
WHERE a.atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype)
$$;

COMMENT ON FUNCTION _callhardening.age_columns(regclass) IS
'the columns with the time of a call''s last news, the best first; NULL: the table has none';

CREATE FUNCTION _callhardening.faulty_rows(calls regclass, call_id_column name, status_column name,
        direction_column name, payload_column name, seen_at name[], transitions jsonb, provider text, policy jsonb)
    RETURNS TABLE (call_id text, status text, direction text, faults int)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_faulty_rows';
REVOKE EXECUTE ON FUNCTION _callhardening.faulty_rows(regclass, name, name, name, name, name[], jsonb, text, jsonb)
    FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'faulty_rows'), ('operate', 'faulty_rows');

COMMENT ON FUNCTION _callhardening.faulty_rows(regclass, name, name, name, name, name[], jsonb, text, jsonb) IS
'the faulty rows of a table of calls, in one scan. faults: see fault_bits; a stuck call has been ringing for an hour '
'without news, or was not over for a day. status and direction are NULL if they have no fault. NULL columns are not '
'looked at. seen_at: see age_columns. The table is read as its owner. Errors: as row_faults, 42501 no SELECT on the '
'columns or row-level security hides rows, 42P01 no table, 42703 no such column';

CREATE FUNCTION _callhardening.row_groups(calls regclass, status_column name, direction_column name,
        payload_column name, seen_at name[], percentage float8)
    RETURNS TABLE (status text, direction text, quiet int, calls_in_group bigint, payloads bigint, bytes bigint,
        largest int)
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_row_groups';
REVOKE EXECUTE ON FUNCTION _callhardening.row_groups(regclass, name, name, name, name[], float8) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'row_groups');

COMMENT ON FUNCTION _callhardening.row_groups(regclass, name, name, name, name[], float8) IS
'counts the rows of a table of calls by status, direction and quiet time. quiet is the bits of row_faults for the time '
'without an event: none, stuck_ringing after an hour, stuck_active as well after a day. bytes: of the payloads as '
'stored. percentage: reads a sample of the table; NULL: all of it. The other arguments are those of faulty_rows';

CREATE FUNCTION _callhardening.repeated_call_ids(calls regclass, call_id_column name)
    RETURNS TABLE (call_id text, ids bigint)
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_repeated_call_ids';
REVOKE EXECUTE ON FUNCTION _callhardening.repeated_call_ids(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'repeated_call_ids'), ('operate', 'repeated_call_ids');

COMMENT ON FUNCTION _callhardening.repeated_call_ids(regclass, name) IS
'the first 5 call ids of several rows of a table, and how many such ids there are; no row: there are none. The table '
'is read as its owner. Errors: as faulty_rows';

CREATE FUNCTION _callhardening.audit_rows(calls regclass, settings _callhardening.settings, is_unique boolean)
    RETURNS TABLE (check_name text, violations bigint, sample text[])
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH faulty AS MATERIALIZED (
    SELECT r.* FROM _callhardening.faulty_rows(calls, settings.call_id_column, settings.status_column,
        settings.direction_column, settings.payload_column, _callhardening.age_columns(calls),
        settings.transitions, settings.provider, settings.policy) AS r),
kinds AS MATERIALIZED (SELECT faults, count(*) AS rows FROM faulty GROUP BY faults),
repeated AS MATERIALIZED (
    SELECT r.call_id, r.ids
    FROM _callhardening.repeated_call_ids(calls, CASE WHEN NOT is_unique THEN settings.call_id_column END) AS r)
SELECT f.check_name, coalesce((SELECT sum(k.rows) FROM kinds k WHERE k.faults & f.mask <> 0), 0)::bigint,
    ARRAY(SELECT _callhardening.row_sample(l.call_id, CASE
            WHEN f.check_name LIKE '%statuses' THEN l.status
            WHEN f.check_name LIKE '%directions' THEN l.direction END)
        FROM faulty l WHERE l.faults & f.mask <> 0 AND f.check_name <> 'null_call_ids' LIMIT 5)
FROM _callhardening.fault_bits() AS f
UNION ALL
SELECT 'repeated_call_ids', coalesce((SELECT max(r.ids) FROM repeated r), 0),
    ARRAY(SELECT _callhardening.row_sample(r.call_id, NULL::text) FROM repeated r)
$$;

COMMENT ON FUNCTION _callhardening.audit_rows(regclass, _callhardening.settings, boolean) IS
'counts the faults of rows, by the checks of audit_calls. NULL columns are not looked at. is_unique: no second scan '
'has to compare ids. Needs SELECT on the table';

CREATE FUNCTION _callhardening.audit_row_checks(calls regclass, call_id_column name, id_fault text, status_fault text,
        direction_fault text, payload_fault text)
    RETURNS TABLE (check_no int, check_name text, obstacle text, advice text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH say AS (
    SELECT format('harden_calls(%L)', calls) AS harden,
        CASE WHEN (@extschema@.call_settings(calls)).call_id_column IS NULL THEN 'Harden the table, then ' ELSE '' END
            || format('CALL backfill_calls(%L).', calls) AS backfill
), needs (name, obstacle) AS (
    VALUES ('call id', CASE WHEN id_fault IS NOT NULL THEN 'the call id is missing or unfit' END),
        ('status', CASE WHEN status_fault = 'missing' THEN 'the status is missing' END),
        ('direction', CASE WHEN direction_fault = 'missing' THEN 'the direction is missing' END),
        ('payload', CASE WHEN payload_fault IS NOT NULL THEN 'the payload is missing or unfit' END),
        ('time', CASE WHEN _callhardening.age_columns(calls) IS NULL THEN 'the table has no time to go by' END)
)
SELECT c.check_no, c.check_name, n.obstacle, c.advice
FROM say CROSS JOIN LATERAL (VALUES
    (1, 'null_call_ids', 'call id',
        format('Find them with SELECT * FROM %s WHERE %I IS NULL; no event will ever be applied to them.',
            calls, call_id_column)),
    (2, 'repeated_call_ids', 'call id',
        format('Merge their rows, then %s makes the unique index that process_call_events needs.', say.harden)),
    (3, 'repairable_statuses', 'status', say.backfill),
    (4, 'unknown_statuses', 'status',
        format('Any status of the graph can be set with UPDATE; backfill_calls leaves them. See provider and '
            'transitions of %s.', say.harden)),
    (5, 'repairable_directions', 'direction', say.backfill),
    (6, 'unknown_directions', 'direction',
        'Set inbound, outbound or NULL with UPDATE; backfill_calls leaves them.'),
    (7, 'unsanitized_payloads', 'payload', say.backfill),
    (8, 'big_payloads', 'payload', say.backfill),
    (9, 'stuck_ringing', 'time',
        'More than an hour old. Where no worker is behind (call_event_log_status), set their status to missed or '
            'ended with UPDATE.'),
    (10, 'stuck_active', 'time',
        'More than a day old. Where no worker is behind (call_event_log_status), set their status to ended with '
            'UPDATE.')) AS c (check_no, check_name, needs, advice)
JOIN needs AS n ON n.name = c.needs
$$;

COMMENT ON FUNCTION _callhardening.audit_row_checks(regclass, name, text, text, text, text) IS
'the checks of audit_calls that read rows. obstacle: why a check is not possible, or NULL. The faults are those of '
'column_fault';

CREATE FUNCTION @extschema@.audit_calls(calls regclass, call_id_column name DEFAULT NULL,
        status_column name DEFAULT NULL, direction_column name DEFAULT NULL, payload_column name DEFAULT NULL,
        transitions jsonb DEFAULT NULL, policy jsonb DEFAULT NULL, provider text DEFAULT NULL)
    RETURNS TABLE (check_name text, violations bigint, sample text[], advice text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    wanted _callhardening.settings;
    looked_at _callhardening.settings; -- without the columns that cannot be
    id_fault text; status_fault text; direction_fault text; payload_fault text;
    harden text := format('harden_calls(%L)', calls);
BEGIN
    PERFORM _callhardening.require_auditable(calls);
    wanted := _callhardening.merge_settings(calls, ROW(call_id_column, status_column, direction_column,
        payload_column, NULL, transitions, provider, policy)::_callhardening.settings);
    looked_at := wanted;
    PERFORM _callhardening.require_known_provider(wanted.provider);
    id_fault := _callhardening.column_fault(calls, wanted.call_id_column, 'call id'::text, NULL::text[]);
    status_fault := _callhardening.column_fault(calls, wanted.status_column, 'words'::text,
        _callhardening.status_words(wanted.transitions));
    direction_fault := _callhardening.column_fault(calls, wanted.direction_column, 'words'::text,
        ARRAY['inbound', 'outbound']);
    payload_fault := _callhardening.column_fault(calls, wanted.payload_column, 'payload'::text, NULL::text[]);
    looked_at.call_id_column := CASE WHEN id_fault IS DISTINCT FROM 'missing' THEN wanted.call_id_column END;
    looked_at.status_column := CASE WHEN status_fault IS DISTINCT FROM 'missing' THEN wanted.status_column END;
    looked_at.direction_column := CASE WHEN direction_fault IS DISTINCT FROM 'missing' THEN wanted.direction_column END;
    looked_at.payload_column := CASE WHEN payload_fault IS NULL THEN wanted.payload_column END;

    RETURN QUERY
    WITH columns (name, fault) AS (
        VALUES (wanted.call_id_column, id_fault), (wanted.status_column, status_fault),
            (wanted.direction_column, direction_fault), (wanted.payload_column, payload_fault)),
    found AS (
        -- An id no key can hold is not compared either.
        SELECT * FROM _callhardening.audit_rows(calls, looked_at,
            id_fault IS NOT NULL OR _callhardening.has_unique_call_id(calls, wanted.call_id_column))),
    checks (name, violations, sample, advice) AS (
        SELECT 'missing_columns', count(*), array_agg(c.name::text),
            format('%s adds a payload column; name the others in its arguments.', harden)
        FROM columns c WHERE c.fault = 'missing'
        UNION ALL
        SELECT 'unfit_columns', count(*), array_agg(c.name::text),
            format('%s refuses them: %s.', harden, string_agg(c.fault, '; ')) FROM columns c WHERE c.fault <> 'missing'
        UNION ALL
        SELECT 'unique_call_id',
            CASE WHEN id_fault IS NULL
                THEN (NOT _callhardening.has_unique_call_id(calls, wanted.call_id_column))::int END, NULL,
            CASE WHEN id_fault IS NULL THEN format('%s makes a unique index; CREATE UNIQUE INDEX CONCURRENTLY '
                'before it lets clients write meanwhile.', harden)
                ELSE 'Not looked at: the call id is missing or unfit.' END
        UNION ALL
        SELECT 'triggers', 3 - (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = calls AND t.tgenabled IN ('O', 'A')
                AND t.tgname = ANY (_callhardening.call_triggers(calls))), NULL, format('%s makes them.', harden)
        UNION ALL
        SELECT * FROM (
            SELECT c.check_name, CASE WHEN c.obstacle IS NULL THEN f.violations END, f.sample,
                coalesce('Not looked at: ' || c.obstacle || '.', c.advice)
            FROM found f JOIN _callhardening.audit_row_checks(calls, wanted.call_id_column, id_fault, status_fault,
                direction_fault, payload_fault) AS c ON c.check_name = f.check_name
            ORDER BY c.check_no) AS by_row)
    SELECT c.name, c.violations, coalesce(c.sample, '{}'), CASE WHEN c.violations IS DISTINCT FROM 0 THEN c.advice END
        FROM checks c;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.audit_calls(regclass, name, name, name, name, jsonb, jsonb, text) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'audit_calls'), ('operate', 'audit_calls');

COMMENT ON FUNCTION @extschema@.audit_calls(regclass, name, name, name, name, jsonb, jsonb, text) IS
'Counts what the rows of a table of calls break, hardened or not: a dry run. It changes nothing,
and works on a standby. It reads the table once, and without a unique index the call ids a
second time.

One row per check, always the same in one order: missing_columns, unfit_columns, unique_call_id,
triggers, null_call_ids, repeated_call_ids (how many ids), repairable_statuses,
unknown_statuses, repairable_directions, unknown_directions, unsanitized_payloads, big_payloads
(above 10 kB uncompressed), stuck_ringing (not heard of for an hour), stuck_active (with another
open status, for a day).

The caller needs SELECT on the table. What its owner has written (checks of types, conditions of
indexes) runs with the owner''s rights.
- call_id_column and the other arguments: as harden_calls takes them; NULL is the present
  setting of a hardened table, else the default
- violations: NULL if it could not be looked at
- sample: up to 5 calls with the word in question, only if it looks like a word
- advice: NULL if there is nothing to do
Errors:
- 22004: calls is NULL
- 22023: unknown provider, malformed graph or policy
- 42501: no SELECT on the table, row-level security hides rows of it, or the policy has hash and
  the caller no right to call_pseudonym
- 42809: it is no table
- 42P01: no such relation
- 55000: it is a shard, and Citus has moved it to another server';
