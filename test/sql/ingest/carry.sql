-- A receiver gives an event values beside its body. The log carries them to new calls.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA tenants;
SET search_path = tenants, public;
CREATE DOMAIN plan AS text CHECK (VALUE IN ('free', 'paid'));
CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text,
    app_id uuid NOT NULL, region varchar(4) DEFAULT 'eu', plan plan, tags jsonb,
    seats integer[], score numeric(6, 2), is_test boolean);
CREATE TABLE events (id serial PRIMARY KEY, payload jsonb NOT NULL, app_id uuid,
    region varchar(4), plan plan, tags jsonb, seats integer[], score numeric(6, 2),
    is_test boolean);
SELECT harden_calls('calls');
SELECT harden_call_events('events', 'calls', carry => '{app_id,region,plan,tags,seats,score,is_test}');
SELECT level, gap, detail FROM call_enforcement WHERE relation = 'events'::regclass;

-- The calls table requires a value, and the body lacks it. The event is kept, and fails until the value is set.
SELECT ingest_call_event('{"call_id": 20, "state": "ringing"}', carry => '{"app_id": null, "region": "us"}') > 0 AS kept;
SELECT claimed, failed FROM process_call_events();
UPDATE events SET app_id = '00000000-0000-0000-0000-000000000000' WHERE call_id = '20';
SELECT errors #>> '{0,sqlstate}' AS state FROM call_retrying_events;
SELECT pg_sleep(greatest(0, extract(epoch FROM max(due_at) - clock_timestamp()))) IS NOT NULL AS waited FROM call_retrying_events;
SELECT claimed, applied FROM process_call_events();

-- All three forms, and values of every type
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb,
    carry => '{"app_id": "00000000-0000-0000-0000-00000000000a", "region": "us", "plan": "paid",
    "tags": {"a": [1, "x"]}, "seats": "{1,2}", "score": 1.50, "is_test": true}') > 0 AS kept;
SELECT ingest_call_event('{"call_id": 2, "state": "ringing"}'::text,
    carry => '{"app_id": "00000000-0000-0000-0000-00000000000b", "tags": "word", "score": "7"}') > 0 AS kept;
SELECT ingest_call_event('{"call_id": 3, "state": "ringing"}'::bytea,
    carry => '{"app_id": "00000000-0000-0000-0000-00000000000c", "tags": null, "is_test": "off"}') > 0 AS kept;
SELECT sum(applied) AS applied, sum(failed) AS failed FROM generate_series(1, 20) AS n, LATERAL process_call_events(1000 + n);
SELECT dialpad_call_id AS id, right(app_id::text, 1) AS app, region, plan, tags, seats, score, is_test FROM calls ORDER BY 1;

-- A redelivery does not change the values of the first delivery or of the call.
SELECT count(DISTINCT seq) FROM (VALUES
    (ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb, carry => '{"app_id": "00000000-0000-0000-0000-00000000000f"}')),
    (ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb,
        carry => '{"app_id": "00000000-0000-0000-0000-00000000000e"}'))) AS v (seq);
SELECT ingest_call_event('{"call_id": 1, "state": "hangup"}'::jsonb,
    carry => '{"app_id": "00000000-0000-0000-0000-00000000000f"}') > 0 AS kept;
SELECT sum(applied) AS applied FROM generate_series(1, 20) AS n, LATERAL process_call_events(1000 + n);
SELECT right(app_id::text, 1) AS app, payload ->> 'state' AS state FROM events WHERE payload ->> 'call_id' = '1' ORDER BY id;
SELECT right(app_id::text, 1) AS app, status FROM calls WHERE dialpad_call_id = 1;

