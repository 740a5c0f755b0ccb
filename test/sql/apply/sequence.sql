\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
-- The provider's number of an event within its call tells the newer one, also within one second and in several batches.
CREATE SCHEMA twilio;
SELECT create_call_tables('twilio', 'twilio');
CREATE FUNCTION callback(call text, number int, status text, target text, second int) RETURNS text LANGUAGE sql AS $$
SELECT format('CallSid=%s&CallbackSource=call-progress-events&SequenceNumber=%s&CallStatus=%s&To=%%2B1415555010%s'
    '&Timestamp=Thu%%2C+01+Jan+2026+00%%3A00%%3A%s+%%2B0000', call, number, status, target, to_char(second, 'FM00'))
$$;
CREATE FUNCTION deliver(call text, VARIADIC bodies text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    body text;
BEGIN
    FOREACH body IN ARRAY bodies LOOP
        PERFORM ingest_call_event(body, 'twilio.call_events');
    END LOOP;
    RETURN call;
END
$$;
CREATE VIEW state AS
SELECT call_id, status, to_number, last_event_at, merge_sequence, merge_newest_at FROM twilio.calls;
-- one batch: 2 comes first, then 0 and 1 of the same second
SELECT deliver('CA1', callback('CA1', 2, 'in-progress', '2', 5),
    callback('CA1', 0, 'initiated', '0', 5), callback('CA1', 1, 'ringing', '1', 5));
SELECT claimed, applied, unchanged, refused FROM process_call_events(log => 'twilio.call_events');
SELECT * FROM state;
-- batches of one event: the row remembers the number
SELECT ingest_call_event(callback('CA2', 2, 'ringing', '2', 5), 'twilio.call_events') > 0 AS ingested;
SELECT claimed, applied FROM process_call_events(log => 'twilio.call_events');
SELECT ingest_call_event(callback('CA2', 1, 'ringing', '1', 9), 'twilio.call_events') > 0 AS ingested;
SELECT claimed, applied, unchanged FROM process_call_events(log => 'twilio.call_events');
SELECT * FROM state WHERE call_id = 'CA2';
SELECT ingest_call_event(callback('CA2', 7, 'in-progress', '7', 4), 'twilio.call_events') > 0 AS ingested;
SELECT claimed, applied, unchanged FROM process_call_events(log => 'twilio.call_events');
SELECT * FROM state WHERE call_id = 'CA2';
-- An event without a number is compared by its time.
SELECT ingest_call_event('CallSid=CA2&CallStatus=in-progress&To=%2B14155550109&Timestamp=Thu%2C+01+Jan+2026+00%3A00%3A03+%2B0000',
    'twilio.call_events') > 0 AS early;
SELECT claimed, applied, unchanged FROM process_call_events(log => 'twilio.call_events');
SELECT ingest_call_event('CallSid=CA2&CallStatus=in-progress&To=%2B14155550108&Timestamp=Thu%2C+01+Jan+2026+00%3A00%3A30+%2B0000',
    'twilio.call_events') > 0 AS late;
SELECT claimed, applied, unchanged FROM process_call_events(log => 'twilio.call_events');
SELECT * FROM state WHERE call_id = 'CA2';
-- all of them once more
INSERT INTO twilio.call_events (payload) SELECT payload FROM twilio.call_events ORDER BY event_seq;
SELECT claimed, applied FROM process_call_events(log => 'twilio.call_events');
SELECT * FROM state ORDER BY 1;
-- a number that is none, or too large
SELECT ingest_call_event('CallSid=CA3&CallbackSource=call-progress-events&SequenceNumber=99999999999999999999&CallStatus=ringing',
    'twilio.call_events') > 0 AS ingested;
SELECT claimed, applied FROM process_call_events(log => 'twilio.call_events');
SELECT status, merge_sequence FROM state WHERE call_id = 'CA3';
-- a table without the column
ALTER TABLE twilio.calls DROP COLUMN merge_sequence CASCADE;
SELECT claimed FROM process_call_events(log => 'twilio.call_events');
SELECT harden_calls('twilio.calls', 'call_id');
SELECT claimed FROM process_call_events(log => 'twilio.call_events');
DROP SCHEMA twilio CASCADE;
DROP FUNCTION callback, deliver;
