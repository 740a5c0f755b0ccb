-- Claims of lost workers. An event that crashes every worker is found.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- After two lost workers a range is claimed event by event. This isolates the event that crashes workers.
SELECT add(101, 666, 102, 666, 103);
CREATE TABLE history (name text, event_seq bigint, attempt int, outcome text);
CREATE PROCEDURE work(times int) LANGUAGE plpgsql AS $$
DECLARE
    has_poison boolean;
    ended text;
BEGIN
    FOR i IN 1..times LOOP
        CREATE TEMP TABLE batch AS SELECT * FROM take('claim ' || i, lease => '1 millisecond');
        EXIT WHEN NOT EXISTS (SELECT FROM batch);
        SELECT bool_or(event_seq = 2) INTO has_poison FROM batch;
        IF has_poison THEN
            PERFORM pg_sleep(0.005);
            ended := 'lost';
        ELSE
            SELECT min(c) INTO ended FROM complete('claim ' || i) AS c;
        END IF;
        INSERT INTO history SELECT 'claim ' || i, event_seq, attempt, ended FROM batch;
        DROP TABLE batch;
        COMMIT;
    END LOOP;
    DROP TABLE IF EXISTS batch;
END $$;
CALL work(20);
SELECT * FROM history ORDER BY substr(name, 7)::int, event_seq;
SELECT * FROM dead();
SELECT e ->> 'worker' AS worker, e ->> 'error' AS error
FROM call_dead_events, jsonb_array_elements(errors) WITH ORDINALITY AS t (e, n) ORDER BY n;
SELECT * FROM waiting();
TRUNCATE history;
CALL start_again();

-- The same in a batch of retries
SELECT add(101, 666, 102);
SELECT * FROM take('one');
SELECT fail('one', 1), fail('one', 2), fail('one', 3), complete('one');
CALL work(20);
SELECT * FROM history ORDER BY substr(name, 7)::int, event_seq;
SELECT * FROM dead();
SELECT * FROM waiting();
TRUNCATE history;
CALL start_again();

-- A claim takes at most max_events of a lost range and no event behind it.
SELECT add(101, 102, 103, 104);
SELECT * FROM take('one', 3, '1 millisecond');
SELECT pg_sleep(0.005);
SELECT * FROM take('two', 2);
SELECT complete('two');
SELECT * FROM take('three', 2);
SELECT complete('three');
SELECT * FROM take('four', 2);
SELECT complete('four');
CALL start_again();

-- A released event does not count an attempt, even if the other event of its claim is lost.
SELECT add(101, 102, 103);
SELECT * FROM take('one');
SELECT release('one');
SELECT * FROM take('two', 1, '1 millisecond');
SELECT pg_sleep(0.005);
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT * FROM take('none');
CALL start_again();

-- The last event of a lost range was deleted from the log.
SELECT add(101, 101, 101);
SELECT * FROM take('lost', 2, '1 millisecond');
SELECT pg_sleep(0.01);
DELETE FROM queue WHERE event_seq = 2;
SELECT * FROM take('one');
SELECT complete('one');
SELECT * FROM take('two');
SELECT complete('two');
CALL start_again();

-- In another cluster the open claims have no workers. They end at once, even for the first claim there.
SELECT add(101, 102);
SELECT * FROM take('one');
UPDATE _callhardening.logs SET system_identifier = 1 WHERE events = 'queue'::regclass;
SELECT * FROM take('two');
SELECT complete('one'), complete('two');
SELECT * FROM take('none');
CALL start_again();

DROP TABLE history;
DROP PROCEDURE work;
\set ECHO none
\i test/setup/claims_end.sql
