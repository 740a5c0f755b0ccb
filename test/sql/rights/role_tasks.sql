\set SHOW_CONTEXT never
-- A revoke takes back only the rights added by the grant. The role keeps its older rights, its own objects and the
-- rights of its other tasks. The test compares all entries of all access lists, before and after.
SET client_min_messages = warning;
CREATE ROLE regress_task_owner;
CREATE ROLE regress_task_other;
CREATE ROLE regress_task_new;
CREATE ROLE regress_task_old;
CREATE ROLE regress_task_friend;
CREATE SCHEMA tasks AUTHORIZATION regress_task_owner;
SELECT grant_call_role('regress_task_owner', 'own');
ALTER DEFAULT PRIVILEGES FOR ROLE regress_task_owner IN SCHEMA tasks GRANT SELECT ON TABLES TO regress_task_friend;
SET ROLE regress_task_owner;
CREATE TABLE tasks.calls (id serial PRIMARY KEY, dialpad_call_id bigint, status text, direction text);
CREATE TABLE tasks.hooks (id serial PRIMARY KEY, payload jsonb, processed_at timestamptz);
SELECT harden_calls('tasks.calls');
SELECT harden_call_events('tasks.hooks', 'tasks.calls', processed_at_column => 'processed_at');
CREATE TABLE tasks.more (event_seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_lane int NOT NULL, event_xid xid8 NOT NULL, event_digest bytea UNIQUE,
    call_id text, event_type text, received_at timestamptz DEFAULT now(), payload jsonb, UNIQUE (event_lane, event_xid, event_seq));
SELECT register_call_event_log('tasks.more', 'tasks.calls', 'dialpad', 1);
-- Older rights of the roles: direct grants, by others, with grant option, on columns, and on a function
GRANT SELECT ON tasks.calls TO regress_task_old;
GRANT SELECT, INSERT ON tasks.hooks TO regress_task_old WITH GRANT OPTION;
GRANT SELECT (payload), INSERT (payload), UPDATE (processed_at), UPDATE (id) ON tasks.more TO regress_task_old WITH GRANT OPTION;
GRANT SELECT ON tasks.more TO PUBLIC;
GRANT USAGE ON SCHEMA tasks TO regress_task_old;
SET ROLE regress_task_old;
GRANT SELECT ON tasks.hooks TO regress_task_friend;
RESET ROLE;
GRANT EXECUTE ON FUNCTION process_call_events(int, regclass, name) TO regress_task_old, regress_task_friend;
CREATE VIEW rights AS
SELECT 'relation' AS kind, c.oid AS object, 0 AS number, a.*
FROM pg_class AS c, aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) AS a
WHERE c.relkind IN ('r', 'v', 'S') AND relnamespace >= 2200
UNION ALL SELECT 'column', attrelid, attnum, a.* FROM pg_attribute, aclexplode(attacl) AS a WHERE attacl IS NOT NULL AND NOT attisdropped
UNION ALL SELECT 'function', p.oid, 0, a.*
    FROM pg_proc AS p, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a WHERE p.pronamespace >= 2200
UNION ALL SELECT 'schema', n.oid, 0, a.* FROM pg_namespace AS n, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS a;
CREATE TABLE before AS TABLE rights;
CREATE FUNCTION differences() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', sign, kind, CASE kind WHEN 'function' THEN object::regprocedure::text
        WHEN 'schema' THEN object::regnamespace::text ELSE object::regclass::text END,
        nullif(number, 0), grantee::regrole, privilege_type, is_grantable)
    FROM (SELECT '+' AS sign, * FROM (TABLE rights EXCEPT TABLE before) AS more
        UNION ALL SELECT '-', * FROM (TABLE before EXCEPT TABLE rights) AS less) AS d
    ORDER BY 1 $$;
CREATE FUNCTION missing(role regrole, what text, log regclass) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', n.privilege, n.column_name, _callhardening.role_object(n))
    FROM _callhardening.role_needs(what, _callhardening.role_log(what, log)) AS n
    WHERE NOT _callhardening.has_role_privilege(missing.role, n, false) $$;
TRUNCATE before;
INSERT INTO before TABLE rights;

-- Each pair of tasks, revoked in the order of their grants: the second task keeps the rights it needs.
DO $$
DECLARE
    said text;
    pair record;
