#include "core/event_log.hpp"
#include "core/event.hpp"
#include "core/text.hpp"

#include "pg/event.hpp"
#include "pg/event_log.hpp"
#include "pg/lane.hpp"
#include "pg/parked.hpp"
#include "pg/relation.hpp"
#include "pg/snapshot.hpp"
#include "pg/text.hpp"
#include "pg/time.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// -- the registry --------------------------------------------------------------------------------

// As sql/event_log.sql creates call_logs.
enum LogColumn {
    log_number = 1,
    log_events,
    log_calls,
    log_provider,
    log_lanes,
    log_first_lane,
    log_system,
    log_adopted,
    log_notify,
    log_max_attempts,
    log_retry_base,
    log_retry_cap,
    log_max_parked,
    log_signed,
    log_payload,
    log_event_type,
    log_received_at,
    log_processed_at,
    log_carry,
    log_sequence,
    log_columns = log_sequence
};

OwnTable open_logs(Oid schema, const char *index, LOCKMODE lock)
{
    return open_own_table(schema, "call_logs", index, log_columns, lock);
}

int64 row_microseconds(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? 0 : interval_microseconds(DatumGetIntervalP(value));
}

Oid row_oid(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? InvalidOid : DatumGetObjectId(value);
}

const char *row_name(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? nullptr : pstrdup(NameStr(*DatumGetName(value)));
}

void read_carry(TupleTableSlot *slot, EventLog *log)
{
    bool is_null;
    Datum *names;
    const Datum value = row_value(slot, log_carry, &is_null);
    if (is_null)
        return;
    deconstruct_array(DatumGetArrayTypePCopy(value), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names,
                      nullptr, &log->carry_count);
    log->carry = static_cast<const char **>(palloc(sizeof(char *) * Max(1, log->carry_count)));
    for (int i = 0; i < log->carry_count; ++i)
        log->carry[i] = NameStr(*DatumGetName(names[i]));
}

void read_columns(TupleTableSlot *slot, EventLog *log)
{
    log->payload_column = row_name(slot, log_payload);
    log->event_type_column = row_name(slot, log_event_type);
    log->received_at_column = row_name(slot, log_received_at);
    log->processed_at_column = row_name(slot, log_processed_at);
    log->sequence = row_oid(slot, log_sequence);
    read_carry(slot, log);
}

void read_log(Oid schema, TupleTableSlot *slot, EventLog *log)
{
    bool is_unadopted;
    const Datum adopted = row_value(slot, log_adopted, &is_unadopted);
    *log = {};
    log->schema = schema;
    log->log_id = row_int4(slot, log_number);
    log->events = row_oid(slot, log_events);
    log->calls = row_oid(slot, log_calls);
    log->provider = row_text(slot, log_provider);
    log->lanes = row_int4(slot, log_lanes);
    log->first_lane = row_int4(slot, log_first_lane);
    log->is_foreign = static_cast<uint64>(row_int8(slot, log_system)) != GetSystemIdentifier();
    log->has_old_lanes = !is_unadopted;
    if (!is_unadopted)
        log->adopted = read_snapshot(adopted);
    log->notifies = row_bool(slot, log_notify);
    log->max_attempts = row_int4(slot, log_max_attempts);
    log->retry_base = row_microseconds(slot, log_retry_base);
    log->retry_cap = row_microseconds(slot, log_retry_cap);
    log->max_parked = row_int4(slot, log_max_parked);
    log->is_signed = row_bool(slot, log_signed);
    read_columns(slot, log);
    log->events_name = relation_name(log->events);
}

[[noreturn]] void raise_no_log(Oid wanted)
{
    if (!OidIsValid(wanted))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("there is no event log"),
                        errhint("Make one with create_call_tables.")));
    const char *name = relation_name(wanted);
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("%s is not an event log", name != nullptr ? name : psprintf("relation %u", wanted)),
             errhint("The table call_logs lists the event logs of this database.")));
    pg_unreachable();
}

