-- One session works for many event logs. Each log works like the first one.
SET client_min_messages = error;
CREATE FUNCTION make_log(i int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE SCHEMA regress_log_%s', i);
    PERFORM create_call_tables(format('regress_log_%s', i));
END
$$;
-- Everything a session does with a log, each step in a transaction of its own.
CREATE TEMP TABLE results (log regclass, step text, result text);
CREATE PROCEDURE use_logs() LANGUAGE plpgsql AS $$
DECLARE
    log regclass;
    claims bigint[];
BEGIN
    FOR log IN SELECT events FROM call_event_logs ORDER BY events::text LOOP
        PERFORM ingest_call_event(jsonb_build_object('call_id', n, 'state', 'ringing'), log)
        FROM generate_series(1, 3) AS n;
        COMMIT;
        INSERT INTO results SELECT log, 'processed', to_jsonb(p) FROM process_call_events(1000, log) AS p;
        COMMIT;
        PERFORM ingest_call_event(jsonb_build_object('call_id', 1, 'state', state), log)
        FROM unnest('{connected,hangup}'::text[]) AS state;
        COMMIT;
        claims := array(SELECT DISTINCT claim_id FROM claim_call_events(10, '1 minute', 'x', log));
        COMMIT;
        INSERT INTO results SELECT log, 'completed', string_agg(outcome, ' ') FROM complete_call_events(claims);
        COMMIT;
        INSERT INTO results SELECT log, 'purged', purge_call_events('0 s', log, 100);
        COMMIT;
    END LOOP;
END
$$;
SELECT count(make_log(i)) FROM generate_series(1, 40) AS i;
CALL use_logs();
SELECT step, result, count(*) AS logs FROM results GROUP BY step, result ORDER BY step DESC;
TRUNCATE results;
-- Some logs are dropped, and one of their names is used again.
DROP SCHEMA regress_log_3, regress_log_17, regress_log_30 CASCADE;
SELECT make_log(3);
CALL use_logs();
SELECT step, result, count(*) AS logs FROM results GROUP BY step, result ORDER BY step DESC;
TRUNCATE results;
-- The dropped logs are gone, and the others are still logs.
SELECT count(*) FROM call_event_logs;
SELECT count(*) FROM call_event_logs WHERE events NOT IN (SELECT oid FROM pg_class);
DO $$
DECLARE
    schema text;
BEGIN
    FOR schema IN SELECT nspname FROM pg_namespace WHERE nspname LIKE 'regress\_log\_%' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', schema);
    END LOOP;
END
$$;
DROP FUNCTION make_log;
DROP PROCEDURE use_logs;
