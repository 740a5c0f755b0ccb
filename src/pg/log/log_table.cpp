#include "pg/log/log_table.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/time.hpp"
#include "pg/base/versions.hpp"
#include "pg/citus/distribution.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace callhardening
{

namespace
{

enum IndexColumn { lane_key = 1, xid_key, seq_key, index_keys = seq_key };

// -- opening -------------------------------------------------------------------------------------

// A missing column is reported later.
bool may_read_column(const EventLog &log, const char *name)
{
    const AttrNumber column = name == nullptr ? InvalidAttrNumber : get_attnum(log.events, name);
    return column == InvalidAttrNumber ||
           pg_attribute_aclcheck(log.events, column, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

bool may_read_positions(const EventLog &log)
{
    for (const char *name :
         {"event_seq", "event_lane", "event_xid", log.received_at_column, log.processed_at_column})
        if (!may_read_column(log, name))
            return false;
    return true;
}

void require_readable_log(const EventLog &log, bool may_read)
{
    if (!may_read)
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(log.events));
    // Events hidden from a worker would count as settled.
    if (check_enable_rls(log.events, InvalidOid, true) == RLS_ENABLED)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("row-level security hides events of %s from this role", log.events_name),
                 errhint("Give the worker's role BYPASSRLS, or disable row-level security on the log.")));
}

// The index of a hardened table excludes rows without a stamp. Any other condition would hide events. The
// condition is read as stored: RelationGetIndexPredicate would run functions of the table's owner.
bool is_about_stamped(Relation index)
{
    bool is_null;
    const Datum predicate =
        SysCacheGetAttr(INDEXRELID, index->rd_indextuple, Anum_pg_index_indpred, &is_null);
    if (is_null)
        return true;
    const auto *test = static_cast<const NullTest *>(stringToNode(TextDatumGetCString(predicate)));
    return IsA(test, NullTest) && test->nulltesttype == IS_NOT_NULL && IsA(test->arg, Var) &&
           reinterpret_cast<const Var *>(test->arg)->varattno == index->rd_index->indkey.values[0];
}

// The reader expects each lane in the ascending order of the types. With DESC, a collation or another
// operator class, it would stop before the last event.
bool has_order_of(Relation index, int i, Oid type)
{
    // GetDefaultOpClass() reads all classes of btree, which was a quarter of a claim of 100 events.
    const TypeCacheEntry *usual = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
    return index->rd_indoption[i] == 0 && !OidIsValid(index->rd_indcollation[i]) &&
           OidIsValid(usual->btree_opf) && index->rd_opfamily[i] == usual->btree_opf &&
           index->rd_opcintype[i] == usual->btree_opintype;
}

// A unique index of a distributed table contains the column that it is distributed by.
bool has_number_of_keys(const EventLog &log, Relation index, int keys)
{
    const Form_pg_index form = index->rd_index;
    if (log.route_column == nullptr)
        return form->indnkeyatts == keys;
    return form->indnkeyatts == keys + 1 &&
           form->indkey.values[keys] == get_attnum(log.events, log.route_column);
}

bool has_keys(const EventLog &log, Relation heap, Relation index, std::initializer_list<AttrNumber> keys)
{
    const Form_pg_index form = index->rd_index;
    if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || !form->indisunique ||
        !form->indimmediate || !has_number_of_keys(log, index, static_cast<int>(keys.size())))
        return false;
    int i = 0;
    for (const AttrNumber key : keys) {
        const Oid type = TupleDescAttr(RelationGetDescr(heap), key - 1)->atttypid;
        if (form->indkey.values[i] != key || !has_order_of(index, i, type))
            return false;
        ++i;
    }
    return is_about_stamped(index);
}

// Opens the unique index on these columns.
Relation open_index_on(const EventLog &log, Relation heap, const char *columns,
                       std::initializer_list<AttrNumber> keys)
{
    ListCell *cell;
    List *indexes = RelationGetIndexList(heap);
    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        if (has_keys(log, heap, index, keys))
            return index;
        index_close(index, AccessShareLock);
    }
    if (log.route_column != nullptr)
        columns = psprintf("%s, %s", columns, quote_identifier(log.route_column));
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("event log %s has no unique index on (%s)", log.events_name, columns),
                    errhint("CREATE UNIQUE INDEX ON %s (%s);", log.events_name, columns)));
    pg_unreachable();
}

