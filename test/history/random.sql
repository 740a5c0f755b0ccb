-- Random histories of event logs, for test/t/claims/random_histories.pl: several logs in one database. For each of them random
-- numbers choose the steps of a worker, an old processor and a DBA. Every step commits.
\set QUIET on
SET client_min_messages = error;
CREATE EXTENSION callhardening;
SELECT create_call_tables('public');
ALTER TABLE call_events RENAME TO template;

CREATE TABLE histories (history int PRIMARY KEY, log text NOT NULL, consumer name NOT NULL,
    is_old boolean NOT NULL, is_stamped_anew boolean NOT NULL DEFAULT false);
-- place: the order of the rows of a claim. It is that of event_seq, but not after a restore of data alone.
CREATE TABLE held (place bigint GENERATED ALWAYS AS IDENTITY, history int, claim_id bigint, event_seq bigint, call_id text,
    is_skipped boolean DEFAULT false);
CREATE TABLE done (place bigint GENERATED ALWAYS AS IDENTITY, history int, event_seq bigint, call_id text);
CREATE TABLE revived (history int, call_id text);
CREATE TABLE steps (place bigint GENERATED ALWAYS AS IDENTITY, history int, step text, detail text);

CREATE FUNCTION up_to(last int) RETURNS int LANGUAGE sql AS $$ SELECT 1 + floor(random() * last)::int $$;

-- Half of the logs are tables that old processors mark with processed_at. The workers of half of the logs work for a
-- consumer of their own. The default consumer of such a log processes some events, and a third consumer sleeps.
CREATE PROCEDURE begin_history(number int) LANGUAGE plpgsql SET client_min_messages = error AS $$
DECLARE
    log text := 'log' || number;
    is_old boolean := random() < 0.6;
    lanes int := (ARRAY[1, 1, 2, 4])[up_to(4)];
BEGIN
    IF is_old THEN
        EXECUTE format('CREATE TABLE %s (id bigserial, payload jsonb,
            received_at timestamptz DEFAULT clock_timestamp(), processed_at timestamptz)', log);
        PERFORM harden_call_events(log, 'calls', received_at_column => 'received_at',
            processed_at_column => 'processed_at', lanes => lanes);
    ELSE
        EXECUTE format('CREATE TABLE %s (LIKE template INCLUDING ALL)', log);
        PERFORM register_call_event_log(log, 'calls', 'dialpad', lanes);
    END IF;
    PERFORM configure_call_event_log(log, max_attempts => 1 + up_to(3), max_retrying => (ARRAY[1, 2, 5, 1000])[up_to(4)],
        retry_base => '1 hour', retry_cap => '1 hour');
    IF random() < 0.5 THEN
        PERFORM create_call_consumer(log, 'own'), create_call_consumer(log, 'asleep');
    END IF;
    INSERT INTO histories VALUES (number, log, (SELECT max(c.name)
        FROM _callhardening.consumers AS c JOIN call_event_logs AS l USING (log_id)
        WHERE l.events = log::regclass), is_old);
END $$;

CREATE FUNCTION log_of(number int) RETURNS regclass LANGUAGE sql STABLE AS $$ SELECT log::regclass FROM histories WHERE history = number $$;
CREATE FUNCTION consumer_of(number int) RETURNS name LANGUAGE sql STABLE AS $$ SELECT consumer FROM histories WHERE history = number $$;
CREATE FUNCTION log_id_of(number int) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT log_id FROM call_event_logs WHERE events = log_of(number) $$;

-- -- the steps of a worker -----------------------------------------------------------------------

