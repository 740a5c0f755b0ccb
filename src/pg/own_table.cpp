#include "pg/own_table.hpp"
#include "pg/memory.hpp"
#include "pg/versions.hpp"

extern "C" {
#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

[[noreturn]] void raise_altered(const char *name)
{
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" of callhardening was altered", name),
                    errhint("Drop and create the extension.")));
    pg_unreachable();
}

// The newest record of a lane is the last one of its key: in an index with DESC it would be the oldest.
bool is_plain(Relation index)
{
    for (int i = 0; i < index->rd_index->indnkeyatts; ++i)
        if (index->rd_indoption[i] != 0 || index->rd_index->indkey.values[i] == 0)
            return false;
    return heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr);
}

// A view, a partitioned table or another access method in its place would end the server.
bool is_usable(Relation heap, Relation index, int columns)
{
    return RelationGetForm(heap)->relkind == RELKIND_RELATION &&
           heap->rd_tableam == GetHeapamTableAmRoutine() && RelationGetNumberOfAttributes(heap) == columns &&
           index->rd_index->indrelid == RelationGetRelid(heap) && index->rd_index->indisvalid &&
           index->rd_rel->relam == BTREE_AM_OID && is_plain(index);
}

} // namespace

OwnTable open_own_table(Oid schema, const char *name, const char *index, int columns, LOCKMODE lock)
{
    const Oid heap_oid = get_relname_relid(name, schema), index_oid = get_relname_relid(index, schema);
    if (!OidIsValid(heap_oid) || !OidIsValid(index_oid) || get_rel_relkind(index_oid) != RELKIND_INDEX)
        raise_altered(name);
    const OwnTable table = {table_open(heap_oid, lock), index_open(index_oid, lock)};
    if (!is_usable(table.heap, table.index, columns))
        raise_altered(name);
    return table;
}

bool try_open_own_table(Oid schema, const char *name, const char *index, int columns, LOCKMODE lock,
                        OwnTable *table)
{
    const Oid heap_oid = get_relname_relid(name, schema);
    if (!OidIsValid(heap_oid) || get_rel_relkind(heap_oid) != RELKIND_RELATION ||
        !ConditionalLockRelationOid(heap_oid, lock))
        return false;
    table->heap = try_table_open(heap_oid, NoLock);
    if (table->heap == nullptr)
        return false;
    const Oid index_oid = get_relname_relid(index, schema);
    table->index = OidIsValid(index_oid) && get_rel_relkind(index_oid) == RELKIND_INDEX
                       ? index_open(index_oid, lock)
                       : nullptr;
    if (table->index != nullptr && is_usable(table->heap, table->index, columns))
        return true;
    if (table->index != nullptr)
        index_close(table->index, NoLock);
    table_close(table->heap, NoLock);
    return false;
}

void close_own_table(const OwnTable &table, LOCKMODE lock)
{
    index_close(table.index, lock);
    table_close(table.heap, lock);
}

Key int4_key(int column, int32 value)
{
    return {column, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(value)};
}

Key oid_key(int column, Oid value)
{
    return {column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value)};
}

namespace
{

// Those of one type, by strategy: less, less or equal, equal, greater or equal, greater.
Key ordered_key(int column, Datum value, StrategyNumber strategy, const RegProcedure (&functions)[5])
{
    return {column, strategy, functions[strategy - BTLessStrategyNumber], value};
}

} // namespace

Key int8_key(int column, int64 value, StrategyNumber strategy)
{
    constexpr RegProcedure functions[] = {F_INT8LT, F_INT8LE, F_INT8EQ, F_INT8GE, F_INT8GT};
    return ordered_key(column, Int64GetDatum(value), strategy, functions);
}

Key xid8_key(int column, uint64 value, StrategyNumber strategy)
{
    constexpr RegProcedure functions[] = {F_XID8LT, F_XID8LE, F_XID8EQ, F_XID8GE, F_XID8GT};
    return ordered_key(column, UInt64GetDatum(value), strategy, functions);
}

Key time_key(int column, TimestampTz value, StrategyNumber strategy)
{
    constexpr RegProcedure functions[] = {F_TIMESTAMPTZ_LT, F_TIMESTAMPTZ_LE, F_TIMESTAMPTZ_EQ,
                                          F_TIMESTAMPTZ_GE, F_TIMESTAMPTZ_GT};
    return ordered_key(column, TimestampTzGetDatum(value), strategy, functions);
}

