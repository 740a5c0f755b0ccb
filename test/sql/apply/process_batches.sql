-- Every partition of the same events into batches gives the same rows, byte for byte. The test has 200 calls with late,
-- repeated and swapped events in all forms, in batches of different sizes, for one worker and for several.
SET client_min_messages = error;
SELECT setseed(0.5);
CREATE TEMP TABLE streams AS
WITH steps AS (
    SELECT call, step, random() AS form, 1767225600000 + call * 60000 + step * 1000 AS at, step + 4 * random() ^ 4 AS place,
        (ARRAY['ringing', 'connected', 'on_hold', 'hangup', 'missed', 'voicemail', 'blocked', 'recording', 'nonsense'])[
            CASE WHEN random() < 0.6 THEN least(step, 4) ELSE 1 + floor(random() * 9) END::int] AS state,
        (ARRAY['call.ring', 'call.started', 'call.ended', 'call.recording.completed',
            'voicemail.received'])[1 + floor(random() * 5)::int] AS type,
        CASE WHEN random() < 0.5 THEN jsonb_build_object('direction',
            (ARRAY['inbound', 'Outbound API', 'sideways', ''])[1 + floor(random() * 4)::int]) ELSE '{}' END
        || CASE WHEN random() < 0.4 THEN jsonb_build_object('duration', floor(random() * 3) * 60) ELSE '{}' END AS more,
        CASE WHEN random() < 0.3 THEN jsonb_build_object('talk_time', floor(random() * 3) * 30000) ELSE '{}' END
        || CASE WHEN random() < 0.5 THEN jsonb_build_object('target',
            jsonb_build_object('id', (ARRAY['7', '007', 'x', '0'])[1 + floor(random() * 4)::int])) ELSE '{}' END
        || CASE WHEN random() < 0.3 THEN jsonb_build_object('date_ended', floor(random() * 2) * 1767225700000 + step)
            ELSE '{}' END AS dialpad,
        random() < 0.8 AS has_time
    FROM generate_series(1, 200) AS call CROSS JOIN generate_series(1, 2 + call % 9) AS step),
bodies AS (
    SELECT call, place, CASE WHEN form < 0.6 THEN 'beside' ELSE type END AS type, 1767225600 + call * 60 + place AS received,
        CASE WHEN form < 0.6 THEN jsonb_build_object('call_id', call, 'state', state, 'n', step) || more || dialpad
            WHEN form < 0.75 THEN jsonb_build_object('call', jsonb_build_object('id', call, 'from',
                '+1415555010' || step, 'recording_url', 'https://example.com/' || step) || more, 'event_type', type)
            WHEN form < 0.85 THEN jsonb_build_object('call_id', call, 'event_type', type, 'from', '+1415555011' || step, 'started_at', at)
                || more
            WHEN form < 0.95 THEN jsonb_build_object('data', jsonb_build_object('recording',
                jsonb_build_object('call_id', call, 'url', 'https://example.com/r/' || step)), 'event_type', type)
            ELSE jsonb_build_object('voicemail',
                jsonb_build_object('call_id', call, 'url', 'https://example.com/v/' || step), 'event_type', type) END
        || CASE WHEN has_time THEN jsonb_build_object('event_timestamp', at) ELSE '{}' END AS body
    FROM steps)
SELECT row_number() OVER (ORDER BY place + 3 * call / 100.0, call, again) AS n,
    body, nullif(type, 'beside') AS type, to_timestamp(received) AS received_at
FROM bodies CROSS JOIN generate_series(0, (call % 7 = place::int % 7)::int) AS again;
SELECT count(*) > 1200 AS enough FROM streams;

-- The columns of a table make no difference. This table has few columns, a trigger that fills them, no talk time, and a
-- graph with fewer transitions.
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status := coalesce(NEW.status, 'ringing');
    NEW.duration_seconds := coalesce(NEW.duration_seconds, 0);
    NEW.dialpad_user_id := coalesce(NEW.dialpad_user_id, 1);
    RETURN NEW;