CREATE FUNCTION append(number int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    call int := up_to(4);
BEGIN
    EXECUTE format('INSERT INTO %s (payload) VALUES ($1)', log_of(number))
        USING jsonb_build_object('call_id', call, 'state', 'recording', 'n', random());
    RETURN 'of call ' || call;
END $$;

CREATE FUNCTION claim(number int, lease interval) RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    taken text;
BEGIN
    WITH claimed AS (SELECT * FROM claim_call_events(up_to(6), lease, 'worker', log_of(number), consumer => consumer_of(number))),
        kept AS (INSERT INTO held (history, claim_id, event_seq, call_id) SELECT number, claim_id, event_seq, call_id FROM claimed)
    SELECT string_agg(event_seq || ' (' || call_id || ')', ',' ORDER BY event_seq) INTO taken FROM claimed;
    RETURN taken;
END $$;

CREATE FUNCTION held_claim(number int) RETURNS bigint LANGUAGE sql AS $$
    SELECT claim_id FROM held WHERE history = number ORDER BY random() LIMIT 1 $$;

CREATE FUNCTION complete(number int, claim bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    outcome text := (SELECT c.outcome FROM complete_call_events(ARRAY[claim]) AS c);
BEGIN
    IF outcome = 'completed' THEN
        INSERT INTO done (history, event_seq, call_id)
        SELECT number, event_seq, call_id FROM held WHERE claim_id = claim AND NOT is_skipped ORDER BY place;
    END IF;
    DELETE FROM held WHERE claim_id = claim;
    RETURN claim || ' ' || outcome;
END $$;

-- Completes a claim and claims the next events in one statement. A lost claim undoes the statement.
CREATE FUNCTION go_on(number int, claim bigint) RETURNS text LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    taken text;
BEGIN
    WITH claimed AS (SELECT * FROM claim_call_events(up_to(6), '1 hour', 'worker', log_of(number), ARRAY[claim], consumer_of(number))),
        finished AS (INSERT INTO done (history, event_seq, call_id)
            SELECT number, event_seq, call_id FROM held WHERE claim_id = claim AND NOT is_skipped ORDER BY place),
        kept AS (INSERT INTO held (history, claim_id, event_seq, call_id) SELECT number, claim_id, event_seq, call_id FROM claimed)
    SELECT string_agg(event_seq || ' (' || call_id || ')', ',' ORDER BY event_seq) INTO taken FROM claimed;
    DELETE FROM held WHERE claim_id = claim;
    RETURN claim || ' completed, ' || coalesce(taken, 'nothing');
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN complete(number, claim);
END $$;

CREATE FUNCTION release(number int, claim bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM held WHERE claim_id = claim;
    RETURN claim || ' ' || (SELECT outcome FROM release_call_events(ARRAY[claim]));
END $$;

-- A claim has no deleted events.
CREATE FUNCTION fail(number int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    failed held := (SELECT h FROM held h WHERE history = number AND NOT is_skipped ORDER BY random() LIMIT 1);
    outcome text;
BEGIN
    IF failed.claim_id IS NULL THEN
        RETURN NULL;
    END IF;
    outcome := fail_call_event(failed.claim_id, failed.event_seq, 'failed', (ARRAY['0', '1 hour', NULL])[up_to(3)]::interval);
    UPDATE held SET is_skipped = true WHERE claim_id = failed.claim_id AND call_id = failed.call_id AND place >= failed.place;
    RETURN failed.event_seq || ' ' || outcome;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN failed.event_seq || ' is gone';
END $$;

-- -- the steps of others ---------------------------------------------------------------------------

-- Half of the time the chosen event is a waiting one.
CREATE FUNCTION some_event(number int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    chosen bigint;
BEGIN
    IF random() < 0.5 THEN
        SELECT event_seq INTO chosen FROM call_retrying_events
        WHERE log_id = log_id_of(number) AND consumer = consumer_of(number) ORDER BY random() LIMIT 1;
    END IF;
    IF chosen IS NULL THEN
        EXECUTE format('SELECT event_seq FROM %s ORDER BY random() LIMIT 1', log_of(number)) INTO chosen;
    END IF;
    RETURN chosen;
END $$;

CREATE FUNCTION mark(number int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    chosen bigint := some_event(number);
BEGIN
    IF (SELECT is_old FROM histories WHERE history = number) THEN
        EXECUTE format('UPDATE %s SET processed_at = now() WHERE event_seq = $1 AND processed_at IS NULL', log_of(number)) USING chosen;
    END IF;
    RETURN chosen;
END $$;

CREATE FUNCTION delete(number int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    chosen bigint := some_event(number);
BEGIN
    EXECUTE format('DELETE FROM %s WHERE event_seq = $1', log_of(number)) USING chosen;
    RETURN chosen;
END $$;

CREATE FUNCTION revive(number int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revived SELECT number, call_id FROM call_dead_events
    WHERE log_id = log_id_of(number) AND consumer = consumer_of(number);
    RETURN retry_dead_call_events(log_of(number), consumer => consumer_of(number));
END $$;

-- Only in a log with processed_at.
CREATE FUNCTION process(number int) RETURNS text LANGUAGE sql AS $$
SELECT (SELECT claimed || ' of which failed: ' || failed FROM process_call_events(up_to(6), log_of(number)))
    FROM histories WHERE history = number AND is_old $$;

-- Every waiting event becomes due.
CREATE FUNCTION pass_time(number int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE call_retrying_events SET due_at = now() - interval '1 second' WHERE log_id = log_id_of(number) AND due_at > now();
    RETURN NULL;
END $$;

-- -- a history --------------------------------------------------------------------------------------

CREATE FUNCTION step(number int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    names text[] := '{append,claim,lose,complete,next,release,fail,work,mark,delete,purge,process,time,revive}';
    weights int[] := '{30,8,4,8,6,3,12,5,10,5,3,4,4,1}';
    roll int := up_to((SELECT sum(w)::int FROM unnest(weights) AS w));
    name text;
    detail text;
BEGIN
    FOR i IN 1 .. cardinality(names) LOOP
        name := names[i];
        roll := roll - weights[i];
        EXIT WHEN roll <= 0;
    END LOOP;
    detail := CASE name
        WHEN 'append' THEN append(number)
        WHEN 'claim' THEN claim(number, '1 hour')
        WHEN 'lose' THEN claim(number, '1 microsecond')
        WHEN 'complete' THEN complete(number, held_claim(number))
        WHEN 'next' THEN (SELECT go_on(number, claim) FROM held_claim(number) AS claim WHERE claim IS NOT NULL)
        WHEN 'release' THEN release(number, held_claim(number))
        WHEN 'fail' THEN fail(number)
        WHEN 'work' THEN claim(number, NULL) || complete(number, held_claim(number))
        WHEN 'mark' THEN mark(number)
        WHEN 'delete' THEN delete(number)
        WHEN 'purge' THEN purge_call_events('0', log_of(number))::text
        WHEN 'process' THEN process(number)
        WHEN 'time' THEN pass_time(number)
        WHEN 'revive' THEN revive(number)
    END;
    INSERT INTO steps (history, step, detail) VALUES (number, name, detail);
END $$;

CREATE PROCEDURE live(first int, last int, count int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. count LOOP
        FOR number IN first .. last LOOP
            PERFORM step(number);
            COMMIT;
        END LOOP;
    END LOOP;
END $$;

-- Workers without mistakes run until no event comes and none waits for its time.
CREATE PROCEDURE drain(number int) LANGUAGE plpgsql AS $$
DECLARE
    empty int := 0;
    taken text;
BEGIN
    PERFORM release(number, claim_id) FROM (SELECT DISTINCT claim_id FROM held WHERE history = number) AS h;
    COMMIT;
    PERFORM seek_call_consumer(log_of(number), c.name, 'infinity') FROM _callhardening.consumers AS c
    WHERE c.log_id = log_id_of(number) AND c.name <> consumer_of(number);
    COMMIT;
    FOR i IN 1 .. 200 LOOP
        PERFORM pass_time(number);
        COMMIT;
        taken := claim(number, '1 hour');
        PERFORM complete(number, claim_id) FROM (SELECT DISTINCT claim_id FROM held WHERE history = number) AS h;
        COMMIT;
        empty := CASE WHEN taken IS NULL THEN empty + 1 ELSE 0 END;
        EXIT WHEN empty = 2;
    END LOOP;
END $$;

-- The sleeping consumer starts at the beginning again: it gets all events that are kept, those of old lanes too.
CREATE TABLE replayed (history int, event_seq bigint);
CREATE FUNCTION replay_some(number int) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    claims bigint[];
BEGIN
    WITH claimed AS (SELECT * FROM claim_call_events(50, NULL, 'worker', log_of(number), consumer => 'asleep')),
        kept AS (INSERT INTO replayed SELECT number, event_seq FROM claimed)
    SELECT array_agg(DISTINCT claim_id) INTO claims FROM claimed;
    RETURN count(*) FILTER (WHERE outcome = 'completed') FROM complete_call_events(claims);
END $$;

CREATE PROCEDURE replay(number int) LANGUAGE plpgsql AS $$
BEGIN
    IF consumer_of(number) = 'default' THEN
        RETURN;
    END IF;
    PERFORM seek_call_consumer(log_of(number), 'asleep', '-infinity');
    COMMIT;
    WHILE replay_some(number) > 0 LOOP
        COMMIT;
    END LOOP;
    COMMIT;
END $$;

CREATE FUNCTION not_replayed(number int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    h histories := (SELECT x FROM histories x WHERE history = number);
BEGIN
    IF h.consumer <> 'default' THEN
        RETURN QUERY EXECUTE format('SELECT format(''event %%s does not come from the beginning'', event_seq) FROM %s
            WHERE event_lane >= 0 AND event_seq NOT IN (SELECT event_seq FROM replayed WHERE history = $1)', h.log) USING number;
    END IF;
    RETURN QUERY SELECT format('event %s comes from the beginning %s times', event_seq, count(*))
        FROM replayed WHERE history = number GROUP BY event_seq HAVING count(*) > 1;
    RETURN QUERY SELECT format('lane %s is there again', lane) FROM _callhardening.lanes JOIN _callhardening.consumers USING (consumer_id)
        JOIN call_event_logs AS l USING (log_id) WHERE log_id = log_id_of(number) AND lane < l.first_lane;
END $$;

-- A poll of a drained log writes nothing.
CREATE FUNCTION is_quiet(number int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM claim_call_events(log => log_of(number), consumer => consumer_of(number));
    RETURN pg_current_xact_id_if_assigned() IS NULL;
END $$;

CREATE FUNCTION violations(number int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    h histories := (SELECT x FROM histories x WHERE history = number);
BEGIN
    RETURN QUERY EXECUTE format('SELECT format(''event %%s of call %%s is not delivered'', event_seq, call_id) FROM %s WHERE %s
            AND event_seq NOT IN (SELECT event_seq FROM done
                WHERE history = $1) AND event_seq NOT IN (SELECT event_seq FROM call_dead_events WHERE log_id = $2 AND consumer = $3)',
        h.log, CASE WHEN h.is_old AND h.consumer = 'default' THEN 'processed_at IS NULL' ELSE 'true' END)
        USING number, log_id_of(number), h.consumer;
    RETURN QUERY SELECT format('event %s of call %s is still waiting', event_seq, call_id)
        FROM call_retrying_events WHERE log_id = log_id_of(number);
    RETURN QUERY SELECT format('lane %s has %s pending events', lane, pending)
        FROM pending_call_events(log_of(number), true, h.consumer) WHERE pending > 0;
    RETURN QUERY SELECT format('lane %s is still there', lane) FROM _callhardening.lanes JOIN _callhardening.consumers USING (consumer_id)
        JOIN call_event_logs AS l USING (log_id)
        WHERE log_id = log_id_of(number) AND lane < l.first_lane;
    RETURN QUERY SELECT format('event %s was delivered %s times', event_seq, count(*))
        FROM done WHERE history = number GROUP BY event_seq HAVING count(*) > 1;
    IF NOT h.is_stamped_anew THEN
        RETURN QUERY SELECT format('event %s of call %s came after %s', event_seq, call_id, before) FROM (
            SELECT event_seq, call_id, max(event_seq) OVER (PARTITION BY call_id ORDER BY place) AS before FROM done
            WHERE history = number AND call_id NOT IN (SELECT call_id FROM revived WHERE history = number)) AS d WHERE before > event_seq;
    END IF;
    IF NOT is_quiet(number) THEN
        RETURN NEXT 'a poll that finds nothing writes';
    END IF;
END $$;
