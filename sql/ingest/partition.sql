
-- partition ------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.call_event_partition(body bytea, partitions int, provider text DEFAULT 'dialpad',
        key_type text DEFAULT 'bigint')
    RETURNS int
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'callhardening_call_event_partition';

COMMENT ON FUNCTION @extschema@.call_event_partition(bytea, int, text, text) IS
'Returns the partition of a webhook body, 0 to partitions - 1, for a router in front of several
databases. All bodies of a call have one partition. A body without a call id goes by its bytes,
so a redelivery finds the first one. Any body has a partition: JSON, a form, a signed body (its
signature is not verified), broken bytes. Of a body with several calls, the first one counts: divide
it first (divide_call_event). The hash never changes, in no version and on no server. With twice
the partitions, a body stays, or its number grows by partitions. Returns NULL if an argument is
NULL.
- partitions: 1 to 65536
- provider: as call_providers() spells it; its shape says where the call id is
- key_type: of the calls tables: bigint for whole numbers, else text. With bigint, 00123 and 123
  are one call
Errors:
- 22023: partitions is out of range, an unknown provider, one without a shape, another key_type
- 53200: no memory';

CREATE FUNCTION @extschema@.divide_call_event(body bytea, provider text DEFAULT 'dialpad')
    RETURNS TABLE (part_no int, part bytea)
    LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 3
    AS 'MODULE_PATHNAME', 'callhardening_divide_call_event';

COMMENT ON FUNCTION @extschema@.divide_call_event(bytea, text) IS
'Returns the parts of a body with several calls, as an event log divides it: a body for each call.
A router sends each part to its own partition (call_event_partition). A body of one call, or one
that a log does not divide, is its only part, byte by byte. No rows if an argument is NULL.
- provider: as call_providers() spells it; its shape says where the calls are
- part_no: from 1, in the order of the body
Errors:
- 22023: an unknown provider, or one without a shape
- 53200: no memory';
