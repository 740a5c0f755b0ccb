\set SHOW_CONTEXT never
-- Triggers fire while events are applied, completed and deleted. If a trigger changes claims in use, the function fails.
-- Without the trigger the work continues.
SELECT create_call_tables();
SELECT count(ingest_call_event(format('{"call_id": %s, "state": "ringing"}', id))) FROM generate_series(1, 5) AS id;
-- The trigger runs this statement.
CREATE TABLE verbs (statement text);
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE (SELECT statement FROM verbs);
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE TRIGGER meddle AFTER INSERT OR UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION meddle();
-- Another session holds a claim with a lease.
SELECT claim_id, event_seq FROM claim_call_events(1) \gset
INSERT INTO verbs VALUES ('SELECT complete_call_events(ARRAY(SELECT claim_id FROM _callhardening.claims))');
SELECT process_call_events();
UPDATE verbs SET statement = 'SELECT release_call_events(ARRAY(SELECT claim_id FROM _callhardening.claims))';
SELECT process_call_events();
UPDATE verbs SET statement = format('SELECT fail_call_event(%s, %s, ''x'')', :claim_id, :event_seq);
SELECT process_call_events();
UPDATE verbs SET statement = format('SELECT renew_call_claim(%s)', :claim_id);
SELECT process_call_events();
UPDATE verbs SET statement = 'SELECT * FROM claim_call_events()';
SELECT process_call_events();
UPDATE verbs SET statement = 'SELECT purge_call_events(''0'')';
SELECT process_call_events();
-- Nothing was changed. Functions that change no claim are allowed.
SELECT count(*) AS calls FROM calls;
SELECT state, count(*) FROM _callhardening.claims GROUP BY 1 ORDER BY 1;
UPDATE verbs SET statement = format('SELECT assert_call_claim(%s)', :claim_id);
SELECT claimed, applied FROM process_call_events(1);
UPDATE verbs SET statement = 'SELECT ingest_call_event(''{"call_id": 9, "state": "ringing"}''::jsonb)';
SELECT claimed, applied FROM process_call_events(1);
SELECT outcome FROM complete_call_events(ARRAY[:claim_id]);
-- A background worker holds a lease on the events it applies.
UPDATE verbs SET statement = 'SELECT complete_call_events(ARRAY(SELECT claim_id FROM _callhardening.claims))';
SET client_min_messages = error;
SELECT start_call_worker();
DO $$ BEGIN
    FOR attempt IN 1 .. 500 LOOP
        COMMIT;
        EXIT WHEN EXISTS (SELECT FROM _callhardening.claims WHERE state = 'released');
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;
DROP TRIGGER meddle ON calls;
DO $$ BEGIN
    FOR attempt IN 1 .. 500 LOOP
        COMMIT;
        EXIT WHEN (SELECT count(*) FROM calls) >= 5;
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;
SELECT stop_call_worker();
RESET client_min_messages;
SELECT count(*) > 0 AS was_released FROM _callhardening.claims WHERE state = 'released';
SELECT count(*) AS calls, (SELECT sum(pending) FROM pending_call_events(exact => true)) AS pending FROM calls;
-- A trigger of the log fires when rows are purged.
CREATE TRIGGER meddle AFTER DELETE ON call_events FOR EACH ROW EXECUTE FUNCTION meddle();
UPDATE verbs SET statement = 'SELECT purge_call_events(''0'')';
SELECT purge_call_events('0');
DROP TRIGGER meddle ON call_events;
SELECT purge_call_events('0') > 0 AS purged;
DROP TABLE call_events, calls;
-- It also fires when events are marked as processed.
CREATE TABLE calls (dialpad_call_id bigint, status text, direction text);
CREATE TABLE hooks (id serial PRIMARY KEY, payload jsonb, processed_at timestamptz);
SELECT harden_calls('calls'), harden_call_events('hooks', 'calls', processed_at_column => 'processed_at');
CREATE TRIGGER meddle AFTER UPDATE ON hooks FOR EACH ROW EXECUTE FUNCTION meddle();
INSERT INTO hooks (payload) VALUES ('{"call_id": 1, "state": "ringing"}'), ('{"call_id": 2, "state": "ringing"}');
UPDATE verbs SET statement = 'SELECT complete_call_events(ARRAY(SELECT claim_id FROM _callhardening.claims))';
SELECT process_call_events();
SELECT count(DISTINCT claim_id) AS claims FROM claim_call_events();
SELECT complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM _callhardening.claims));
DROP TRIGGER meddle ON hooks;
SELECT outcome, count(*) FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM _callhardening.claims)) GROUP BY 1;
SELECT count(processed_at) AS marked FROM hooks;
DROP TABLE hooks, calls, verbs;
DROP FUNCTION meddle;
