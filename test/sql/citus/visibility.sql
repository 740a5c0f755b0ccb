-- Citus hides shards in pg_class from ordinary sessions. A function that looks there switches this off, also through a view
-- of ours. Without Citus the setting does nothing.
WITH RECURSIVE members AS (
    SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'callhardening'
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
), views (view) AS (
    SELECT r.ev_class FROM pg_rewrite AS r WHERE r.ev_action::text LIKE '%:relid 1259 %' -- pg_depend does not have pg_class
        AND r.ev_class IN (SELECT objid FROM members WHERE classid = 'pg_class'::regclass)
    UNION
    SELECT r.ev_class FROM views AS v JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.view
    JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
)
SELECT 'view that users read' AS what, c.relname AS name FROM views AS v JOIN pg_class AS c ON c.oid = v.view
WHERE c.relnamespace <> '_callhardening'::regnamespace
UNION ALL
SELECT 'function', p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.oid IN (SELECT objid FROM members WHERE classid = 'pg_proc'::regclass) AND l.lanname IN ('sql', 'plpgsql')
    AND (replace(p.prosrc, '''pg_class''', '') ~ '\mpg_class\M' OR EXISTS (SELECT FROM views AS v JOIN pg_class AS c ON c.oid = v.view
        WHERE p.prosrc ~ ('(_callhardening|' || (SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'callhardening')
            || ')\.' || c.relname || '\M')))
    AND p.proname !~ '_checks$' -- check_call_hardening runs their queries
    AND NOT coalesce(p.proconfig, '{}') @> '{citus.override_table_visibility=off}'
ORDER BY 1, 2;
SELECT proconfig FROM pg_proc WHERE proname = 'check_call_hardening';
-- Any role may have the setting.
CREATE ROLE regress_plain;
SET ROLE regress_plain;
SET citus.override_table_visibility = off;
RESET citus.override_table_visibility;
RESET ROLE;
DROP ROLE regress_plain;
-- Without Citus nothing is distributed.
SELECT _callhardening.has_citus(), _callhardening.distribution('pg_class'), (SELECT count(*) FROM _callhardening.local_shards()),
    (SELECT count(*) FROM _callhardening.shards_of('pg_class')), _callhardening.shell_of('pg_class');