void init_scan_key(ScanKeyData *scan_key, const Key &key)
{
    ScanKeyInit(scan_key, static_cast<AttrNumber>(key.column), key.strategy, key.function, key.value);
}

MemoryContext scan_memory()
{
    static constinit KeptMemory memory = {"callhardening scans", nullptr, 0};
    return kept_memory(&memory);
}

KeyScan begin_key_scan(const OwnTable &table, Snapshot snapshot, std::initializer_list<Key> keys)
{
    const MemoryContext caller = MemoryContextSwitchTo(scan_memory());
    const KeyScan scan = {begin_index_scan(table.heap, table.index, snapshot, static_cast<int>(keys.size())),
                          table_slot_create(table.heap, nullptr), CurrentMemoryContext};
    MemoryContextSwitchTo(caller);
    restart_key_scan(scan, snapshot, keys);
    return scan;
}

void restart_key_scan(const KeyScan &scan, Snapshot snapshot, std::initializer_list<Key> keys)
{
    ScanKeyData scan_keys[4];
    int count = 0;
    Assert(keys.size() <= lengthof(scan_keys));
    for (const Key &key : keys)
        init_scan_key(&scan_keys[count++], key);
    ExecClearTuple(scan.slot);
    scan.scan->xs_snapshot = snapshot;
    const MemoryContext caller = MemoryContextSwitchTo(scan.memory);
    index_rescan(scan.scan, scan_keys, count, nullptr, 0);
    MemoryContextSwitchTo(caller);
}

bool next_row(const KeyScan &scan, ScanDirection direction)
{
    const MemoryContext caller = MemoryContextSwitchTo(scan.memory);
    const bool found = index_getnext_slot(scan.scan, direction, scan.slot);
    MemoryContextSwitchTo(caller);
    return found;
}

void end_key_scan(const KeyScan &scan)
{
    ExecDropSingleTupleTableSlot(scan.slot);
    index_endscan(scan.scan);
}

Datum row_value(TupleTableSlot *slot, int column, bool *is_null)
{
    return slot_getattr(slot, column, is_null);
}

int32 row_int4(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? 0 : DatumGetInt32(value);
}

int64 row_int8(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? 0 : DatumGetInt64(value);
}

bool row_bool(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return !is_null && DatumGetBool(value);
}

char *row_text(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? nullptr : TextDatumGetCString(value);
}

void insert_row(const OwnTable &table, const Datum *values, const bool *nulls)
{
    HeapTuple row =
        heap_form_tuple(RelationGetDescr(table.heap), const_cast<Datum *>(values), const_cast<bool *>(nulls));
    CatalogTupleInsert(table.heap, row);
    heap_freetuple(row);
}

void update_row(const OwnTable &table, const KeyScan &scan, std::initializer_list<Change> changes)
{
    int columns[8];
    Datum values[8];
    bool nulls[8];
    int count = 0;
    Assert(changes.size() <= lengthof(columns));
    for (const Change &change : changes) {
        columns[count] = change.column;
        values[count] = change.value;
        nulls[count++] = change.is_null;
    }
    bool is_copy;
    ItemPointerData place = scan.slot->tts_tid;
    HeapTuple row = ExecFetchSlotHeapTuple(scan.slot, false, &is_copy);
    HeapTuple changed =
        heap_modify_tuple_by_cols(row, RelationGetDescr(table.heap), count, columns, values, nulls);
    CatalogTupleUpdate(table.heap, &place, changed);
    heap_freetuple(changed);
    if (is_copy)
        heap_freetuple(row);
}

void delete_row(const OwnTable &table, const KeyScan &scan)
{
    CatalogTupleDelete(table.heap, &scan.slot->tts_tid);
}

bool lock_row(const OwnTable &table, const KeyScan &scan, Snapshot snapshot, LockWaitPolicy wait)
{
    TM_FailureData failure;
    ItemPointerData place = scan.slot->tts_tid;
    const TM_Result result =
        table_tuple_lock(table.heap, &place, snapshot, scan.slot, GetCurrentCommandId(true),
                         LockTupleNoKeyExclusive, wait, 0, &failure);
    return result == TM_Ok;
}

Snapshot take_snapshot()
{
    CommandCounterIncrement();
    return RegisterSnapshot(GetLatestSnapshot());
}

} // namespace callhardening
