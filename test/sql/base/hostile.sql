-- An attacker may create objects in every schema of the search path, and in the extension's schema. The attacker plants
-- objects for an unqualified or inexact reference to find: copies of all objects of pg_catalog and the extension, and
-- overloads that fit better. Each planted object gives a WARNING, "planted".
\set SHOW_CONTEXT never
\set here :DBNAME
SET client_min_messages = warning;
CREATE ROLE regress_attacker;
CREATE ROLE regress_worker;
CREATE DATABASE regress_callhardening_hostile ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;
ALTER DATABASE regress_callhardening_hostile SET client_min_messages = warning;
ALTER DATABASE regress_callhardening_hostile SET track_functions = 'all';
ALTER DATABASE regress_callhardening_hostile SET timezone = 'UTC';
\c regress_callhardening_hostile

-- -- the steps, first without the plants -----------------------------------------------------------------------------

-- The test itself uses no unqualified name either.
CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;
CREATE TABLE test.steps (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, statement text);
CREATE TABLE test.results (run text, n int, result jsonb);
CREATE PROCEDURE test.run(run pg_catalog.text) LANGUAGE plpgsql AS $$
DECLARE
    step pg_catalog.record;
    result pg_catalog.jsonb;
BEGIN
    FOR step IN SELECT s.n, s.statement FROM test.steps s ORDER BY s.n LOOP
        result := NULL;
        IF step.statement OPERATOR(pg_catalog.=) 'backfill' THEN
            CALL "has space".backfill_calls('"a""b"."old ""calls"'::pg_catalog.regclass, 1000);
        ELSIF step.statement OPERATOR(pg_catalog.=) 'prepare' THEN
            CALL "has space".prepare_harden_call_events('"a""b".hooks'::pg_catalog.regclass,
                '"has space".calls'::pg_catalog.regclass, 'the "body'::pg_catalog.name, NULL::pg_catalog.name,
                'came'::pg_catalog.name, 'do''ne'::pg_catalog.name, 'dialpad'::pg_catalog.text, '{}'::pg_catalog._name, 1, 10000,
                NULL::pg_catalog.jsonb);
        ELSIF step.statement OPERATOR(pg_catalog.=) 'wait' THEN
            FOR attempt IN 1 .. 500 LOOP
                COMMIT;
                EXIT WHEN EXISTS (SELECT FROM "has space".calls AS c WHERE c.dialpad_call_id OPERATOR(pg_catalog.=) 8);
                PERFORM pg_catalog.pg_sleep(0.02);
            END LOOP;
        ELSIF step.statement OPERATOR(pg_catalog.=) 'wait for events' THEN
            CALL "has space".wait_for_call_events(NULL::pg_catalog.regclass, '0'::pg_catalog.interval, NULL::pg_catalog.name);
        ELSE
            BEGIN
                IF step.statement OPERATOR(pg_catalog.~) '^(SELECT|WITH)' THEN
                    EXECUTE pg_catalog.format('SELECT pg_catalog.jsonb_agg(r.row ORDER BY r.row)
                        FROM (SELECT pg_catalog.to_jsonb(q) AS row FROM (%s) AS q) AS r', step.statement) INTO result;
                ELSE
                    EXECUTE step.statement;
                END IF;
            EXCEPTION WHEN OTHERS THEN
                result := pg_catalog.to_jsonb(pg_catalog.format('%s: %s', SQLSTATE, SQLERRM));
            END;
        END IF;
        INSERT INTO test.results VALUES (run, step.n, result);
        COMMIT;
    END LOOP;
END
$$;

CREATE SCHEMA "has space";
CREATE SCHEMA "a""b";
CREATE EXTENSION callhardening SCHEMA "has space";

-- Calls a function with exactly its own types, as a careful caller does.
CREATE FUNCTION test.call(name text, VARIADIC args text[] DEFAULT '{}')
    RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT format('"has space".%I(%s)', p.proname, (SELECT coalesce(string_agg(format('%s::pg_catalog.%I',
        CASE WHEN i <= cardinality(args) THEN quote_nullable(args[i])
            ELSE regexp_replace(pg_get_function_arg_default(p.oid, i::int), '::.*', '') END, t.typname), ', ' ORDER BY i), '')
    FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, i) JOIN pg_type t ON t.oid = a.type))
FROM pg_proc p WHERE p.oid = CASE WHEN name ~ '\(' THEN format('"has space".%s', name)::regprocedure::oid
    ELSE format('"has space".%I', name)::regproc::oid END
