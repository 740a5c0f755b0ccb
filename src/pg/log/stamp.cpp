#include "pg/log/stamp.hpp"

#include "core/base/text.hpp"
#include "core/events/event.hpp"
#include "core/lanes/position.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/log/event.hpp"
#include "pg/log/event_log.hpp"
#include "pg/log/form.hpp"
#include "pg/log/ignored_event.hpp"
#include "pg/log/lane.hpp"
#include "pg/log/parts.hpp"
#include "pg/log/shape.hpp"
#include "pg/shared/wake.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

enum StampArgument {
    payload_argument,
    provider_argument,
    lanes_argument,
    key_type_argument,
    stamp_arguments,
    existing_argument = stamp_arguments, // the table is older than the log
    existing_arguments
};

// The key of the calls table.
struct KeyOfCalls {
    KeyKind kind;
    std::string_view prefix; // of the log's provider; empty unless the table has calls of several providers
};

// The state of the trigger, looked up once per statement.
struct Stamper {
    int payload;
    int call_id;
    int event_type; // 0 if the table is older than the log: its clients write the column
    int lane;
    int xid;
    int seq;        // set here; 0: the column has a default
    int given_type; // the row's own type; 0: no such column
    FmgrInfo type_output;
    int processed_at; // set if the row is no pending event; 0: no such column
    int route;        // says where the row of a distributed log lies; 0: no such column
    int lanes;
    KeyOfCalls key;
    bool is_of_changes; // each row has its call id already
    const Shape *shape;
    MemoryContext scratch; // for one row
    EventLog log;          // log_id 0: the table is not registered
    uint64 restore_mark;   // for an unregistered table, instead of a transaction id
    bool is_detached;      // an unregistered table that was a log
    DetachedLog detached;  // then
    Oid sequence;          // numbers the events of a table older than the log
    bool *moved;           // by lane: its position is ahead of this cluster
    bool *looked_at;
};

// "bigint", or "provider:text" if each call id begins with its provider (call_key_type in SQL).
KeyOfCalls key_of(std::string_view key_type, std::string_view provider)
{
    constexpr std::string_view with_provider = "provider:";
    if (!key_type.starts_with(with_provider))
        return {KeyKindOf(key_type), {}};
    return {KeyKindOf(key_type.substr(with_provider.size())), key_prefix_of(provider)};
}

int32 lanes_of(const char *argument)
{
    const int32 lanes = pg_strtoint32(argument);
    if (lanes < 1 || lanes > max_lanes)
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("stamp_call_event: number of lanes must be between 1 and %d", max_lanes)));
    return lanes;
}

// Runs once per statement, wakes the waiters at the commit, and notifies the listeners. The server merges
// equal notifications of a transaction.
void look_up_log(FunctionCallInfo fcinfo, Oid events, Stamper *stamper)
{
    const MemoryContext session = fcinfo->flinfo->fn_mcxt;
    const MemoryContext caller = MemoryContextSwitchTo(session);
    // Before the look: a worker that adopts the log after it sees the id in progress, and leaves its events
    // in the old lanes pending.
    GetTopFullTransactionId();
    if (find_event_log_of(events, &stamper->log))
        stamper->sequence = stamper->log.sequence;
    else {
        stamper->is_detached = find_detached_log(events, &stamper->detached);
        stamper->sequence = stamper->detached.sequence;
    }
    stamper->moved = static_cast<bool *>(palloc0(sizeof(bool) * stamper->lanes));
    stamper->looked_at = static_cast<bool *>(palloc0(sizeof(bool) * stamper->lanes));
    MemoryContextSwitchTo(caller);
    if (stamper->log.log_id != 0)
        wake_at_commit(stamper->log.log_id, all_consumers);
    if (stamper->log.notifies)
        Async_Notify(event_log_channel(stamper->log.log_id), "");
}

// A dump restored into a clone of its own cluster keeps the system identifier. Only the lane's position shows
// it. Without this check, new events would count as settled.
bool has_moved(const Stamper *stamper, int lane)
{
    if (!stamper->looked_at[lane]) {
        stamper->looked_at[lane] = true;
        stamper->moved[lane] = is_ahead_of_cluster(stamper->log, stamper->log.first_lane + lane);
    }
    return stamper->moved[lane];
}

