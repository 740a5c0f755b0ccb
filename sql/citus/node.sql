
-- all shards of a server ---------------------------------------------------------------------------

CREATE FUNCTION _callhardening.placed_shards() RETURNS SETOF regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT l.events FROM _callhardening.placed_logs AS l WHERE l.shard_id IS NOT NULL ORDER BY random()
$$;

COMMENT ON FUNCTION _callhardening.placed_shards() IS
'the attached shards of distributed logs that are on this server';

CREATE FUNCTION _callhardening.process_shard(shard regclass, max_events int) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM @extschema@.process_call_events(max_events, shard, NULL::name);
EXCEPTION WHEN OTHERS THEN
    -- One shard does not stop the others.
    PERFORM _callhardening.report('WARNING'::text, format('events of %s were not processed', shard),
        detail => format('%s (%s)', SQLERRM, SQLSTATE));
END
$$;

COMMENT ON FUNCTION _callhardening.process_shard(regclass, int) IS
'a part of process_node_call_events: an error of one shard is a WARNING';

CREATE PROCEDURE @extschema@.process_node_call_events(max_events int DEFAULT 1000)
    LANGUAGE plpgsql
    AS $$
DECLARE
    shard pg_catalog.regclass;
BEGIN
    IF max_events IS NULL OR NOT max_events OPERATOR(pg_catalog.>=) 1
        OR NOT max_events OPERATOR(pg_catalog.<=) 100000 THEN
        PERFORM _callhardening.raise_error('22023'::pg_catalog.text,
            'max_events must be between 1 and 100000'::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text);
    END IF;
    COMMIT; -- also without a shard: an error inside of a transaction
    FOR shard IN SELECT s FROM _callhardening.placed_shards() AS s LOOP
        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        PERFORM _callhardening.process_shard(shard, max_events);
    END LOOP;
END
$$;
REVOKE EXECUTE ON PROCEDURE @extschema@.process_node_call_events(int) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'process_node_call_events');

COMMENT ON PROCEDURE @extschema@.process_node_call_events(int) IS
'Processes pending events of all shards on this server, each in a transaction of its own, as
process_call_events does. Call it on each server that has shards, as a statement of its own,
outside of a transaction. If a shard fails, a WARNING comes, and the others go on.
- max_events: of each shard, 1 to 100000
Errors:
- 22023: max_events out of range
- 2D000: inside of a transaction';
