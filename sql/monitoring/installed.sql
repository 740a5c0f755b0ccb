
-- the members as installed ---------------------------------------------------------------------
--
-- The last file of the install script: the list has to be complete. An update script fills the table again at its end.

CREATE FUNCTION _callhardening.members()
    RETURNS TABLE (kind text, object text, is_public boolean, is_definer boolean, volatility "char")
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET quote_all_identifiers = off
    SET citus.override_table_visibility = off
    AS $$
SELECT 'function', p.oid::regprocedure::text,
    EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
        WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE'),
    p.prosecdef, p.provolatile
FROM pg_proc p WHERE p.oid IN (SELECT _callhardening.member_oids('pg_proc'::regclass))
UNION ALL
SELECT 'view', c.oid::regclass::text, NULL, NULL, NULL
FROM pg_class c WHERE c.relkind = 'v' AND c.oid IN (SELECT _callhardening.member_oids('pg_class'::regclass))
$$;

COMMENT ON FUNCTION _callhardening.members() IS
'the functions, procedures and views of the extension as the catalogs have them now. is_public: PUBLIC may execute it. '
'is_definer: it runs with the rights of its owner. NULL for a view';

-- By name: pg_upgrade copies the rows and makes functions with other oids.
CREATE TABLE _callhardening.installed_members (
    kind text NOT NULL,
    object text NOT NULL,
    is_public boolean,
    is_definer boolean,
    volatility "char"
);
REVOKE ALL ON _callhardening.installed_members FROM PUBLIC;
INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();

COMMENT ON TABLE _callhardening.installed_members IS
'the members right after the installation. check_call_hardening compares them with the members now';
