-- Every pair of statuses, with every statement that can write one, in every mode: the verdict is always that of
-- is_valid_status_transition. The id of a call is its pair: 10 * current + next.
CREATE TABLE status (number bigint PRIMARY KEY, word text);
INSERT INTO status VALUES (1, 'ringing'), (2, 'active'), (3, 'ended'), (4, 'missed'), (5, 'rejected'), (6, 'voicemail');
CREATE VIEW pair AS
SELECT 10 * a.number + b.number AS call_id, a.word AS current, b.word AS next, is_valid_status_transition(a.word, b.word) AS valid
FROM status a, status b;

CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text, note text);
CREATE VIEW calls_view AS SELECT * FROM calls;
-- COPY only inserts: into this view it upserts.
CREATE VIEW calls_upsert AS SELECT * FROM calls;
CREATE FUNCTION upsert_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO calls (dialpad_call_id, status, note) VALUES (NEW.dialpad_call_id, NEW.status, NEW.note)
    ON CONFLICT (dialpad_call_id) DO UPDATE SET status = EXCLUDED.status, note = EXCLUDED.note;
    RETURN NEW;
END
$$;
CREATE TRIGGER upsert INSTEAD OF INSERT ON calls_upsert FOR EACH ROW EXECUTE FUNCTION upsert_call();

CREATE TABLE writer (name text PRIMARY KEY, statement text);
INSERT INTO writer VALUES
    ('update', 'UPDATE calls SET status = %2$L, note = ''written'' WHERE dialpad_call_id = %1$s'),
    ('upsert', 'INSERT INTO calls VALUES (%1$s, %2$L, NULL, ''written'')
        ON CONFLICT (dialpad_call_id) DO UPDATE SET status = EXCLUDED.status, note = EXCLUDED.note'),
    ('copy', 'COPY calls_upsert (dialpad_call_id, status, note) FROM PROGRAM ''printf "%1$s\t%2$s\twritten\n"'''),
    ('merge', 'MERGE INTO calls USING (VALUES (%1$s, %2$L)) AS event (id, word) ON dialpad_call_id = id
        WHEN MATCHED THEN UPDATE SET status = word, note = ''written'''),
    ('cte', 'WITH written AS (UPDATE calls SET status = %2$L, note = ''written''
        WHERE dialpad_call_id = %1$s RETURNING *) SELECT count(*) FROM written'),
    ('view', 'UPDATE calls_view SET status = %2$L, note = ''written'' WHERE dialpad_call_id = %1$s');

CREATE TABLE verdict (mode text, writer text, call_id bigint, refused_by text, status text, note text);
CREATE FUNCTION give_verdicts(mode text, writer_name text, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    pair record;
    refused_by text;
BEGIN
    TRUNCATE calls;
    INSERT INTO calls SELECT call_id, current FROM pair;
    FOR pair IN SELECT * FROM pair LOOP
        refused_by := NULL;
        BEGIN
            EXECUTE format(statement, pair.call_id, pair.next);
        EXCEPTION WHEN check_violation THEN
            GET STACKED DIAGNOSTICS refused_by = CONSTRAINT_NAME;
        END;
        INSERT INTO verdict SELECT mode, writer_name, dialpad_call_id, refused_by, calls.status, calls.note
        FROM calls WHERE dialpad_call_id = pair.call_id;
    END LOOP;
END
$$;

SET client_min_messages = error;
SELECT harden_calls('calls', on_invalid => 'keep');
SELECT count(*) FROM (SELECT give_verdicts('keep', name, statement) FROM writer) AS given;
SELECT harden_calls('calls', on_invalid => 'skip');
SELECT count(*) FROM (SELECT give_verdicts('skip', name, statement) FROM writer) AS given;
SELECT harden_calls('calls', on_invalid => 'reject');
SELECT count(*) FROM (SELECT give_verdicts('reject', name, statement) FROM writer) AS given;
RESET client_min_messages;

-- The results in each mode, by each writer
SELECT mode, writer, count(*) AS pairs, count(*) FILTER (WHERE verdict.status = pair.next) AS set,
    count(*) FILTER (WHERE verdict.status <> pair.next) AS refused, count(note) AS written, count(refused_by) AS errors
FROM verdict JOIN pair USING (call_id) GROUP BY mode, writer ORDER BY mode, writer;

-- The wrong results
SELECT mode, writer, current, next, verdict.status, note, refused_by
FROM verdict JOIN pair USING (call_id)
WHERE (verdict.status, note, refused_by) IS DISTINCT FROM (
    CASE WHEN valid THEN next ELSE current END,
    CASE WHEN valid OR mode = 'keep' THEN 'written' END,
    CASE WHEN NOT valid AND mode = 'reject' THEN 'calls_status_transition' END);

-- A new call may have any status of the graph. COPY normalizes like every statement. Its errors leave out the input
-- line, since it may contain a payload.
TRUNCATE calls;
COPY calls (dialpad_call_id, status, direction) FROM stdin;
1	ringing	inbound
2	ACTIVE	Outbound
3	hangup	in
4	missed	\N
5	blocked	
6	voicemail	out
7	\N	transfer
\.
SELECT dialpad_call_id, status, direction FROM calls ORDER BY 1;
COPY calls (dialpad_call_id, status, direction) FROM stdin;
8	ringing	inbound
9	jumping	inbound
\.
SELECT harden_calls('calls', on_invalid => 'skip');
COPY calls (dialpad_call_id, status, direction) FROM stdin;
10	jumping	sideways
\.
SELECT dialpad_call_id, status, direction FROM calls WHERE dialpad_call_id > 7;

-- One MERGE with many calls: invalid changes are skipped, the rest is written.
MERGE INTO calls USING (VALUES (1, 'ended'), (3, 'ringing'), (4, 'missed'), (11, 'calling')) AS event (id, word) ON dialpad_call_id = id
WHEN MATCHED THEN UPDATE SET status = word, note = 'merged'
WHEN NOT MATCHED THEN INSERT (dialpad_call_id, status, note) VALUES (id, word, 'new');
SELECT dialpad_call_id, status, note FROM calls WHERE note IS NOT NULL ORDER BY 1;

DROP TABLE status, calls, writer, verdict CASCADE;
DROP FUNCTION give_verdicts, upsert_call;