[[noreturn]] void raise_several_logs(const KeyScan &scan, const char *first)
{
    StringInfoData names;
    initStringInfo(&names);
    appendStringInfoString(&names, first);
    do {
        const char *name = relation_name(row_oid(scan.slot, log_events));
        appendStringInfo(&names, ", %s", name != nullptr ? name : "one that does not exist any more");
    } while (next_row(scan));
    ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_PARAMETER), errmsg("there is more than one event log"),
                    errdetail("The event logs are %s.", names.data), errhint("Name one of them in log.")));
    pg_unreachable();
}

// The trigger that forgets a dropped log may have been disabled.
void check_exists(const EventLog &log)
{
    if (log.events_name == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %d does not exist any more", log.log_id),
                        errhint("Delete its row in call_logs.")));
}

bool find_log(Oid schema, const char *index, const Key &key, EventLog *log)
{
    const OwnTable logs = open_logs(schema, index, AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {key});
    const bool found = next_row(scan);
    if (found)
        read_log(schema, scan.slot, log);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_own_table(logs, AccessShareLock);
    return found;
}

void find_only_event_log(Oid schema, EventLog *log)
{
    const OwnTable logs = open_logs(schema, "call_logs_pkey", AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {});
    if (!next_row(scan))
        raise_no_log(InvalidOid);
    read_log(schema, scan.slot, log);
    check_exists(*log);
    if (next_row(scan))
        raise_several_logs(scan, log->events_name);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_own_table(logs, AccessShareLock);
}

} // namespace

bool find_event_log_of(Oid schema, Oid events, EventLog *log)
{
    return find_log(schema, "call_logs_events_key", oid_key(1, events), log);
}

void find_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log)
{
    const Oid schema = get_func_namespace(fcinfo->flinfo->fn_oid);
    if (PG_ARGISNULL(log_argument))
        find_only_event_log(schema, log);
    else if (!find_event_log_of(schema, PG_GETARG_OID(log_argument), log))
        raise_no_log(PG_GETARG_OID(log_argument));
    check_exists(*log);
}

bool find_event_log_by_id(Oid schema, int32 log_id, EventLog *log)
{
    return find_log(schema, "call_logs_pkey", int4_key(1, log_id), log);
}

char *event_log_channel(int32 log_id)
{
    return psprintf("callhardening_%d", log_id);
}

// -- another cluster -----------------------------------------------------------------------------

namespace
{

void create_lanes(const EventLog &log)
{
    const OwnTable lanes = open_own_table(log.schema, "call_lanes", "call_lanes_pkey", 2, RowExclusiveLock);
    const bool nulls[2] = {};
    for (int i = 0; i < log.lanes; ++i) {
        const Datum values[] = {Int32GetDatum(log.log_id), Int32GetDatum(log.first_lane + i)};
        insert_row(lanes, values, nulls);
    }
    close_own_table(lanes, NoLock);
}

// What is parked goes with the calls, whose later events are stamped with the new lanes. The claim that has
// it is still the old lane's. The ids of its transactions mean nothing here.
void move_parked(const EventLog &log)
{
    const OwnTable parked = open_parked(log, RowExclusiveLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(parked, snapshot, {int4_key(1, log.log_id)});
    while (next_row(scan)) {
        CHECK_FOR_INTERRUPTS();
        const int lane = home_lane(log, row_int4(scan.slot, parked_lane));
        update_row(parked, scan,
                   {{parked_lane, Int32GetDatum(lane), false}, {parked_xid, UInt64GetDatum(0), false}});
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_own_table(parked, NoLock);
}

// The log's row, locked, as it is now; the scan has to be ended.
KeyScan lock_log(const OwnTable &logs, int32 log_id)
{
    const Snapshot before = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, before, {int4_key(1, log_id)});
    if (!next_row(scan) || !lock_row(logs, scan, before, LockWaitBlock))
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("event log %d was changed by another transaction", log_id), errhint("Try again.")));
    UnregisterSnapshot(before);
    return scan;
}

} // namespace

