#include "core/lanes/position.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/time.hpp"
#include "pg/base/warning.hpp"
#include "pg/citus/distribution.hpp"
#include "pg/citus/shard.hpp"
#include "pg/log/event_log.hpp"
#include "pg/log/snapshot.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// -- the registry ---------------------------------------------------------------------------------

// The columns of call_event_logs, created in sql/log/event_log.sql.
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
    log_max_retrying,
    log_signed,
    log_payload,
    log_event_type,
    log_received_at,
    log_processed_at,
    log_carry,
    log_sequence,
    log_is_default,
    log_ignored_types,
    log_ignored_members,
    log_settled_marks,
    log_shape,
    log_is_of_changes,
    log_other_consumers,
    log_route,
    log_shard,
    log_columns = log_shard
};
constexpr CatalogColumn columns_of_logs[] = {{"log_id", INT4OID},
                                             {"events", REGCLASSOID},
                                             {"calls", REGCLASSOID},
                                             {"provider", TEXTOID},
                                             {"lanes", INT4OID},
                                             {"first_lane", INT4OID},
                                             {"system_identifier", INT8OID},
                                             {"adopted", PG_SNAPSHOTOID},
                                             {"notify", BOOLOID},
                                             {"max_attempts", INT4OID},
                                             {"retry_base", INTERVALOID},
                                             {"retry_cap", INTERVALOID},
                                             {"max_retrying", INT4OID},
                                             {"signed", BOOLOID},
                                             {"payload_column", NAMEOID},
                                             {"event_type_column", NAMEOID},
                                             {"received_at_column", NAMEOID},
                                             {"processed_at_column", NAMEOID},
                                             {"carry", NAMEARRAYOID},
                                             {"sequence", REGCLASSOID},
                                             {"is_default", BOOLOID},
                                             {"ignored_event_types", TEXTARRAYOID},
                                             {"ignored_members", TEXTARRAYOID},
                                             {"settled_marks", XID8ARRAYOID},
                                             {"shape", JSONBOID},
                                             {"is_of_changes", BOOLOID},
                                             {"other_consumers", INT4ARRAYOID},
                                             {"route_column", NAMEOID},
                                             {"shard_id", INT8OID}};
static_assert(lengthof(columns_of_logs) == log_columns, "each column is here");
constexpr CatalogColumn columns_of_lanes[] = {{"consumer_id", INT4OID}, {"lane", INT4OID}};

// The columns of detached_logs, created in sql/log/detach.sql.
enum DetachedColumn {
    detached_events = 1,
    detached_sequence,
    detached_id,
    detached_state,
    detached_at,
    detached_is_default,
    detached_columns = detached_is_default
};
constexpr CatalogColumn columns_of_detached[] = {{"events", REGCLASSOID},         {"sequence", REGCLASSOID},
                                                 {"state_id", UUIDOID},           {"state", JSONBOID},
                                                 {"detached_at", TIMESTAMPTZOID}, {"is_default", BOOLOID}};
static_assert(lengthof(columns_of_detached) == detached_columns, "each column is here");

CatalogTable open_logs(const char *index, LOCKMODE lock)
{
    return open_catalog_table(logs_layout, index, lock);
}

int64 row_microseconds(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? 0 : interval_microseconds(DatumGetIntervalP(value));
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

TextList row_texts(TupleTableSlot *slot, int column)
{
    bool is_null;
    Datum *values;
    TextList list = {};
    const Datum value = row_value(slot, column, &is_null);
    if (is_null)
        return list;
    deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &values, nullptr,
                      &list.count);
    list.texts = static_cast<const char **>(palloc(sizeof(char *) * Max(1, list.count)));
    for (int i = 0; i < list.count; ++i)
        list.texts[i] = TextDatumGetCString(values[i]);
    return list;
}

void read_other_consumers(TupleTableSlot *slot, EventLog *log)
{
    bool is_null;
    const Datum value = row_value(slot, log_other_consumers, &is_null);
    if (is_null)
        return;
    ArrayType *array = DatumGetArrayTypePCopy(value);
    const auto count = static_cast<size_t>(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));
    log->other_consumers = {reinterpret_cast<const int32 *>(ARR_DATA_PTR(array)), count};
}

void read_settled_marks(TupleTableSlot *slot, EventLog *log)
{
    bool is_null;
    Datum *marks;
    int count;
    const Datum value = row_value(slot, log_settled_marks, &is_null);
    if (is_null)
        return;
    deconstruct_array(DatumGetArrayTypePCopy(value), XID8OID, sizeof(uint64), FLOAT8PASSBYVAL,
                      TYPALIGN_DOUBLE, &marks, nullptr, &count);
    auto *copy = static_cast<uint64 *>(palloc(sizeof(uint64) * Max(1, count)));
    for (int i = 0; i < count; ++i)
        copy[i] = DatumGetUInt64(marks[i]);
    log->settled_marks = {copy, static_cast<size_t>(count)};
}

