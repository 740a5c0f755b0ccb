SET TimeZone = 'UTC';

-- Every build gives the same bytes. If this line changes, all measurements have other inputs.
SELECT count(*), md5(string_agg(md5(body), '')) FROM (SELECT call_traffic(2000) AS body) AS t;
SELECT count(*), md5(string_agg(md5(body), '')) FROM (SELECT call_traffic(2000, -7) AS body) AS t;

CREATE TEMP TABLE traffic (
    delivery bigint GENERATED ALWAYS AS IDENTITY, call_id text, state text,
    direction text, at bigint, started bigint, ended bigint, bytes int,
    body text, event jsonb);
ALTER TABLE traffic ALTER body SET STORAGE EXTERNAL, ALTER event SET STORAGE EXTERNAL;
INSERT INTO traffic (call_id, state, direction, at, started, ended, bytes, body, event)
SELECT event ->> 'call_id', event ->> 'state', event ->> 'direction',
    (event ->> 'event_timestamp')::bigint, (event ->> 'date_started')::bigint,
    (event ->> 'date_ended')::bigint, octet_length(body), body, event
FROM (SELECT body, body::jsonb AS event FROM (SELECT call_traffic(2000) AS body OFFSET 0) AS made OFFSET 0) AS t;

-- Each call has its own id between 2^52 and 2^53. Most ids are numbers.
SELECT calls, count(DISTINCT body::jsonb ->> 'call_id') AS call_ids
FROM unnest(ARRAY[0, 1, 2, 3, 100]) AS calls LEFT JOIN LATERAL call_traffic(calls) AS body ON true GROUP BY calls ORDER BY calls;
SELECT count(DISTINCT call_id) AS call_ids,
    min(call_id::bigint) >= 2::numeric ^ 52 AND max(call_id::bigint) < 2::numeric ^ 53 AS in_range,
    count(*) FILTER (WHERE jsonb_typeof(event -> 'call_id') = 'string') * 100.0 / count(*) BETWEEN 0.5 AND 1.5 AS some_are_strings
FROM traffic;

-- Every state, and every member in Dialpad's documentation
SELECT state COLLATE "C", count(*) FROM traffic GROUP BY 1 ORDER BY 1;
SELECT key, string_agg(DISTINCT jsonb_typeof(value), ', ' ORDER BY jsonb_typeof(value)) AS types
FROM traffic, jsonb_each(event) GROUP BY key ORDER BY key COLLATE "C";
SELECT min(members), max(members), round(100.0 * count(*) FILTER (WHERE members BETWEEN 32 AND 41) / count(*)) AS percent_of_32_to_41
FROM (SELECT (SELECT count(*) FROM jsonb_object_keys(event)) AS members FROM traffic) AS t;
SELECT min(empty), max(empty) FROM (
    SELECT (SELECT count(*) FROM jsonb_each(event) WHERE value IN ('null', '[]', '{}', '""', '0')) AS empty FROM traffic) AS t;

-- Most bodies are small. The few large ones have most of the bytes.
SELECT size, round(100 * count(*) / sum(count(*)) OVER (), 1) AS percent_of_events,
    round(100 * sum(bytes) / sum(sum(bytes)) OVER (), 1) AS percent_of_bytes
FROM traffic JOIN (VALUES ('below 1 kB', 0, 1000), ('1 to 1.3 kB', 1000, 1300), ('1.3 to 2 kB', 1300, 2000),
    ('2 to 10 kB', 2000, 10000), ('10 to 50 kB', 10000, 50000), ('50 to 200 kB', 50000, 200000), ('above 200 kB', 200000, 2000000000))
    AS s (size, low, high) ON bytes >= low AND bytes < high
GROUP BY size, low ORDER BY low;
SELECT percentile_disc(ARRAY[0, 0.1, 0.5, 0.75, 0.9, 0.99, 1]) WITHIN GROUP (ORDER BY bytes) AS percentiles, round(avg(bytes)) AS average
FROM traffic;

-- A redelivery has the same bytes and comes later.
SELECT round(100.0 * (count(*) - count(DISTINCT body)) / count(*)) AS percent_redelivered FROM traffic;

-- Directions: most as documented, some in other words, a few unknown
SELECT direction COLLATE "C", count(*) FROM traffic GROUP BY 1 ORDER BY 1;
SELECT round(100.0 * count(*) FILTER (WHERE direction IN ('inbound', 'outbound')) / count(*)) AS percent_plain FROM traffic;
SET client_min_messages = error;
SELECT normalize_call_direction(direction, 'dialpad') AS direction, count(DISTINCT call_id) AS calls
FROM traffic GROUP BY 1 ORDER BY 1;
-- ... and one direction for all events of a call
SELECT count(*) FROM (SELECT FROM traffic GROUP BY call_id
    HAVING count(DISTINCT coalesce(normalize_call_direction(direction, 'dialpad'), '?')) > 1) AS t;
RESET client_min_messages;

-- Flags are booleans, or sometimes text.
SELECT event -> 'is_transferred' AS is_transferred, count(*) FROM traffic GROUP BY 1 ORDER BY 1;

