
-- audit ----------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.check_audited_calls(calls regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    kind "char" := (SELECT relkind FROM pg_class WHERE oid = calls);
BEGIN
    PERFORM @extschema@.check_relation_exists(calls, 'calls'::text);
    IF kind NOT IN ('r', 'p') THEN
        RAISE wrong_object_type USING MESSAGE = format('%s is not a table', calls),
            HINT = 'Only tables and partitioned tables can be hardened; for a view, audit the table behind it.';
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.check_audited_calls(regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.check_audited_calls(regclass) IS
'refuses what cannot be audited: 22004 NULL, 42P01 no relation, 42809 no ordinary or partitioned table';

CREATE FUNCTION @extschema@.call_column_fault(calls regclass, column_name name, kind text, words text[]) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    CASE kind
        WHEN 'call id' THEN PERFORM @extschema@.check_call_id_column(calls, column_name);
        WHEN 'payload' THEN PERFORM @extschema@.check_call_payload_column(calls, column_name);
        WHEN 'words' THEN PERFORM @extschema@.check_call_column(calls, column_name, words);
    END CASE;
    RETURN NULL;
EXCEPTION
    WHEN undefined_column THEN
        RETURN 'missing';
    WHEN generated_always OR datatype_mismatch THEN
        RETURN sqlerrm;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_column_fault(regclass, name, text, text[]) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_column_fault(regclass, name, text, text[]) IS
'why harden_calls would refuse a column: NULL it would not, missing, or the message. kind: call id, payload or words';

CREATE FUNCTION @extschema@.call_age_expression(calls regclass) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
-- What a call's last sign of life is, the best known first.
SELECT format('coalesce(%s)', string_agg(format('%I::timestamptz', a.attname), ', ' ORDER BY t.place))
FROM unnest(ARRAY['last_event_at', 'updated_at', 'started_at', 'created_at']) WITH ORDINALITY AS t (name, place)
JOIN pg_attribute a ON a.attrelid = calls AND a.attname = t.name AND NOT a.attisdropped
WHERE a.atttypid IN ('timestamp'::regtype, 'timestamptz'::regtype)
HAVING count(*) > 0
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.call_age_expression(regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.call_age_expression(regclass) IS
'an SQL expression for the time at which a row of calls was last heard of; NULL where the table has no such column';

CREATE FUNCTION @extschema@.stuck_call_expression(faults text, seen_at text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT format('(CASE WHEN %2$s < now() - interval ''1 hour'' THEN %1$s & 64 ELSE 0 END | CASE WHEN %2$s < now() - interval ''1 day'' THEN %1$s & 128 ELSE 0 END)',
    faults, seen_at)
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.stuck_call_expression(text, text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.stuck_call_expression(text, text) IS
'an SQL expression for which calls are stuck, for audit_calls and call_health: 64 where one has been ringing for an hour without news, 128 where one had another status that is not over for a day, else 0. faults: an expression with the bits of call_row_faults; seen_at: one like call_age_expression''s';

-- One statement, and one scan of the table: what it finds is kept aside by row and counted there.
CREATE FUNCTION @extschema@.audit_call_rows(calls regclass, call_id text, status text, direction text, payload text, is_unique boolean,
        transitions jsonb, provider text, policy jsonb) RETURNS TABLE (fault int, violations bigint, sample text[])
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY EXECUTE format($query$
WITH looked AS MATERIALIZED (
    SELECT r.id, CASE WHEN r.faults & 3 <> 0 THEN r.status END AS status, CASE WHEN r.faults & 12 <> 0 THEN r.direction END AS direction,
        r.faults & 63 | %11$s
            | CASE WHEN r.id IS NULL THEN 256 ELSE 0 END AS faults
    FROM (SELECT %1$s AS id, %2$s AS status, %3$s AS direction, %5$s AS seen_at,
            %12$s.call_row_faults(%2$s, %3$s, %4$s, %6$L::jsonb, %7$L::text, %8$L::jsonb) AS faults
        FROM %9$s OFFSET 0) r
    WHERE r.faults <> 0 OR r.id IS NULL OR NOT %10$L),
repeated AS MATERIALIZED (SELECT id FROM looked WHERE id IS NOT NULL AND NOT %10$L GROUP BY id HAVING count(*) > 1),
kinds AS MATERIALIZED (SELECT faults, count(*) AS rows FROM looked GROUP BY faults)
SELECT f.fault, coalesce((SELECT sum(k.rows) FROM kinds k WHERE k.faults & f.fault <> 0), 0)::bigint,
    ARRAY(SELECT %12$s.call_row_sample(l.id::text,
            CASE WHEN f.fault & 3 <> 0 THEN l.status WHEN f.fault & 12 <> 0 THEN l.direction END)
        FROM looked l WHERE l.faults & f.fault <> 0 AND f.fault <> 256 LIMIT 5)
FROM unnest(ARRAY[1, 2, 4, 8, 16, 32, 64, 128, 256]) AS f (fault)
UNION ALL
SELECT 512, (SELECT count(*) FROM repeated), ARRAY(SELECT %12$s.call_row_sample(r.id::text, NULL::text) FROM repeated r ORDER BY r.id LIMIT 5)$query$,
        -- Not every type can be compared.
        coalesce(quote_ident(call_id) || CASE WHEN is_unique THEN '::text' ELSE '' END, 'NULL::text'), coalesce(quote_ident(status) || '::text', 'NULL::text'),
        coalesce(quote_ident(direction) || '::text', 'NULL::text'), coalesce(quote_ident(payload) || '::jsonb', 'NULL::jsonb'),
        coalesce(@extschema@.call_age_expression(calls), 'NULL::timestamptz'), transitions, provider, policy,
        (SELECT CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END FROM pg_class WHERE oid = calls) || calls, is_unique,
        @extschema@.stuck_call_expression('r.faults'::text, 'r.seen_at'::text),
        (SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'callhardening'));
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.audit_call_rows(regclass, text, text, text, text, boolean, jsonb, text, jsonb) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.audit_call_rows(regclass, text, text, text, text, boolean, jsonb, text, jsonb) IS
'counts the faults of rows, by the bits of call_row_faults, 256 for a call id that is NULL and 512 for one that is repeated, in one scan. Columns that are NULL are not looked at. is_unique: ids need not be compared. Needs SELECT on the table';

CREATE FUNCTION @extschema@.audit_calls(calls regclass, call_id_column name DEFAULT NULL, status_column name DEFAULT NULL,
        direction_column name DEFAULT NULL, payload_column name DEFAULT NULL, transitions jsonb DEFAULT NULL, policy jsonb DEFAULT NULL,
        provider text DEFAULT NULL) RETURNS TABLE (check_name text, violations bigint, sample text[], advice text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    settings record;
    id_fault text; status_fault text; direction_fault text; payload_fault text;
    harden text := format('harden_calls(%L)', calls);
    backfill text := format('Harden the table, then CALL backfill_calls(%L).', calls);
BEGIN
    PERFORM @extschema@.check_audited_calls(calls);
    SELECT * INTO settings FROM @extschema@.call_settings(calls);
    SELECT m.call_id, m.status, m.direction, m.payload, m.graph, m.rules, m.words
    INTO call_id_column, status_column, direction_column, payload_column, transitions, policy, provider
    FROM @extschema@.merge_call_settings(calls, call_id_column, status_column, direction_column, payload_column, NULL::text,
        transitions, policy, provider) AS m (call_id, status, direction, payload, on_invalid, graph, rules, words);
    IF NOT @extschema@.is_known_call_provider(provider) THEN
        RAISE invalid_parameter_value USING MESSAGE = format('unknown call provider "%s"', provider),
            HINT = 'Give an empty string to take words in the meaning that they have anywhere.';
    END IF;
    id_fault := @extschema@.call_column_fault(calls, call_id_column, 'call id'::text, NULL::text[]);
    status_fault := @extschema@.call_column_fault(calls, status_column, 'words'::text, @extschema@.call_status_words(transitions));
    direction_fault := @extschema@.call_column_fault(calls, direction_column, 'words'::text, ARRAY['inbound', 'outbound']);
    payload_fault := @extschema@.call_column_fault(calls, payload_column, 'payload'::text, NULL::text[]);
    IF settings.call_id_column IS NOT NULL THEN
        backfill := format('CALL backfill_calls(%L).', calls);
    END IF;

    RETURN QUERY
    WITH columns (name, fault) AS (
        VALUES (call_id_column, id_fault), (status_column, status_fault), (direction_column, direction_fault), (payload_column, payload_fault)),
    found AS (
        SELECT * FROM @extschema@.audit_call_rows(calls,
            CASE WHEN id_fault IS DISTINCT FROM 'missing' THEN call_id_column::text END,
            CASE WHEN status_fault IS DISTINCT FROM 'missing' THEN status_column::text END,
            CASE WHEN direction_fault IS DISTINCT FROM 'missing' THEN direction_column::text END,
            CASE WHEN payload_fault IS NULL THEN payload_column::text END,
            -- An id that no key can hold is not compared either.
            id_fault IS NOT NULL OR @extschema@.has_unique_call_id(calls, call_id_column), transitions, provider, policy)),
    checks (name, violations, sample, advice) AS (
        SELECT 'missing_columns', count(*), array_agg(c.name::text), format('%s adds a payload column; name the others in its arguments.', harden)
        FROM columns c WHERE c.fault = 'missing'
        UNION ALL
        SELECT 'unfit_columns', count(*), array_agg(c.name::text),
            format('%s refuses them: %s.', harden, string_agg(c.fault, '; ')) FROM columns c WHERE c.fault <> 'missing'
        UNION ALL
        SELECT 'unique_call_id', CASE WHEN id_fault IS NULL THEN (NOT @extschema@.has_unique_call_id(calls, call_id_column))::int END, NULL,
            CASE WHEN id_fault IS NULL THEN format('%s makes a unique index; CREATE UNIQUE INDEX CONCURRENTLY before it lets clients write meanwhile.', harden)
                ELSE 'Not looked at: the call id is missing or unfit.' END
        UNION ALL
        SELECT 'triggers', 3 - (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = calls AND t.tgenabled IN ('O', 'A')
                AND t.tgname = ANY (@extschema@.call_triggers(calls))), NULL, format('%s makes them.', harden)
        UNION ALL
        SELECT * FROM (
            SELECT c.name, CASE WHEN c.is_there THEN f.violations END, f.sample,
                CASE WHEN c.is_there THEN c.advice ELSE 'Not looked at: ' || c.needs || '.' END
            FROM found f JOIN (VALUES
                (1, 256, 'null_call_ids', id_fault IS NULL, 'the call id is missing or unfit',
                    format('Find them with SELECT * FROM %s WHERE %I IS NULL; no event will ever be applied to them.', calls, call_id_column)),
                (2, 512, 'repeated_call_ids', id_fault IS NULL, 'the call id is missing or unfit',
                    format('Merge their rows, then %s makes the unique index that process_call_events needs.', harden)),
                (3, 1, 'repairable_statuses', status_fault IS DISTINCT FROM 'missing', 'the status is missing', backfill),
                (4, 2, 'unknown_statuses', status_fault IS DISTINCT FROM 'missing', 'the status is missing',
                    format('Any status of the graph can be set with UPDATE; backfill_calls leaves them. See provider and transitions of %s.', harden)),
                (5, 4, 'repairable_directions', direction_fault IS DISTINCT FROM 'missing', 'the direction is missing', backfill),
                (6, 8, 'unknown_directions', direction_fault IS DISTINCT FROM 'missing', 'the direction is missing',
                    'Set inbound, outbound or NULL with UPDATE; backfill_calls leaves them.'),
                (7, 16, 'unsanitized_payloads', payload_fault IS NULL, 'the payload is missing or unfit', backfill),
                (8, 32, 'big_payloads', payload_fault IS NULL, 'the payload is missing or unfit', backfill),
                (9, 64, 'stuck_ringing', @extschema@.call_age_expression(calls) IS NOT NULL, 'the table has no time to go by',
                    'More than an hour old. Where no worker is behind (call_event_log_status), set their status to missed or ended with UPDATE.'),
                (10, 128, 'stuck_active', @extschema@.call_age_expression(calls) IS NOT NULL, 'the table has no time to go by',
                    'More than a day old. Where no worker is behind (call_event_log_status), set their status to ended with UPDATE.')
            ) AS c (place, fault, name, is_there, needs, advice) ON c.fault = f.fault
            ORDER BY c.place) AS by_row)
    SELECT c.name, c.violations, coalesce(c.sample, '{}'), CASE WHEN c.violations IS DISTINCT FROM 0 THEN c.advice END FROM checks c;
END
$$;
REVOKE EXECUTE ON FUNCTION @extschema@.audit_calls(regclass, name, name, name, name, jsonb, jsonb, text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.audit_calls(regclass, name, name, name, name, jsonb, jsonb, text) IS
'a dry run: what a table of calls, hardened or not, breaks. One row per check, always the same and in one order: missing_columns, unfit_columns, unique_call_id, triggers, null_call_ids, repeated_call_ids (how many ids), repairable_statuses, unknown_statuses, repairable_directions, unknown_directions, unsanitized_payloads, big_payloads (above 10 kB uncompressed), stuck_ringing (not heard of for an hour), stuck_active (with another status that is not over, for a day). violations: NULL where it could not be looked at. sample: up to 5 calls with the word in question, nothing that does not look like a word. advice: NULL where there is nothing to do. Reads the table once, changes nothing, and works on a standby. Arguments mean what they mean to harden_calls: NULL is the present setting of a hardened table, else the default. Runs with the caller''s rights. Errors: 22004 NULL, 22023 unknown provider, malformed graph or policy, 42501 no SELECT on the table, or a policy that hashes without the right to call_pseudonym, 42P01 no relation, 42809 no table';
