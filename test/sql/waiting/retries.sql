-- Events that fail and are tried again, in the order of their call.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- A failed event is retried at once or later. Later events of its call wait behind it, in this claim and in later ones.
SELECT add(101, 102, 101, 103, 101);
SELECT * FROM take('one', 4);
SELECT fail('one', 1, '1 hour');
SELECT * FROM waiting();
SELECT fail('one', 1), fail('one', 3);
SELECT * FROM waiting();
SELECT complete('one');
SELECT * FROM take('two');
SELECT add(101, 104);
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM waiting();
-- In the order of the call, one at a time
UPDATE call_retrying_events SET due_at = now() WHERE due_at IS NOT NULL;
SELECT * FROM take('three');
SELECT * FROM waiting();
SELECT complete('three');
SELECT * FROM take('four');
SELECT fail('four', 3, '1 hour');
SELECT complete('four');
SELECT * FROM take('none');
SELECT * FROM waiting();
UPDATE call_retrying_events SET due_at = now() WHERE due_at IS NOT NULL;
SELECT * FROM take('five');
SELECT complete('five');
SELECT * FROM take('six');
SELECT complete('six');
SELECT * FROM take('seven');
SELECT complete('seven');
SELECT * FROM take('none');
SELECT * FROM waiting();
CALL start_again();

-- The order is that of the log, even if the event with the lower number comes later.
INSERT INTO queue (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (20, '{"call_id": 101, "state": "ringing"}');
INSERT INTO queue (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (10, '{"call_id": 101, "state": "hangup"}');
SELECT * FROM take('one');
SELECT fail('one', 20);
SELECT complete('one');
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
CALL start_again();

-- An event before the failed one, in a released claim: it still comes first.
SELECT add(101, 101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT release('one');
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT * FROM take('five');
SELECT complete('five');
SELECT * FROM take('none');
CALL start_again();

-- The same if the worker is lost. The attempt counts.
SELECT add(101, 101, 102);
SELECT * FROM take('one', lease => '1 millisecond');
SELECT fail('one', 2);
SELECT pg_sleep(0.005);
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT * FROM take('five');
CALL start_again();

-- The same if the lane has reached max_retrying
SELECT configure_call_event_log('queue', max_retrying => 1);
SELECT add(101, 101, 102);
SELECT * FROM take('one');
SELECT fail('one', 2);
SELECT release('one');
SELECT * FROM take('two');
SELECT complete('two');
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM take('four');
SELECT complete('four');
SELECT configure_call_event_log('queue', max_retrying => 1000);
CALL start_again();

-- One event of a batch of retries fails. The others are completed or released.
SELECT add(101, 102, 103, 104);
SELECT * FROM take('one');
SELECT fail('one', 1), fail('one', 2), fail('one', 3, '1 hour');
SELECT * FROM waiting();
SELECT complete('one');
SELECT * FROM take('two');
SELECT fail('two', 2, '1 hour');
SELECT release('two');
SELECT * FROM waiting();
SELECT * FROM take('three');
SELECT complete('three');
SELECT * FROM waiting();
CALL start_again();

\set ECHO none
\i test/setup/claims_end.sql
