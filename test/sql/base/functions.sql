-- The properties of every function, as the planner sees them, and the roles with EXECUTE. Of _callhardening all
-- functions except plain SQL with the rights of its caller.
\pset format unaligned
\pset footer off
SELECT p.oid::regprocedure AS function, provolatile AS volatile, proparallel AS parallel, proisstrict AS strict,
       has_function_privilege('public', p.oid, 'EXECUTE') AS anybody
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'callhardening' AND (p.pronamespace <> '_callhardening'::regnamespace OR prosecdef
    OR prolang NOT IN (SELECT oid FROM pg_language WHERE lanname IN ('sql', 'plpgsql'))
        OR prorettype IN ('trigger'::regtype, 'event_trigger'::regtype))
ORDER BY p.oid::regprocedure::text COLLATE "C";
\pset format aligned
\pset footer on

-- The functions that run as their owner, and those with the caller's search path
SELECT p.oid::regprocedure AS function, prosecdef, c.config AS proconfig
FROM pg_proc p CROSS JOIN LATERAL array_remove(proconfig, 'citus.override_table_visibility=off') AS c (config)
    JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'callhardening' AND (prosecdef OR
    (prolang IN (SELECT oid FROM pg_language WHERE lanname IN ('sql', 'plpgsql'))
        AND c.config IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}'))
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- The rights of each task are on existing objects.
SELECT g.object, g.privilege FROM _callhardening.task_grants AS g
WHERE NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'callhardening'
    WHERE d.deptype = 'e' AND g.object = CASE g.privilege WHEN 'EXECUTE' THEN (SELECT proname
        FROM pg_proc WHERE oid = d.objid AND d.classid = 'pg_proc'::regclass)
        ELSE (SELECT relname FROM pg_class WHERE oid = d.objid AND d.classid = 'pg_class'::regclass) END);
-- In _callhardening a function closed to PUBLIC is a trigger function, the owner's only, or part of a task.
SELECT p.oid::regprocedure AS nobodys FROM pg_proc p
WHERE p.pronamespace = '_callhardening'::regnamespace AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND NOT EXISTS (SELECT FROM _callhardening.task_grants AS g WHERE g.object = p.proname) ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Each function and each table has a comment.
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
WHERE e.extname = 'callhardening' AND d.deptype = 'e' AND d.classid IN ('pg_proc'::regclass, 'pg_class'::regclass)
  AND NOT EXISTS (SELECT FROM pg_description c WHERE c.classoid = d.classid AND c.objoid = d.objid AND c.objsubid = 0)
  AND NOT EXISTS (SELECT FROM pg_class WHERE d.classid = 'pg_class'::regclass AND oid = d.objid AND relkind NOT IN ('r', 'v'))
ORDER BY 1;

-- And so has each column of a view for users.
SELECT format('%s.%s', c.relname, a.attname) AS without_comment
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND c.relnamespace = e.extnamespace
WHERE e.extname = 'callhardening' AND c.relkind = 'v' AND col_description(c.oid, a.attnum) IS NULL ORDER BY 1;

-- CREATE EXTENSION fails in a database with another encoding than UTF-8.
CREATE DATABASE regress_callhardening_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
CREATE DATABASE regress_callhardening_ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0;
\set here :DBNAME
\set SHOW_CONTEXT never
\c regress_callhardening_latin1
CREATE EXTENSION callhardening;
\c regress_callhardening_ascii
CREATE EXTENSION callhardening;
\c :here
DROP DATABASE regress_callhardening_latin1;
DROP DATABASE regress_callhardening_ascii;
