
-- generate -------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_traffic(calls integer, seed integer DEFAULT 1) RETURNS SETOF text
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100 ROWS 10000
    AS 'MODULE_PATHNAME', 'callhardening_call_traffic';

COMMENT ON FUNCTION @extschema@.call_traffic(integer, integer) IS
'the webhook bodies of a made-up company''s calls, JSON as Dialpad sends it, in the order of delivery: whole life '
'cycles with bodies delivered twice, late, swapped and not at all. calls: how many call ids (legs), 0 to 10000000; '
'seed: which traffic, any number; the same two give the same bytes on every build of a version. In a select list the '
'bodies are made one by one, in FROM all of them first. Errors: 22004 for a NULL argument, 22023 for calls out of '
'range';

-- call_traffic stands in a select list: in FROM all bodies would be written to a temporary file first.
CREATE FUNCTION @extschema@.generate_call_events(calls integer, seed integer DEFAULT 1, log regclass DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    body text;
    delivered bigint := 0;
BEGIN
    FOR body IN SELECT @extschema@.call_traffic(calls, seed) LOOP
        PERFORM @extschema@.ingest_call_event(body::jsonb, log, NULL::text, NULL::text, NULL::jsonb);
        delivered := delivered + 1;
    END LOOP;
    RETURN delivered;
END
$$;

REVOKE EXECUTE ON FUNCTION @extschema@.generate_call_events(integer, integer, regclass) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.generate_call_events(integer, integer, regclass) IS
'ingests the bodies of call_traffic(calls, seed) in the order of delivery: realistic test traffic. log: the event '
'log; NULL: the default log. Returns the number of bodies delivered, redeliveries included. Errors: those of '
'call_traffic and of ingest_call_event';