// If the log is from another cluster, its events get the numbers of its lanes after the adoption.
int number_of_lane(const Stamper *stamper, int lane)
{
    const EventLog &log = stamper->log;
    if (!IsLane(lane) || log.log_id == 0)
        return lane;
    return log.first_lane + lane + (log.is_restored || has_moved(stamper, lane) ? log.lanes : 0);
}

// The mark depends on server, start time, database, table and detachment. So each restore in another place
// has another mark, and each time without a log too: the positions of a state would settle the events of an
// old mark.
uint64 restore_mark_of(Oid events, const DetachedLog &detached)
{
    const struct {
        uint64 system;
        int64 start;
        Oid database, events;
        pg_uuid_t state_id;
    } restored = {GetSystemIdentifier(), PgStartTime, MyDatabaseId, events, detached.state_id};
    const auto *bytes = reinterpret_cast<const unsigned char *>(&restored);
    return RestoreMark(DatumGetUInt64(hash_any_extended(bytes, sizeof(restored), 0)));
}

// A restore of data alone can append the events before the log's row in the registry. The restored positions
// would settle such events, so their marks are behind all transaction ids.
uint64 xid_of_stamp(const Stamper *stamper)
{
    return stamper->log.log_id == 0 ? stamper->restore_mark
                                    : U64FromFullTransactionId(GetTopFullTransactionId());
}

int find_processed_at(const Stamper *stamper, const Relation log)
{
    const char *column = stamper->log.processed_at_column;
    if (stamper->seq == 0 || stamper->log.log_id == 0 || column == nullptr)
        return 0;
    return get_attnum(RelationGetRelid(log), column);
}

// In a table older than the log, the column may have any type.
void find_given_type(Relation log, Stamper *stamper, MemoryContext session)
{
    const char *column = stamper->log.event_type_column;
    Oid output;
    bool is_varlena;
    if (!ignores_events(stamper->log) || column == nullptr)
        return;
    stamper->given_type = get_attnum(RelationGetRelid(log), column);
    if (stamper->given_type <= 0)
        return;
    getTypeOutputInfo(TupleDescAttr(RelationGetDescr(log), stamper->given_type - 1)->atttypid, &output,
                      &is_varlena);
    fmgr_info_cxt(output, &stamper->type_output, session);
}

void find_shape(Stamper *stamper, const char *provider, MemoryContext session)
{
    const MemoryContext caller = MemoryContextSwitchTo(session);
    stamper->shape = stamper->log.log_id == 0 ? shape_of_provider(provider) : shape_of_log(stamper->log);
    MemoryContextSwitchTo(caller);
}

Stamper *make_stamper(FunctionCallInfo fcinfo, const TriggerData *trigger)
{
    char **arguments = trigger->tg_trigger->tgargs;
    const MemoryContext session = fcinfo->flinfo->fn_mcxt;
    auto *stamper = static_cast<Stamper *>(MemoryContextAllocZero(session, sizeof(Stamper)));
    const Relation log = trigger->tg_relation;
    const bool was_there = trigger->tg_trigger->tgnargs == existing_arguments;
    stamper->payload = require_typed_column(log, arguments[payload_argument], JSONBOID,
                                            was_there ? hardened_log_column_hint : log_column_hint);
    stamper->call_id = require_typed_column(log, "call_id", TEXTOID, log_column_hint);
    if (was_there)
        stamper->seq = require_typed_column(log, "event_seq", INT8OID, log_column_hint);
    else
        stamper->event_type = require_typed_column(log, "event_type", TEXTOID, log_column_hint);
    stamper->lane = require_typed_column(log, "event_lane", INT4OID, log_column_hint);
    stamper->xid = require_typed_column(log, "event_xid", XID8OID, log_column_hint);
    stamper->lanes = lanes_of(arguments[lanes_argument]);
    const MemoryContext caller = MemoryContextSwitchTo(session);
    stamper->key = key_of(arguments[key_type_argument], arguments[provider_argument]);
    MemoryContextSwitchTo(caller);
    stamper->scratch = AllocSetContextCreate(session, "callhardening stamp", ALLOCSET_DEFAULT_SIZES);
    look_up_log(fcinfo, RelationGetRelid(log), stamper);
    stamper->is_of_changes = changes_provider == arguments[provider_argument];
    if (!stamper->is_of_changes)
        find_shape(stamper, arguments[provider_argument], session);
    stamper->restore_mark = restore_mark_of(RelationGetRelid(log), stamper->detached);
    stamper->processed_at = find_processed_at(stamper, log);
    stamper->route = stamper->log.route_column == nullptr ? 0 : find_column(log, stamper->log.route_column);
    find_given_type(log, stamper, session);
    return stamper;
}

