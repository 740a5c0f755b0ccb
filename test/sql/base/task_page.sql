-- docs/roles.md lists what each task may call, both ways.
\set page `cat "$PG_ABS_SRCDIR/../docs/roles.md"`
CREATE TEMP VIEW listed AS SELECT t.m[1] AS task, f.m[1] AS function
FROM regexp_matches(:'page', '\n- `([a-z]+)`: ((?:`[a-z_]+`,?(?:\n  | )?)+)', 'g') AS t (m),
    regexp_matches(t.m[2], '`([a-z_]+)`', 'g') AS f (m);
CREATE TEMP VIEW granted AS SELECT DISTINCT g.task, p.proname::text AS function
FROM _callhardening.task_grants AS g JOIN pg_proc AS p ON p.proname = g.object
    JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND p.pronamespace = e.extnamespace
WHERE e.extname = 'callhardening' AND g.privilege = 'EXECUTE';
SELECT count(DISTINCT task) AS tasks, count(*) > 30 AS functions FROM listed;
SELECT task, function AS listed_only FROM listed EXCEPT SELECT task, function FROM granted ORDER BY 1, 2;
SELECT task, function AS not_listed FROM granted EXCEPT SELECT task, function FROM listed ORDER BY 1, 2;
