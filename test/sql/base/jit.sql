-- A query calls every function, and the server compiles, inlines and optimizes it. Bitcode that the inliner cannot
-- follow would crash the server. All functions come from pg_proc, so a new one needs no line here.
SET client_min_messages = error;
SET jit = on;
SET jit_inline_above_cost = 0;
SET jit_optimize_above_cost = 0;

-- No bitcode is installed, neither by this version nor by an earlier one.
SELECT setting || file AS bitcode
FROM pg_config, unnest('{/bitcode/callhardening,/bitcode/callhardening.index.bc}'::text[]) AS file
WHERE name = 'PKGLIBDIR' AND pg_stat_file(setting || file, true) IS NOT NULL;

CREATE TEMP TABLE ours AS
SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.deptype = 'e' AND e.extname = 'callhardening';
CREATE TEMP TABLE functions AS
SELECT oid, oid::regproc::text AS name, prokind, proargtypes FROM pg_proc
WHERE oid IN (SELECT objid FROM ours WHERE classid = 'pg_proc'::regclass)
    AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype);
-- Other types get NULL.
CREATE TEMP TABLE words AS SELECT * FROM (VALUES
    ('text'::regtype, 'x'), ('name', 'x'), ('smallint', '1'), ('float8', '1'), ('numeric', '1'), ('json', '{}'),
    ('jsonb', '{}'), ('bytea', 'x'), ('boolean', 'true'), ('int', '1'),
    ('oid', '1'), ('bigint', '1'), ('xid8', '1'), ('interval', '1 second'), ('timestamptz', '2026-01-01'),
    ('regclass', 'pg_class'), ('regrole', 'pg_monitor'), ('name[]', '{x}'), ('text[]', '{x}'), ('bigint[]', '{1}'),
    ('regtype[]', '{text}'), ('pg_snapshot', '1:1:'), ('tid', '(0,1)'), ('tid[]', '{"(0,1)"}')) AS v(type, word);

-- An argument is a column of a table: a literal would be folded, and no code would be compiled. CALL takes
-- literals only.
DO $$
BEGIN
    EXECUTE 'CREATE TEMP TABLE arguments AS SELECT '
        || (SELECT string_agg(format('%L::%s AS %I', word, type, type), ', ') FROM words);
END
$$;
CREATE TEMP TABLE statements AS
SELECT name, format(CASE prokind WHEN 'p' THEN 'CALL %s(%s)' ELSE 'SELECT %s(%s) FROM arguments' END, name, (
    SELECT string_agg(CASE WHEN prokind = 'p' OR word IS NULL THEN format('%L::%s', word, a.oid::regtype)
        ELSE format('%I', type) END, ', ' ORDER BY i)
    FROM unnest(proargtypes) WITH ORDINALITY AS a(oid, i) LEFT JOIN words ON type = a.oid)) AS statement
FROM functions
UNION ALL
SELECT relname, format('SELECT * FROM %s', oid::regclass) FROM pg_class
WHERE relkind = 'v' AND oid IN (SELECT objid FROM ours WHERE classid = 'pg_class'::regclass);

-- Some of these calls succeed, and most fail for a good reason. Their effects are rolled back. To save time the server
-- compiles only the statement itself. `make check-jit` also compiles the code inside the functions.
CREATE TEMP TABLE outcomes (statement text, outcome text);
DO $$
DECLARE
    s record;
    c refcursor;
BEGIN
    FOR s IN SELECT statement FROM statements ORDER BY name COLLATE "C", statement LOOP
        BEGIN
            IF s.statement LIKE 'CALL%' THEN
                EXECUTE s.statement;
            END IF;
            SET LOCAL jit_above_cost = 0;
            OPEN c FOR EXECUTE s.statement;
            SET LOCAL jit_above_cost = -1;
            MOVE FORWARD ALL FROM c;
            RAISE SQLSTATE 'PT000';
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO outcomes
            VALUES (s.statement, CASE SQLSTATE WHEN 'PT000' THEN 'done' ELSE SQLSTATE || ' ' || SQLERRM END);
        END;
    END LOOP;
END
$$;
SET jit_above_cost = 0;
SELECT count(*) FILTER (WHERE outcome = 'done') > 30 AS many_are_done, count(*) > 60 AS all_are_called FROM outcomes;
-- An internal error, or a wrong call in this test
SELECT * FROM outcomes WHERE outcome ~ '^(XX|42725|42883|42804|42P18|0A000 cannot use)'
    AND outcome !~ '^42883 function pg_catalog\.(lock_shard_metadata|create_distributed_table)' ORDER BY 1; -- they need Citus

-- Compiled and inlined, if the server can
CREATE FUNCTION pg_temp.plan(statement text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || statement INTO plan;
    RETURN plan -> 0;
END
$$;
SELECT plan #>> '{JIT,Options,Inlining}' = 'true' OR NOT pg_jit_available() AS inlined,
    (plan #>> '{Plan,Actual Rows}')::numeric = 1 AS has_a_row
FROM pg_temp.plan('SELECT count(sanitize_call_payload(to_jsonb(a))) FROM generate_series(1, 3) a') AS plan;