void require_stamp_call(FunctionCallInfo fcinfo)
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

int why_no_object(const OpenedBody &body)
{
    if (!is_string(body.document))
        return no_lane::not_an_object;
    return body.flaw == FormFlaw::not_a_form ? no_lane::not_json : no_lane::malformed_form;
}

// Empty: the key cannot hold the id.
std::string_view key_of_call(const KeyOfCalls &key, std::string_view id)
{
    return key.prefix.empty() ? CanonicalCallId(id, key.kind) : prefixed_call_id(key.prefix, id);
}

Stamp stamp_of(const Shape *shape, const KeyOfCalls &key, int lanes, const OpenedBody &body)
{
    // A longer text is no event type, and the column may have an index.
    constexpr size_t longest_event_type = 64;

    if (!can_hold_calls(body.document, shape))
        return {{}, {}, why_no_object(body)};
    if (const PartsOfBody parts = find_parts(body.document, shape); parts.count > 1)
        return {{}, {}, can_divide(body.document, parts) ? no_lane::several_calls : no_lane::too_many_calls};
    EventFields fields;
    if (!read_event(body.document, shape, SetOfFields(Field::state), &fields))
        return {{}, {}, no_lane::no_call_id};
    const std::string_view state = fields[Field::state].text;
    const std::string_view event_type = state.size() <= longest_event_type ? state : std::string_view{};
    const std::string_view id = fields[Field::call_id].text;
    if (key.prefix.size() + id.size() > max_call_id_bytes)
        return {{}, event_type, no_lane::call_id_too_long};
    const std::string_view canonical = key_of_call(key, id);
    if (canonical.empty())
        return {id, event_type, IsBlank(id) ? no_lane::no_call_id : no_lane::call_id_not_held};
    return {canonical, event_type, LaneOf(canonical, lanes)};
}

bool is_missing(HeapTuple row, int column, TupleDesc columns)
{
    bool is_null;
    heap_getattr(row, column, columns, &is_null);
    return is_null;
}

// The writer needs no right on the sequence of a table older than the log. A row from a dump keeps its
// number, because waiting and dead events refer to it.
int64 next_number(const Stamper *stamper)
{
    if (!OidIsValid(stamper->sequence) || !SearchSysCacheExists1(RELOID, stamper->sequence))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the sequence of column \"event_seq\" was dropped"),
                        errhint("Call unharden_call_events, and harden the table again.")));
    return nextval_internal(stamper->sequence, false);
}

bool is_route_of(int64 route, const Stamp &stamp)
{
    if (IsLane(stamp.lane))
        return route == pg_strtoint64(to_cstring(stamp.call_id));
    return route < 0 || stamp.lane == no_lane::ignored;
}

// With the key of another call, the call would have a second row on another server. A CHECK says the same,
// but its error prints the body.
void require_route(const Stamper *stamper, Relation table, HeapTuple row, const Stamp &stamp)
{
    bool is_null = true;
    const Datum route =
        stamper->route == 0 ? Datum{0} : heap_getattr(row, stamper->route, RelationGetDescr(table), &is_null);
    if (is_null || is_route_of(DatumGetInt64(route), stamp))
        return;
    ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
                    errmsg("column \"%s\" of table %s is not the call id of the event",
                           stamper->log.route_column, relation_name(known_table(stamper->log.events))),
                    errdetail("It is the call id, or a negative number if the event has no call."),
                    errhint("Append events with ingest_call_event.")));
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

