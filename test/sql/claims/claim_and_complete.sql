-- Claiming and completing. Claim ids are random, so each is kept under a name.
\set ECHO none
\i test/setup/claims.sql
\set ECHO all

-- A claim takes at most max_events, in the order of the log. A second claim does not get them.
SELECT add(101, 102, 101, 103);
SELECT event_seq, call_id, event_type, attempt, received_at <= clock_timestamp() AS received, payload ->> 'call_id' AS payload
FROM claim_call_events(3, '1 minute', 'one', 'queue');
SELECT count(*) FROM claim_call_events(log => 'queue');
SELECT state, events, worker, is_retry, lease_end - claimed_at AS lease FROM _callhardening.claims;
CALL start_again();

-- A worker without a name
SELECT add(101);
SET application_name = 'telephone';
SELECT count(*) FROM claim_call_events(log => 'queue');
SELECT worker = 'telephone (pid ' || pg_backend_pid() || ')' AS named FROM _callhardening.claims;
RESET application_name;
CALL start_again();

-- A long worker name is cut between two characters.
SELECT add(101);
SELECT count(*) FROM claim_call_events(1, worker => repeat('ü', 5000), log => 'queue');
SELECT octet_length(worker) AS bytes, char_length(worker) AS letters FROM _callhardening.claims;
CALL start_again();

-- A claim is completed once. The next claim takes the events after it.
SELECT add(101, 102, 101, 103);
SELECT * FROM take('first', 3);
SELECT complete('first');
SELECT complete('first');
SELECT * FROM take('second', 3);
SELECT * FROM take('none');
SELECT complete('second');
SELECT * FROM take('none');

-- One row for each id, in the order of the argument
SELECT add(101);
SELECT * FROM take('third');
SELECT row_number() OVER (),
    CASE claim_id WHEN id('third') THEN 'third' WHEN id('first') THEN 'first' ELSE claim_id::text END AS claim, outcome
FROM complete_call_events(ARRAY[id('first'), NULL, id('third'), 0, -1, 1, 9223372036854775807, id('third')]);
SELECT * FROM complete_call_events('{}');
SELECT * FROM complete_call_events(NULL);
SELECT * FROM release_call_events(NULL);
SELECT outcome FROM release_call_events(ARRAY[id('third'), 0, NULL]);
SELECT outcome FROM complete_call_events(ARRAY[ARRAY[id('third')], ARRAY[0]]);
-- The random bits of an id are compared as well.
SELECT add(101);
SELECT * FROM take('fourth');
SELECT outcome FROM complete_call_events(ARRAY[id('fourth') # 1, id('fourth') # (1 << 18)]);
SELECT outcome FROM release_call_events(ARRAY[id('fourth') # 1]);
SELECT renew_call_claim(id('fourth') # 1) IS NULL AS stale;
SELECT fail_call_event(id('fourth') # 1, 6, 'x');
SELECT complete('fourth');
-- After many later claims a claim is unknown.
CALL loop(80);
SELECT complete('first') AS first, complete('loop 80') AS last;
SELECT id('first') > 0 AND count(DISTINCT claim_id) = count(DISTINCT name) AS differ FROM taken;
CALL start_again();

-- Several logs: the claim id identifies the log.
SELECT add(101);
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb, 'call_events') IS NOT NULL AS ingested;
SELECT * FROM take('queue');
INSERT INTO taken SELECT 'call_events', claim_id, event_seq FROM claim_call_events(log => 'call_events');
SELECT outcome FROM complete_call_events(ids('queue') || ids('call_events'));
CALL start_again();

\set ECHO none
\i test/setup/claims_end.sql
