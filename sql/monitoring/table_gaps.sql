
-- gaps of calls tables ---------------------------------------------------------------------------

CREATE FUNCTION _callhardening.missing_enum_words(type oid, what text, graph text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    words text[];
    enum oid;
BEGIN
    SELECT t.oid INTO enum FROM pg_type t WHERE t.oid = _callhardening.base_type(type) AND t.typtype = 'e';
    IF enum IS NULL THEN
        RETURN NULL;
    END IF;
    words := CASE what WHEN 'status' THEN _callhardening.status_words(nullif(graph, '')::jsonb)
        ELSE '{inbound,outbound}' END;
    -- Read from the catalogs. A cast would run the CHECK of a domain as the owner of the extension.
    RETURN (SELECT string_agg(format('"%s"', w), ', ' ORDER BY w COLLATE "C") FROM unnest(words) AS w
            WHERE NOT EXISTS (SELECT FROM pg_enum e
                WHERE e.enumtypid = enum AND e.enumlabel COLLATE "C" = w COLLATE "C"));
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    RETURN NULL; -- the graph is malformed: all writes fail anyway
END
$$;

COMMENT ON FUNCTION _callhardening.missing_enum_words(oid, text, text) IS
'the words missing in the enum, or domain over an enum, of a column. what: status for the words of the graph (as a '
'trigger has it), otherwise the directions. NULL: no word is missing, the type is another, or the graph is malformed. '
'Runs no code of the owner of the type';

CREATE FUNCTION _callhardening.table_trigger_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH tables AS MATERIALIZED (
    SELECT * FROM _callhardening.hardened_tables()
), states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part <> 'change'
)
-- A partition or child without any trigger, or a table without some.
SELECT t.relation, 'gap', CASE WHEN t.relispartition THEN 'partition_not_hardened' ELSE 'child_not_hardened' END,
       format('%s of %s has no trigger of callhardening',
           CASE WHEN t.relispartition THEN 'this partition' ELSE 'this child by inheritance' END, t.root),
       CASE WHEN t.relispartition THEN 'Detach it and attach it again.'
           ELSE format('SELECT harden_calls(%L), with the settings of %s.', t.relation, t.root) END
FROM tables t WHERE NOT EXISTS (SELECT FROM states s WHERE s.relation = t.relation)
UNION ALL
SELECT t.relation, 'gap', 'trigger_missing', format('the trigger %s is gone', p.name),
       format('Call harden_calls(%L) again%s.', t.root,
           CASE p.part WHEN 'validate' THEN ', with all settings other than the defaults' ELSE '' END)
FROM tables t CROSS JOIN (VALUES ('validate', 'validate_hardened_call'), ('insert', 'validate_hardened_call_insert'),
                                 ('update', 'validate_hardened_call_update')) AS p (part, name)
WHERE EXISTS (SELECT FROM states s WHERE s.relation = t.relation)
  AND NOT EXISTS (SELECT FROM states s WHERE s.relation = t.relation AND s.part = p.part)
UNION ALL
SELECT t.relation, 'gap', 'trigger_altered',
       format('the trigger %I was not created by harden_calls: it has another event, condition or number of arguments',
           s.trigger_name),
       format('Drop it, and call harden_calls(%L) again.', t.root)
FROM tables t JOIN states s ON s.relation = t.relation WHERE NOT s.is_as_created
UNION ALL
SELECT t.relation, 'gap', 'settings_differ',
       format('the trigger %I has other settings than the others', s.trigger_name),
       format('Drop it, and call harden_calls(%L) again.', t.root)
FROM tables t JOIN states s ON s.relation = t.relation
WHERE s.is_as_created AND cardinality(t.settings) = 8
    AND s.arguments <> CASE s.part WHEN 'validate' THEN t.settings
        ELSE ARRAY[_callhardening.settings_digest(t.settings)] END
UNION ALL
SELECT t.relation, 'gap', 'policy_missing',
       format('the comment of the trigger %I is not its policy: writes fail', s.trigger_name),
       format('Call harden_calls(%L, policy => ...) with the policy.', t.root)
