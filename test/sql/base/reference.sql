-- docs/reference.md lists exactly the objects of CREATE EXTENSION in its target schema. All others are in _callhardening.
\set page `cat "$PG_ABS_SRCDIR/../docs/reference.md"`
CREATE TEMP TABLE reference AS
SELECT regexp_replace(m[1], '\s+', ' ', 'g') AS entry, m[1] !~ '\(' AS is_view
FROM regexp_matches(:'page', '\n- `([a-z_]+[^`]*)`', 'g') AS m;

-- Writes them as the page does: int and timestamptz, names of parameters, defaults without their type.
SET IntervalStyle = postgres;
CREATE FUNCTION pg_temp.written(type oid) RETURNS text LANGUAGE sql AS $$
SELECT replace(replace(format_type(type, NULL), 'integer', 'int'), 'timestamp with time zone', 'timestamptz')
$$;
CREATE FUNCTION pg_temp.written_default(function oid, parameter int) RETURNS text LANGUAGE sql AS $$
SELECT ' = ' || replace(regexp_replace(pg_get_function_arg_default(function, parameter), '::[a-z" ]+(\[\])?$', ''), '"', '')
$$;
CREATE FUNCTION pg_temp.parameters(function oid, modes text[]) RETURNS text LANGUAGE sql AS $$
SELECT string_agg(concat(a.name, ' ', pg_temp.written(a.type), pg_temp.written_default(function, a.n::int)), ', ' ORDER BY a.n)
FROM pg_proc AS p,
    unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes), p.proargmodes::text[]) WITH ORDINALITY AS a (name, type, mode, n)
WHERE p.oid = function AND coalesce(a.mode, 'i') = ANY (modes)
$$;
CREATE TEMP TABLE members AS
SELECT d.classid, d.objid, e.extnamespace FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'callhardening';

CREATE TEMP VIEW documented AS SELECT concat(CASE WHEN is_view THEN 'view ' END, entry) AS thing FROM reference;
CREATE TEMP VIEW installed AS
SELECT format('%s(%s)%s', p.proname, pg_temp.parameters(p.oid, '{i,b}'), CASE WHEN p.prokind <> 'p' THEN
    concat(' → ', CASE WHEN p.proretset THEN 'setof ' END,
        coalesce('(' || pg_temp.parameters(p.oid, '{o,t}') || ')', pg_temp.written(p.prorettype))) END) AS thing
FROM members AS m JOIN pg_proc AS p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid AND p.pronamespace = m.extnamespace
UNION ALL SELECT 'view ' || c.relname
FROM members AS m
    JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relnamespace = m.extnamespace AND c.relkind = 'v';

SELECT count(*) > 50 AS functions, count(*) FILTER (WHERE thing LIKE 'view %') > 8 AS views FROM documented;
SELECT thing AS documented_only FROM documented EXCEPT SELECT thing FROM installed ORDER BY 1;
SELECT thing AS not_documented FROM installed EXCEPT SELECT thing FROM documented ORDER BY 1;
-- The schema holds no object of another kind.
SELECT pg_describe_object(m.classid, m.objid, 0) AS of_another_kind
FROM members AS m LEFT JOIN pg_class AS c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
LEFT JOIN pg_type AS t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
LEFT JOIN pg_operator AS o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid
WHERE c.relnamespace = m.extnamespace AND c.relkind <> 'v' OR t.typnamespace = m.extnamespace
    -- From 17 on the row types of views are members, too.
    AND t.typelem = 0 AND NOT EXISTS (SELECT FROM pg_class AS v WHERE v.oid = t.typrelid AND v.relkind = 'v')
        OR o.oprnamespace = m.extnamespace ORDER BY 1;

-- docs/roles.md lists what each task may call, both ways
\set page `cat "$PG_ABS_SRCDIR/../docs/roles.md"`
CREATE TEMP VIEW listed AS SELECT t.m[1] AS task, f.m[1] AS function
FROM regexp_matches(:'page', '\n- `([a-z]+)`: ((?:`[a-z_]+`,?(?:\n  | )?)+)', 'g') AS t (m),
    regexp_matches(t.m[2], '`([a-z_]+)`', 'g') AS f (m);
CREATE TEMP VIEW granted AS SELECT DISTINCT g.task, p.proname::text AS function
FROM _callhardening.task_grants AS g JOIN pg_proc AS p ON p.proname = g.object
    JOIN members AS m ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid AND p.pronamespace = m.extnamespace
WHERE g.privilege = 'EXECUTE';
SELECT count(DISTINCT task) AS tasks, count(*) > 30 AS functions FROM listed;
SELECT task, function AS listed_only FROM listed EXCEPT SELECT task, function FROM granted ORDER BY 1, 2;
SELECT task, function AS not_listed FROM granted EXCEPT SELECT task, function FROM listed ORDER BY 1, 2;
