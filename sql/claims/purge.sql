
-- purge ----------------------------------------------------------------------------------------

CREATE TABLE _callhardening.purges (
    log_id int NOT NULL,
    lane int NOT NULL,
    record_no bigint NOT NULL,
    low_xid pg_catalog.xid8 NOT NULL,
    low_seq bigint NOT NULL,
    purged_at timestamptz NOT NULL,
    CONSTRAINT purges_pkey PRIMARY KEY (log_id, lane, record_no)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.purges', '');
REVOKE ALL ON _callhardening.purges FROM PUBLIC;

COMMENT ON TABLE _callhardening.purges IS
'where the next purge of each lane begins: behind the dead rows of earlier purges. An old snapshot may keep those';
COMMENT ON COLUMN _callhardening.purges.lane IS
'the two lowest ints are no lanes: there, low_seq is the last of purge_leftovers and of call_dead_events looked at, '
'and the next purge goes on behind it';
COMMENT ON COLUMN _callhardening.purges.low_xid IS
'with low_seq: up to this event the lane has been purged, but for purge_leftovers';

CREATE TABLE _callhardening.purge_leftovers (
    log_id int NOT NULL,
    event_seq bigint NOT NULL,
    CONSTRAINT purge_leftovers_pkey PRIMARY KEY (log_id, event_seq)
);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.purge_leftovers', '');
REVOKE ALL ON _callhardening.purge_leftovers FROM PUBLIC;

COMMENT ON TABLE _callhardening.purge_leftovers IS
'events a purge has passed because they were retrying, blocked or dead; a later one takes them when they are not any '
'more';

CREATE FUNCTION @extschema@.purge_call_events(older_than interval, log regclass DEFAULT NULL,
        max_events int DEFAULT 10000, dead_older_than interval DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_purge_call_events';
REVOKE EXECUTE ON FUNCTION @extschema@.purge_call_events(interval, regclass, int, interval) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('operate', 'purge_call_events');

COMMENT ON FUNCTION @extschema@.purge_call_events(interval, regclass, int, interval) IS
'Deletes old settled events, the oldest of each lane first. Returns their number. Pending,
claimed, retrying and blocked events stay. Events after the oldest open transaction stay too. A
purged event is forgotten: delivered again, it is new. Call again, even after a result of 0: a
call looks at no more than max_events processed or tried events (at least 1000), and at as many
left by earlier calls. The next call goes on from there. If another purge of the log runs, the
result is 0. The caller needs SELECT and DELETE on the log.

A row of call_dead_events goes if its event is gone, processed by another client, or ignored by
now (configure_call_event_log).
- older_than: by the time of receipt
- log: NULL is the default log
- max_events: at most so many in one call, 1 to 100000
- dead_older_than: events dead for longer than this go with their rows of call_dead_events, at
  any age; NULL: dead events stay
Errors:
- 0A000: in REPEATABLE READ and SERIALIZABLE
- 22004: older_than is NULL
- 22023: older_than or dead_older_than is negative, or max_events out of range
- 25006: on a standby, or in a read-only transaction
- 42501: no right on the log
- 42P08: several logs, none is the default and none is named
- 55000: no such log
- 55006: called by a trigger while events are applied, completed or purged';