// Most callers need no shape. So nothing is compiled here, and a shape in another table stays there.
void read_shape(TupleTableSlot *slot, EventLog *log)
{
    bool is_null, is_unknown;
    const Datum shape = row_value(slot, log_shape, &is_null);
    if (is_null)
        return;
    const Datum xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_unknown);
    const char *bytes = DatumGetPointer(shape);
    log->shape_version = {log->log_id, DatumGetTransactionId(xmin), {bytes, VARSIZE_ANY(bytes)}};
    log->own_shape = find_kept_shape(log->shape_version);
    if (log->own_shape != nullptr)
        return;
    log->shape_document = datumCopy(shape, false, -1);
    log->shape_version.bytes = {DatumGetPointer(log->shape_document), log->shape_version.bytes.size()};
}

void read_columns(TupleTableSlot *slot, EventLog *log)
{
    log->payload_column = row_name(slot, log_payload);
    log->event_type_column = row_name(slot, log_event_type);
    log->received_at_column = row_name(slot, log_received_at);
    log->processed_at_column = row_name(slot, log_processed_at);
    log->route_column = row_name(slot, log_route);
    log->sequence = row_oid(slot, log_sequence);
    read_carry(slot, log);
    log->ignored_types = row_texts(slot, log_ignored_types);
    log->ignored_members = row_texts(slot, log_ignored_members);
}

void read_log(TupleTableSlot *slot, EventLog *log)
{
    bool is_unadopted;
    const Datum adopted = row_value(slot, log_adopted, &is_unadopted);
    *log = {};
    log->log_id = log->consumer_id = row_int4(slot, log_number);
    log->events = row_oid(slot, log_events);
    log->calls = row_oid(slot, log_calls);
    log->is_of_changes = row_bool(slot, log_is_of_changes);
    log->provider = row_text(slot, log_provider);
    log->lanes = row_int4(slot, log_lanes);
    log->first_lane = row_int4(slot, log_first_lane);
    log->is_restored = static_cast<uint64>(row_int8(slot, log_system)) != GetSystemIdentifier();
    log->has_old_lanes = !is_unadopted;
    if (!is_unadopted)
        log->adopted = read_snapshot(adopted);
    log->notifies = row_bool(slot, log_notify);
    log->max_attempts = row_int4(slot, log_max_attempts);
    log->retry_base = row_microseconds(slot, log_retry_base);
    log->retry_cap = row_microseconds(slot, log_retry_cap);
    log->max_retrying = row_int4(slot, log_max_retrying);
    log->is_signed = row_bool(slot, log_signed);
    log->shard_id = row_int8(slot, log_shard);
    read_settled_marks(slot, log);
    read_other_consumers(slot, log);
    read_shape(slot, log);
    read_columns(slot, log);
    log->events_name = relation_name(log->events);
}

[[noreturn]] void raise_detached_log(const char *name)
{
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("event log %s is detached", name),
             errdetail("Workers of another database may have it."),
             errhint("attach_call_event_log makes it an event log of this database again.")));
    pg_unreachable();
}

[[noreturn]] void raise_no_log(Oid wanted)
{
    DetachedLog detached;
    if (!OidIsValid(wanted))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("there is no event log"),
                        errhint("Create one with create_call_tables.")));
    const char *name = relation_name(wanted);
    if (name != nullptr && find_detached_log(wanted, &detached))
        raise_detached_log(name);
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("%s is not an event log", name != nullptr ? name : psprintf("relation %u", wanted)),
             errhint("The table call_event_logs lists the event logs of this database.")));
    pg_unreachable();
}

// A row can outlive its table: a DROP with an old snapshot does not see it, and an event trigger can be off.
// The oid of the table may be another relation's now.
bool is_live(Oid events)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(events));
    if (!HeapTupleIsValid(tuple))
        return false;
    const auto *relation = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    const bool is_table =
        relation->relkind == RELKIND_RELATION && relation->relpersistence != RELPERSISTENCE_TEMP;
    ReleaseSysCache(tuple);
    return is_table;
}

[[noreturn]] void raise_no_default(const char *names)
{
    ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_PARAMETER),
                    errmsg("there is more than one event log, and none is the default"),
                    errdetail("The event logs are %s.", names),
                    errhint("Pass one of them as log, or choose a default: configure_call_event_log(log, "
                            "is_default => true).")));
    pg_unreachable();
}

bool find_log(const char *index, const Key &key, EventLog *log)
{
    const CatalogTable logs = open_logs(index, AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {key});
    const bool found = next_row(scan);
    if (found)
        read_log(scan.slot, log);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(logs, AccessShareLock);
    return found;
}