// The column's name is one of the log's settings.
AttrNumber require_setting(const EventLog &log, Relation heap, const char *name)
{
    const AttrNumber column = find_column(heap, name);
    if (column == 0)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("event log %s no longer has column \"%s\"", log.events_name, name),
                 errhint("%s", OidIsValid(log.sequence) ? hardened_log_column_hint : log_column_hint)));
    return column;
}

Oid type_of(Relation heap, AttrNumber column)
{
    return getBaseType(TupleDescAttr(RelationGetDescr(heap), column - 1)->atttypid);
}

[[noreturn]] void raise_retyped(const EventLog &log, const char *name, const char *type)
{
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("column \"%s\" of event log %s must be %s", name, log.events_name, type),
                    errdetail("Its type was altered."), errhint("Alter the type back.")));
    pg_unreachable();
}

AttrNumber require_time(const EventLog &log, Relation heap, const char *name, bool *is_local)
{
    *is_local = false;
    if (name == nullptr)
        return 0;
    const AttrNumber column = require_setting(log, heap, name);
    const Oid type = type_of(heap, column);
    if (type != TIMESTAMPTZOID && type != TIMESTAMPOID)
        raise_retyped(log, name, "timestamp with or without time zone");
    *is_local = type == TIMESTAMPOID;
    return column;
}

AttrNumber require_word(const EventLog &log, Relation heap, const char *name, FmgrInfo *output)
{
    if (name == nullptr)
        return 0;
    const AttrNumber column = require_setting(log, heap, name);
    Oid function;
    bool is_varlena, is_preferred;
    char category;
    const Oid type = type_of(heap, column);
    get_type_category_preferred(type, &category, &is_preferred);
    if (category != TYPCATEGORY_STRING)
        raise_retyped(log, name, "text");
    getTypeOutputInfo(type, &function, &is_varlena);
    fmgr_info(function, output);
    return column;
}

void find_settings(const EventLog &log, Relation heap, LogTable *table)
{
    table->payload = require_setting(log, heap, log.payload_column);
    if (type_of(heap, table->payload) != JSONBOID)
        raise_retyped(log, log.payload_column, "jsonb");
    table->event_type = require_word(log, heap, log.event_type_column, &table->event_type_output);
    table->received_at = require_time(log, heap, log.received_at_column, &table->is_local_time);
    table->processed_at = require_time(log, heap, log.processed_at_column, &table->is_local_processed_at);
    for (int i = 0; i < log.carry_count; ++i)
        require_setting(log, heap, log.carry[i]);
}

void open_readable_log(const EventLog &log, LogTable *table)
{
    refuse_distributed_log(log.events, log.events_name, log.route_column != nullptr);
    Relation heap = open_table(log.events, AccessShareLock);
    if (RelationGetForm(heap)->relkind != RELKIND_RELATION)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("event log %s is not an ordinary table", log.events_name)));
    table->lane = require_typed_column(heap, "event_lane", INT4OID, log_column_hint);
    table->xid = require_typed_column(heap, "event_xid", XID8OID, log_column_hint);
    table->seq = require_typed_column(heap, "event_seq", INT8OID, log_column_hint);
    table->call_id = require_typed_column(heap, "call_id", TEXTOID, log_column_hint);
    find_settings(log, heap, table);
    table->by_lane = {heap, open_index_on(log, heap, "event_lane, event_xid, event_seq",
                                          {table->lane, table->xid, table->seq})};
    const MemoryContext caller = MemoryContextSwitchTo(scan_memory());
    table->scan = begin_index_scan(heap, table->by_lane.index, GetActiveSnapshot(), index_keys);
    // The index tuple has an event's transaction, so the table need not be read for it.
    table->scan->xs_want_itup = true;
    table->slot = table_slot_create(heap, nullptr);
    table->memory = CurrentMemoryContext;
    MemoryContextSwitchTo(caller);
}

} // namespace