FROM tables t JOIN states s ON s.relation = t.root AND s.part = 'validate'
WHERE NOT _callhardening.has_trigger_policy(t.root) AND cardinality(t.settings) = 8
UNION ALL
SELECT t.relation, 'gap', 'foreign_partition',
       format('this partition of %s is a foreign table: a write at its server passes no trigger here', t.root),
       'Harden the table at its server.'
FROM tables t WHERE t.relkind = 'f'
UNION ALL
SELECT t.relation, 'note', 'subscription',
       format('a subscription writes to this table, and the trigger %I does not fire for it', s.trigger_name),
       format('Harden the publisher''s table, or ALTER TABLE %s ENABLE ALWAYS TRIGGER %I.', t.relation, s.trigger_name)
FROM tables t JOIN states s ON s.relation = t.relation
WHERE s.state = 'O' AND EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = t.relation)
$$;

COMMENT ON FUNCTION _callhardening.table_trigger_gaps() IS
'gaps of calls tables: missing or altered triggers, and tables without any';

CREATE FUNCTION _callhardening.change_trigger_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part = 'change'
), logs AS MATERIALIZED (
    SELECT l.events, l.calls, t.relid, t.isleaf
    FROM _callhardening.logs AS l JOIN pg_class AS c ON c.oid = l.calls
    CROSS JOIN LATERAL (
        SELECT p.relid, p.isleaf FROM pg_partition_tree(l.calls) AS p
        UNION SELECT l.calls, true WHERE c.relkind = 'r') AS t
    WHERE l.is_of_changes
)
SELECT l.relid, 'gap', 'trigger_missing',
       format('the trigger add_call_change is gone: changes are not logged in %s', l.events),
       CASE WHEN _callhardening.trigger_settings(l.calls) IS NULL
           THEN format('Harden the table, and call create_call_changes(%L). Or DROP TABLE %s.', l.calls, l.events)
           ELSE format('SELECT create_call_changes(%L).', l.calls) END
FROM logs AS l WHERE l.isleaf AND NOT EXISTS (SELECT FROM states AS s WHERE s.relation = l.relid)
UNION ALL
SELECT s.relation, 'gap', 'trigger_altered',
       format('the trigger %I was not created by create_call_changes: it has another event or condition',
           s.trigger_name),
       'Drop it, and call create_call_changes.'
FROM states AS s WHERE NOT s.is_as_created
UNION ALL
SELECT s.relation, 'note', 'subscription',
       format('a subscription writes to this table, and the trigger %I does not fire for it', s.trigger_name),
       format('Log the changes at the publisher, or ALTER TABLE %s ENABLE ALWAYS TRIGGER %I.', s.relation::regclass,
           s.trigger_name)
FROM states AS s
WHERE s.state = 'O' AND EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srrelid = s.relation)
$$;

COMMENT ON FUNCTION _callhardening.change_trigger_gaps() IS
'gaps of calls tables with a log of changes: the trigger of the log is missing, altered, or silent for a subscription';

CREATE FUNCTION _callhardening.table_column_gaps() RETURNS SETOF _callhardening.gap
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
WITH tables AS MATERIALIZED (
    SELECT * FROM _callhardening.hardened_tables()
), columns AS MATERIALIZED (
    SELECT t.relation, k.what, t.settings[k.position] AS column_name, a.attnum, a.atttypid, t.settings[6] AS graph
    FROM tables t CROSS JOIN (VALUES ('call id', 1), ('status', 2), ('direction', 3),
        ('payload', 4)) AS k (what, position)
    LEFT JOIN pg_attribute a ON a.attrelid = t.relation AND a.attname = t.settings[k.position] AND a.attnum > 0
        AND NOT a.attisdropped
    WHERE cardinality(t.settings) = 8
), keys AS (
    SELECT c.relation, c.column_name, t.relkind, _callhardening.key_state(c.relation, c.column_name::name) AS state,
        _callhardening.key_obstacle(c.relation, c.column_name::name) AS obstacle
    FROM columns c JOIN tables t ON t.relation = c.relation
    WHERE c.what = 'call id' AND c.attnum IS NOT NULL AND t.relation = t.root
)
-- What the settings name.
SELECT c.relation, 'gap', 'column_missing',
       format('the settings name the column %I for the %s, but the table does not have it', c.column_name, c.what),
       'Rename it back, or call harden_calls again with the present name. Until then, writes fail with 55000.'