// Rows processed before their table became a log have no number, and a dump restores them the same way. A new
// number could be that of another row, because a dump sets the sequence last. Without a registered log, every
// row without a number is such a row: pending events have one. A detached log still gets new events.
bool is_settled(const Stamper *stamper, HeapTuple row, TupleDesc columns)
{
    if (stamper->seq == 0 || !is_missing(row, stamper->seq, columns) ||
        !is_missing(row, stamper->lane, columns))
        return false;
    if (stamper->log.log_id == 0)
        return !stamper->is_detached;
    return stamper->processed_at > 0 && !is_missing(row, stamper->processed_at, columns);
}

bool is_row_ignored(Stamper *stamper, HeapTuple row, TupleDesc columns, const Stamp &stamp, Jsonb *body)
{
    std::string_view given;
    bool is_null = true;
    if (!ignores_events(stamper->log))
        return false;
    const Datum type =
        stamper->given_type > 0 ? heap_getattr(row, stamper->given_type, columns, &is_null) : Datum{0};
    if (!is_null)
        given = OutputFunctionCall(&stamper->type_output, type);
    return is_ignored(stamper->log, given, stamp.event_type, body);
}

// The last number of the sequence; 0: none.
int64 last_number(Oid sequence)
{
    LOCAL_FCINFO(call, 1);
    InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
    call->args[0] = {ObjectIdGetDatum(sequence), false};
    const Datum last = pg_sequence_last_value(call);
    return call->isnull ? 0 : DatumGetInt64(last);
}

Oid sequence_of(const Stamper *stamper, Relation table, AttrNumber column)
{
    return OidIsValid(stamper->sequence) ? stamper->sequence : identity_sequence(table, column);
}

// A subscription brings the publisher's numbers, and does not move the sequence. After a switch-over, new
// events here would get the same numbers again.
void move_sequence(const Stamper *stamper, const TriggerData *trigger)
{
    const Relation table = trigger->tg_relation;
    const AttrNumber column = find_column(table, "event_seq");
    bool is_null = true;
    if (stamper->log.log_id == 0 || column == 0)
        return;
    const Datum number = heap_getattr(trigger->tg_trigtuple, column, RelationGetDescr(table), &is_null);
    const Oid sequence = sequence_of(stamper, table, column);
    if (is_null || DatumGetInt64(number) < 1 || !OidIsValid(sequence) ||
        last_number(sequence) >= DatumGetInt64(number))
        return;
    // If another session is drawing numbers, the next row moves the sequence.
    if (!ConditionalLockRelationOid(sequence, ShareRowExclusiveLock))
        return;
    if (last_number(sequence) < DatumGetInt64(number))
        DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), number);
    UnlockRelationOid(sequence, ShareRowExclusiveLock);
}

// A restore of data alone can append the events before the log's row in the registry. The log's own shape is
// in that row. So the call of the dump counts.
bool read_restored_stamp(const Stamper *stamper, HeapTuple row, TupleDesc columns, Stamp *stamp)
{
    bool no_lane_given, no_call;
    const Datum lane = heap_getattr(row, stamper->lane, columns, &no_lane_given);
    const Datum call_id = heap_getattr(row, stamper->call_id, columns, &no_call);
    if (stamper->log.log_id != 0 || no_lane_given || DatumGetInt32(lane) == no_lane::not_stamped ||
        (IsLane(DatumGetInt32(lane)) && no_call))
        return false;
    const std::string_view call =
        no_call ? std::string_view{} : std::string_view{TextDatumGetCString(call_id)};
    *stamp = {call, {}, IsLane(DatumGetInt32(lane)) ? LaneOf(call, stamper->lanes) : DatumGetInt32(lane)};
    return true;
}

// The writer of a change knows the call: its id is the key of the calls table.
Stamp stamp_of_change(const Stamper *stamper, HeapTuple row, TupleDesc columns)
{
    bool is_null;
    const Datum call_id = heap_getattr(row, stamper->call_id, columns, &is_null);
    if (is_null)
        return {{}, {}, no_lane::no_call_id};
    const std::string_view call = TextDatumGetCString(call_id);
    return {call, {}, LaneOf(call, stamper->lanes)};
}

// The row that was counted last. Its INSERT may still meet a conflict.
struct CountedRow {
    int32 log_id;
    bool is_dead;
};
constinit CountedRow last_row = {};

