
-- the triggers that enforce the rules ------------------------------------------------------------

CREATE FUNCTION _callhardening.trigger_arguments(tgargs bytea) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_trigger_arguments';

COMMENT ON FUNCTION _callhardening.trigger_arguments(bytea) IS
'the arguments of a trigger, from pg_trigger.tgargs; NULL if it has none. Never fails for what PostgreSQL has written '
'there. call_settings refuses other arguments than those of harden_calls. Error: 22021 no valid text';

CREATE FUNCTION _callhardening.trigger_states()
    RETURNS TABLE (relation oid, trigger_name name, part text, state "char", is_cloned boolean, is_as_created boolean,
        arguments text[])
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT t.tgrelid, t.tgname, k.part, t.tgenabled, t.tgparentid <> 0,
       t.tgtype = k.kind AND (t.tgqual IS NULL) = k.is_unconditional AND t.tgattr::text = ''
           AND (t.tgnargs = k.arguments OR (k.part = 'stamp' AND t.tgnargs = 5)),
       _callhardening.trigger_arguments(t.tgargs)
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid AND p.pronamespace = '_callhardening'::regnamespace
-- The kinds are sums: 1 for each row, 2 before, 4 INSERT, 8 DELETE, 16 UPDATE.
JOIN (VALUES
    ('validate_hardened_call', 'validate', 23, true, 8, true),
    ('refuse_illegal_call', 'insert', 5, false, 1, true),
    ('refuse_illegal_call', 'update', 17, false, 1, false),
    ('stamp_call_event', 'stamp', 7, true, 4, true),
    ('bury_call_event', 'bury', 5, false, 0, true),
    ('keep_call_event_stamp', 'keep', 19, true, 0, true),
    ('add_call_change', 'change', 29, true, 0, true))
    AS k (function, part, kind, is_unconditional, arguments, is_insert)
  ON k.function = p.proname AND (p.proname <> 'refuse_illegal_call' OR k.is_insert = (t.tgtype & 4 <> 0))
$$;

COMMENT ON FUNCTION _callhardening.trigger_states() IS
'the triggers of all calls tables and event logs, under any name. part: what it enforces. is_cloned: PostgreSQL made '
'it for a partition. is_as_created: nobody has altered it';

CREATE FUNCTION _callhardening.hardened_tables()
    RETURNS TABLE (relation regclass, root regclass, settings text[], relkind "char", relispartition boolean)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
WITH RECURSIVE states AS MATERIALIZED (
    SELECT * FROM _callhardening.trigger_states() WHERE part IN ('validate', 'insert', 'update')
), tree AS (
    SELECT DISTINCT s.relation, s.relation AS root FROM states s WHERE NOT s.is_cloned
    UNION
    SELECT i.inhrelid, t.root FROM tree t JOIN pg_inherits i ON i.inhparent = t.relation
), members AS (
    -- A child by inheritance hardened by itself is its own table.
    SELECT t.relation, CASE WHEN bool_or(t.root = t.relation) THEN t.relation ELSE min(t.root) END AS root
    FROM tree t GROUP BY 1
)
SELECT m.relation, m.root, coalesce(
    (SELECT s.arguments FROM states s
        WHERE s.relation = m.relation AND s.part = 'validate' ORDER BY s.is_as_created DESC LIMIT 1),
    (SELECT s.arguments FROM states s WHERE s.relation = m.root AND s.part = 'validate' ORDER BY s.is_as_created DESC
        LIMIT 1)), c.relkind, c.relispartition
FROM members m JOIN pg_class c ON c.oid = m.relation
$$;

COMMENT ON FUNCTION _callhardening.hardened_tables() IS
'each hardened table with its partitions and children, the table it was hardened with (root), and the arguments of '
'its BEFORE trigger; NULL: it is gone';

CREATE TYPE _callhardening.gap AS (relation regclass, level text, gap text, detail text, advice text);

COMMENT ON TYPE _callhardening.gap IS 'a row of call_enforcement';