int compare_names(const ListCell *left, const ListCell *right)
{
    return strcmp(static_cast<const char *>(lfirst(left)), static_cast<const char *>(lfirst(right)));
}

// The index has unmarked rows in the order of their places in the table.
char *sorted(List *names)
{
    StringInfoData text;
    const ListCell *cell;
    initStringInfo(&text);
    list_sort(names, compare_names);
    foreach (cell, names)
        appendStringInfo(&text, "%s%s", text.len == 0 ? "" : ", ", static_cast<const char *>(lfirst(cell)));
    return text.data;
}

// The names of the logs up to the marked one.
struct FoundLogs {
    List *of_webhooks, *of_changes;
    bool is_marked;
};

[[noreturn]] void raise_only_changes(const char *names)
{
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("there is no event log of webhooks"),
             errdetail("The logs of changes are %s. None of them is a default.", names),
             errhint("Pass one of them as log, or create an event log with create_call_tables.")));
    pg_unreachable();
}

// The index has the marked row first. If no row is marked, the only log of webhooks is the default.
FoundLogs read_default_event_log(const KeyScan &scan, EventLog *log)
{
    FoundLogs found = {};
    while (!found.is_marked && next_row(scan)) {
        const Oid events = row_oid(scan.slot, log_events);
        const char *name = is_live(events) ? relation_name(events) : nullptr;
        if (name == nullptr || row_int8(scan.slot, log_shard) != 0)
            continue;
        const bool is_of_changes = row_bool(scan.slot, log_is_of_changes);
        if (!is_of_changes && found.of_webhooks == NIL)
            read_log(scan.slot, log);
        List **names = is_of_changes ? &found.of_changes : &found.of_webhooks;
        *names = lappend(*names, const_cast<char *>(name));
        found.is_marked = row_bool(scan.slot, log_is_default);
    }
    return found;
}

// The first row of detached_logs with the key, or any with no key, that `takes` accepts.
template <typename Takes>
void look_at_detached_logs(std::initializer_list<Key> keys, const Takes &takes)
{
    if (!has_detached_logs())
        return;
    const CatalogTable logs = open_catalog_table(detached_logs_layout, "detached_logs_pkey", AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, keys);
    while (next_row(scan) && !takes(scan.slot)) {
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(logs, AccessShareLock);
}

// Another log would get the bodies of the default one.
void refuse_without_detached_default()
{
    const char *name = nullptr;
    look_at_detached_logs({}, [&](TupleTableSlot *slot) {
        if (row_bool(slot, detached_is_default))
            name = relation_name(row_oid(slot, detached_events));
        return name != nullptr;
    });
    if (name != nullptr)
        raise_detached_log(name);
}

void find_default_event_log(EventLog *log)
{
    const CatalogTable logs = open_logs("logs_is_default_key", AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {});
    const FoundLogs found = read_default_event_log(scan, log);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(logs, AccessShareLock);
    if (!found.is_marked)
        refuse_without_detached_default();
    if (list_length(found.of_webhooks) > 1)
        raise_no_default(sorted(found.of_webhooks));
    if (found.of_webhooks == NIL && found.of_changes != NIL)
        raise_only_changes(sorted(found.of_changes));
    if (found.of_webhooks == NIL)
        raise_no_log(InvalidOid);
}

} // namespace

constinit const CatalogLayout logs_layout = {"logs", columns_of_logs, log_other_consumers};
constinit const CatalogLayout lanes_layout = {"lanes", columns_of_lanes};
constinit const CatalogLayout detached_logs_layout = {"detached_logs", columns_of_detached};

bool has_detached_logs()
{
    return OidIsValid(get_relname_relid(detached_logs_layout.name, own_schema()));
}

bool find_detached_log(Oid events, DetachedLog *detached)
{
    bool is_attached = true;
    look_at_detached_logs({oid_key(1, events)}, [&](TupleTableSlot *slot) {
        bool is_null;
        row_value(slot, detached_state, &is_attached);
        detached->sequence = row_oid(slot, detached_sequence);
        detached->state_id = *DatumGetUUIDP(row_value(slot, detached_id, &is_null));
        return true;
    });
    return !is_attached;
}

bool find_event_log_of(Oid events, EventLog *log)
{
    return find_log("logs_events_key", oid_key(1, events), log) && log->events_name != nullptr &&
           is_live(events);
}

void find_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log)
{
    find_any_event_log(fcinfo, log_argument, log);
    require_log_here(*log);
}

void require_log_here(const EventLog &log)
{
    refuse_distributed_log(log.events, log.events_name, log.route_column != nullptr);
    require_shard_here(log.shard_id, log.events_name);
}

void find_any_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log)
{
    if (PG_ARGISNULL(log_argument))
        find_default_event_log(log);
    else if (!find_event_log_of(PG_GETARG_OID(log_argument), log))
        raise_no_log(PG_GETARG_OID(log_argument));
}

