
-- tables that Citus has distributed --------------------------------------------------------------
--
-- Citus is optional. Its catalogs are named in statements that are only run if Citus is there.

CREATE FUNCTION _callhardening.has_citus() RETURNS boolean
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_has_citus';

COMMENT ON FUNCTION _callhardening.has_citus() IS
'whether this database has the extension citus, with its catalog pg_dist_partition';

CREATE FUNCTION _callhardening.distribution(relation regclass) RETURNS text
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_distribution';

COMMENT ON FUNCTION _callhardening.distribution(regclass) IS
'how Citus keeps a table, if its rows are in shards: schema, hash, append, range, reference or local. NULL: it is an '
'ordinary table, or a shard';

CREATE FUNCTION _callhardening.is_placed_here(shard_id bigint) RETURNS boolean
    LANGUAGE c STABLE
    AS 'MODULE_PATHNAME', 'callhardening_is_placed_here';

COMMENT ON FUNCTION _callhardening.is_placed_here(bigint) IS
'false: Citus has this shard on another server; true for NULL';

CREATE FUNCTION _callhardening.known_name(relation regclass) RETURNS text
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_known_name';

COMMENT ON FUNCTION _callhardening.known_name(regclass) IS
'the name of a table as call_issues has it: schema.name, for a shard that of the distributed table. NULL: there is no '
'such table';

CREATE FUNCTION _callhardening.shard_name(shell regclass, shard_id bigint) RETURNS text
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
DECLARE
    name text;
BEGIN
    IF NOT _callhardening.has_citus() THEN
        RETURN NULL;
    END IF;
    EXECUTE 'SELECT pg_catalog.shard_name($1, $2)' INTO name USING shell, shard_id;
    -- Citus leaves out this one schema.
    RETURN (SELECT CASE n.nspname WHEN 'public' THEN 'public.' ELSE '' END || name
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = shell);
END
$$;

COMMENT ON FUNCTION _callhardening.shard_name(regclass, bigint) IS
'the qualified name of a shard of a distributed table, for a statement; NULL: there is no such table, or '
'no Citus';

CREATE FUNCTION _callhardening.shards_of(relation regclass)
    RETURNS TABLE (shard_id bigint, shard text, node text, port int, is_here boolean)
    LANGUAGE plpgsql STABLE STRICT ROWS 32
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.distribution(relation) IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE 'SELECT s.shardid, _callhardening.shard_name(s.logicalrelid, s.shardid), n.nodename,
            n.nodeport, p.groupid = g.groupid
        FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
        JOIN pg_catalog.pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = ''primary''
        CROSS JOIN pg_catalog.pg_dist_local_group AS g
        WHERE s.logicalrelid = $1 ORDER BY s.shardid, n.nodename, n.nodeport' USING relation;
END
$$;

COMMENT ON FUNCTION _callhardening.shards_of(regclass) IS
'the shards of a table that Citus has distributed: their numbers, their qualified names, and their nodes. is_here: '
'the shard is on this node';