bool may_read_events(const EventLog &log)
{
    return pg_class_aclcheck(log.events, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

void open_log_table(const EventLog &log, LogTable *table)
{
    require_readable_log(log, may_read_events(log));
    open_readable_log(log, table);
}

void open_log_positions(const EventLog &log, LogTable *table)
{
    require_readable_log(log, may_read_events(log) || may_read_positions(log));
    open_readable_log(log, table);
}

void close_log_table(const LogTable &table)
{
    ExecDropSingleTupleTableSlot(table.slot);
    index_endscan(table.scan);
    close_catalog_table(table.by_lane, NoLock);
}

namespace
{

// -- reading -------------------------------------------------------------------------------------

void seek(LaneReader *reader, Key xid, Key seq)
{
    ScanKeyData keys[index_keys];
    init_scan_key(&keys[0], int4_key(lane_key, reader->lane));
    init_scan_key(&keys[1], xid);
    init_scan_key(&keys[2], seq);
    const MemoryContext caller = MemoryContextSwitchTo(reader->table->memory);
    index_rescan(reader->table->scan, keys, index_keys, nullptr, 0);
    MemoryContextSwitchTo(caller);
}

void seek_in_xid(LaneReader *reader, const LogPosition &behind)
{
    reader->in_one_xid = true;
    reader->position = behind;
    seek(reader, xid8_key(xid_key, behind.xid), int8_key(seq_key, behind.seq, BTGreaterStrategyNumber));
}

// Continues with the window's first event at or after `xid`. Events between are skipped without reading: an
// open transaction may have appended 100,000.
void seek_from(LaneReader *reader, uint64 xid)
{
    reader->in_one_xid = false;
    reader->range = RangeFrom(reader->window, xid);
    reader->at_end = reader->range == reader->window.size();
    if (!reader->at_end)
        seek(reader,
             xid8_key(xid_key, Max(xid, reader->window[reader->range].first), BTGreaterEqualStrategyNumber),
             int8_key(seq_key, PG_INT64_MIN, BTGreaterEqualStrategyNumber));
}

void read_place(LaneReader *reader)
{
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    const IndexScanDesc scan = reader->table->scan;
    index_deform_tuple(scan->xs_itup, scan->xs_itupdesc, values, nulls);
    reader->position = {DatumGetUInt64(values[xid_key - 1]), DatumGetInt64(values[seq_key - 1])};
}

bool next_entry(const LaneReader &reader)
{
    const MemoryContext caller = MemoryContextSwitchTo(reader.table->memory);
    const bool found = index_getnext_tid(reader.table->scan, ForwardScanDirection) != nullptr;
    MemoryContextSwitchTo(caller);
    return found;
}

bool is_in_range(const LaneReader &reader)
{
    const XidRange &range = reader.window[reader.range];
    return reader.position.xid >= range.first && reader.position.xid < range.end;
}

} // namespace

LaneReader begin_reading(const LogTable &table, Snapshot snapshot, int lane, std::span<const XidRange> window,
                         const LogPosition &behind)
{
    LaneReader reader = {};
    reader.table = &table;
    reader.lane = lane;
    reader.window = window;
    table.scan->xs_snapshot = snapshot;
    const size_t range = RangeFrom(window, behind.xid);
    if (range < window.size() && window[range].first <= behind.xid)
        seek_in_xid(&reader, behind);
    else
        seek_from(&reader, behind.xid);
    return reader;
}

bool next_event(LaneReader *reader)
{
    while (!reader->at_end) {
        CHECK_FOR_INTERRUPTS();
        if (!next_entry(*reader)) {
            if (!reader->in_one_xid)
                break;
            seek_from(reader, reader->position.xid + 1);
            continue;
        }
        read_place(reader);
        if (!reader->in_one_xid && !is_in_range(*reader))
            seek_from(reader, reader->position.xid);
        else if (index_fetch_heap(reader->table->scan, reader->table->slot))
            return true;
    }
    reader->at_end = true;
    return false;
}

bool is_done(const LaneReader &reader)
{
    return reader.table->processed_at != 0 && !slot_attisnull(reader.table->slot, reader.table->processed_at);
}

void end_reading(const LaneReader &reader)
{
    ExecClearTuple(reader.table->slot);
}

namespace
{

// The owner of the log may have altered the table or its rows.
[[noreturn]] void raise_altered(const EventLog &log, int64 seq)
{
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("event %lld of event log %s lost its payload or its call id",
                           static_cast<long long>(seq), log.events_name),
                    errdetail("This row was altered."), errhint("Copy the bodies to a new event log.")));
    pg_unreachable();
}

bool is_set(TupleTableSlot *slot, AttrNumber column)
{
    return column != 0 && !slot_attisnull(slot, column);
}

// Like in the server's conversion, a time without a zone is in the session's time zone.
int64 read_time(TupleTableSlot *slot, AttrNumber column, bool is_local)
{
    bool is_null;
    const Datum time = row_value(slot, column, &is_null);
    return unix_microseconds(
        DatumGetTimestampTz(is_local ? DirectFunctionCall1(timestamp_timestamptz, time) : time));
}

char *read_event_type(const LogTable &table, TupleTableSlot *slot)
{
    bool is_null;
    if (!is_set(slot, table.event_type))
        return nullptr;
    const Datum value = row_value(slot, table.event_type, &is_null);
    FmgrInfo output = table.event_type_output;
    return OutputFunctionCall(&output, value);
}

void read_times(const LogTable &table, TupleTableSlot *slot, LogEvent *event)
{
    event->has_received_at = is_set(slot, table.received_at);
    event->is_done = is_set(slot, table.processed_at);
    if (event->is_done)
        event->done_at = read_time(slot, table.processed_at, table.is_local_processed_at);
    event->received_at =
        event->has_received_at ? read_time(slot, table.received_at, table.is_local_time) : event->done_at;
}

LogEvent event_in_slot(const EventLog &log, const LogTable &table, TupleTableSlot *slot, int lane,
                       const LogPosition &position)
{
    bool no_payload;
    LogEvent event = {};
    const Datum payload = row_value(slot, table.payload, &no_payload);
    event.lane = lane;
    event.position = position;
    event.call_id = row_text(slot, table.call_id);
    if (event.call_id == nullptr && !IsLane(lane)) // no worker can take it
        event.call_id = pstrdup("");
    if (no_payload || event.call_id == nullptr)
        raise_altered(log, position.seq);
    event.event_type = read_event_type(table, slot);
    read_times(table, slot, &event);
    event.payload = datumCopy(payload, false, -1);
    return event;
}

} // namespace