void adopt_event_log(EventLog *log)
{
    const int left = log->first_lane;
    const OwnTable logs = open_logs(log->schema, "call_logs_pkey", RowExclusiveLock);
    const KeyScan scan = lock_log(logs, log->log_id);
    read_log(log->schema, scan.slot, log);
    if (log->first_lane == left) { // nobody else was faster
        const Snapshot now = take_snapshot();
        log->first_lane = left + log->lanes;
        log->has_old_lanes = true;
        log->adopted = log->is_foreign ? XidSnapshot{} : xids_of(now);
        update_row(logs, scan,
                   {{log_first_lane, Int32GetDatum(log->first_lane), false},
                    {log_system, Int64GetDatum(static_cast<int64>(GetSystemIdentifier())), false},
                    {log_adopted, snapshot_datum(log->adopted), false}});
        UnregisterSnapshot(now);
        create_lanes(*log);
        move_parked(*log);
        if (log->is_foreign)
            end_leases_of_old_lanes(*log);
        log->is_foreign = false;
    }
    end_key_scan(scan);
    close_own_table(logs, NoLock);
}

bool try_lock_event_log(const EventLog &log)
{
    const OwnTable logs = open_logs(log.schema, "call_logs_pkey", RowExclusiveLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {int4_key(1, log.log_id)});
    const bool locked = next_row(scan) && lock_row(logs, scan, snapshot, LockWaitSkip);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_own_table(logs, NoLock);
    return locked;
}

void forget_old_lanes(const EventLog &log)
{
    const OwnTable logs = open_logs(log.schema, "call_logs_pkey", RowExclusiveLock);
    const KeyScan scan = lock_log(logs, log.log_id);
    if (row_int4(scan.slot, log_first_lane) == log.first_lane)
        update_row(logs, scan, {{log_adopted, Datum{0}, true}});
    end_key_scan(scan);
    close_own_table(logs, NoLock);
}

namespace
{

// -- stamps --------------------------------------------------------------------------------------

enum StampArgument {
    payload_argument,
    provider_argument,
    lanes_argument,
    key_type_argument,
    stamp_arguments,
    existing_argument = stamp_arguments, // of a table that was there before the log
    existing_arguments
};

// What the trigger needs, looked up once per statement.
struct Stamper {
    int payload;
    int call_id;
    int event_type; // 0 in a table that was there before: what its clients write into it is theirs
    int lane;
    int xid;
    int seq; // to be numbered here; 0: the column has a default
    int lanes;
    KeyKind key;
    std::string_view provider;
    MemoryContext scratch; // for one row
    EventLog log;          // log_id 0: the table is registered nowhere
    bool *moved;           // by lane: its position is ahead of this cluster
    bool *looked_at;
};

int32 lanes_of(const char *argument)
{
    const int32 lanes = pg_strtoint32(argument);
    if (lanes < 1 || lanes > max_lanes)
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("stamp_call_event: number of lanes must be between 1 and %d", max_lanes)));
    return lanes;
}

// Once per statement, which also tells those who listen: a transaction that says so twice says so once.
void look_up_log(FunctionCallInfo fcinfo, Oid events, Stamper *stamper)
{
    const MemoryContext session = fcinfo->flinfo->fn_mcxt;
    const MemoryContext caller = MemoryContextSwitchTo(session);
    find_event_log_of(get_func_namespace(fcinfo->flinfo->fn_oid), events, &stamper->log);
    stamper->moved = static_cast<bool *>(palloc0(sizeof(bool) * stamper->lanes));
    stamper->looked_at = static_cast<bool *>(palloc0(sizeof(bool) * stamper->lanes));
    MemoryContextSwitchTo(caller);
    if (stamper->log.notifies)
        Async_Notify(event_log_channel(stamper->log.log_id), "");
}

// In a clone that a dump of its original was restored into, nothing else tells that the log is from
// elsewhere: what is appended to such a lane would be taken for settled.
bool has_moved(const Stamper *stamper, int lane)
{
    if (!stamper->looked_at[lane]) {
        stamper->looked_at[lane] = true;
        stamper->moved[lane] = is_ahead_of_cluster(stamper->log, stamper->log.first_lane + lane);
    }
    return stamper->moved[lane];
}

// Events of a log that comes from another cluster get the numbers that its lanes will have once it is
// adopted.
int number_of_lane(const Stamper *stamper, int lane)
{
    const EventLog &log = stamper->log;
    if (lane < 0 || log.log_id == 0)
        return lane;
    return log.first_lane + lane + (log.is_foreign || has_moved(stamper, lane) ? log.lanes : 0);
}

