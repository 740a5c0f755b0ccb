#include "core/event_log.hpp"
#include "core/event.hpp"
#include "core/text.hpp"

#include "pg/event.hpp"
#include "pg/event_log.hpp"
#include "pg/relation.hpp"
#include "pg/spi.hpp"
#include "pg/text.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
}

namespace callhardening
{

namespace
{

// -- the registry --------------------------------------------------------------------------------

void raise_no_log(Oid wanted)
{
    if (!OidIsValid(wanted))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("there is no event log"),
                        errhint("Make one with create_call_tables.")));
    const char *name = relation_name(wanted);
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("%s is not an event log", name != nullptr ? name : psprintf("relation %u", wanted)),
             errhint("The table call_logs lists the event logs of this database.")));
}

void raise_several_logs()
{
    StringInfoData names;
    initStringInfo(&names);
    for (uint64 row = 0; row < SPI_processed; ++row)
        appendStringInfo(&names, "%s%s", row == 0 ? "" : ", ", spi_cstring(row, 5));
    ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_PARAMETER), errmsg("there is more than one event log"),
                    errdetail("The event logs are %s.", names.data), errhint("Name one of them in log.")));
}

} // namespace

void find_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log)
{
    static KeptPlans plans;
    const bool any = PG_ARGISNULL(log_argument);
    const Oid wanted = any ? InvalidOid : PG_GETARG_OID(log_argument);

    log->extension = quote_identifier(get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid)));
    run_statement(&plans,
                  psprintf("SELECT log_id, events::pg_catalog.oid, calls::pg_catalog.oid, provider,"
                           " events::pg_catalog.text, signed FROM %s.call_logs"
                           " WHERE $1 IS NULL OR events OPERATOR(pg_catalog.=) $1 ORDER BY log_id",
                           log->extension),
                  {SpiArgument{REGCLASSOID, ObjectIdGetDatum(wanted), any}});
    if (SPI_processed == 0)
        raise_no_log(wanted);
    if (SPI_processed > 1)
        raise_several_logs();

    bool is_null;
    log->log_id = spi_int4(0, 1);
    log->events = DatumGetObjectId(spi_datum(0, 2, &is_null));
    log->calls = DatumGetObjectId(spi_datum(0, 3, &is_null));
    log->provider = spi_cstring(0, 4);
    log->is_signed = DatumGetBool(spi_datum(0, 6, &is_null));
    log->events_name = relation_name(log->events);
    // The trigger that forgets a dropped log does not fire in a session with replica role.
    if (log->events_name == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %d does not exist any more", log->log_id),
                        errhint("Delete its row in call_logs.")));
}

namespace
{

// -- stamps --------------------------------------------------------------------------------------

enum StampArgument {
    payload_argument,
    provider_argument,
    lanes_argument,
    key_type_argument,
    stamp_arguments
};

// What the trigger needs, looked up once per statement.
struct Stamper {
    int payload;
    int call_id;
    int event_type;
    int lane;
    int xid;
    int lanes;
    KeyKind key;
    std::string_view provider;
    MemoryContext scratch; // for one row
};

int32 lanes_of(const char *argument)
{
    const int32 lanes = pg_strtoint32(argument);
    if (lanes < 1 || lanes > max_lanes)
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("stamp_call_event: number of lanes must be between 1 and %d", max_lanes)));
    return lanes;
}

Stamper *make_stamper(FunctionCallInfo fcinfo, const TriggerData *trigger)
{
    char **arguments = trigger->tg_trigger->tgargs;
    const MemoryContext session = fcinfo->flinfo->fn_mcxt;
    auto *stamper = static_cast<Stamper *>(MemoryContextAllocZero(session, sizeof(Stamper)));
    const Relation log = trigger->tg_relation;
    stamper->payload = require_typed_column(log, arguments[payload_argument], JSONBOID);
    stamper->call_id = require_typed_column(log, "call_id", TEXTOID);
    stamper->event_type = require_typed_column(log, "event_type", TEXTOID);
    stamper->lane = require_typed_column(log, "event_lane", INT4OID);
    stamper->xid = require_typed_column(log, "event_xid", XID8OID);
    stamper->lanes = lanes_of(arguments[lanes_argument]);
    stamper->key = KeyKindOf(arguments[key_type_argument]);
    stamper->provider = MemoryContextStrdup(session, arguments[provider_argument]);
    stamper->scratch = AllocSetContextCreate(session, "callhardening stamp", ALLOCSET_DEFAULT_SIZES);
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
    if (trigger->tg_trigger->tgnargs != stamp_arguments)
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("stamp_call_event: expected %d arguments, not %d",
                               static_cast<int>(stamp_arguments), trigger->tg_trigger->tgnargs)));
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

Stamp stamp_of(const Stamper *stamper, Jsonb *body)
{
    // An event type is a word. A longer text is something else, and the column may well be indexed.
    constexpr size_t longest_event_type = 64;

    if (!JB_ROOT_IS_OBJECT(body))
        return {{}, {}, static_cast<int>(is_string(body) ? NoLane::not_json : NoLane::not_an_object)};
    EventFields fields;
    if (!read_event(body, stamper->provider, &fields))
        return {{}, {}, static_cast<int>(NoLane::no_call_id)};
    const std::string_view state = fields[Field::state].text;
    const std::string_view event_type = state.size() <= longest_event_type ? state : std::string_view{};
    const std::string_view id = fields[Field::call_id].text;
    if (id.size() > max_call_id_bytes)
        return {{}, event_type, static_cast<int>(NoLane::call_id_too_long)};
    const std::string_view canonical = CanonicalCallId(id, stamper->key);
    if (canonical.empty())
        return {id, event_type,
                static_cast<int>(IsBlank(id) ? NoLane::no_call_id : NoLane::call_id_not_held)};
    return {canonical, event_type, LaneOf(canonical, stamper->lanes)};
}

HeapTuple apply_stamp(const Stamper *stamper, HeapTuple row, TupleDesc columns, const Stamp &stamp)
{
    int numbers[] = {stamper->call_id, stamper->lane, stamper->xid, stamper->event_type};
    bool nulls[] = {stamp.call_id.empty(), false, false, stamp.event_type.empty()};
    Datum values[] = {
        stamp.call_id.empty() ? Datum{0} : PointerGetDatum(to_text(stamp.call_id)),
        Int32GetDatum(stamp.lane),
        UInt64GetDatum(U64FromFullTransactionId(GetTopFullTransactionId())),
        stamp.event_type.empty() ? Datum{0} : PointerGetDatum(to_text(stamp.event_type)),
    };
    bool has_event_type;
    heap_getattr(row, stamper->event_type, columns, &has_event_type);
    has_event_type = !has_event_type;
    return heap_modify_tuple_by_cols(row, columns, has_event_type ? 3 : 4, numbers, values, nulls);
}

HeapTuple stamp_row(const Stamper *stamper, const TriggerData *trigger)
{
    const TupleDesc columns = RelationGetDescr(trigger->tg_relation);
    bool is_null;
    const Datum payload = heap_getattr(trigger->tg_trigtuple, stamper->payload, columns, &is_null);
    const MemoryContext caller = MemoryContextSwitchTo(stamper->scratch);
    // NULL is refused by the column itself, with a word that is better than one about a missing stamp.
    const Stamp stamp = is_null ? Stamp{{}, {}, static_cast<int>(NoLane::not_an_object)}
                                : stamp_of(stamper, DatumGetJsonbP(payload));
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