LogEvent present_event(const EventLog &log, const LaneReader &reader)
{
    return event_in_slot(log, *reader.table, reader.table->slot, reader.lane, reader.position);
}

int64 newest_event(const EventLog &log, const LogTable &table, Snapshot snapshot)
{
    const CatalogTable by_seq = {table.by_lane.heap,
                                 open_index_on(log, table.by_lane.heap, "event_seq", {table.seq})};
    const KeyScan scan =
        begin_key_scan(by_seq, snapshot, {int8_key(1, PG_INT64_MIN, BTGreaterEqualStrategyNumber)});
    const int64 newest = next_row(scan, BackwardScanDirection) ? row_int8(scan.slot, table.seq) : 0;
    end_key_scan(scan);
    index_close(by_seq.index, NoLock);
    return newest;
}

bool find_event(const EventLog &log, const LogTable &table, Snapshot snapshot, int64 seq, LogEvent *event)
{
    const CatalogTable by_seq = {table.by_lane.heap,
                                 open_index_on(log, table.by_lane.heap, "event_seq", {table.seq})};
    const KeyScan scan = begin_key_scan(by_seq, snapshot, {int8_key(1, seq)});
    const bool found = next_row(scan);
    if (found) {
        const auto xid = static_cast<uint64>(row_int8(scan.slot, table.xid));
        *event = event_in_slot(log, table, scan.slot, row_int4(scan.slot, table.lane), {xid, seq});
    }
    end_key_scan(scan);
    index_close(by_seq.index, NoLock);
    return found;
}