void count_row(const Stamper &stamper, int lane)
{
    if (stamper.log.log_id == 0)
        return;
    last_row = {stamper.log.log_id, lane < 0 && lane != no_lane::ignored};
    count_events(counted_log(stamper.log), Counter::received);
    count_events(counted_log(stamper.log), Counter::dead, last_row.is_dead);
}

HeapTuple stamp_row(Stamper *stamper, const TriggerData *trigger)
{
    const TupleDesc columns = RelationGetDescr(trigger->tg_relation);
    if (is_settled(stamper, trigger->tg_trigtuple, columns))
        return trigger->tg_trigtuple;
    bool is_null;
    const Datum payload = heap_getattr(trigger->tg_trigtuple, stamper->payload, columns, &is_null);
    const MemoryContext caller = MemoryContextSwitchTo(stamper->scratch);
    // The column itself rejects NULL, with a clearer message than one about a missing stamp.
    Stamp stamp{{}, {}, no_lane::not_an_object};
    if (stamper->is_of_changes) {
        stamp = stamp_of_change(stamper, trigger->tg_trigtuple, columns);
    } else if (!is_null && !read_restored_stamp(stamper, trigger->tg_trigtuple, columns, &stamp)) {
        const OpenedBody body = open_body(DatumGetJsonbP(payload));
        stamp = stamp_of(stamper->shape, stamper->key, stamper->lanes, body);
        if (is_row_ignored(stamper, trigger->tg_trigtuple, columns, stamp, body.document))
            stamp.lane = no_lane::ignored;
    }
    require_route(stamper, trigger->tg_relation, trigger->tg_trigtuple, stamp);
    MemoryContextSwitchTo(caller);
    HeapTuple stamped = apply_stamp(stamper, trigger->tg_trigtuple, columns, stamp);
    count_row(*stamper, stamp.lane);
    MemoryContextReset(stamper->scratch);
    return stamped;
}

// The shape in the arguments of a query: the same in every row.
struct GivenShape {
    const Shape *shape;
    Jsonb *document;
};

// nullptr for JSON's null.
const Shape *own_shape_of(FmgrInfo *function, Jsonb *document)
{
    auto *given = static_cast<GivenShape *>(function->fn_extra);
    if (JB_ROOT_IS_SCALAR(document))
        return nullptr;
    const bool is_same = given != nullptr && VARSIZE(given->document) == VARSIZE(document) &&
                         memcmp(given->document, document, VARSIZE(document)) == 0;
    if (is_same)
        return given->shape;
    const MemoryContext caller = MemoryContextSwitchTo(function->fn_mcxt);
    given = static_cast<GivenShape *>(palloc(sizeof(GivenShape)));
    given->document = static_cast<Jsonb *>(palloc(VARSIZE(document)));
    memcpy(given->document, document, VARSIZE(document));
    given->shape = compile_shape(document);
    function->fn_extra = given;
    MemoryContextSwitchTo(caller);
    return given->shape;
}

// What a function returns: the call id, the event type if the result has it, and the lane.
Datum row_of_stamp(FunctionCallInfo fcinfo, const Stamp &stamp, int lane)
{
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "the function must return a row");
    Datum values[3];
    bool nulls[3] = {};
    int count = 0;
    const auto put_text = [&](std::string_view text) {
        nulls[count] = text.empty();
        values[count++] = text.empty() ? Datum{0} : PointerGetDatum(to_text(text));
    };
    put_text(stamp.call_id);
    if (columns->natts == lengthof(values))
        put_text(stamp.event_type);
    values[count] = Int32GetDatum(lane);
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

} // namespace

int64 route_of_event(const EventLog &log, Jsonb *body, const bytea *digest)
{
    constexpr KeyOfCalls key = {KeyKind::integer8, {}};
    uint64 number;
    const Stamp stamp = stamp_of(shape_of_log(log), key, log.lanes, open_body(body));
    if (IsLane(stamp.lane))
        return pg_strtoint64(to_cstring(stamp.call_id));
    memcpy(&number, VARDATA(digest), sizeof(number));
    return -1 - static_cast<int64>(number >> 1);
}

