\echo Use "CREATE EXTENSION callhardening" to load this file. \quit

-- The settings of functions would be stored with quotes, and check_call_hardening reads them.
SET LOCAL quote_all_identifiers = off;

-- What the sanitizer writes, and what it takes for a character, is UTF-8.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE feature_not_supported USING
            MESSAGE = pg_catalog.format('callhardening needs a database in UTF8, not %s',
                pg_catalog.getdatabaseencoding()),
            HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$$;

-- the schemas of the extension -----------------------------------------------------------------
--
-- Users choose the schema of the public objects. The internal ones are in _callhardening. If this schema exists,
-- CREATE EXTENSION fails: the extension would run the code in it.

CREATE SCHEMA _callhardening;
REVOKE ALL ON SCHEMA _callhardening FROM PUBLIC;
COMMENT ON SCHEMA _callhardening IS 'internal tables and functions of the extension callhardening';

-- errors ---------------------------------------------------------------------------------------

CREATE FUNCTION _callhardening.raise_error(code text, message text, detail text DEFAULT NULL, hint text DEFAULT NULL)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_raise_error';

COMMENT ON FUNCTION _callhardening.raise_error(text, text, text, text) IS
'raises an error with this SQLSTATE. Use it in a function of this schema instead of RAISE: CONTEXT then leaves out '
'the functions of this schema, and begins with the function called by the user';

CREATE FUNCTION _callhardening.report(level text, message text, detail text DEFAULT NULL, hint text DEFAULT NULL)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_report';

COMMENT ON FUNCTION _callhardening.report(text, text, text, text) IS
'reports a NOTICE or a WARNING without CONTEXT. Use it in a function of this schema instead of RAISE. Error: 22023 '
'another level';

-- All functions name both schemas. After a rename another role could create a schema with the old name. The functions
-- would then run its code with the rights of their callers.

CREATE FUNCTION _callhardening.keep_call_schema() RETURNS event_trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- By its oid: it may have another name by now.
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c JOIN pg_extension AS e ON e.extname = 'callhardening'
               WHERE c.classid = 'pg_namespace'::regclass AND (c.objid = e.extnamespace OR EXISTS (
                   SELECT FROM pg_depend AS d WHERE d.classid = c.classid AND d.objid = c.objid
                       AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e')))
    THEN
        RAISE feature_not_supported USING MESSAGE = 'the schema of the extension callhardening cannot be altered',
            DETAIL = 'Functions of the extension find each other and their tables by the name of this schema.',
            HINT = 'Give the schema its name and owner before CREATE EXTENSION.';
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION _callhardening.keep_call_schema() FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.keep_call_schema() IS
'event trigger function: refuses (0A000) to rename a schema of the extension or to give it to another owner';

CREATE EVENT TRIGGER keep_call_schema ON ddl_command_end WHEN TAG IN ('ALTER SCHEMA')
    EXECUTE FUNCTION _callhardening.keep_call_schema();
ALTER EVENT TRIGGER keep_call_schema ENABLE ALWAYS;

-- tasks ----------------------------------------------------------------------------------------
--
-- What a task of grant_call_role needs of the extension stands beside each object, in its file. Objects go by name:
-- pg_upgrade copies the rows and makes functions with other oids. A function in _callhardening that acts with the
-- rights of its caller needs no row and no REVOKE: nobody gets at it without USAGE on the schema, which each task
-- grants.
CREATE TABLE _callhardening.task_grants (
    task text NOT NULL,
    object name NOT NULL,
    privilege text NOT NULL DEFAULT 'EXECUTE',
    except_columns name[]
);
REVOKE ALL ON _callhardening.task_grants FROM PUBLIC;

COMMENT ON TABLE _callhardening.task_grants IS
'what each task of grant_call_role needs on functions, procedures and views of the extension';
COMMENT ON COLUMN _callhardening.task_grants.object IS
'the name of a member of the extension: of functions, all with this name';
COMMENT ON COLUMN _callhardening.task_grants.except_columns IS
'the privilege is on all columns but these; NULL: on the whole';

-- Errors and unknown words can quote a body. Without this right a reader of a view finds NULL in their place, as in
-- pg_stat_activity.
CREATE VIEW _callhardening.quoted_bodies AS SELECT true AS are_shown;
REVOKE ALL ON _callhardening.quoted_bodies FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'quoted_bodies', 'SELECT');

COMMENT ON VIEW _callhardening.quoted_bodies IS
'SELECT on this view is the right to see texts that can quote bodies: errors of events, and unknown words';
