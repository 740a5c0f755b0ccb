-- What psql shows at hand: everything outside of _callhardening is for users.
\pset format unaligned
\df call_s*
\df *harden*
-- No table, sequence, type or operator. Titles differ between versions of psql.
\t on
\dt *call*
\ds *call*
\dT *call*
\do
\t off
\pset format aligned
-- \d and \dv show views alone.
SELECT DISTINCT c.relkind FROM pg_class AS c
JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'callhardening' WHERE pg_table_is_visible(c.oid);
-- \dx+ lists every member. In each list those for users come last, without a schema.
SELECT m.type, count(*) FILTER (WHERE m.schema = '_callhardening') > 0 AS internal,
    count(*) FILTER (WHERE m.schema = 'public') > 0 AS for_users
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'callhardening'
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) AS m
WHERE d.deptype = 'e' AND m.type <> 'type' -- from PostgreSQL 17 on also those of views
GROUP BY m.type ORDER BY m.type;
