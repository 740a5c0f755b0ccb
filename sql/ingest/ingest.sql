
-- ingest ---------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.ingest_call_event(payload jsonb, log regclass DEFAULT NULL, event_type text DEFAULT NULL,
        event_key text DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_event_jsonb';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_event(jsonb, regclass, text, text, jsonb) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.ingest_call_event(jsonb, regclass, text, text, jsonb) IS
'Appends a webhook body to an event log, and returns its sequence number. For a redelivery it
returns the first one''s number, and appends nothing. A redelivery has the same event_key.
Without one, it has the provider''s id of the event and the same call. Without both, it has the
same document and event_type. An event without a fitting call id is kept and becomes a dead
event (call_dead_events), unless the settings of the log ignore it (configure_call_event_log). A
body with several calls becomes an event for each, and the first one''s number is returned.
- log: NULL is the default log
- event_type: what the provider says beside the body; NULL is taken from the body
- event_key: the provider''s own id of the event, beside the body; NULL: none
- carry: values of the log''s carried columns (harden_call_events), as in {"app_id": 7}; NULL, or
  a missing or null member: the column has its default. Of a redelivery the first one''s values
  stay.
Errors:
- 0A000: the log is a shard of Citus: ingest into the distributed log
- 22004: payload is NULL
- 22023: carry is no object
- 27000: a trigger of the log suppresses the row
- 28000: the log takes signed bodies only
- 40001: in REPEATABLE READ and SERIALIZABLE, the same event was committed meanwhile
- 40P01: two bodies with the same events in another order came at the same time: try again
- 42703: carry names a column that the log does not carry
- 42P08: several logs, none is the default and none is named
- 55000: no such log, or a column of the log lacks a required value
- those of a column''s type: carry has an unfit value';

CREATE FUNCTION @extschema@.ingest_call_event(payload text, log regclass DEFAULT NULL, event_type text DEFAULT NULL,
        event_key text DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_event_text';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_event(text, regclass, text, text, jsonb) FROM PUBLIC;

COMMENT ON FUNCTION @extschema@.ingest_call_event(text, regclass, text, text, jsonb) IS
'Takes a body as it came off the wire. What jsonb refuses (no JSON, \u0000, a lone surrogate) is
kept as a JSON string. If that is a form, the event is what its members say (decode_call_form).
Any other becomes a dead event.
Errors:
- 54000: above 256 MB, the limit of jsonb';

CREATE FUNCTION @extschema@.ingest_call_event(payload bytea, log regclass DEFAULT NULL, event_type text DEFAULT NULL,
        event_key text DEFAULT NULL, carry jsonb DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'callhardening_ingest_call_event_bytea';
REVOKE EXECUTE ON FUNCTION @extschema@.ingest_call_event(bytea, regclass, text, text, jsonb) FROM PUBLIC;
INSERT INTO _callhardening.task_grants VALUES ('ingest', 'ingest_call_event');

COMMENT ON FUNCTION @extschema@.ingest_call_event(bytea, regclass, text, text, jsonb) IS
'Takes any bytes. What is text (UTF-8 without NUL) is the event of its text. Anything else is
kept as a JSON string of its base64, and becomes a dead event.
Errors:
- 54000: above 256 MB, or 192 MB if it is no text';
