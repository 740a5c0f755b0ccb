
-- waiting for events ------------------------------------------------------------------------------

-- A function would hold the snapshot of the query that calls it, and so would a procedure with an OUT parameter.
CREATE PROCEDURE @extschema@.wait_for_call_events(log regclass DEFAULT NULL, timeout interval DEFAULT '30 seconds',
        consumer name DEFAULT NULL)
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_wait_for_call_events';
REVOKE EXECUTE ON PROCEDURE @extschema@.wait_for_call_events(regclass, interval, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('claim', 'wait_for_call_events'), ('process', 'wait_for_call_events');

COMMENT ON PROCEDURE @extschema@.wait_for_call_events(regclass, interval, name) IS
'Returns as soon as an event of the log can be claimed, or after the timeout. A commit wakes it.
It also looks once a second. Another worker may be faster: then the next claim is empty. A retry
that becomes due and a lease that ends count too. While it waits, it holds no snapshot, no
transaction id and no lock on a table. It can be cancelled. Call it as a statement of its own,
outside of functions.
- log: NULL is the default log
- timeout: 0 to 24 hours; NULL is an error
- consumer: NULL is the default one
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22023: timeout is NULL or out of range
- 25001: called from a function, or the transaction has written
- 25006: on a standby
- 42501: no SELECT on the log
- 42704: no such consumer
- 42P08: several logs, none is the default and none is named
- 55000: an open cursor holds a snapshot, or no such log';

CREATE FUNCTION _callhardening.waiters()
    RETURNS TABLE (pid int, kind text, log_id int, consumer_id int, is_waiting boolean)
    LANGUAGE c VOLATILE ROWS 8
    AS 'MODULE_PATHNAME', 'callhardening_waiters';

COMMENT ON FUNCTION _callhardening.waiters() IS
'the sessions of this database with a place for waiters in the shared memory. is_waiting: false while it works';

CREATE FUNCTION _callhardening.free_waiting_places() RETURNS int
    LANGUAGE c VOLATILE
    AS 'MODULE_PATHNAME', 'callhardening_free_waiting_places';

COMMENT ON FUNCTION _callhardening.free_waiting_places() IS
'free places for waiters, of 256 in the server; NULL: the server has no room for the shared memory';

CREATE VIEW @extschema@.call_event_waiters AS
SELECT w.pid, w.kind, l.events AS log, c.name AS consumer, w.is_waiting
FROM _callhardening.waiters() AS w LEFT JOIN _callhardening.logs AS l ON l.log_id OPERATOR(pg_catalog.=) w.log_id
LEFT JOIN _callhardening.consumers AS c ON c.consumer_id OPERATOR(pg_catalog.=) w.consumer_id
-- -1: a worker for all shards
WHERE l.log_id IS NOT NULL OR w.log_id OPERATOR(pg_catalog.=) -1;
REVOKE ALL ON @extschema@.call_event_waiters FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES
    ('operate', 'call_event_waiters', 'SELECT'), ('monitor', 'call_event_waiters', 'SELECT');

COMMENT ON VIEW @extschema@.call_event_waiters IS
'The sessions of this database that commits wake: workers in the server, and clients of
wait_for_call_events. A worker that is missing here only polls: call_health has the free places
of the server.';
COMMENT ON COLUMN @extschema@.call_event_waiters.pid IS 'process id of the session';
COMMENT ON COLUMN @extschema@.call_event_waiters.kind IS 'worker: inside the server; client: wait_for_call_events';
COMMENT ON COLUMN @extschema@.call_event_waiters.log IS
'the log of its last wait; NULL: a worker for all shards of this server';
COMMENT ON COLUMN @extschema@.call_event_waiters.consumer IS
'the consumer of its last wait; NULL: it was dropped, or log is NULL';
COMMENT ON COLUMN @extschema@.call_event_waiters.is_waiting IS 'false: it does something else';