// A restore of data alone appends the events before it says what log they are of. The positions that come
// with it would settle them, if they were not behind all ids there are.
uint64 xid_of_stamp(const Stamper *stamper)
{
    constexpr uint64 behind_all = PG_INT64_MAX - 1;
    const uint64 own = U64FromFullTransactionId(GetTopFullTransactionId());
    return stamper->log.log_id == 0 ? behind_all : own;
}

Stamper *make_stamper(FunctionCallInfo fcinfo, const TriggerData *trigger)
{
    char **arguments = trigger->tg_trigger->tgargs;
    const MemoryContext session = fcinfo->flinfo->fn_mcxt;
    auto *stamper = static_cast<Stamper *>(MemoryContextAllocZero(session, sizeof(Stamper)));
    const Relation log = trigger->tg_relation;
    stamper->payload = require_typed_column(log, arguments[payload_argument], JSONBOID);
    stamper->call_id = require_typed_column(log, "call_id", TEXTOID);
    if (trigger->tg_trigger->tgnargs == existing_arguments)
        stamper->seq = require_typed_column(log, "event_seq", INT8OID);
    else
        stamper->event_type = require_typed_column(log, "event_type", TEXTOID);
    stamper->lane = require_typed_column(log, "event_lane", INT4OID);
    stamper->xid = require_typed_column(log, "event_xid", XID8OID);
    stamper->lanes = lanes_of(arguments[lanes_argument]);
    stamper->key = KeyKindOf(arguments[key_type_argument]);
    stamper->provider = MemoryContextStrdup(session, arguments[provider_argument]);
    stamper->scratch = AllocSetContextCreate(session, "callhardening stamp", ALLOCSET_DEFAULT_SIZES);
    look_up_log(fcinfo, RelationGetRelid(log), stamper);
    return stamper;
}

void check_stamp_call(FunctionCallInfo fcinfo)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("stamp_call_event: must be called as trigger")));
    const auto *trigger = reinterpret_cast<const TriggerData *>(fcinfo->context);
    if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ||
        !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("stamp_call_event: must be fired before insert for each row")));
    const int arguments = trigger->tg_trigger->tgnargs;
    if (arguments != stamp_arguments && arguments != existing_arguments)
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("stamp_call_event: expected %d arguments, not %d",
                               static_cast<int>(stamp_arguments), arguments)));
}

struct Stamp {
    std::string_view call_id;
    std::string_view event_type;
    int lane;
};

bool is_string(Jsonb *body)
{
    JsonbValue value;
    return JsonbExtractScalar(&body->root, &value) && value.type == jbvString;
}

Stamp stamp_of(std::string_view provider, KeyKind key, int lanes, Jsonb *body)
{
    // An event type is a word. A longer text is something else, and the column may well be indexed.
    constexpr size_t longest_event_type = 64;

    if (!JB_ROOT_IS_OBJECT(body))
        return {{}, {}, static_cast<int>(is_string(body) ? NoLane::not_json : NoLane::not_an_object)};
    EventFields fields;
    if (!read_event(body, provider, &fields))
        return {{}, {}, static_cast<int>(NoLane::no_call_id)};
    const std::string_view state = fields[Field::state].text;
    const std::string_view event_type = state.size() <= longest_event_type ? state : std::string_view{};
    const std::string_view id = fields[Field::call_id].text;
    if (id.size() > max_call_id_bytes)
        return {{}, event_type, static_cast<int>(NoLane::call_id_too_long)};
    const std::string_view canonical = CanonicalCallId(id, key);
    if (canonical.empty())
        return {id, event_type,
                static_cast<int>(IsBlank(id) ? NoLane::no_call_id : NoLane::call_id_not_held)};
    return {canonical, event_type, LaneOf(canonical, lanes)};
}

bool is_missing(HeapTuple row, int column, TupleDesc columns)
{
    bool is_null;
    heap_getattr(row, column, columns, &is_null);
    return is_null;
}