void uncount_last_row(const EventLog &log)
{
    if (last_row.log_id != log.log_id)
        return;
    count_events(counted_log(log), Counter::received, -1);
    count_events(counted_log(log), Counter::dead, last_row.is_dead ? -1 : 0);
    last_row = {};
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(stamp_call_event)
{
    require_stamp_call(fcinfo);
    const auto *trigger = reinterpret_cast<const TriggerData *>(fcinfo->context);
    if (fcinfo->flinfo->fn_extra == nullptr)
        fcinfo->flinfo->fn_extra = make_stamper(fcinfo, trigger);
    auto *stamper = static_cast<Stamper *>(fcinfo->flinfo->fn_extra);
    if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
        move_sequence(stamper, trigger);
    return PointerGetDatum(stamp_row(stamper, trigger));
}

// The stamp of an event already in its table.
CALLHARDENING_FUNCTION(event_stamp)
{
    enum { payload, provider, lanes, key_type, own_shape };
    if (PG_GETARG_INT32(lanes) < 1 || PG_GETARG_INT32(lanes) > max_lanes)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("lanes must be between 1 and %d", max_lanes)));
    const std::string_view from = text_argument(fcinfo, provider);
    const Shape *shape = own_shape_of(fcinfo->flinfo, PG_GETARG_JSONB_P(own_shape));
    const Stamp stamp = stamp_of(shape != nullptr ? shape : shape_of_provider(from),
                                 key_of(text_argument(fcinfo, key_type), from), PG_GETARG_INT32(lanes),
                                 open_body(PG_GETARG_JSONB_P(payload)));
    return row_of_stamp(fcinfo, stamp, stamp.lane);
}

namespace
{

// The registered log of the rows of a query: the same in every row.
struct LogOfRows {
    EventLog log;
    KeyOfCalls key;
    const Shape *shape;
};

enum LogStampArgument { stamped_log, stamped_key_type, stamped_payload, stamped_type };

LogOfRows *log_of_rows(FunctionCallInfo fcinfo)
{
    auto *rows = static_cast<LogOfRows *>(fcinfo->flinfo->fn_extra);
    if (rows != nullptr && rows->log.events == PG_GETARG_OID(stamped_log))
        return rows;
    const MemoryContext caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
    rows = static_cast<LogOfRows *>(palloc0(sizeof(LogOfRows)));
    find_event_log(fcinfo, stamped_log, &rows->log);
    rows->key = key_of(text_argument(fcinfo, stamped_key_type), rows->log.provider);
    rows->shape = shape_of_log(rows->log);
    fcinfo->flinfo->fn_extra = rows;
    MemoryContextSwitchTo(caller);
    return rows;
}

Stamp stamp_in_log(FunctionCallInfo fcinfo, const LogOfRows &rows)
{
    if (PG_ARGISNULL(stamped_payload))
        return {{}, {}, no_lane::not_an_object};
    const OpenedBody body = open_body(PG_GETARG_JSONB_P(stamped_payload));
    Stamp stamp = stamp_of(rows.shape, rows.key, rows.log.lanes, body);
    const std::string_view given =
        PG_ARGISNULL(stamped_type) ? std::string_view{} : text_argument(fcinfo, stamped_type);
    if (ignores_events(rows.log) && is_ignored(rows.log, given, stamp.event_type, body.document))
        stamp.lane = no_lane::ignored;
    return stamp;
}

} // namespace

// The stamp of an event already in its table, by the settings of its log.
CALLHARDENING_FUNCTION(log_event_stamp)
{
    const LogOfRows *rows = log_of_rows(fcinfo);
    const Stamp stamp = stamp_in_log(fcinfo, *rows);
    return row_of_stamp(fcinfo, stamp, IsLane(stamp.lane) ? rows->log.first_lane + stamp.lane : stamp.lane);
}

CALLHARDENING_FUNCTION(no_lane)
{
    const no_lane::Reason *reason = no_lane::FindReason(text_argument(fcinfo, 0));
    if (reason == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_INT32(reason->lane);
}

CALLHARDENING_FUNCTION(why_no_lane)
{
    const no_lane::Reason *reason = no_lane::FindReason(PG_GETARG_INT32(0));
    if (reason == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(to_text(reason->error));
}
