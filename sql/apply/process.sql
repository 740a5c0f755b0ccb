
-- process --------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.process_call_events(max_events int DEFAULT 1000, log regclass DEFAULT NULL,
        consumer name DEFAULT NULL,
        OUT claimed bigint, OUT applied bigint, OUT unchanged bigint, OUT refused bigint, OUT failed bigint)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_process_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.process_call_events(int, regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('process', 'process_call_events');

COMMENT ON FUNCTION @extschema@.process_call_events(int, regclass, name) IS
'Claims pending events, applies them to the calls table in the caller''s transaction, and settles
them. The events of each call are applied in the order of the log. It goes through all lanes
until it has max_events or no event is left. It tries a failed event once. Any number of workers
may call it at the same time. Events of one call never go to two of them.

If another session locks the row of a call for long, the events of the call are in none of the
counts. They come again within 10 seconds, and no attempt is counted. A batch waits for rows at
most one second in all.
- max_events: 1 to 100000
- log: NULL is the default log
- consumer: applies the events of another consumer of the log; NULL is the default one
- claimed: the sum of the other counts; 0: no event was pending, or other workers hold them
- applied: changed a call
- unchanged: had no news
- refused: the status is outside the graph, and the other values were merged
- failed: could not be written, or follows such an event of its call; it is retried
  (call_retrying_events), or dead after max_attempts (call_dead_events)
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22023: max_events out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: no such log, its calls table is not hardened or its call id not unique, the log was
  altered, or row-level security hides events of it
- 55006: called by a trigger while it runs';