FROM columns c WHERE c.attnum IS NULL
UNION ALL
SELECT c.relation, 'gap', 'column_type',
       format('the column %I for the %s is %s now', c.column_name, c.what, format_type(c.atttypid, NULL)),
       'Alter the type back. Until then, writes fail with 55000.'
FROM columns c JOIN pg_type y ON y.oid = c.atttypid
WHERE c.what IN ('status', 'direction') AND y.typcategory NOT IN ('S', 'E')
   OR c.what = 'payload' AND _callhardening.base_type(c.atttypid) <> 'jsonb'::regtype
UNION ALL
SELECT c.relation, 'gap', 'column_type',
       format('the type %s of the column %I for the %s has lost %s', format_type(c.atttypid, NULL),
           c.column_name, c.what, m.words),
       'ALTER TYPE ... RENAME VALUE back, or ADD VALUE. Until then, writes of the word fail.' ||
           CASE c.what WHEN 'status' THEN ' A row with another word in its place may go to any status.' ELSE '' END
FROM columns c CROSS JOIN LATERAL _callhardening.missing_enum_words(c.atttypid, c.what, c.graph) AS m (words)
WHERE c.what IN ('status', 'direction') AND c.attnum IS NOT NULL AND m.words IS NOT NULL
UNION ALL
SELECT k.relation, 'gap', 'unique_key_' || k.state,
       format(CASE k.state WHEN 'invalid' THEN 'the unique index on %I is not valid'
                           WHEN 'deferrable' THEN 'the unique constraint on %I is deferrable'
                           WHEN 'missing' THEN 'there is no unique index on %I alone, without a condition' END,
           k.column_name)
           || ': events are not applied to this table',
       CASE WHEN k.state = 'invalid' AND k.relkind = 'p' THEN 'Create the index on each partition and attach it.'
            WHEN k.state = 'invalid' THEN 'Drop it, remove the rows with the same call id, and create it again.'
            WHEN k.state = 'deferrable' THEN 'Make it NOT DEFERRABLE: drop the constraint and create it again.'
            WHEN k.relkind = 'p' THEN 'A unique index of a partitioned table has to contain the partition key: '
                    'partition by the call id.'
            ELSE 'Merge the rows with the same call id, and call harden_calls again.' END
FROM keys k WHERE k.state <> 'unique'
UNION ALL
SELECT k.relation, 'gap', 'key_unfit',
       format('events are not applied to this table, because the call id %I cannot be their key: %s',
           k.column_name, k.obstacle),
       'Use text or varchar with a deterministic collation, or an integer type, and no GENERATED ALWAYS.'
FROM keys k WHERE k.obstacle IS NOT NULL
UNION ALL
-- harden_calls does not build it for a new column of a big table.
SELECT c.relation, 'note', 'payload_index_missing',
       format('there is no valid GIN index on the payload column %I: a search in payloads reads the whole table',
           c.column_name),
       format('If you search payloads: CREATE INDEX %sON %s USING gin (%I).',
           CASE t.relkind WHEN 'p' THEN '' ELSE 'CONCURRENTLY ' END, c.relation, c.column_name)
FROM columns c JOIN tables t ON t.relation = c.relation AND t.relation = t.root
WHERE c.what = 'payload' AND _callhardening.base_type(c.atttypid) = 'jsonb'::regtype
    AND NOT _callhardening.has_payload_index(c.relation, c.column_name::name)
$$;

COMMENT ON FUNCTION _callhardening.table_column_gaps() IS
'gaps of calls tables: columns of the settings, missing or of another type, a call id unfit for events, and a missing '
'index of payloads';
