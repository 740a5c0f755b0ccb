-- The measured systems, filled with the same events: an event log, a textbook table, queues of PgQ.

CREATE TABLE filler AS
SELECT i AS id, (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 70) AS j) AS text FROM generate_series(0, 999) AS i;
ALTER TABLE filler ADD PRIMARY KEY (id);
VACUUM ANALYZE filler;

-- Bodies number first to last, each with this many bytes as text; five events to a call.
CREATE FUNCTION bodies(first bigint, last bigint, bytes int) RETURNS TABLE (number bigint, call_id text, event_type text, payload jsonb)
    LANGUAGE sql STABLE
    AS $$
    SELECT i, c.id, s.state, ('{"call_id": ' || c.id || ', "state": "' || s.state || '", "event_timestamp": ' || 1767225600000 + i
        || ', "target": {"id": ' || i % 100 || ', "type": "user"}, "note": "' || left(f.text, bytes - 130) || '"}')::jsonb
    FROM generate_series(first, last) AS i
    CROSS JOIN LATERAL (SELECT (5000000000000000 + i / 5)::text AS id) AS c
    CROSS JOIN LATERAL (SELECT (ARRAY ['ringing', 'active', 'recording', 'hangup', 'recap'])[i % 5 + 1] AS state) AS s
    JOIN filler AS f ON f.id = i % 1000
$$;

-- -- callhardening ------------------------------------------------------------------------------

CREATE PROCEDURE create_ours(schema text)
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', schema);
    EXECUTE format('CREATE SCHEMA %I', schema);
    PERFORM create_call_tables(schema);
    COMMIT;
END
$$;

CREATE PROCEDURE fill_ours(schema text, first bigint, last bigint, bytes int)
    LANGUAGE plpgsql
    AS $$
BEGIN
    FOR start IN first .. last BY 10000 LOOP
        EXECUTE format('INSERT INTO %I.call_events (payload) SELECT payload FROM bodies($1, $2, $3)', schema)
            USING start, least(start + 9999, last), bytes;
        COMMIT;
    END LOOP;
END
$$;

-- -- the textbook -------------------------------------------------------------------------------

-- State, lease and SKIP LOCKED. No order within a call and no fence: any worker with the id can delete the event. Somebody else
-- must handle expired leases, so a partial index serves the claim's condition best.
CREATE PROCEDURE create_textbook(schema text)
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', schema);
    EXECUTE format('CREATE SCHEMA %I', schema);
    EXECUTE format('CREATE TABLE %I.textbook (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        call_id text NOT NULL,
        event_type text,
        state text NOT NULL DEFAULT ''ready'',
        attempt int NOT NULL DEFAULT 0,
        worker text,
        lease_end timestamptz,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        payload jsonb COMPRESSION lz4 NOT NULL)', schema);
    EXECUTE format('CREATE INDEX ON %I.textbook (id) WHERE state = ''ready''', schema);
    EXECUTE format('CREATE INDEX ON %I.textbook (lease_end) WHERE state = ''claimed''', schema);
    COMMIT;
END
$$;

-- The floor has these columns as well.
CREATE PROCEDURE fill_table(target text, first bigint, last bigint, bytes int)
    LANGUAGE plpgsql
    AS $$
BEGIN
    FOR start IN first .. last BY 10000 LOOP
        EXECUTE format('INSERT INTO %s (call_id, event_type, payload) SELECT call_id, event_type, payload FROM bodies($1, $2, $3)', target)
            USING start, least(start + 9999, last), bytes;
        COMMIT;
    END LOOP;
END
$$;

CREATE PROCEDURE fill_textbook(schema text, first bigint, last bigint, bytes int)
    LANGUAGE plpgsql
    AS $$ BEGIN CALL fill_table(format('%I.textbook', schema), first, last, bytes); END $$;

-- -- the floor ----------------------------------------------------------------------------------

-- Not a queue: rows to read in order, and a table that gets one row for each commit. A queue that keeps claims and sends
-- bodies cannot cost less.
CREATE PROCEDURE create_floor(schema text)
    LANGUAGE plpgsql
    AS $$
BEGIN
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', schema);
    EXECUTE format('CREATE SCHEMA %I', schema);
    EXECUTE format('CREATE TABLE %I.floor (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        call_id text NOT NULL,
        event_type text,
        attempt int NOT NULL DEFAULT 0,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        payload jsonb COMPRESSION lz4 NOT NULL)', schema);
    EXECUTE format('CREATE TABLE %I.floor_marks (id bigint NOT NULL)', schema);
    COMMIT;
END
$$;

CREATE PROCEDURE fill_floor(schema text, first bigint, last bigint, bytes int)
    LANGUAGE plpgsql
    AS $$ BEGIN CALL fill_table(format('%I.floor', schema), first, last, bytes); END $$;

-- -- PgQ ----------------------------------------------------------------------------------------

-- A consumer of PgQ gets all events of its queue, so each client has a queue with its part of the events. A batch lies between
-- two ticks. The ticks are made here, while the queue is filled, outside the measured time.
CREATE PROCEDURE create_pgq(clients int)
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pgq.unregister_consumer(queue_name, 'bench') FROM pgq.get_queue_info() WHERE queue_name LIKE 'bench%';
    PERFORM pgq.drop_queue(queue_name, true) FROM pgq.get_queue_info() WHERE queue_name LIKE 'bench%';
    FOR i IN 0 .. clients - 1 LOOP
        PERFORM pgq.create_queue('bench_' || i);
        PERFORM pgq.set_queue_config('bench_' || i, 'ticker_max_count', '1');
        PERFORM pgq.ticker('bench_' || i);
        COMMIT;
        PERFORM pgq.register_consumer('bench_' || i, 'bench');
    END LOOP;
    COMMIT;
END
$$;

CREATE PROCEDURE fill_pgq(clients int, first bigint, last bigint, bytes int, batch int)
    LANGUAGE plpgsql
    AS $$
DECLARE
    client int := 0;
BEGIN
    FOR start IN first .. last BY batch LOOP
        PERFORM pgq.insert_event('bench_' || client, event_type, payload::text, call_id, NULL, NULL, NULL)
        FROM bodies(start, least(start + batch - 1, last), bytes);
        COMMIT;
        PERFORM pgq.ticker('bench_' || client);
        COMMIT;
        client := (client + 1) % clients;
    END LOOP;
END
$$;
