-- The traffic of each provider through its shape. In any order of delivery the rows are those of the plan.
SET TimeZone = 'UTC';
\set SHOW_CONTEXT never

-- Every build gives the same bytes.
CREATE TABLE body AS SELECT provider, n, body FROM unnest('{dialpad,aircall,twilio,zoom_phone}'::text[]) AS provider,
    call_traffic(400, 4, provider) WITH ORDINALITY AS t (body, n);
SELECT provider, count(*) AS bodies, count(DISTINCT body) AS events, md5(string_agg(md5(body), '' ORDER BY n)) AS bytes
FROM body GROUP BY provider ORDER BY provider;

-- the plan
CREATE TABLE planned AS SELECT provider, c.* FROM unnest('{dialpad,aircall,twilio,zoom_phone}'::text[]) AS provider,
    call_traffic_calls(400, 4, provider) AS c;
SELECT provider, status, count(*) AS calls, count(direction) AS with_direction, count(ended_at) AS with_end,
    count(duration_seconds) AS with_duration, sum(duration_seconds) AS seconds
FROM planned GROUP BY 1, 2 ORDER BY 1, 2;

CREATE TABLE became (provider text, shuffled boolean, call_id text, call jsonb);
CREATE TABLE delivered (provider text, shuffled boolean, events bigint, dead bigint);
-- Delivers all bodies to tables of the provider, and keeps the rows.
CREATE PROCEDURE deliver(provider text, shuffled boolean) LANGUAGE plpgsql AS $$
BEGIN
    CREATE SCHEMA inbox;
    PERFORM create_call_tables('inbox', provider);
    PERFORM ingest_call_event(b.body, 'inbox.call_events') FROM (
        SELECT body.body FROM body WHERE body.provider = deliver.provider
        ORDER BY CASE WHEN shuffled THEN md5(body.body || n) END, n) AS b;
    COMMIT;
    WHILE (SELECT claimed FROM process_call_events(1000)) > 0 LOOP
        COMMIT;
    END LOOP;
    INSERT INTO became SELECT deliver.provider, deliver.shuffled, coalesce(c ->> 'call_id', c ->> 'dialpad_call_id'), c
    FROM (SELECT to_jsonb(calls) AS c FROM inbox.calls) AS rows;
    INSERT INTO delivered SELECT deliver.provider, deliver.shuffled, count(*), (SELECT count(*) FROM call_dead_events)
    FROM inbox.call_events;
    DROP SCHEMA inbox CASCADE;
END
$$;
SET client_min_messages = error;
CALL deliver('dialpad', false);
CALL deliver('dialpad', true);
CALL deliver('aircall', false);
CALL deliver('aircall', true);
CALL deliver('twilio', false);
CALL deliver('twilio', true);
CALL deliver('zoom_phone', false);
CALL deliver('zoom_phone', true);
-- A redelivery is no new event. The history of a queue's call at Zoom has a record for each member.
SELECT * FROM delivered;
RESET client_min_messages;

-- Twilio tells no times of a call. Dialpad tells a duration before the end, too.
CREATE VIEW compared AS
SELECT provider, coalesce(shuffled, false) AS shuffled, p.call_id AS planned, c.call_id AS became,
    p.status IS DISTINCT FROM call ->> 'status' AS other_status, p.direction <> coalesce(call ->> 'direction', '') AS other_direction,
    ROW(p.started_at, p.connected_at, p.ended_at) IS DISTINCT FROM ROW(
        date_trunc('second', (call ->> 'started_at')::timestamptz), date_trunc('second', (call ->> 'connected_at')::timestamptz),
        date_trunc('second', (call ->> 'ended_at')::timestamptz)) AND provider <> 'twilio' AS other_times,
    p.duration_seconds <> coalesce((call ->> 'duration_seconds')::int, -1) AS other_duration
FROM planned AS p FULL JOIN became AS c USING (provider, call_id);
SELECT provider, shuffled, count(planned) AS planned, count(became) AS became, count(*) FILTER (WHERE other_status) AS other_status,
    count(*) FILTER (WHERE other_direction) AS other_direction, count(*) FILTER (WHERE other_times) AS other_times,
    count(*) FILTER (WHERE other_duration) AS other_duration
FROM compared GROUP BY 1, 2 ORDER BY 1, 2;
SELECT p.provider, p.status, c.call ->> 'status' AS became, count(*), min(p.call_id)
FROM planned AS p JOIN became AS c USING (provider, call_id)
WHERE p.status IS DISTINCT FROM c.call ->> 'status' GROUP BY 1, 2, 3;

-- forms, spaces in numbers, several names of one call, retries an hour later
SELECT count(*) FILTER (WHERE body LIKE '%CA%C3%91ON%') > 0 AS utf_8, count(*) FILTER (WHERE body LIKE '%Zip=&%') > 0 AS empty,
    count(*) FILTER (WHERE body LIKE '%LOS+ANGELES%') > 0 AS plus, count(*) FILTER (WHERE body LIKE '%LOS%20ANGELES%') > 0 AS escaped,
    count(*) FILTER (WHERE body LIKE '%ParentCallSid=%') > 0 AS children,
    count(*) FILTER (WHERE body LIKE '%DialCallStatus=%') > 0 AS actions
FROM body WHERE provider = 'twilio';
SELECT count(*) FILTER (WHERE body::jsonb #>> '{data,raw_digits}' ~ '^\+(1 \d{3} \d{3} \d{4}|44 20 \d{4} \d{4})$') > 0 AS spaced,
    count(DISTINCT body::jsonb ->> 'token') AS tokens, count(*) FILTER (WHERE body LIKE '%X-Amz-Signature=%') > 0 AS links
FROM body WHERE provider = 'aircall';
SELECT event, count(*), count(DISTINCT body) AS events FROM (
    SELECT body, body::jsonb ->> 'event' AS event FROM body WHERE provider = 'zoom_phone') AS b GROUP BY 1 ORDER BY 1;
SELECT max(newest - at) / 60000 AS minutes_late FROM (SELECT at, max(at) OVER (ORDER BY n) AS newest FROM (
    SELECT n, (body::jsonb ->> 'event_ts')::bigint AS at FROM body WHERE provider = 'zoom_phone') AS b) AS t;

-- into a log: the provider is the log's
SET client_min_messages = error;
CREATE SCHEMA inbox;
SELECT create_call_tables('inbox', 'twilio');
SELECT generate_call_events(30) = (SELECT count(*) FROM call_traffic(30, 1, 'twilio')) AS all_delivered,
    generate_call_events(2, 1, NULL, 'dialpad') AS of_another_provider;
SELECT count(*) FILTER (WHERE event_lane >= 0) > 0 AS read FROM inbox.call_events;
DROP SCHEMA inbox CASCADE;
CREATE SCHEMA inbox;
SELECT create_call_tables('inbox', 'telnyx');
SELECT generate_call_events(1);
DROP SCHEMA inbox CASCADE;
RESET client_min_messages;
SELECT count(*) FROM call_traffic(5, provider => 'Zoom Phone');
SELECT call_traffic(1, provider => 'telnyx');
SELECT call_traffic(1, provider => NULL);
SELECT call_traffic_calls(-1);
SELECT call_traffic_calls(1, NULL);
SELECT count(*) FROM call_traffic_calls(0);
DROP VIEW compared;
DROP PROCEDURE deliver;
DROP TABLE body, planned, became, delivered;
