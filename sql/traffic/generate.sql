-- generate -------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_traffic(calls integer, seed integer DEFAULT 1, provider text DEFAULT 'dialpad')
    RETURNS SETOF text
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100 ROWS 10000
    AS 'MODULE_PATHNAME', 'callhardening_call_traffic';

COMMENT ON FUNCTION @extschema@.call_traffic(integer, integer, text) IS
'Returns the webhook bodies of a made-up company''s calls, as the provider sends them, in the
order of delivery: whole life cycles with bodies delivered twice, late, swapped and not at all.
The same arguments give the same bytes on every build of a version. In a select list the bodies
are made one by one, in FROM all of them first.
- calls: how many call ids, 0 to 10000000
- seed: which traffic, any number
- provider: dialpad, aircall, twilio (forms) or zoom_phone
Errors:
- 22004: an argument is NULL
- 22023: calls out of range, or a provider without made-up traffic';

CREATE FUNCTION @extschema@.call_traffic_calls(calls integer, seed integer DEFAULT 1, provider text DEFAULT 'dialpad',
        OUT call_id text, OUT status text, OUT direction text, OUT started_at timestamptz,
        OUT connected_at timestamptz, OUT ended_at timestamptz, OUT duration_seconds integer)
    RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL SAFE COST 100 ROWS 2000
    AS 'MODULE_PATHNAME', 'callhardening_call_traffic_calls';

COMMENT ON FUNCTION @extschema@.call_traffic_calls(integer, integer, text) IS
'Returns the calls of call_traffic(calls, seed, provider), as a receiver of all its bodies must
see them in the end. The rows come from the plan of the calls, not from the bodies. Times are
whole seconds.
- direction: NULL if the provider tells none, or both
- ended_at, duration_seconds: NULL if no delivered body tells them; the duration is what the
  provider counts
Errors:
- those of call_traffic';

-- call_traffic stands in a select list: in FROM all bodies would be written to a temporary file first.
CREATE FUNCTION @extschema@.generate_call_events(calls integer, seed integer DEFAULT 1, log regclass DEFAULT NULL,
        provider text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    sender text := coalesce(provider, (SELECT l.provider FROM @extschema@.call_event_logs AS l
        WHERE CASE WHEN log IS NULL THEN l.is_default ELSE l.events = log END), 'dialpad');
    body text;
    delivered bigint := 0;
BEGIN
    FOR body IN SELECT @extschema@.call_traffic(calls, seed, sender) LOOP
        PERFORM @extschema@.ingest_call_event(body, log, NULL::text, NULL::text, NULL::jsonb);
        delivered := delivered + 1;
    END LOOP;
    RETURN delivered;
END
$$;

REVOKE EXECUTE ON FUNCTION @extschema@.generate_call_events(integer, integer, regclass, text) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.generate_call_events(integer, integer, regclass, text) IS
'Ingests the bodies of call_traffic(calls, seed, provider) in the order of delivery: realistic
test traffic. Returns the number of bodies delivered, redeliveries included.
- log: NULL is the default log
- provider: NULL is the log''s
Errors:
- those of call_traffic and of ingest_call_event';