BEGIN
    FOR pair IN SELECT a, b FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS a,
    unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS b WHERE a <> b
        UNION ALL VALUES ('own', 'operate'), ('operate', 'own'), ('backup', 'ingest'), ('ingest', 'backup') LOOP
        PERFORM grant_call_role('regress_task_old', pair.a, 'tasks.more'), grant_call_role('regress_task_old', pair.b, 'tasks.hooks');
        PERFORM revoke_call_role('regress_task_old', pair.a, 'tasks.more');
        SELECT string_agg(m, ', ') INTO said FROM missing('regress_task_old', pair.b, 'tasks.hooks') AS m;
        IF said IS NOT NULL THEN
            RAISE WARNING '% revoked: % lacks %', pair.a, pair.b, said;
        END IF;
        PERFORM revoke_call_role('regress_task_old', pair.b, 'tasks.hooks');
        SELECT string_agg(d, ', ') INTO said FROM differences() AS d;
        IF said IS NOT NULL THEN
            RAISE WARNING '% and %: %', pair.a, pair.b, said;
        END IF;
    END LOOP;
END $$;

-- All tasks of both logs in random orders: for a role without rights, one with some, the tables' owner and a superuser
DO $$
DECLARE
    said text;
    who regrole;
    step record;
BEGIN
    FOREACH who IN ARRAY '{regress_task_new,regress_task_old,regress_task_owner}'::regrole[] || current_user::regrole LOOP
        FOR step IN SELECT log, what FROM unnest('{tasks.more,tasks.hooks}'::regclass[]) AS log,
        unnest('{ingest,process,claim,operate,monitor,read,own,backup}'::text[]) AS what
            WHERE what <> 'own' OR who <> 'regress_task_owner'::regrole ORDER BY random() LOOP
            PERFORM grant_call_role(who, step.what, step.log);
        END LOOP;
        FOR step IN SELECT DISTINCT ON (random(), t.log, t.task) t.log, t.task
            FROM (SELECT DISTINCT log, task FROM _callhardening.role_tasks WHERE role_oid = who) AS t
            WHERE t.task <> 'own' OR who <> 'regress_task_owner'::regrole LOOP
            PERFORM revoke_call_role(who, step.task, nullif(step.log, 0::regclass));
        END LOOP;
        SELECT string_agg(d, ', ') INTO said FROM differences() AS d;
        IF said IS NOT NULL THEN
            RAISE WARNING '%: %', who, said;
        END IF;
    END LOOP;
END $$;
SELECT DISTINCT role, task FROM _callhardening.role_tasks;

-- The owner of the extension sees the tasks of each role.
SELECT grant_call_role('regress_task_new', 'own'), grant_call_role('regress_task_new', 'read', 'tasks.hooks');
SELECT * FROM call_role_tasks ORDER BY role, task;
SET ROLE regress_task_new;
SELECT * FROM call_role_tasks;
RESET ROLE;
SELECT revoke_call_role('regress_task_new', 'own'), revoke_call_role('regress_task_new', 'read', 'tasks.hooks');

-- A grant to the tables' owner adds only rights on columns. The owner keeps all older rights.
SELECT grant_call_role('regress_task_owner', what, 'tasks.hooks')
FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what;
SELECT DISTINCT relation FROM _callhardening.role_tasks WHERE is_added AND relation::text LIKE 'tasks.%' AND column_name IS NULL;
SELECT revoke_call_role('regress_task_owner', what, 'tasks.hooks')
FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what;
SELECT * FROM differences();

-- Granted twice, revoked once, revoked twice
SELECT grant_call_role('regress_task_new', 'read'),
    grant_call_role('regress_task_new', 'read'), grant_call_role('regress_task_new', 'process');
SELECT count(*) FROM _callhardening.role_tasks WHERE role = 'regress_task_new' AND task = 'read';
SELECT revoke_call_role('regress_task_new', 'process'), revoke_call_role('regress_task_new', 'read');
RESET client_min_messages;
SELECT revoke_call_role('regress_task_new', 'read');
SELECT revoke_call_role('regress_task_new', 'read', 'tasks.more');
SELECT * FROM differences();
-- A right was revoked by hand in the meantime.
SELECT grant_call_role('regress_task_new', 'process');
REVOKE ALL ON tasks.calls FROM regress_task_new;
SELECT grant_call_role('regress_task_new', 'read');
SELECT * FROM missing('regress_task_new', 'read', NULL);
SELECT revoke_call_role('regress_task_new', 'read'), revoke_call_role('regress_task_new', 'process');
SELECT * FROM differences();

-- A right was granted with grant option and passed on.
SELECT grant_call_role('regress_task_new', 'read');
GRANT SELECT ON tasks.calls TO regress_task_new WITH GRANT OPTION;
SET ROLE regress_task_new;
GRANT SELECT ON tasks.calls TO regress_task_other;
RESET ROLE;
SELECT revoke_call_role('regress_task_new', 'read');
SELECT * FROM differences();
REVOKE ALL ON tasks.calls FROM regress_task_new CASCADE;

