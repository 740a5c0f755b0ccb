-- Workers read a lane by its index. Any difference from the lane's own index is a gap.
SELECT create_call_tables('public');
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb) AS one,
    ingest_call_event('{"call_id": 1, "state": "connected"}'::jsonb) AS two;

-- An operator class with its own order: 2 comes before 1.
CREATE FUNCTION backwards(bigint, bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT btint8cmp($2, $1)';
CREATE OPERATOR CLASS backwards_ops FOR TYPE bigint USING btree AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 backwards(bigint, bigint);

CREATE TABLE tried (n int GENERATED ALWAYS AS IDENTITY, definition text, claimed text, gaps text);
CREATE PROCEDURE try(definition text) LANGUAGE plpgsql AS $$
DECLARE
    claimed text;
    gaps text;
BEGIN
    BEGIN
        DROP INDEX idx_call_events_lane;
        EXECUTE format('CREATE %s', replace(definition, 'ON ', 'ON call_events '));
        BEGIN
            SELECT string_agg(event_seq::text, ',') INTO claimed FROM claim_call_events(lease => NULL);
        EXCEPTION WHEN object_not_in_prerequisite_state THEN
            claimed := SQLERRM;
        END;
        gaps := (SELECT string_agg(gap || ' ' || coalesce(substring(detail FROM '\(.*'), ''), ', ')
            FROM call_enforcement WHERE relation = 'call_events'::regclass);
        RAISE EXCEPTION USING ERRCODE = 'T0000';
    EXCEPTION WHEN SQLSTATE 'T0000' THEN
        INSERT INTO tried (definition, claimed, gaps) VALUES (try.definition, claimed, gaps);
    END;
END
$$;
-- Suitable indexes
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq)');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq) WHERE event_lane IS NOT NULL');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq) INCLUDE (call_id)');
CALL try('UNIQUE INDEX ON (event_lane int4_ops, event_xid xid8_ops, event_seq int8_ops) WITH (fillfactor = 50)');
-- Wrong order
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq DESC)');
CALL try('UNIQUE INDEX ON (event_lane, event_xid DESC, event_seq)');
CALL try('UNIQUE INDEX ON (event_lane DESC, event_xid, event_seq)');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq NULLS FIRST)');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq backwards_ops)');
-- Wrong columns
CALL try('UNIQUE INDEX ON (event_lane, event_seq, event_xid)');
CALL try('UNIQUE INDEX ON (event_lane, event_seq) INCLUDE (event_xid)');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq, call_id)');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, (event_seq + 0))');
-- Not all rows
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq) WHERE event_seq > 1');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq) WHERE event_seq IS NOT NULL');
CALL try('UNIQUE INDEX ON (event_lane, event_xid, event_seq) WHERE event_lane IS NOT NULL AND event_seq > 1');
-- Other differences
CALL try('INDEX ON (event_lane, event_xid, event_seq)');
CALL try('INDEX ON USING hash (event_lane)');
SELECT definition, claimed, gaps FROM tried ORDER BY n;

-- Neither a deferrable index nor the remains of a failed CREATE INDEX CONCURRENTLY will do.
BEGIN;
DROP INDEX idx_call_events_lane;
ALTER TABLE call_events ADD UNIQUE (event_lane, event_xid, event_seq) DEFERRABLE;
SELECT count(*) FROM claim_call_events(lease => NULL);
ROLLBACK;
BEGIN;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_call_events_lane'::regclass;
SELECT count(*) FROM claim_call_events(lease => NULL);
ROLLBACK;

-- The index by number
BEGIN;
ALTER TABLE call_events DROP CONSTRAINT call_events_pkey;
CREATE UNIQUE INDEX ON call_events (event_seq DESC);
SELECT detail FROM call_enforcement WHERE gap = 'index_missing';
SELECT count(*) FROM pending_call_events('call_events', false);
ROLLBACK;

SELECT string_agg(event_seq::text, ',') FROM claim_call_events(lease => NULL);

-- An existing table gets an index of its own then.
CREATE TABLE hooks (payload jsonb, event_lane int, event_xid xid8, event_seq bigint, call_id text, event_digest bytea, done timestamptz);
CREATE UNIQUE INDEX theirs ON hooks (event_lane, event_xid, event_seq DESC);
SELECT harden_call_events('hooks', 'calls', processed_at_column => 'done');
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'hooks'::regclass ORDER BY indexrelid;

-- The indexes of the extension's own tables
BEGIN;
ALTER TABLE _callhardening.claims DROP CONSTRAINT claims_pkey;
CREATE UNIQUE INDEX claims_pkey ON _callhardening.claims (consumer_id, lane, record_no DESC);
SELECT detail FROM check_call_hardening() WHERE check_name = 'bookkeeping_indexes';
SELECT count(*) FROM claim_call_events(lease => NULL, log => 'call_events');
ROLLBACK;
BEGIN;
ALTER TABLE _callhardening.lanes DROP CONSTRAINT lanes_pkey;
CREATE UNIQUE INDEX lanes_pkey ON _callhardening.lanes (consumer_id, lane) WHERE lane > 3;
SELECT count(*) FROM claim_call_events(lease => NULL, log => 'call_events');
ROLLBACK;

DROP TABLE hooks, call_events, calls, tried;
DROP PROCEDURE try(text);
DROP OPERATOR FAMILY backwards_ops USING btree;
DROP FUNCTION backwards(bigint, bigint);