-- The legs of one human call refer to each other.
CREATE TEMP TABLE leg AS
SELECT call_id, max(event ->> 'entry_point_call_id') AS entry_point, max(event ->> 'operator_call_id') AS operator,
    max(event ->> 'master_call_id') AS master, bool_or(state = 'hangup') AS is_hung_up
FROM traffic GROUP BY 1;
SELECT count(entry_point) AS entry_points, count(operator) AS operators, count(master) AS masters,
    count(*) FILTER (WHERE entry_point NOT IN (SELECT call_id FROM leg) OR operator NOT IN (SELECT call_id FROM leg)
        OR master NOT IN (SELECT call_id FROM leg)) AS dangling
FROM leg;
SELECT legs, count(*) AS human_calls
FROM (SELECT count(*) AS legs FROM leg GROUP BY coalesce(entry_point, master, call_id)) AS t GROUP BY legs ORDER BY legs;

-- Faults: later events arrive first, and calls lose their end.
SELECT round(100.0 * count(*) FILTER (WHERE at < newest) / count(*), 1) AS percent_overtaken
FROM (SELECT at, max(at)
        OVER (PARTITION BY call_id ORDER BY delivery) AS newest FROM traffic) AS t;
SELECT count(*) AS ring_after_hangup FROM traffic AS late JOIN traffic AS hangup
    ON late.call_id = hangup.call_id AND late.delivery > hangup.delivery
    AND late.state = 'ringing' AND hangup.state = 'hangup';
SELECT count(*) FILTER (WHERE NOT is_hung_up) AS lost_ends FROM leg;
SELECT count(*) AS recaps_hours_later FROM traffic WHERE state LIKE 'recap%'
    AND at - ended > 3600000;

-- A body has no time after its event.
SELECT count(*)
FROM traffic, LATERAL (VALUES ('date_started'), ('date_rang'), ('date_queued'), ('date_connected'), ('date_ended')) AS d (member)
WHERE (event ->> member)::bigint > at;
SELECT count(*) FROM traffic WHERE (event ->> 'talk_time')::float8 > (event ->> 'total_duration')::float8 + 1;

-- A working day
SELECT to_timestamp(min(started) / 1000)::date AS first_day, to_timestamp(max(started) / 1000)::date AS last_day
FROM traffic;
SELECT hour, count(*) AS calls, repeat('#', (count(*) / 10)::int) AS chart
FROM (SELECT extract(hour FROM to_timestamp(min(started) / 1000)) AS hour FROM traffic GROUP BY call_id) AS t
GROUP BY hour ORDER BY hour;

-- Secrets for the sanitizer to find
SELECT count(*) FILTER (WHERE body LIKE '%Bearer %') AS bearer, count(*) FILTER (WHERE body LIKE '%"Set-Cookie":"session=%') AS cookie,
    count(*) FILTER (WHERE event ->> 'custom_data' LIKE '%"api_key":"%') AS api_key,
    count(*) FILTER (WHERE event #> '{integrations,hubspot,access_token}' IS NOT NULL) AS access_token,
    count(*) FILTER (WHERE body LIKE '%X-Goog-Signature=%') AS signature
FROM traffic;

SELECT bool_and(jsonb_typeof((event ->> 'custom_data')::jsonb) = 'object') AS json_in_a_string FROM traffic;

-- Bodies are generated one by one, so the first of ten million are there at once.
SELECT count(*) FROM (SELECT call_traffic(10000000) LIMIT 3) AS t;
BEGIN;
DECLARE few CURSOR FOR SELECT call_traffic(10000000, 3) IS NOT NULL AS body;
FETCH 2 FROM few;
CLOSE few;
COMMIT;

-- Invalid arguments
SELECT call_traffic(NULL);
SELECT call_traffic(1, NULL);
SELECT call_traffic(-1);
SELECT call_traffic(10000001);
SELECT call_traffic(-2147483648);

-- PUBLIC cannot execute these functions.
SELECT proname, provolatile, proparallel, has_function_privilege('public', oid, 'EXECUTE') AS anybody
FROM pg_proc WHERE proname IN ('call_traffic', 'generate_call_events') ORDER BY 1;

\set SHOW_CONTEXT never
-- Into an event log: the same seed gives the same events, so a second run only repeats them.
SELECT create_call_tables('public');
SELECT generate_call_events(60, 5) AS delivered \gset
SELECT :delivered = (SELECT count(*) FROM (SELECT call_traffic(60, 5)) AS t) AS all_delivered,
    :delivered > (SELECT count(*) FROM call_events) AS some_twice;
SELECT count(*) AS events FROM call_events \gset
SELECT generate_call_events(60, 5) = :delivered AS same, (SELECT count(*) FROM call_events) = :events AS nothing_new;
SELECT generate_call_events(0);
SELECT generate_call_events(NULL);
SELECT generate_call_events(-1);
SELECT generate_call_events(1, NULL);
SELECT generate_call_events(1, 1, 'calls');
SET client_min_messages = error;
DO $$
BEGIN
    WHILE (SELECT claimed FROM process_call_events()) > 0 LOOP
    END LOOP;
END
$$;
SELECT count(*) AS calls, count(DISTINCT dialpad_call_id) AS ids, count(*) FILTER (WHERE direction NOT IN ('inbound', 'outbound')) AS wrong
FROM calls;
DROP TABLE calls, call_events;