// Who writes to a table that was there before has no right on the sequence, and needs none. A number that
// comes with the row is that of a dump, by which parked and dead events are known.
int64 next_number(const Stamper *stamper)
{
    if (!OidIsValid(stamper->log.sequence) || !SearchSysCacheExists1(RELOID, stamper->log.sequence))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the sequence of column \"event_seq\" is gone"),
                        errhint("Call unharden_call_events, and harden the table again.")));
    return nextval_internal(stamper->log.sequence, false);
}

HeapTuple apply_stamp(const Stamper *stamper, HeapTuple row, TupleDesc columns, const Stamp &stamp)
{
    int numbers[4] = {stamper->call_id, stamper->lane, stamper->xid};
    bool nulls[4] = {stamp.call_id.empty()};
    Datum values[4] = {
        stamp.call_id.empty() ? Datum{0} : PointerGetDatum(to_text(stamp.call_id)),
        Int32GetDatum(number_of_lane(stamper, stamp.lane)),
        UInt64GetDatum(xid_of_stamp(stamper)),
    };
    int count = 3;
    if (stamper->event_type != 0 && is_missing(row, stamper->event_type, columns)) {
        numbers[count] = stamper->event_type;
        nulls[count] = stamp.event_type.empty();
        values[count++] = stamp.event_type.empty() ? Datum{0} : PointerGetDatum(to_text(stamp.event_type));
    }
    if (stamper->seq != 0 && is_missing(row, stamper->seq, columns)) {
        numbers[count] = stamper->seq;
        values[count++] = Int64GetDatum(next_number(stamper));
    }
    return heap_modify_tuple_by_cols(row, columns, count, numbers, values, nulls);
}

HeapTuple stamp_row(const Stamper *stamper, const TriggerData *trigger)
{
    const TupleDesc columns = RelationGetDescr(trigger->tg_relation);
    bool is_null;
    const Datum payload = heap_getattr(trigger->tg_trigtuple, stamper->payload, columns, &is_null);
    const MemoryContext caller = MemoryContextSwitchTo(stamper->scratch);
    // NULL is refused by the column itself, with a word that is better than one about a missing stamp.
    const Stamp stamp =
        is_null ? Stamp{{}, {}, static_cast<int>(NoLane::not_an_object)}
                : stamp_of(stamper->provider, stamper->key, stamper->lanes, DatumGetJsonbP(payload));
    MemoryContextSwitchTo(caller);
    HeapTuple stamped = apply_stamp(stamper, trigger->tg_trigtuple, columns, stamp);
    MemoryContextReset(stamper->scratch);
    return stamped;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(stamp_call_event)
{
    check_stamp_call(fcinfo);
    const auto *trigger = reinterpret_cast<const TriggerData *>(fcinfo->context);
    if (fcinfo->flinfo->fn_extra == nullptr)
        fcinfo->flinfo->fn_extra = make_stamper(fcinfo, trigger);
    return PointerGetDatum(stamp_row(static_cast<Stamper *>(fcinfo->flinfo->fn_extra), trigger));
}

// The stamp of an event that is in its table already.
CALLHARDENING_FUNCTION(call_event_stamp)
{
    enum { payload, provider, lanes, key_type };
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "call_event_stamp must return a row");
    if (PG_GETARG_INT32(lanes) < 1 || PG_GETARG_INT32(lanes) > max_lanes)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("lanes must be between 1 and %d", max_lanes)));
    const char *key = to_cstring(text_argument(fcinfo, key_type));
    const Stamp stamp = stamp_of(text_argument(fcinfo, provider), KeyKindOf(key), PG_GETARG_INT32(lanes),
                                 PG_GETARG_JSONB_P(payload));
    bool nulls[] = {stamp.call_id.empty(), false};
    Datum values[] = {nulls[0] ? Datum{0} : PointerGetDatum(to_text(stamp.call_id)),
                      Int32GetDatum(stamp.lane)};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

CALLHARDENING_FUNCTION(call_log_number)
{
    EventLog log;
    find_event_log(fcinfo, 0, &log);
    PG_RETURN_INT32(log.log_id);
}

CALLHARDENING_FUNCTION(call_log_channel)
{
    EventLog log;
    find_event_log(fcinfo, 0, &log);
    PG_RETURN_TEXT_P(to_text(event_log_channel(log.log_id)));
}
