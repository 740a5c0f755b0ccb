
-- consumer -------------------------------------------------------------------------------------
--
-- Every log has a default consumer, under the number of the log. The numbers of the others come from the same
-- sequence, since a claim id has room for one number.

CREATE TABLE _callhardening.consumers (
    consumer_id int CONSTRAINT consumers_pkey PRIMARY KEY CHECK (consumer_id BETWEEN 1 AND 16383),
    log_id int NOT NULL,
    name name NOT NULL CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    max_attempts int CHECK (max_attempts BETWEEN 1 AND 1000000),
    retry_base interval CHECK (retry_base BETWEEN interval '0' AND interval '365 days'),
    retry_cap interval CHECK (retry_cap BETWEEN interval '0' AND interval '365 days'),
    max_retrying int CHECK (max_retrying BETWEEN 1 AND 1000000),
    CONSTRAINT consumers_name_key UNIQUE (log_id, name)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.consumers', '');
REVOKE ALL ON _callhardening.consumers FROM PUBLIC;

COMMENT ON TABLE _callhardening.consumers IS
'the consumers of each log. Each consumer has positions, claims, retries and dead events of its own';
COMMENT ON COLUMN _callhardening.consumers.consumer_id IS 'a number in claim ids; the default consumer has its log''s';
COMMENT ON COLUMN _callhardening.consumers.max_attempts IS
'NULL: as the log has it (call_event_logs), like the three below; the default consumer always has its log''s';

-- Not dumped: the counts of a restored log begin anew. Rows are written by src/pg/shared/counters.cpp at a commit, at
-- most once a minute for a consumer.
CREATE TABLE _callhardening.counts (
    consumer_id int CONSTRAINT counts_pkey PRIMARY KEY,
    counted_since timestamptz NOT NULL,
    numbers bigint[] NOT NULL
) WITH (fillfactor = 50);
REVOKE ALL ON _callhardening.counts FROM PUBLIC;

COMMENT ON TABLE _callhardening.counts IS
'what call_event_counts and call_event_lag show, without what was counted since the last row was written. numbers: in '
'the order of Counter in src/pg/shared/counters.hpp';

CREATE FUNCTION _callhardening.drop_counts(events regclass, consumers int[]) RETURNS void
    LANGUAGE c STRICT
    AS 'MODULE_PATHNAME', 'callhardening_drop_counts';
REVOKE EXECUTE ON FUNCTION _callhardening.drop_counts(regclass, int[]) FROM PUBLIC;

COMMENT ON FUNCTION _callhardening.drop_counts(regclass, int[]) IS
'forgets the counts of a dropped log: of its number, and of its consumers'' numbers';

CREATE FUNCTION @extschema@.create_call_consumer(log regclass, consumer name, from_beginning boolean DEFAULT false)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_create_call_consumer';
REVOKE EXECUTE ON FUNCTION @extschema@.create_call_consumer(regclass, name, boolean) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'create_call_consumer'), ('operate', 'create_call_consumer');

COMMENT ON FUNCTION @extschema@.create_call_consumer(regclass, name, boolean) IS
'Adds a consumer to an event log. Each consumer gets every event for itself, with positions,
claims, retries and dead events of its own. A purge takes only what all consumers have settled.
Workers name the consumer: claim_call_events(consumer => ...). A log and all logs together can
have some 16000.
- log: NULL is an error
- from_beginning: false or NULL: it gets the events committed from now on; true: all events that
  are kept
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log or consumer
- 22023: the name is empty
- 25006: on a standby, or in a read-only transaction
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42710: the log has such a consumer
- 55000: no such log';

CREATE FUNCTION @extschema@.drop_call_consumer(log regclass, consumer name) RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_drop_call_consumer';
REVOKE EXECUTE ON FUNCTION @extschema@.drop_call_consumer(regclass, name) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'drop_call_consumer'), ('operate', 'drop_call_consumer');

COMMENT ON FUNCTION @extschema@.drop_call_consumer(regclass, name) IS
'Removes a consumer of an event log, with its positions, claims, retries and dead events. Its
claims become unknown, and its events no longer hold purges back. The default consumer stays.
Waits for transactions that work on its events.
- log: NULL is an error
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log or consumer
- 25006: on a standby, or in a read-only transaction
- 2BP01: it is the default consumer
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42704: no such consumer
- 55000: no such log';

CREATE FUNCTION @extschema@.seek_call_consumer(log regclass, consumer name,
        received_at timestamptz DEFAULT NULL, event_seq bigint DEFAULT NULL)
    RETURNS void
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_seek_call_consumer';
REVOKE EXECUTE ON FUNCTION @extschema@.seek_call_consumer(regclass, name, timestamptz, bigint) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('own', 'seek_call_consumer'), ('operate', 'seek_call_consumer');

COMMENT ON FUNCTION @extschema@.seek_call_consumer(regclass, name, timestamptz, bigint) IS
'Moves a consumer of an event log to a time or to an event. Give one of received_at and
event_seq. Its open claims become stale, its retries are forgotten, and dead events that come
again get new attempts. If another client has marked an event (processed_at_column), the default
consumer does not get it again. Waits for transactions that work on its events. Reads the log
once, unless received_at is infinite.
- log: NULL is an error
- consumer: NULL or default is the one of process_call_events
- received_at: the consumer gets the kept events received at this time or later; -infinity: all
  kept events; infinity: only events committed from now on
- event_seq: the kept events with this number or a higher one. Some earlier events of concurrent
  transactions can come too: delivery is at least once.
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: no log
- 22023: not one of the two, or event_seq below 1
- 25006: on a standby, or in a read-only transaction
- 42501: the caller is not the owner of the log, and has not SELECT and DELETE on it
- 42704: no such consumer
- 55000: no such log, or received_at is given and the log has no column for it
- 55006: called by a trigger while events are applied, completed or purged';