void require_log_of_webhooks(const EventLog &log, const char *function)
{
    if (!log.is_of_changes)
        return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("%s is a log of changes", log.events_name),
                    errdetail("%s needs a log of webhooks.", function),
                    errhint("Read changes with create_call_consumer and claim_call_events.")));
}

bool find_event_log_by_id(int32 log_id, EventLog *log)
{
    return find_log("logs_pkey", int4_key(1, log_id), log);
}

List *registered_shards()
{
    List *shards = NIL;
    const CatalogTable logs = open_logs("logs_pkey", AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {int4_key(1, 0, BTGreaterStrategyNumber)});
    while (next_row(scan))
        if (row_int8(scan.slot, log_shard) != 0)
            shards = lappend_oid(shards, row_oid(scan.slot, log_events));
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(logs, AccessShareLock);
    return shards;
}

bool is_event_log_uncommitted(const EventLog &log)
{
    const CatalogTable logs = open_logs("logs_pkey", AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {int4_key(1, log.log_id)});
    bool is_null = true;
    const Datum xmin =
        next_row(scan) ? slot_getsysattr(scan.slot, MinTransactionIdAttributeNumber, &is_null) : Datum{0};
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(logs, AccessShareLock);
    return !is_null && TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

char *event_log_channel(int32 log_id)
{
    return psprintf("callhardening_%d", log_id);
}

// -- under a lock -------------------------------------------------------------------------------

bool try_lock_event_log(const EventLog &log)
{
    const CatalogTable logs = open_logs("logs_pkey", RowExclusiveLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, snapshot, {int4_key(1, log.log_id)});
    const bool locked = next_row(scan) && lock_row(logs, scan, snapshot, LockWaitSkip);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(logs, NoLock);
    return locked;
}

LockedLog lock_event_log(const EventLog &log)
{
    const CatalogTable logs = open_logs("logs_pkey", RowExclusiveLock);
    const Snapshot before = take_snapshot();
    const KeyScan scan = begin_key_scan(logs, before, {int4_key(1, log.log_id)});
    if (!next_row(scan) || !lock_newest_row(logs, scan, before))
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("event log %d was changed by another transaction", log.log_id),
                        errhint("Try again.")));
    UnregisterSnapshot(before);
    return {logs, scan};
}

void read_locked_log(const LockedLog &locked, EventLog *log)
{
    read_log(locked.scan.slot, log);
}

void write_adoption(const LockedLog &locked, const EventLog &log)
{
    update_row(locked.logs, locked.scan,
               {{log_first_lane, Int32GetDatum(log.first_lane), false},
                {log_system, Int64GetDatum(static_cast<int64>(GetSystemIdentifier())), false},
                {log_adopted, snapshot_datum(log.adopted), false}});
}

void write_end_of_old_lanes(const LockedLog &locked, const EventLog &log)
{
    const auto count = static_cast<int>(log.settled_marks.size());
    auto *marks = static_cast<Datum *>(palloc(sizeof(Datum) * Max(1, count)));
    for (int i = 0; i < count; ++i)
        marks[i] = UInt64GetDatum(log.settled_marks[i]);
    const ArrayType *array =
        construct_array(marks, count, XID8OID, sizeof(uint64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    update_row(locked.logs, locked.scan,
               {{log_adopted, Datum{0}, true}, {log_settled_marks, PointerGetDatum(array), false}});
}

void write_consumers(const LockedLog &locked, const EventLog &log)
{
    const auto count = static_cast<int>(log.other_consumers.size());
    auto *ids = static_cast<Datum *>(palloc(sizeof(Datum) * Max(1, count)));
    for (int i = 0; i < count; ++i)
        ids[i] = Int32GetDatum(log.other_consumers[i]);
    const ArrayType *array = construct_array(ids, count, INT4OID, sizeof(int32), true, TYPALIGN_INT);
    update_row(locked.logs, locked.scan, {{log_other_consumers, PointerGetDatum(array), false}});
}

void close_locked_log(const LockedLog &locked)
{
    end_key_scan(locked.scan);
    close_catalog_table(locked.logs, NoLock);
}

} // namespace callhardening

using namespace callhardening;

// Called by the extension's own functions, so an error would name them.
CALLHARDENING_FUNCTION(log_number)
{
    EventLog log;
    const MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    {
        find_any_event_log(fcinfo, 0, &log);
    }
    PG_CATCH();
    {
        rethrow_for_caller(context, nullptr);
    }
    PG_END_TRY();
    PG_RETURN_INT32(log.log_id);
}

CALLHARDENING_FUNCTION(call_event_log_channel)
{
    EventLog log;
    find_event_log(fcinfo, 0, &log);
    PG_RETURN_TEXT_P(to_text(event_log_channel(log.log_id)));
}
