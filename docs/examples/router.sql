-- The router's database. Run it there as a superuser, with the address of each partition:
--     psql -d router -v p0="host=db1 dbname=calls_0" -v p1=... -v p2=... -v p3=... -f router.sql
\set ON_ERROR_STOP on
CREATE EXTENSION plproxy;
CREATE EXTENSION callhardening;         -- for call_event_partition
CREATE SCHEMA router;
CREATE SERVER calls FOREIGN DATA WRAPPER plproxy
    OPTIONS (query_timeout '10', p0 :'p0', p1 :'p1', p2 :'p2', p3 :'p3');
CREATE USER MAPPING FOR PUBLIC SERVER calls;

-- PL/Proxy takes the last bits of the hash: 65536 partitions here are 2, 4 or 16 of the server.
CREATE FUNCTION router.ingest_call_event(body bytea) RETURNS bigint LANGUAGE plproxy AS $$
    CLUSTER 'calls';
    RUN ON public.call_event_partition(body, 65536);
    TARGET public.ingest_call_event;
$$;

CREATE FUNCTION router.ingest_call_webhook(body bytea, headers jsonb, url text) RETURNS bigint LANGUAGE plproxy AS $$
    CLUSTER 'calls';
    RUN ON public.call_event_partition(body, 65536);
    TARGET public.ingest_call_webhook;
$$;

-- The call with an id: only its own partition is asked.
CREATE FUNCTION router.partition_of_call(call_id bigint) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT public.call_event_partition(convert_to(jsonb_build_object('call_id', call_id)::text, 'UTF8'), 65536)
$$;

CREATE FUNCTION router.find_call(id bigint) RETURNS SETOF jsonb LANGUAGE plproxy AS $$
    CLUSTER 'calls';
    RUN ON router.partition_of_call(id);
    SELECT to_jsonb(c) FROM public.calls AS c WHERE c.dialpad_call_id = id;
$$;

-- The logs of all partitions, at least one row for each. If a partition does not answer, this is an error.
CREATE FUNCTION router.log_status() RETURNS TABLE (database name, log text, pending bigint, oldest timestamptz,
    retrying bigint, dead bigint, error text) LANGUAGE plproxy AS $$
    CLUSTER 'calls';
    RUN ON ALL;
    SELECT current_database() AS database, s.log::text, s.pending_estimate AS pending, s.oldest_received_at AS oldest,
        s.retrying, s.dead, CASE WHEN s.log IS NULL THEN 'there is no event log' ELSE s.error END AS error
    FROM (VALUES (1)) AS always LEFT JOIN public.call_event_log_status AS s ON true;
$$;

-- The same, with a row and a warning for each partition that does not answer.
CREATE FUNCTION router.log_status_of(partition int) RETURNS TABLE (database name, log text, pending bigint,
    oldest timestamptz, retrying bigint, dead bigint, error text) LANGUAGE plproxy AS $$
    CLUSTER 'calls';
    RUN ON partition;
    SELECT current_database() AS database, s.log::text, s.pending_estimate AS pending, s.oldest_received_at AS oldest,
        s.retrying, s.dead, CASE WHEN s.log IS NULL THEN 'there is no event log' ELSE s.error END AS error
    FROM (VALUES (1)) AS always LEFT JOIN public.call_event_log_status AS s ON true;
$$;

CREATE FUNCTION router.partitions() RETURNS int LANGUAGE sql STABLE AS $$
    SELECT count(*)::int FROM pg_foreign_server, unnest(srvoptions) AS o WHERE srvname = 'calls' AND o ~ '^p[0-9]+='
$$;

CREATE FUNCTION router.known_log_status() RETURNS TABLE (partition int, database name, log text, pending bigint,
    oldest timestamptz, retrying bigint, dead bigint, error text) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 0 .. router.partitions() - 1 LOOP
        BEGIN
            RETURN QUERY SELECT n, s.* FROM router.log_status_of(n) AS s;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'partition % does not answer', n USING DETAIL = SQLERRM;
            partition := n;
            error := SQLERRM;
            RETURN NEXT;
        END;
    END LOOP;
END
$$;