CREATE FUNCTION _callhardening.first_shards(relation regclass, form text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT string_agg(format(form, s.shard, s.node, s.port), ', ' ORDER BY s.shard_id) FILTER (WHERE s.place <= 4)
    || CASE WHEN count(*) > 4 THEN format(', and %s more', count(*) - 4) ELSE '' END
FROM (SELECT *, row_number() OVER (ORDER BY h.shard_id) AS place FROM _callhardening.shards_of(relation) AS h) AS s
$$;

COMMENT ON FUNCTION _callhardening.first_shards(regclass, text) IS
'the first 4 shards of a distributed table, and how many more there are; NULL: none. form: for format(), with the '
'shard''s name, host and port';

CREATE FUNCTION _callhardening.local_shards() RETURNS TABLE (relation regclass, shell regclass, shard_id bigint)
    LANGUAGE plpgsql STABLE ROWS 32
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    IF _callhardening.has_citus() THEN
        -- Not by to_regclass: it raises 42501 in a schema of others.
        RETURN QUERY EXECUTE 'SELECT c.oid::regclass, s.logicalrelid, s.shardid
            FROM pg_catalog.pg_dist_shard AS s JOIN pg_catalog.pg_dist_placement AS p ON p.shardid = s.shardid
            JOIN pg_catalog.pg_dist_local_group AS g ON g.groupid = p.groupid
            JOIN pg_catalog.pg_class AS t ON t.oid = s.logicalrelid
            LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = t.relnamespace
                AND c.relname = (pg_catalog.parse_ident(_callhardening.shard_name(t.oid, s.shardid)))[2]';
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.local_shards() IS
'the shards on this node: each with the distributed table it belongs to (shell). relation: NULL: it is missing here';

CREATE FUNCTION _callhardening.shell_of(relation regclass) RETURNS regclass
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_shell_of';

COMMENT ON FUNCTION _callhardening.shell_of(regclass) IS
'the distributed table of a shard, also of one that Citus has moved away; NULL: the table is no shard';

CREATE FUNCTION _callhardening.shard_of(relation regclass) RETURNS bigint
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_shard_of';

COMMENT ON FUNCTION _callhardening.shard_of(regclass) IS 'the number of a shard; NULL: the table is no shard';

CREATE FUNCTION _callhardening.is_in_transaction_block() RETURNS boolean
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_is_in_transaction_block';

COMMENT ON FUNCTION _callhardening.is_in_transaction_block() IS
'whether the client has begun a transaction that goes on after this statement; false also in an EXCEPTION block';

CREATE FUNCTION _callhardening.shell_by_name(shard text) RETURNS regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT s.shell FROM to_regclass(regexp_replace(shard, '_[0-9]+("?)$', '\1')) AS s (shell)
WHERE _callhardening.distribution(s.shell) IS NOT NULL AND shard ~ '_[0-9]+"?$'
$$;

COMMENT ON FUNCTION _callhardening.shell_by_name(text) IS
'the distributed table that a shard is of by its name, as after a split: Citus does not know the shard then. NULL: '
'none, or its name is so long that Citus has cut it';

CREATE FUNCTION _callhardening.is_split_shard(events regclass) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET citus.override_table_visibility = off
    AS $$
BEGIN
    RETURN _callhardening.shell_of(events) IS NULL AND EXISTS (SELECT FROM _callhardening.my_known_shards AS k
        WHERE k.log = _callhardening.shell_by_name(events::text)
            AND k.shard_id = substring(events::text FROM '_([0-9]{1,18})"?$')::bigint);
END
$$;

COMMENT ON FUNCTION _callhardening.is_split_shard(regclass) IS
'whether this is the table of a shard that Citus has split. Citus drops it soon';

CREATE FUNCTION _callhardening.require_no_split_shard(events regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.is_split_shard(events) THEN
        PERFORM _callhardening.raise_error('55000', format('Citus has split %s, and does not know it any more', events),
            hint => 'attach_call_shards lists the shards in its place. They have its events, and take its state.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_no_split_shard(regclass) IS
'refuses (55000) the table of a shard that Citus has split';

CREATE FUNCTION _callhardening.hold_placed(relation regclass) RETURNS void
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_hold_placed';

COMMENT ON FUNCTION _callhardening.hold_placed(regclass) IS
'keeps Citus from moving a shard until the end of the transaction; another table stays as it is. Errors: 42501 a shard '
'of another owner, 55000 it is on another server';

CREATE FUNCTION _callhardening.is_moved_away(relation regclass) RETURNS boolean
    LANGUAGE c STABLE STRICT
    AS 'MODULE_PATHNAME', 'callhardening_is_moved_away';

COMMENT ON FUNCTION _callhardening.is_moved_away(regclass) IS
'true: the table is a shard, and Citus has it on another server now: here it is not read any more';

CREATE FUNCTION _callhardening.require_placed(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.is_moved_away(relation) THEN
        PERFORM _callhardening.raise_error('55000', format('shard %s is on another server', relation),
            detail => 'Citus has moved it.', hint => 'Ask that server: SELECT nodename, nodeport, shard_name FROM '
                'citus_shards names it.');
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_placed(regclass) IS
'refuses (55000) the rest of a shard that is on another server now: its figures are old';

CREATE FUNCTION _callhardening.require_undistributed(relation regclass, deed text, advice text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF _callhardening.distribution(relation) IS NOT NULL THEN
        PERFORM _callhardening.raise_error('0A000',
            format('table %s is distributed by Citus and cannot %s', relation, deed),
            detail => 'Its rows are in shards.', hint => advice);
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_undistributed(regclass, text, text) IS
'refuses (0A000) a table that Citus has distributed. deed: what it cannot, as in "be an event log"';

CREATE FUNCTION _callhardening.require_no_shard(relation regclass, advice text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    shell regclass := _callhardening.shell_of(relation);
BEGIN
    IF shell IS NOT NULL THEN
        PERFORM _callhardening.raise_error('0A000',
            format('table %s is a shard of the distributed table %s', relation, shell),
            detail => 'Citus makes all shards alike.', hint => format(advice, shell));
    END IF;
END
$$;

COMMENT ON FUNCTION _callhardening.require_no_shard(regclass, text) IS
'refuses (0A000) a shard. advice: a hint, with %L in the place of the distributed table';