namespace
{

// -- the events of a call ------------------------------------------------------------------------

// A B-tree that begins with the call id, and has all events with one.
bool is_about_calls(const LogTable &table, Relation index)
{
    const Form_pg_index form = index->rd_index;
    return index->rd_rel->relam == BTREE_AM_OID && form->indisvalid && form->indisready &&
           form->indkey.values[0] == table.call_id && index->rd_opcintype[0] == TEXTOID &&
           index->rd_opfamily[0] == lookup_type_cache(TEXTOID, TYPECACHE_BTREE_OPFAMILY)->btree_opf &&
           is_about_stamped(index);
}

Relation open_index_of_calls(const LogTable &table)
{
    ListCell *cell;
    List *indexes = RelationGetIndexList(table.by_lane.heap);
    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        if (is_about_calls(table, index))
            return index;
        index_close(index, AccessShareLock);
    }
    return nullptr;
}

struct CallEvents {
    const EventLog *log;
    const LogTable *table;
    const char *call_id;
    LogEvents found;
    int room;
};

LogEvent *add_found(CallEvents *call)
{
    LogEvents *found = &call->found;
    if (found->count == call->room) {
        call->room = Max(16, call->room * 2);
        const size_t size = sizeof(LogEvent) * call->room;
        found->events = static_cast<LogEvent *>(
            found->events == nullptr ? palloc(size) : repalloc_huge(found->events, size));
    }
    return &found->events[found->count++];
}

// The collation of an index may take other call ids for the same.
void keep_if_of_call(CallEvents *call, TupleTableSlot *slot)
{
    const LogTable &table = *call->table;
    CHECK_FOR_INTERRUPTS();
    char *call_id = row_text(slot, table.call_id);
    if (call_id == nullptr || strcmp(call_id, call->call_id) != 0)
        return;
    const int lane = slot_attisnull(slot, table.lane) ? no_lane::not_stamped : row_int4(slot, table.lane);
    LogEvent *event = add_found(call);
    *event = event_in_slot(*call->log, table, slot, lane,
                           {static_cast<uint64>(row_int8(slot, table.xid)), row_int8(slot, table.seq)});
    pfree(DatumGetPointer(event->payload));
    event->payload = Datum{0};
}

void read_by_index(CallEvents *call, Relation index, Snapshot snapshot, TupleTableSlot *slot)
{
    ScanKeyData key;
    ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, TEXTOID, index->rd_indcollation[0], F_TEXTEQ,
                           CStringGetTextDatum(call->call_id));
    const IndexScanDesc scan = begin_index_scan(call->table->by_lane.heap, index, snapshot, 1);
    index_rescan(scan, &key, 1, nullptr, 0);
    while (index_getnext_slot(scan, ForwardScanDirection, slot))
        keep_if_of_call(call, slot);
    index_endscan(scan);
}

void read_all(CallEvents *call, Snapshot snapshot, TupleTableSlot *slot)
{
    const TableScanDesc scan = table_beginscan(call->table->by_lane.heap, snapshot, 0, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
        keep_if_of_call(call, slot);
    table_endscan(scan);
}

int compare_numbers(const void *left, const void *right)
{
    const int64 a = static_cast<const LogEvent *>(left)->position.seq;
    const int64 b = static_cast<const LogEvent *>(right)->position.seq;
    return a < b ? -1 : a > b;
}

} // namespace

LogEvents events_of_call(const EventLog &log, const LogTable &table, Snapshot snapshot, const char *call_id,
                         bool *has_index)
{
    CallEvents call = {&log, &table, call_id, {nullptr, 0}, 0};
    TupleTableSlot *slot = table_slot_create(table.by_lane.heap, nullptr);
    Relation index = open_index_of_calls(table);
    *has_index = index != nullptr;
    if (*has_index) {
        read_by_index(&call, index, snapshot, slot);
        index_close(index, NoLock);
    } else
        read_all(&call, snapshot, slot);
    ExecDropSingleTupleTableSlot(slot);
    if (call.found.count > 1)
        qsort(call.found.events, call.found.count, sizeof(LogEvent), compare_numbers);
    return call.found;
}

} // namespace callhardening