END
$$;
CREATE PROCEDURE set_up(name text, own boolean) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE SCHEMA %I', name);
    PERFORM create_call_tables(name);
    IF own THEN
        EXECUTE format('DROP TABLE %I.calls, %1$I.call_events', name);
        EXECUTE format('CREATE TABLE %I.calls (id bigint GENERATED ALWAYS AS IDENTITY, dialpad_call_id text UNIQUE,
            status varchar(20), direction text,
            duration_seconds numeric, dialpad_user_id int, started_at timestamp(0), recording_url text)', name);
        PERFORM harden_calls(format('%I.calls', name)::regclass, 
            policy => jsonb_insert(call_payload_policy(), '{rules,0}', '{"path": "talk_time", "action": "drop"}'),
            transitions => '{"ringing": ["active"], "active": ["on_hold", "ended"], "ended": ["active"],
            "on_hold": ["active", "missed"], "missed": ["voicemail"], "rejected": []}');
        EXECUTE format('CREATE TRIGGER fill BEFORE INSERT ON %I.calls FOR EACH ROW EXECUTE FUNCTION fill()', name);
        EXECUTE format('CREATE TABLE %I.call_events (id bigint GENERATED ALWAYS AS IDENTITY, payload jsonb, event_type text)', name);
        PERFORM harden_call_events(format('%I.call_events', name)::regclass,
            format('%I.calls', name)::regclass, event_type_column => 'event_type');
        EXECUTE format('INSERT INTO %I.call_events (payload, event_type) SELECT body, type FROM streams ORDER BY n', name);
    ELSE
        EXECUTE format('INSERT INTO %I.call_events (payload, event_type, received_at) SELECT body, type, received_at
            FROM streams ORDER BY n', name);
    END IF;
END
$$;
CALL set_up('at_once', false); CALL set_up('one_by_one', false);
CALL set_up('sevens', false); CALL set_up('random', false); CALL set_up('workers', false);
CALL set_up('own_at_once', true); CALL set_up('own_one_by_one', true); CALL set_up('own_random', true);

CREATE PROCEDURE process_all(name text, size int) LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    LOOP
        SELECT claimed INTO n
        FROM process_call_events(coalesce(size, (1 + 40 * random() ^ 3)::int), format('%I.call_events', name)::regclass);
        COMMIT;
        EXIT WHEN n = 0;
    END LOOP;
END
$$;
SELECT start_call_worker('workers.call_events', workers => 3);
CALL process_all('at_once', 100000); CALL process_all('one_by_one', 1); CALL process_all('sevens', 7); CALL process_all('random', NULL);
CALL process_all('own_at_once', 100000); CALL process_all('own_one_by_one', 1); CALL process_all('own_random', NULL);
DO $$
BEGIN
    FOR i IN 1 .. 400 LOOP
        EXIT WHEN (SELECT count(*) FROM workers.calls) = 200
            AND (SELECT sum(pending) = 0 FROM pending_call_events('workers.call_events', true));
        COMMIT;
        PERFORM pg_sleep(0.05);
    END LOOP;
END
$$;
SELECT stop_call_worker('workers.call_events');
CALL process_all('workers', NULL);

CREATE FUNCTION rows_of(name text, OUT calls bigint, OUT digest text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT count(*), md5(string_agg((to_jsonb(c) - ''{id,created_at}''::text[])::text, E''\n'' ORDER BY dialpad_call_id))
        FROM %I.calls AS c', name)
        INTO calls, digest;
END
$$;
SELECT calls, array_agg(name ORDER BY name) AS same
FROM unnest('{at_once,one_by_one,sevens,random,workers,own_at_once,own_one_by_one,own_random}'::text[]) AS name, rows_of(name)
GROUP BY calls, digest ORDER BY 2;
SELECT count(*) AS failed FROM call_retrying_events;
SELECT status, count(*) > 0 AS some FROM at_once.calls GROUP BY 1 ORDER BY 1;
SELECT status, count(*) > 0 AS some FROM own_at_once.calls GROUP BY 1 ORDER BY 1;
SELECT count(*) FILTER (WHERE kind = 'refined_status') > 0 AS some FROM call_issues;
DROP SCHEMA at_once, one_by_one, sevens, random, workers, own_at_once, own_one_by_one, own_random CASCADE;