$$;
INSERT INTO test.steps (statement)
SELECT statement FROM (VALUES
    -- An existing table and its rows
    (1, 'CREATE TABLE "a""b"."old ""calls" ("the ""id" bigint, "st''atus" pg_catalog.text,
        "dir $1" varchar(40), started_at pg_catalog.timestamptz)'),
    (2, 'INSERT INTO "a""b"."old ""calls"
        VALUES (1, ''Hangup'', ''IN'', ''2020-01-01''), (2, ''ringing'', ''outgoing'', ''2020-01-01''), (3, NULL, NULL, NULL)'),
    (3, 'SELECT * FROM ' || test.call('audit_calls', '"a""b"."old ""calls"', 'the "id', 'st''atus', 'dir $1')),
    (4, 'SELECT ' || test.call('harden_calls', '"a""b"."old ""calls"', 'the "id',
        'st''atus', 'dir $1', 'the payload', 'skip', '{"ringing": ["ended"]}',
        '{"version": 1, "budget": {"max_bytes": 4096}}', 'dialpad')),
    (5, 'backfill'),
    (6, 'SELECT calls, state, rows_done, rows_left, rows_repaired, rows_unwritten FROM "has space".call_backfill_progress'),
    (7, 'SELECT "the ""id", "st''atus", "dir $1" FROM "a""b"."old ""calls"'),
    (8, 'UPDATE "a""b"."old ""calls" SET "dir $1" = ''Inbound'',
        "the payload" = ''{"password": "x", "a": 1}'' WHERE "the ""id" OPERATOR(pg_catalog.=) 3'),
    (9, 'SELECT * FROM ' || test.call('audit_calls', '"a""b"."old ""calls"')),
    (10, 'SELECT * FROM ' || test.call('call_settings', '"a""b"."old ""calls"')),
    (11, 'SELECT _callhardening.lock_passed_row(b) FROM _callhardening.backfills AS b'),
    (12, 'CREATE FUNCTION "a""b".late()
        RETURNS trigger LANGUAGE plpgsql AS $late$BEGIN NEW."st''atus" := ''nothing''; RETURN NEW; END$late$'),
    (13, 'CREATE TRIGGER zzz BEFORE UPDATE ON "a""b"."old ""calls" FOR EACH ROW EXECUTE FUNCTION "a""b".late()'),
    (14, 'UPDATE "a""b"."old ""calls" SET started_at = NULL'),
    (15, 'ALTER TABLE "a""b"."old ""calls" DISABLE TRIGGER validate_hardened_call'),
    (16, 'SELECT * FROM "has space".call_enforcement'),
    -- A later trigger refuses the repair of one row.
    (17, 'ALTER TABLE "a""b"."old ""calls" DISABLE TRIGGER USER; INSERT INTO "a""b"."old ""calls"
        VALUES (4, ''Hangup'', ''IN'', ''2020-01-01'');
        ALTER TABLE "a""b"."old ""calls" ENABLE TRIGGER USER'),
    (18, 'backfill'),
    (19, 'SELECT rows_unwritten FROM "has space".call_backfill_progress'),
    -- A new installation, in the extension's own schema
    (20, 'SELECT ' || test.call('create_call_tables', 'has space')),
    (21, 'SELECT ' || test.call('generate_call_events', '10')),
    (22, 'SELECT ' || test.call('ingest_call_event(text,regclass,text,text,jsonb)', 'no JSON')),
    (22.1, 'SELECT ' || test.call('ingest_call_event(text,regclass,text,text,jsonb)', 'call_id=7&a=%zz')),
    (23, 'SELECT '
        || test.call('ingest_call_event(bytea,regclass,text,text,jsonb)', '{"call_id": 7, "state": "ringing"}', NULL, 'x', 'key')),
    (24, 'SELECT ' || test.call('ingest_call_event(jsonb,regclass,text,text,jsonb)', '{"call_id": 7, "state": "hangup"}')),
    (25, 'SELECT pg_catalog.sum(pending) FROM ' || test.call('pending_call_events', NULL, 'true')),
    (26, 'SELECT '
        || test.call('configure_call_event_log', NULL, '3', '1 second', '1 minute', '100', 'true', 'true', '{sms}', '{contact}')),
    (27, 'SELECT ' || test.call('call_event_log_channel')),
    (28, 'SELECT pg_catalog.sum(p.claimed) FROM pg_catalog.generate_series(1, 64) AS n
        CROSS JOIN LATERAL "has space".process_call_events(10000 OPERATOR(pg_catalog.+) n, NULL::pg_catalog.regclass,
            NULL::pg_catalog.name) AS p'),
    (29, 'SELECT c.dialpad_call_id, c.direction, c.status, c.from_number, c.duration_seconds, c.raw_payload FROM "has space".calls AS c'),
    (30, 'SELECT ' || test.call('start_call_worker(regclass,integer,interval,integer,boolean,name)')),
    (31, 'SELECT ' || test.call('ingest_call_event(jsonb,regclass,text,text,jsonb)', '{"call_id": 8, "state": "ringing"}')),
    (31.1, 'wait for events'),
    (31.15, 'SELECT _callhardening.shard_name(events, 1), _callhardening.known_rows(events), (SELECT pg_catalog.count(*) FROM
        _callhardening.shards_of(events)), (SELECT pg_catalog.count(*) FROM _callhardening.elsewhere_health(calls))
        FROM "has space".call_event_logs'),
    (31.16, 'SELECT _callhardening.number_shard(calls, events), _callhardening.require_attachable_shards(l),
        _callhardening.take_consumers(''[]''), _callhardening.forget_moved_shards(events, ''[]''),
        _callhardening.follow_moved_shards(''[]'', true), _callhardening.has_stamps(events),
        _callhardening.source_of_shard(1, ''[]''), _callhardening.shard_hashes(1),
        _callhardening.is_split_shard(events), _callhardening.is_in_transaction_block(),
        _callhardening.begins_anew(events, events, NULL), _callhardening.forget_shard_without_consumers(events, 1),
        _callhardening.end_shard_attach(events, ''[]'', ''[]'') FROM _callhardening.logs AS l WHERE l.is_default'),
    (31.2, 'SELECT log FROM "has space".call_event_waiters WHERE kind OPERATOR(pg_catalog.=) ''client'''),
    (32, 'wait'),
    (33, 'SELECT ' || test.call('stop_call_worker(regclass,name)')),
    (34, 'SELECT d.event_seq, d.error FROM "has space".call_dead_events AS d'),
    (34.1, 'SELECT _callhardening.attempts_without_errors(''[{"at": 1, "error": "no"}]'')'),
    (35, 'SELECT ' || test.call('retry_dead_call_events')),
    (36, 'SELECT pg_catalog.count(*) FROM "has space".call_issues'),
    (36.1, 'SELECT pg_catalog.count(*) FROM ' || test.call('call_report')),
    (36.2, 'SELECT pg_catalog.count(*) FROM ' || test.call('call_report', '1 day', '8', 'true')),
    (37, 'SELECT ' || test.call('purge_call_issues', '0')),
    (38, 'SELECT ' || test.call('purge_call_events', '0', NULL, '10000', '1 day')),
    (39, 'SELECT ' || test.call('set_call_event_secret', NULL, 'a secret of thirty-two bytes: 32')),
    (40, 'SELECT ' || test.call('ingest_signed_call_event',
        'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjYWxsX2lkIjogOSwgInN0YXRlIjogInJpbmdpbmcifQ.G6WpDroDfD737lK2zqnfnwkY4pxbqsHduciG8WaHI5U')),
    (40.1, 'SELECT ' || test.call('set_call_event_signature', NULL, '{"version": 1, "algorithm": "token",
        "signature": {"member": "token"}, "handshake": {"token": {"query": "hi"}, "answer": "{token}"}}')),
    (40.2, 'SELECT ' || test.call('ingest_call_webhook', '{"call_id": 9, "token": "a secret of thirty-two bytes: 32"}', '{}')),
    (40.3, 'SELECT ' || test.call('answer_call_handshake', '', '{}', 'https://example.com/?hi=5')),
    (40.4, 'SELECT ' || test.call('check_call_signature', '{}', '{}', '12345678', '{"version": 1, "algorithm": "token",
        "signature": {"header": "x"}}', NULL, '2020-01-01')),
    (40.5, 'SELECT pg_catalog.count(*) FROM ' || test.call('call_signature_schemes')),
    (40.6, 'SELECT ' || test.call('call_signature_scheme', 'dialpad')),
    (40.7, 'SELECT ' || test.call('set_call_event_signature', NULL, NULL)),
    (41, 'SELECT ' || test.call('set_call_event_secret', NULL, NULL)),
    (42, 'SELECT figure, level FROM ' || test.call('call_health', '"has space".calls', 'true')
        || ' WHERE figure OPERATOR(pg_catalog.<>) ''oldest_snapshot'''),
    (42.1, 'SELECT c.rows_read FROM _callhardening.count_hidden_calls(''"has space".calls'', NULL) AS c'),
    (43, 'ALTER SCHEMA test OWNER TO CURRENT_USER'),
    (44, 'SELECT ' || test.call('ignored_call_events')),
    (44.1, 'SELECT event_type, state, worker IS NULL AS unknown, reason FROM ' || test.call('call_timeline', '8')),
    (44.2, 'SELECT ' || test.call('flush_call_event_counts')),
    (44.3, 'SELECT c.log, c.consumer, c.received OPERATOR(pg_catalog.>) 0 AS counted FROM "has space".call_event_counts AS c'),
    (44.4, 'SELECT pg_catalog.count(*) FROM "has space".call_event_lag'),
    (44.5, 'SELECT l.line FROM pg_catalog.regexp_split_to_table(' || test.call('call_metrics', 'true') || ', ''\n'') AS l (line)
        WHERE l.line OPERATOR(pg_catalog.~) ''_up{.*} 0$|_error|_received_total|^# EOF'''),
    (44.6, 'SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 AS some FROM _callhardening.lag_buckets()'),
    (45, 'SELECT ' || test.call('create_call_consumer', '"has space".call_events', 'crm', 'true')),
    (45.1, 'SELECT pg_catalog.count(*) FROM ' || test.call('claim_call_events', '5', '1 hour', 'me', NULL, NULL, 'crm')),
    (45.2, 'SELECT ' || test.call('seek_call_consumer', '"has space".call_events', 'crm', '2000-01-01')),
    (45.25, 'SELECT ' || test.call('configure_call_event_log', '"has space".call_events', '3', '1 second', '1 minute',
        '100', NULL, NULL, NULL, NULL, NULL, 'crm')),
    (45.3, 'SELECT c.consumer, c.holds_purges FROM "has space".call_consumers AS c ORDER BY c.consumer'),
    (45.4, 'SELECT ' || test.call('drop_call_consumer', '"has space".call_events', 'crm')),
    -- An existing table of events, with one lane
    (50, 'CREATE TABLE "a""b".hooks ("the ""body" pg_catalog.jsonb,
        "do''ne" pg_catalog.timestamptz, came pg_catalog.timestamptz DEFAULT ''2020-01-01'')'),
    (51, 'INSERT INTO "a""b".hooks SELECT pg_catalog.jsonb_build_object(''call_id'', n, ''state'', ''ringing'')
        FROM pg_catalog.generate_series(101, 106) AS n'),
    (52, 'prepare'),
    (53, 'SELECT '
        || test.call('harden_call_events', '"a""b".hooks', '"has space".calls', 'the "body', NULL, 'came', 'do''ne', 'dialpad', '{}', '1')),
    (54, 'INSERT INTO "a""b".hooks SELECT pg_catalog.jsonb_build_object(''call_id'', n, ''state'', ''hangup'')
        FROM pg_catalog.generate_series(101, 102) AS n'),
    (55, 'INSERT INTO "a""b".hooks VALUES (''[]'')'),
    (55.1, 'SET session_replication_role = replica'),
    (55.2, 'UPDATE "a""b".hooks SET came = came'),
    (55.3, 'RESET session_replication_role'),
    (56, 'CREATE TABLE test.claimed AS SELECT c.claim_id, c.event_seq, c.call_id FROM '
        || test.call('claim_call_events', '3', '30 seconds', 'me', '"a""b".hooks') || ' AS c'),
    (57, 'SELECT c.call_id FROM test.claimed AS c'),
    (58,
        'SELECT "has space".renew_call_claim(c.claim_id, interval ''1 minute'') IS NULL AS stale, "has space".assert_call_claim(c.claim_id),
        "has space".fail_call_event(c.claim_id, c.event_seq, ''because''::pg_catalog.text, interval ''0'') FROM test.claimed AS c LIMIT 1'),
    (59, 'SELECT log, lane, worker, events, is_over FROM "has space".call_open_claims'),
    (60, 'SELECT log, lane, claimed, retrying, blocked, dead FROM "has space".call_lane_status WHERE lane OPERATOR(pg_catalog.=) 0'),
    (61, 'SELECT log, calls, lanes, claimed, dead FROM "has space".call_event_log_status'),
    (62, 'SELECT c.outcome FROM "has space".release_call_events(ARRAY(SELECT DISTINCT claim_id FROM test.claimed)) AS c'),
    (63, 'SELECT c.outcome FROM "has space".complete_call_events(ARRAY(SELECT c.claim_id FROM '
        || test.call('claim_call_events', '100', '30 seconds', 'me', '"a""b".hooks') || ' AS c)) AS c LIMIT 1'),
    (64, 'SELECT h."the ""body", h."do''ne" IS NULL AS pending FROM "a""b".hooks AS h'),
    (64.1, 'SELECT ' || test.call('detach_call_event_log', '"a""b".hooks') || ' IS NOT NULL'),
    (64.2, 'SELECT ' || test.call('detach_call_event_log', '"a""b".hooks') || ' IS NOT NULL'),
    (64.3, 'ALTER TABLE "a""b".hooks DISABLE TRIGGER stamp_call_event'),
    (64.4, 'INSERT INTO "a""b".hooks VALUES (''[]'')'),
    (64.5, 'SELECT ' || test.call('attach_call_event_log', '"a""b".hooks', '"has space".calls')),
    (64.6, 'SELECT event_lane IS NOT NULL AS stamped FROM "a""b".hooks WHERE "the ""body" OPERATOR(pg_catalog.=) ''[]'''),
    (64.7, 'SELECT ' || test.call('detach_call_event_log', '"has space".call_events') || ' IS NOT NULL'),
    (64.8, 'DELETE FROM _callhardening.detached_logs'),
    (64.9, 'SELECT ' || test.call('attach_call_event_log', '"has space".call_events', '"has space".calls')),
    (65, 'SELECT ' || test.call('unharden_call_events', '"a""b".hooks')),
    (65.1, 'SELECT ' || test.call('create_call_event_log', '"has space".calls', 'acme', 'own shape', '8',
        '{"version": 1, "forms": [{"fields": {"call_id": "id"}}]}') || ' IS NULL'),
    (65.2, 'INSERT INTO "has space"."own shape" (payload) VALUES (''{"id": 7}'') RETURNING call_id'),
    (65.3, 'SELECT pg_catalog.count(*) FROM ' || test.call('explain_call_event', '{"id": 7}', NULL, NULL, '"has space"."own shape"')),
    (65.4, 'SELECT gap FROM "has space".call_enforcement WHERE gap OPERATOR(pg_catalog.=) ''shape_unusable'''),
    (65.5, 'DROP TABLE "has space"."own shape"'),
    (66, 'INSERT INTO _callhardening.retrying_events VALUES (99, 0, 1, ''1'', ''x'', 0, 0)'),
    (67, 'INSERT INTO _callhardening.claims SELECT * FROM _callhardening.claims LIMIT 1'),
    -- Several providers
    (68, 'SELECT ' || test.call('create_call_tables', 'a"b', '*')),
    (68.1, 'SELECT ' || test.call('create_call_event_log', '"a""b".calls', 'Zoom Phone', 'my "log')),
    (68.2, 'INSERT INTO "a""b"."my ""log" (payload)
        VALUES (''{"event": "phone.callee_missed", "payload": {"object": {"call_id": 1}}}'')'),
    (68.3, 'SELECT ' || test.call('process_call_events', '1000', '"a""b"."my ""log"')),
    (68.4, 'SELECT call_id, status FROM "a""b".calls'),
    (68.5, 'SELECT ' || test.call('create_call_event_log', '"has space".calls', 'vonage') || ' IS NOT NULL'),
    (68.6, 'DROP TABLE "a""b"."my ""log", "a""b".calls, "has space".vonage_events'),
    -- Changes of calls
    (69, 'SELECT ' || test.call('create_call_changes', '"has space".calls', 'my "changes') || ' IS NOT NULL'),
    (69.1, 'INSERT INTO "has space".calls (dialpad_call_id, status) VALUES (69, ''ringing'')'),
    (69.2, 'SELECT call_id, event_type, payload OPERATOR(pg_catalog.->) ''changed'' FROM "has space"."my ""changes"'),
    (69.3, 'SELECT ' || test.call('drop_call_changes', '"has space".calls')),
    (69.4, 'DELETE FROM "has space".calls WHERE dialpad_call_id OPERATOR(pg_catalog.=) 69'),
    -- What needs Citus: some of it ends in an error here
    (69.5, 'SELECT ' || test.call('create_distributed_call_tables', 'a"b')),
    (69.5, 'SELECT ' || test.call('attach_call_shards', '"has space".call_events')),
    (69.5, 'SELECT pg_catalog.count(*) FROM _callhardening.ask_nodes(''SELECT 1'', true)'),
    (69.5, 'SELECT _callhardening.shards_of_nodes(l.events, l.calls, ''{}'') FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.ask_node(''host'', 1, ''SELECT 1'')'),
    (69.5, 'SELECT _callhardening.register_distributed_log(events, calls, pg_catalog.to_jsonb(l)) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.attach_node_shard(l.events, 1, pg_catalog.to_jsonb(l), 0) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.attach_new_shard(l.events, 1, pg_catalog.to_jsonb(l), 0) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.attach_shard(l.events, 1, l.events, l.calls, l, NULL) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'UPDATE _callhardening.shard_logs SET signed = false WHERE log_id OPERATOR(pg_catalog.=) 0'),
    (69.5, 'SELECT _callhardening.is_this_node(''host'', 1), _callhardening.moving_table(l.events) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.begin_shard_move(l.events, 1, ''host'', 1, ''auto'') FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.noted_move(l.events, 1) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.note_move(l.events, 1, ''host'', 1) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.attach_moved_shard(l.events, 1, l.events, l.calls) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.move_shard_rows(l.events, 1, ''host'', 1, ''auto'', NULL) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.end_shard_move(l.events, 1) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.create_moving_table(''a"b'')'),
    (69.5, 'SELECT pg_catalog.count(*) FROM _callhardening.placed_shards()'),
    (69.5, 'SELECT _callhardening.process_shard(l.events, 10) FROM _callhardening.logs AS l LIMIT 1'),
    (69.5, 'SELECT _callhardening.node_figures(w) IS NULL
        FROM pg_catalog.unnest(ARRAY[''status'', ''issues'', ''dead_events'', ''enforcement'']) AS w'),
    (69.5, 'SELECT * FROM "has space".cluster_call_event_log_status'),
    (69.5, 'SELECT pg_catalog.count(*) FROM "has space".call_worker_pids(NULL::pg_catalog.regclass, true)'),
    (69.5, 'SELECT "has space".stop_call_worker(NULL::pg_catalog.regclass, true)'),
    (69.5, 'SELECT "has space".start_call_worker(''"has space".call_events''::pg_catalog.regclass, true, 1, interval ''1 s'', 1, false)'),
    (69.5, 'SELECT _callhardening.call_shard_guard(''{1}'')'),
    (69.5, 'SELECT _callhardening.place_of_shard(1)'),
    (69.5, 'SELECT _callhardening.renew_role_tasks(l.events) FROM _callhardening.logs AS l LIMIT 1'),
    (69.6, 'SELECT ' || test.call('create_call_tables', 'a"b')),
    (69.6, 'SELECT _callhardening.make_distributable(''"a""b".calls'', ''"a""b".call_events'')'),
    (69.6, 'SELECT _callhardening.distribute_call_tables(''"a""b".calls'', ''"a""b".call_events'', 4)'),
    (69.6, 'DROP TABLE "a""b".calls, "a""b".call_events'),
    -- Words, payloads, pseudonyms
    (70, 'SELECT ' || test.call('normalize_call_direction', 'Incoming') || ', ' || test.call('normalize_call_status', 'Hangup') || ', ' ||
        test.call('is_valid_status_transition', 'ringing', 'ended') || ', ' || test.call('call_payload_policy')),
    (70, 'SELECT _callhardening.is_invalid_insert(''ended'', ''in'', ''{"ended": []}''),
        _callhardening.is_invalid_update(''ended'', ''ringing'', ''inbound'', NULL)'),
    (70, 'SELECT _callhardening.warn_of_unprocessed_events(l) FROM _callhardening.logs AS l WHERE processed_at_column IS NULL'),
    (71, 'SELECT ' || test.call('add_call_pseudonym_key', 'sixteen bytes or more')),
    (72, 'SELECT ' || test.call('call_pseudonym', '+14155550100') || ', ' || test.call('call_pseudonyms', '+14155550100')),
    (73, 'SELECT ' || test.call('sanitize_call_payload(jsonb,jsonb)',
        '{"from": "+14155550100", "token": "x"}', '{"version": 1, "detectors": {"phone": "hash"}}')),
    (74, 'SELECT ' || test.call('sanitize_call_payload(text,jsonb)', '{"from": "+14155550100", "token": "x"}')),
    (75, 'SELECT * FROM ' || test.call('explain_call_payload', '{"from": "+14155550100", "token": "x"}')),
    (76, 'SELECT * FROM ' || test.call('call_status_transitions')),
    (77, 'SELECT pg_catalog.count(*) FROM ' || test.call('call_traffic', '5')),
    (77, 'SELECT pg_catalog.count(*) FROM ' || test.call('call_traffic_calls', '5')),
    (78, 'SELECT pg_catalog.count(*) FROM ' || test.call('call_providers')),
    (78, 'SELECT ' || test.call('call_event_shape', 'dialpad') || ' IS NULL'),
    (78, 'SELECT pg_catalog.count(*) FROM ' || test.call('explain_call_event', '{"call_id": 1}', 'dialpad')),
    (79, 'SELECT _callhardening.suggest_provider(''dialpd'')'),
    (79.1, 'SELECT ' || test.call('decode_call_form', 'a=1&b=%2B')),
    (79.104, 'SELECT pg_catalog.count(*) FROM ' || test.call('divide_call_event', '\x7b7d')),
    (79.105, 'SELECT ' || test.call('call_event_partition', '\x7b7d', '4')),
    (79.11, 'SELECT _callhardening.report(''NOTICE'', ''x'')'),
    (79.2, 'SELECT level FROM _callhardening.missing_figure(''directions'', ''words'', ''direction'')'),
    -- Roles
    (80, 'SELECT ' || (SELECT string_agg(test.call('grant_call_role', 'regress_worker', what), ', ')
        FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what)),
    (81, 'SELECT * FROM ' || test.call('call_role_grants', 'operate')),
    (82, 'SELECT ' || (SELECT string_agg(test.call('revoke_call_role', 'regress_worker', what), ', ')
        FROM unnest('{ingest,process,claim,operate,monitor,read}'::text[]) AS what)),
    -- The views, and the end
    (90, 'SELECT * FROM ' || test.call('check_call_hardening')),
    (91, 'SELECT pg_catalog.count(*) FROM "has space".call_horizon WHERE holder OPERATOR(pg_catalog.=) ''none'''),
    (92, 'SELECT ' || test.call('unharden_calls', '"a""b"."old ""calls"', 'true')),
    (93, 'DROP TABLE "has space".call_events'),
    (94, 'SELECT * FROM "has space".call_event_logs')) AS s (n, statement) ORDER BY n;
CALL test.run('alone');
SELECT s.n, s.statement, r.result FROM test.results r JOIN test.steps s USING (n)
WHERE run = 'alone' AND jsonb_typeof(r.result) = 'string' ORDER BY n;
-- The names to plant are those of this run.
CREATE VIEW test.members AS
SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' WHERE e.extname = 'callhardening';
CREATE TABLE test.own AS
SELECT p.proname AS name, ARRAY(SELECT unnest(p.proargtypes)) AS types, p.prorettype AS returns,
    p.proretset AS returns_set, p.pronargdefaults AS defaults, false AS is_variadic,
    ARRAY(SELECT a.name FROM unnest(p.proargnames, p.proargmodes::text[]) AS a (name, mode)
        WHERE coalesce(a.mode, 'i') IN ('i', 'b')) AS names
FROM pg_proc p JOIN test.members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
CREATE TABLE test.own_relations AS
SELECT c.relname AS name FROM pg_class c WHERE c.relkind IN ('r', 'v')
    AND (c.relnamespace = '"has space"'::regnamespace
        OR c.oid IN (SELECT m.objid FROM test.members m WHERE m.classid = 'pg_class'::regclass))
UNION SELECT 'call_events';
CREATE TABLE test.words AS
SELECT DISTINCT w[1] AS word FROM (
    SELECT prosrc FROM pg_proc p JOIN test.members m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL SELECT pg_get_viewdef(c.oid) FROM pg_class c
        JOIN test.members m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid WHERE c.relkind = 'v'
    UNION ALL SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
        JOIN test.members m ON m.classid = 'pg_class'::regclass
            AND m.objid = d.adrelid) AS s (source), regexp_matches(source, '([a-z_0-9]+)\(', 'g') AS w;
CREATE TABLE test.own_names AS
SELECT c.relname AS name FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
WHERE c.relnamespace = '"has space"'::regnamespace;
DROP SCHEMA "a""b" CASCADE;
DROP TABLE "has space".calls, test.claimed;
DROP EXTENSION callhardening;

-- -- the plants -------------------------------------------------------------------------------------------------------

CREATE SCHEMA evil;
CREATE SCHEMA "a""b";
GRANT ALL ON SCHEMA evil, "has space", "a""b", public TO regress_attacker;
GRANT TEMPORARY ON DATABASE regress_callhardening_hostile TO regress_attacker;
GRANT SELECT ON ALL TABLES IN SCHEMA test TO regress_attacker;

CREATE FUNCTION test.plant_function(schema text, name text, arguments text, returns text)
    RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', schema, name, arguments, returns,
        format('BEGIN RAISE WARNING ''planted %% ran as %%'', %L, current_user;
            PERFORM pg_catalog.nextval(%L::pg_catalog.regclass); RETURN%s; END',
            format('%s.%s(%s)', schema, name, arguments), 'evil.ran', CASE WHEN returns ~ '^(SETOF|void)' THEN '' ELSE ' NULL' END));
END
$$;

-- The arguments of a function. PL/pgSQL cannot take arguments of any type.
CREATE FUNCTION test.arguments(types oid[], is_variadic boolean, names text[], defaults int) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT coalesce(string_agg(concat_ws(' ', CASE WHEN is_variadic
    AND i = cardinality(types) THEN 'VARIADIC' END, quote_ident(nullif(names[i], '')),
    CASE WHEN type <> '"any"'::regtype THEN type::regtype::text
        WHEN is_variadic AND i = cardinality(types) THEN 'anyarray' ELSE 'anyelement' END,
    CASE WHEN i > cardinality(types) - defaults THEN 'DEFAULT NULL' END), ', ' ORDER BY i), '')
FROM unnest(types) WITH ORDINALITY AS t (type, i)
$$;
CREATE FUNCTION test.can_be_planted(types oid[]) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT NOT EXISTS (SELECT FROM unnest(types) AS t (type) LEFT JOIN pg_type y ON y.oid = t.type
    WHERE t.type <> 0 AND y.oid IS NULL OR y.typtype = 'p' AND y.typname !~ '^(any|record$)')
$$;

-- The functions, with their own arguments, in a schema that is searched before pg_catalog.
CREATE FUNCTION test.plant_copies() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT DISTINCT ON (p.name, a.list) p.*, a.list FROM (
            SELECT proname AS name, proargtypes::oid[] AS types, prorettype AS returns,
                proretset AS returns_set, 0 AS defaults, provariadic <> 0 AS is_variadic,
                '{}'::text[] AS names FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
            UNION ALL SELECT * FROM test.own) AS p CROSS JOIN test.arguments(p.types, p.is_variadic, p.names, p.defaults) AS a (list)
        WHERE test.can_be_planted(p.types) AND test.can_be_planted(ARRAY[CASE WHEN p.returns <> 'void'::regtype THEN p.returns ELSE 0 END])
    LOOP
        PERFORM test.plant_function('evil', f.name, f.list, CASE WHEN f.returns_set THEN 'SETOF ' ELSE '' END || f.returns::regtype);
    END LOOP;
END
$$;

-- Types with an implicit cast to this type. A function for such a type fits better.
CREATE FUNCTION test.fitting_types(type oid) RETURNS SETOF oid LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
SELECT type UNION SELECT castsource FROM pg_cast
WHERE casttarget = type AND castcontext = 'i' AND castsource NOT IN (SELECT oid FROM pg_type WHERE typtype = 'p')
$$;
-- In the extension's own schema: overloads with one type changed, for a caller with a value of that type, or a literal.
CREATE FUNCTION test.plant_better_functions() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    f record;
BEGIN
    FOR f IN
        WITH meant AS MATERIALIZED (
            SELECT * FROM test.own UNION ALL
            SELECT proname, ARRAY(SELECT unnest(proargtypes)), prorettype, proretset, 0, provariadic <> 0, '{}' FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace AND proname IN (SELECT word FROM test.words))
        SELECT DISTINCT ON (m.name, x.types) m.name, test.arguments(x.types, m.is_variadic, m.names, m.defaults) AS list
        FROM meant m CROSS JOIN generate_subscripts(m.types, 1) AS place
        CROSS JOIN LATERAL (SELECT test.fitting_types(m.types[place])
            UNION SELECT unnest('{text,name,text[]}'::regtype[])) AS instead (type)
        CROSS JOIN LATERAL (SELECT m.types[:place - 1] || instead.type || m.types[place + 1:] AS types) AS x
        WHERE test.can_be_planted(m.types) AND NOT EXISTS (SELECT FROM meant o WHERE o.name = m.name AND o.types = x.types)
          AND (NOT m.is_variadic OR place < cardinality(m.types) OR instead.type = 'text[]'::regtype)
    LOOP
        PERFORM test.plant_function('has space', f.name, f.list, 'text');
    END LOOP;
END
$$;

-- The operators of pg_catalog, and operators that fit better than one of them.
CREATE FUNCTION test.plant_operators() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o record;
BEGIN
    FOR o IN
        WITH present AS MATERIALIZED (
            SELECT oprname, oprleft, oprright, oprresult FROM pg_operator
            WHERE oprnamespace = 'pg_catalog'::regnamespace AND test.can_be_planted(ARRAY[oprleft, oprright, oprresult])),
        better AS (
            SELECT DISTINCT p.oprname, a.type, b.type, CASE WHEN p.oprresult = 'boolean'::regtype THEN p.oprresult ELSE a.type END
            FROM present p CROSS JOIN test.fitting_types(p.oprleft) AS a (type) CROSS JOIN test.fitting_types(p.oprright) AS b (type)
            WHERE p.oprleft <> 0 AND p.oprname = ANY ('{=,<>,<,>,<=,>=,+,-,*,/,||}')
                AND (p.oprname, a.type, b.type) NOT IN (SELECT oprname, oprleft, oprright FROM present))
        SELECT 'evil' AS place, * FROM present UNION ALL SELECT 'has space', * FROM better
    LOOP
        IF to_regprocedure(format('%I.%I(%s)', o.place, 'test ' || o.oprresult::regtype,
            concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype))) IS NULL THEN
            PERFORM test.plant_function(o.place, 'test ' || o.oprresult::regtype,
                concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype), o.oprresult::regtype::text);
        END IF;
        EXECUTE format('CREATE OPERATOR %1$I.%2$s (%3$sRIGHTARG = %4$s, FUNCTION = %1$I.%5$I)', o.place, o.oprname,
            CASE WHEN o.oprleft <> 0 THEN format('LEFTARG = %s, ', o.oprleft::regtype) END,
                o.oprright::regtype, 'test ' || o.oprresult::regtype);
    END LOOP;
END
$$;

-- Relations and types. PostgreSQL searches the temporary schema for them first.
CREATE FUNCTION test.plant_relations(place text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT relname AS name, format('(SELECT %s FROM pg_catalog.%I)', (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND atttypid NOT IN ('anyarray'::regtype, 'pg_statistic[]'::regtype)), relname) AS columns
        FROM pg_class c WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
        UNION ALL SELECT name, '(SELECT 1 AS log_id)' FROM test.own_relations
    LOOP
        EXECUTE format('CREATE VIEW %s.%I AS SELECT * FROM %s AS x WHERE evil.planted(%L)',
            place, r.name, r.columns, 'relation ' || r.name);
    END LOOP;
    FOR r IN SELECT typname AS name FROM pg_type
        WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typcategory <> 'A' LOOP
        EXECUTE format('CREATE DOMAIN %s.%I AS pg_catalog.%2$I CHECK (evil.planted(%L))', place, r.name, 'type ' || r.name);
    END LOOP;
END
$$;
CREATE SEQUENCE evil.ran;
GRANT ALL ON SEQUENCE evil.ran TO PUBLIC;
SET ROLE regress_attacker;
SELECT test.plant_copies();
SELECT test.plant_better_functions();
SELECT test.plant_operators();
CREATE FUNCTION evil.planted(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'planted % ran as %', what, current_user;
    PERFORM pg_catalog.nextval('evil.ran'::pg_catalog.regclass);
    RETURN true;
END
$$;
SELECT test.plant_relations('evil');
RESET ROLE;

-- -- the same steps with the plants ----------------------------------------------------------------------------------

ALTER DATABASE regress_callhardening_hostile SET search_path = pg_temp, evil, "has space", public, pg_catalog;
\c
SET ROLE regress_attacker;
SELECT test.plant_relations('pg_temp');
-- The plants work.
SELECT lower('A') IS NULL AS function, 1 = 1 IS NULL AS operator;
SELECT log_id AS relation FROM call_event_logs;
SELECT pg_catalog.length('A'::text) AS type;
SELECT call_event_log_channel(NULL::pg_catalog.regclass) IS NULL AS own;
SELECT "has space".call_event_log_channel(1::pg_catalog.int8) IS NULL AS better,
    1::pg_catalog.int8 OPERATOR("has space".=) 1::pg_catalog.numeric IS NULL AS better_operator;
RESET ROLE;
SELECT pg_catalog.setval('evil.ran'::pg_catalog.regclass, 1, false);
CREATE EXTENSION callhardening SCHEMA "has space";
SELECT pg_catalog.pg_stat_reset();
CALL test.run('hostile');
SELECT pg_catalog.pg_stat_force_next_flush();
ALTER DATABASE regress_callhardening_hostile RESET search_path;
\c
SELECT is_called AS something_ran FROM evil.ran;
SELECT statement, a.result, h.result AS with_plants FROM test.results a JOIN test.results h USING (n) JOIN test.steps s USING (n)
WHERE a.run = 'alone' AND h.run = 'hostile' AND a.result IS DISTINCT FROM h.result ORDER BY n;
-- No view, default, index or trigger refers to a plant and would run it later.
WITH owners (class, object, owner) AS (
    SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc UNION ALL SELECT 'pg_operator', oid, oprowner FROM pg_operator
    UNION ALL SELECT 'pg_type', oid, typowner FROM pg_type UNION ALL SELECT 'pg_class', oid, relowner FROM pg_class
    UNION ALL SELECT 'pg_rewrite', r.oid, relowner FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    UNION ALL SELECT 'pg_constraint', r.oid, typowner FROM pg_constraint r JOIN pg_type t ON t.oid = r.contypid)
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS thing, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS planted
FROM pg_depend d JOIN owners p ON p.class = d.refclassid AND p.object = d.refobjid AND p.owner = 'regress_attacker'::regrole
LEFT JOIN owners o ON o.class = d.classid AND o.object = d.objid WHERE o.owner IS DISTINCT FROM 'regress_attacker'::regrole ORDER BY 1, 2;
-- Every function of the extension ran to its end, except those that only raise.
SELECT p.oid::regprocedure AS function_that_did_not_run
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'callhardening' AND coalesce(pg_stat_get_function_calls(p.oid), 0) = 0 ORDER BY p.oid::regprocedure::text COLLATE "C";

-- -- errors ----------------------------------------------------------------------------------------------------------

DROP SCHEMA "a""b" CASCADE;
DROP TABLE "has space".calls, test.claimed;
DROP EXTENSION callhardening;
CREATE VIEW test.left_behind AS
SELECT (SELECT count(*) FROM pg_extension WHERE extname = 'callhardening') AS extensions,
    (SELECT count(*) FROM pg_event_trigger) AS event_triggers,
    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^(pg_|information|test|evil|has space)') AS relations,
    (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname !~ '^(pg_|information|test|evil|has space)') AS functions;

-- PostgreSQL does not accept these schema names in an extension script.
CREATE SCHEMA "a""b";
CREATE SCHEMA "has$dollar";
CREATE SCHEMA "it's";
CREATE EXTENSION callhardening SCHEMA "a""b";
CREATE EXTENSION callhardening SCHEMA "has$dollar";
CREATE EXTENSION callhardening SCHEMA "it's";
SELECT * FROM test.left_behind;

-- If the target schema holds an object with a name of the extension's, CREATE EXTENSION fails. No foreign object is taken
-- over, and no function is overloaded. The internal schema is created by the extension, so it is empty.
CREATE SCHEMA hardening;
GRANT CREATE, USAGE ON SCHEMA hardening TO regress_attacker;
GRANT CREATE ON DATABASE regress_callhardening_hostile TO regress_attacker;
CREATE FUNCTION test.try(plant text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL ROLE regress_attacker;
    EXECUTE plant;
    RESET ROLE;
    CREATE EXTENSION callhardening SCHEMA hardening;
    RAISE EXCEPTION 'installed';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END
$$;
SELECT plant, test.try(format('CREATE %s', plant)) FROM (VALUES
    ('FUNCTION hardening.normalize_call_direction(text, text) RETURNS text LANGUAGE sql AS ''SELECT $1'''),
    ('FUNCTION hardening.call_settings(regclass) RETURNS record LANGUAGE sql AS ''SELECT 1'''),
    ('SCHEMA _callhardening'),
    ('PROCEDURE hardening.backfill_calls(regclass, int) LANGUAGE sql AS ''SELECT 1'''),
    ('TYPE hardening.call_event_logs AS ENUM ()'),
    ('SEQUENCE hardening.call_issues')) AS p (plant);
SELECT test.try(format('CREATE TABLE hardening.%I ()', c.name)) AS refusal, string_agg(c.name, ', ' ORDER BY c.name) AS names
FROM test.own_names c GROUP BY 1 ORDER BY 1;
SELECT * FROM test.left_behind;

-- Default privileges of an attacker apply to the attacker only. No role gets more rights than intended.
SET ROLE regress_attacker;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_attacker;
ALTER DEFAULT PRIVILEGES IN SCHEMA hardening GRANT ALL ON FUNCTIONS TO regress_attacker;
ALTER DEFAULT PRIVILEGES FOR ROLE CURRENT_USER GRANT ALL ON SEQUENCES TO PUBLIC;
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT ALL ON TABLES TO regress_attacker', rolname) AS statement
FROM pg_roles WHERE oid = 10 \gset
\set VERBOSITY sqlstate
:statement;
\set VERBOSITY default
RESET ROLE;
CREATE EXTENSION callhardening SCHEMA hardening;
SELECT c.relname AS relation, a.privilege_type FROM pg_class c
    CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner))) AS a
WHERE c.relnamespace IN ('hardening'::regnamespace, '_callhardening'::regnamespace)
    AND c.relkind IN ('r', 'v', 'S') AND a.grantee <> c.relowner ORDER BY 1, 2;
SELECT p.proname AS function, a.grantee::regrole FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) AS a
WHERE p.pronamespace IN ('hardening'::regnamespace, '_callhardening'::regnamespace) AND a.grantee NOT IN (0, p.proowner) ORDER BY 1, 2;

-- -- tables of other roles -------------------------------------------------------------------------------------------

-- A temporary table of the caller, and a table of the same name earlier in the search path.
ALTER DATABASE regress_callhardening_hostile SET search_path = hardening, evil, pg_temp;
\c
CREATE TABLE evil.mine (dialpad_call_id pg_catalog.int8, status pg_catalog.text, direction pg_catalog.text, raw_payload pg_catalog.jsonb);
CREATE TEMPORARY TABLE mine (LIKE evil.mine);
INSERT INTO evil.mine VALUES (1, 'Hangup');
INSERT INTO pg_temp.mine VALUES (1, 'Hangup');
SELECT hardening.harden_calls('pg_temp.mine'::pg_catalog.regclass);
CALL hardening.backfill_calls('pg_temp.mine'::pg_catalog.regclass);
SELECT e.status AS other, t.status FROM evil.mine AS e, pg_temp.mine AS t;
ALTER DATABASE regress_callhardening_hostile RESET search_path;
\c

-- The owner of a log and a calls table defines casts for its types. They would run with the rights of their caller.
CREATE SCHEMA theirs;
SELECT hardening.create_call_tables('theirs');
ALTER SCHEMA theirs OWNER TO regress_attacker;
ALTER TABLE theirs.calls OWNER TO regress_attacker;
ALTER TABLE theirs.call_events OWNER TO regress_attacker;
SELECT hardening.ingest_call_event('{"call_id": 1}'::jsonb);
SET ROLE regress_attacker;
CREATE TYPE theirs.trap AS ENUM ('1');
SELECT test.plant_function('theirs', 'to ' || type, 'theirs.trap', type)
FROM unnest('{bigint,integer,text,timestamptz,jsonb,xid8}'::text[]) AS type;
SELECT format('CREATE CAST (theirs.trap AS %s) WITH FUNCTION theirs.%I(theirs.trap) AS IMPLICIT', type, 'to ' || type)
FROM unnest('{bigint,integer,text,timestamptz,jsonb,xid8}'::text[]) AS type \gexec
ALTER TABLE theirs.call_events ALTER received_at DROP DEFAULT, ALTER received_at TYPE theirs.trap USING '1';
RESET ROLE;
SELECT check_name, detail FROM hardening.check_call_hardening() WHERE NOT ok;
SELECT DISTINCT error FROM hardening.call_lane_status;
SELECT figure FROM hardening.call_health('theirs.calls');
SELECT hardening.purge_call_events('0');
SELECT hardening.process_call_events();
SET ROLE regress_attacker;
ALTER TABLE theirs.call_events ALTER event_seq DROP IDENTITY;
ALTER TABLE theirs.call_events ALTER event_seq TYPE theirs.trap USING '1';
RESET ROLE;
SELECT check_name, detail FROM hardening.check_call_hardening() WHERE NOT ok;
SELECT DISTINCT error FROM hardening.call_lane_status;
SELECT hardening.process_call_events();
SELECT is_called AS something_ran FROM evil.ran;

\c :here
DROP DATABASE regress_callhardening_hostile;
DROP ROLE regress_attacker;
DROP ROLE regress_worker;