-- Invalid values: the error has the SQLSTATE of the type, and does not show the value.
CREATE FUNCTION refused(carry jsonb) RETURNS TABLE (state text, message text, detail text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ingest_call_event('{"call_id": 9}'::jsonb, carry => refused.carry);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN NEXT;
END
$$;
SELECT r.* FROM unnest('{"[]","7","null","{\"app\": 1}","{\"id\": 7}","{\"payload\": {}}","{\"it''s; a secret 4111111111111111\": 1}",
    "{\"app_id\": \"secret\"}","{\"app_id\": 7}","{\"region\": \"secret\"}",
    "{\"plan\": \"secret\"}","{\"seats\": [1]}","{\"seats\": \"{secret}\"}","{\"score\": 1e9}",
    "{\"score\": {\"secret\": 1}}","{\"is_test\": \"secret\"}"}'::jsonb[])
    WITH ORDINALITY AS c (carry, place), LATERAL refused(carry) AS r ORDER BY place;
SELECT count(*) FROM events WHERE payload ->> 'call_id' = '9';

-- The NOT NULL columns of the log itself can be carried, too.
ALTER TABLE events ALTER app_id SET NOT NULL, ADD origin text NOT NULL DEFAULT 'unknown';
ALTER TABLE events ALTER origin DROP DEFAULT;
SELECT ingest_call_event('{"call_id": 4}', carry => '{"region": "us"}');
SELECT ingest_call_event('{"call_id": 4}', carry => '{"app_id": "00000000-0000-0000-0000-00000000000a"}');
ALTER TABLE events DROP origin;
SELECT ingest_call_event('{"call_id": 4, "state": "ringing"}', carry => '{"app_id": "00000000-0000-0000-0000-00000000000a"}') > 0 AS kept;
-- A default of either table is enough, and so is a trigger.
ALTER TABLE events ALTER app_id DROP NOT NULL, ALTER app_id SET DEFAULT '00000000-0000-0000-0000-00000000000d';
SELECT ingest_call_event('{"call_id": 5, "state": "ringing"}') > 0 AS kept;
ALTER TABLE events ALTER app_id DROP DEFAULT;
ALTER TABLE calls ALTER app_id SET DEFAULT '00000000-0000-0000-0000-00000000000e';
SELECT ingest_call_event('{"call_id": 6, "state": "ringing"}') > 0 AS kept;
ALTER TABLE calls ALTER app_id DROP DEFAULT;
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.app_id := '00000000-0000-0000-0000-00000000000f'; RETURN NEW; END$$;
CREATE TRIGGER fill BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fill();
SELECT ingest_call_event('{"call_id": 7, "state": "ringing"}') > 0 AS kept;
ALTER TABLE calls ALTER app_id SET DEFAULT '00000000-0000-0000-0000-00000000000e';
SELECT sum(applied) AS applied, sum(failed) AS failed FROM generate_series(1, 20) AS n, LATERAL process_call_events(1000 + n);
SELECT dialpad_call_id AS id, right(app_id::text, 1) AS app FROM calls WHERE dialpad_call_id BETWEEN 4 AND 19 ORDER BY 1;
DROP TRIGGER fill ON events;

-- Signed bodies
\set signed eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjYWxsX2lkIjogOCwgInN0YXRlIjogInJpbmdpbmcifQ.UruZ_aRJGgfWgV3cYvZQWKcylyphRvoWZI6mLiWW9fY
SELECT set_call_event_secret('events', 'a secret of a provider that is long enough');
SELECT ingest_call_event('{"call_id": 8}', carry => '{}');
SELECT ingest_signed_call_event(:'signed', carry => '{"app_id": "00000000-0000-0000-0000-00000000000a"}') > 0 AS kept;
SELECT set_call_event_secret('events', NULL);

-- A log without carried columns, and one with a renamed column
CREATE SCHEMA tenants_2;
SELECT create_call_tables('tenants_2');
SELECT ingest_call_event('{"call_id": 1}', 'tenants_2.call_events', carry => '{}') > 0 AS kept;
SELECT ingest_call_event('{"call_id": 2}', 'tenants_2.call_events', carry => '{"app_id": 7}');
ALTER TABLE events RENAME app_id TO tenant;
SELECT ingest_call_event('{"call_id": 10}', 'events', carry => '{"app_id": "00000000-0000-0000-0000-00000000000a"}');

-- A role with the right to ingest may carry values.
ALTER TABLE events RENAME tenant TO app_id;
CREATE ROLE regress_receiver;
GRANT USAGE ON SCHEMA tenants TO regress_receiver;
SELECT grant_call_role('regress_receiver', 'ingest', 'events');
SET ROLE regress_receiver;
SELECT ingest_call_event('{"call_id": 11}'::jsonb, 'tenants.events',
    carry => '{"app_id": "00000000-0000-0000-0000-00000000000a", "region": "us"}') > 0 AS kept;
RESET ROLE;
SET client_min_messages = error;
DROP OWNED BY regress_receiver;
DROP ROLE regress_receiver;
RESET search_path;
DROP SCHEMA tenants, tenants_2 CASCADE;