-- A renamed role is the same role. A new role with the old name is another.
SELECT grant_call_role('regress_task_new', 'read');
ALTER ROLE regress_task_new RENAME TO regress_task_renamed;
CREATE ROLE regress_task_new;
GRANT SELECT ON tasks.calls TO regress_task_new;
SELECT revoke_call_role('regress_task_new', 'read');
SELECT has_table_privilege('regress_task_new', 'tasks.calls', 'SELECT');
SELECT revoke_call_role('regress_task_renamed', 'read');
REVOKE ALL ON tasks.calls FROM regress_task_new;
SELECT * FROM differences();
-- A role is dropped, and created again with a right of its own.
SELECT grant_call_role('regress_task_new', 'read');
DROP OWNED BY regress_task_new;
DROP ROLE regress_task_new;
CREATE ROLE regress_task_new;
GRANT SELECT ON tasks.calls TO regress_task_new;
SELECT revoke_call_role('regress_task_new', 'read');
SELECT grant_call_role('regress_task_new', 'read');
SELECT revoke_call_role('regress_task_new', 'read');
SELECT * FROM differences();
REVOKE ALL ON tasks.calls FROM regress_task_new;
-- The restore comes before the role exists: the row stays, and finds the role later.
SELECT grant_call_role('regress_task_new', 'read');
CREATE TABLE dumped AS TABLE _callhardening.role_tasks;
SELECT revoke_call_role('regress_task_new', 'read');
DROP ROLE regress_task_new;
INSERT INTO _callhardening.role_tasks SELECT * FROM dumped WHERE role = 'regress_task_new';
SELECT DISTINCT role, role_oid FROM _callhardening.role_tasks WHERE role = 'regress_task_new';
CREATE ROLE regress_task_new;
GRANT SELECT ON tasks.calls TO regress_task_new; -- as in the dump
SELECT revoke_call_role('regress_task_new', 'read');
SELECT * FROM differences() WHERE differences !~ ' dumped ';
DROP TABLE dumped;

-- The role now owns the table.
SELECT grant_call_role('regress_task_other', 'process');
ALTER TABLE tasks.calls OWNER TO regress_task_other;
SELECT revoke_call_role('regress_task_other', 'process');
SELECT has_table_privilege('regress_task_other', 'tasks.calls', 'SELECT, INSERT, UPDATE, DELETE');
ALTER TABLE tasks.calls OWNER TO regress_task_owner;
SELECT * FROM differences();
-- A column was renamed.
SELECT grant_call_role('regress_task_new', 'ingest');
ALTER TABLE tasks.hooks RENAME payload TO body;
SELECT revoke_call_role('regress_task_new', 'ingest');
ALTER TABLE tasks.hooks RENAME body TO payload;
SELECT * FROM differences();

-- One log was unhardened, and one was dropped.
SELECT grant_call_role('regress_task_new', what, log)
FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what, unnest('{tasks.hooks,tasks.more}'::regclass[]) AS log;
SELECT unharden_call_events('tasks.hooks');
SELECT revoke_call_role('regress_task_new', what, 'tasks.hooks') FROM unnest('{ingest,process}'::text[]) AS what;
DROP TABLE tasks.more;
SELECT DISTINCT log FROM _callhardening.role_tasks WHERE role = 'regress_task_new' ORDER BY 1;
SELECT revoke_call_role('regress_task_new', what) FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what;
SELECT revoke_call_role('regress_task_new', 'ingest');
SELECT count(*) FROM _callhardening.role_tasks WHERE role = 'regress_task_new';
-- The only differences are those of the dropped objects.
SELECT * FROM differences() WHERE differences LIKE '+%';
SELECT grantee::regrole, privilege_type FROM rights
WHERE grantee IN (SELECT oid FROM pg_roles WHERE rolname LIKE 'regress_task_new') ORDER BY 1, 2;

-- Only the owner of the extension can write the stored grants.
SET ROLE regress_task_owner;
SELECT count(*) FROM _callhardening.role_tasks;
SELECT grant_call_role('regress_task_owner', 'backup');
RESET ROLE;

SET client_min_messages = error;
DROP SCHEMA tasks CASCADE;
DROP VIEW rights CASCADE;
DROP TABLE before;
DROP FUNCTION missing, differences;
SELECT revoke_call_role('regress_task_owner', 'own');
DROP OWNED BY regress_task_owner, regress_task_other, regress_task_new, regress_task_old, regress_task_friend, regress_task_renamed;
DROP ROLE regress_task_owner, regress_task_other, regress_task_new, regress_task_old, regress_task_friend, regress_task_renamed;
DELETE FROM _callhardening.role_tasks;
