#include "pg/base/catalog_table.hpp"
#include "pg/base/memory.hpp"
#include "pg/base/owner_rights.hpp"
#include "pg/base/versions.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

// -- the schemas ----------------------------------------------------------------------------------

namespace
{

bool is_of_extension(Oid catalog, Oid object)
{
    const Oid extension = getExtensionOfObject(catalog, object);
    return OidIsValid(extension) && extension == get_extension_oid("callhardening", true);
}

Oid schema_of_extension()
{
    const Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
                CStringGetDatum("callhardening"));
    const SysScanDesc scan = systable_beginscan(extensions, ExtensionNameIndexId, true, nullptr, 1, &key);
    const HeapTuple row = systable_getnext(scan);
    const Oid schema = HeapTupleIsValid(row)
                           ? reinterpret_cast<Form_pg_extension>(GETSTRUCT(row))->extnamespace
                           : InvalidOid;
    systable_endscan(scan);
    table_close(extensions, AccessShareLock);
    return schema;
}

} // namespace

// Looks up the schema's owner once a session. An existing schema stays with its extension.
Oid own_schema()
{
    static Oid known = InvalidOid;
    const Oid schema = get_namespace_oid("_callhardening", true);
    if (schema == known)
        return schema;
    if (!is_of_extension(NamespaceRelationId, schema))
        return InvalidOid;
    return known = schema;
}

// A newly created extension has another internal schema. So both are looked up again.
Oid users_schema()
{
    static Oid known = InvalidOid, known_own = InvalidOid;
    const Oid own = own_schema();
    if (own != known_own) {
        known = schema_of_extension();
        known_own = own;
    }
    return known;
}

// -- its tables -----------------------------------------------------------------------------------

namespace
{

bool is_ordinary(Relation heap)
{
    return RelationGetForm(heap)->relkind == RELKIND_RELATION && !RelationGetForm(heap)->relispartition &&
           heap->rd_tableam == GetHeapamTableAmRoutine();
}

[[noreturn]] void raise_dropped(const char *name)
{
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table \"%s\" of callhardening no longer exists", name),
             errdetail("The extension was dropped while this session waited for the table.")));
    pg_unreachable();
}

// An added and dropped column leaves a dropped one at the end.
bool has_columns(Relation heap, const CatalogLayout &layout)
{
    const int count = RelationGetNumberOfAttributes(heap);
    if (count < layout.least)
        return false;
    for (int i = 0; i < count; ++i) {
        const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(heap), i);
        if (i < layout.count ? column->atttypid != layout.columns[i].type : !column->attisdropped)
            return false;
    }
    return true;
}

// The extension's own triggers are for SQL: restored rows, and foreign keys to its tables. Each is looked up
// once a session.
bool is_trigger_of_extension(const Trigger &trigger)
{
    static Oid known[16] = {};
    static size_t next = 0;
    for (const Oid oid : known)
        if (oid == trigger.tgoid)
            return true;
    if (!(trigger.tgisinternal ? is_of_extension(RelationRelationId, trigger.tgconstrrelid)
                               : is_of_extension(ProcedureRelationId, trigger.tgfoid)))
        return false;
    known[next++ % lengthof(known)] = trigger.tgoid;
    return true;
}

// Finds a trigger that would never fire: these functions write rows without it. Foreign keys and deferrable
// constraints are triggers too.
const Trigger *find_trigger_of_others(Relation heap)
{
    const TriggerDesc *triggers = heap->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
        if (!is_trigger_of_extension(triggers->triggers[i]))
            return &triggers->triggers[i];
    return nullptr;
}

// The index must have all rows. The newest record of a lane is the last one of its key. In an index with DESC
// it would be the oldest.
bool is_usable_index(Relation heap, Relation index)
{
    const Form_pg_index form = index->rd_index;
    if (form->indrelid != RelationGetRelid(heap) || !form->indisvalid || index->rd_rel->relam != BTREE_AM_OID)
        return false;
    if (RelationGetIndexExpressions(index) != NIL || RelationGetIndexPredicate(index) != NIL)
        return false;
    for (int i = 0; i < form->indnkeyatts; ++i)
        if (index->rd_indoption[i] != 0)
            return false;
    return true;
}

// NULL: none. Reading or writing a different table would crash the server or lose rows.
const char *fault_of(Relation heap, Relation index, const CatalogLayout &layout)
{
    if (!is_ordinary(heap))
        return "It is not an ordinary table.";
    if (!has_columns(heap, layout))
        return "Its columns differ from those of the extension.";
    if (heap->rd_rules != nullptr)
        return "It has a rule. The rule would never apply.";
    if (const Trigger *trigger = find_trigger_of_others(heap); trigger != nullptr)
        return trigger->tgisinternal ? "A foreign key or a deferrable constraint would never be checked."
                                     : psprintf("Trigger \"%s\" would never fire.", trigger->tgname);
    if (!is_usable_index(heap, index))
        return psprintf("Index \"%s\" was altered.", RelationGetRelationName(index));
    return nullptr;
}

void report_altered(int level, const char *name, const char *fault)
{
    ereport(level, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("table \"%s\" of callhardening was altered", name), errdetail("%s", fault),
                    errhint("Undo the change, or drop and create the extension.")));
}

// nullptr if there is none.
Relation open_index(const char *name, LOCKMODE lock)
{
    const Oid index = get_relname_relid(name, own_schema());
    return OidIsValid(index) && get_rel_relkind(index) == RELKIND_INDEX ? index_open(index, lock) : nullptr;
}

} // namespace

CatalogTable open_catalog_table(const CatalogLayout &layout, const char *index, LOCKMODE lock)
{
    const Oid heap_oid = get_relname_relid(layout.name, own_schema());
    if (!OidIsValid(heap_oid))
        report_altered(ERROR, layout.name, "It is missing.");
    CatalogTable table = {try_relation_open(heap_oid, lock), nullptr};
    if (table.heap == nullptr)
        raise_dropped(layout.name);
    // Only the lock keeps a DROP EXTENSION from dropping the index.
    table.index = open_index(index, lock);
    if (table.index == nullptr)
        report_altered(ERROR, layout.name, psprintf("Index \"%s\" is missing.", index));
    if (const char *fault = fault_of(table.heap, table.index, layout); fault != nullptr)
        report_altered(ERROR, layout.name, fault);
    return table;
}

bool try_open_catalog_table(const CatalogLayout &layout, const char *index, LOCKMODE lock,
                            CatalogTable *table)
{
    const Oid heap_oid = get_relname_relid(layout.name, own_schema());
    if (!OidIsValid(heap_oid) || get_rel_relkind(heap_oid) != RELKIND_RELATION ||
        !ConditionalLockRelationOid(heap_oid, lock))
        return false;
    table->heap = try_table_open(heap_oid, NoLock);
    if (table->heap == nullptr)
        return false;
    table->index = open_index(index, lock);
    const char *fault = table->index == nullptr ? psprintf("Index \"%s\" is missing.", index)
                                                : fault_of(table->heap, table->index, layout);
    if (fault == nullptr)
        return true;
    report_altered(WARNING, layout.name, fault);
    if (table->index != nullptr)
        index_close(table->index, NoLock);
    table_close(table->heap, NoLock);
    return false;
}

void close_catalog_table(const CatalogTable &table, LOCKMODE lock)
{
    index_close(table.index, lock);
    table_close(table.heap, lock);
}

Key oid_key(int column, Oid value)
{
    return {column, BTEqualStrategyNumber, F_OIDEQ, OIDOID, ObjectIdGetDatum(value)};
}

Key name_key(int column, const NameData *value)
{
    return {column, BTEqualStrategyNumber, F_NAMEEQ, NAMEOID, NameGetDatum(value)};
}

namespace
{

// The key of one type, by strategy: less, less or equal, equal, greater or equal, greater.
Key ordered_key(int column, Oid type, Datum value, StrategyNumber strategy,
                const RegProcedure (&functions)[5])
{
    return {column, strategy, functions[strategy - BTLessStrategyNumber], type, value};
}

} // namespace

Key int4_key(int column, int32 value, StrategyNumber strategy)
{
    constexpr RegProcedure functions[] = {F_INT4LT, F_INT4LE, F_INT4EQ, F_INT4GE, F_INT4GT};
    return ordered_key(column, INT4OID, Int32GetDatum(value), strategy, functions);
}

Key int8_key(int column, int64 value, StrategyNumber strategy)
{
    constexpr RegProcedure functions[] = {F_INT8LT, F_INT8LE, F_INT8EQ, F_INT8GE, F_INT8GT};
    return ordered_key(column, INT8OID, Int64GetDatum(value), strategy, functions);
}

Key xid8_key(int column, uint64 value, StrategyNumber strategy)
{
    constexpr RegProcedure functions[] = {F_XID8LT, F_XID8LE, F_XID8EQ, F_XID8GE, F_XID8GT};
    return ordered_key(column, XID8OID, UInt64GetDatum(value), strategy, functions);
}

Key time_key(int column, TimestampTz value, StrategyNumber strategy)
{
    constexpr RegProcedure functions[] = {F_TIMESTAMPTZ_LT, F_TIMESTAMPTZ_LE, F_TIMESTAMPTZ_EQ,
                                          F_TIMESTAMPTZ_GE, F_TIMESTAMPTZ_GT};
    return ordered_key(column, TIMESTAMPTZOID, TimestampTzGetDatum(value), strategy, functions);
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

namespace
{

// The index compares the key as a value of its column's type.
void require_key_types(const CatalogTable &table, std::initializer_list<Key> keys)
{
    for (const Key &key : keys)
        if (key.column > table.index->rd_index->indnkeyatts ||
            table.index->rd_opcintype[key.column - 1] != key.type)
            report_altered(ERROR, RelationGetRelationName(table.heap),
                           psprintf("Index \"%s\" was altered.", RelationGetRelationName(table.index)));
}

} // namespace

KeyScan begin_key_scan(const CatalogTable &table, Snapshot snapshot, std::initializer_list<Key> keys)
{
    require_key_types(table, keys);
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
    if (column > slot->tts_tupleDescriptor->natts) {
        *is_null = true;
        return Datum{0};
    }
    return slot_getattr(slot, column, is_null);
}

int32 row_int4(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? 0 : DatumGetInt32(value);
}

Oid row_oid(TupleTableSlot *slot, int column)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    return is_null ? InvalidOid : DatumGetObjectId(value);
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

namespace
{

// The executor's state for writing one row.
struct Writer {
    EState *executor;
    ResultRelInfo *target;
    TupleTableSlot *slot;
    bool runs_code; // written by the user: an index or a CHECK
    bool has_snapshot;
    CallerRights caller;
};

bool has_checks(Relation heap)
{
    const TupleConstr *constraints = RelationGetDescr(heap)->constr;
    return constraints != nullptr && constraints->num_check > 0;
}

bool runs_code(const ResultRelInfo *target)
{
    for (int i = 0; i < target->ri_NumIndices; ++i)
        if (target->ri_IndexRelationInfo[i]->ii_Expressions != NIL ||
            target->ri_IndexRelationInfo[i]->ii_Predicate != NIL)
            return true;
    return has_checks(target->ri_RelationDesc);
}

// At the end of a transaction there is no snapshot, but a function may need one.
Writer begin_writing(Relation heap)
{
    Writer writer = {};
    writer.executor = CreateExecutorState();
    const MemoryContext caller = MemoryContextSwitchTo(writer.executor->es_query_cxt);
    writer.target = makeNode(ResultRelInfo);
    writer.target->ri_RelationDesc = heap;
    ExecOpenIndices(writer.target, false);
    writer.slot = table_slot_create(heap, nullptr);
    MemoryContextSwitchTo(caller);
    writer.runs_code = runs_code(writer.target);
    if (!writer.runs_code)
        return writer;
    writer.has_snapshot = !ActiveSnapshotSet();
    if (writer.has_snapshot)
        PushActiveSnapshot(GetTransactionSnapshot());
    writer.caller = take_owner_rights(RelationGetRelid(heap));
    return writer;
}

void end_writing(const Writer &writer)
{
    if (writer.runs_code)
        give_back_rights(writer.caller);
    if (writer.has_snapshot)
        PopActiveSnapshot();
    ExecDropSingleTupleTableSlot(writer.slot);
    ExecCloseIndices(writer.target);
    FreeExecutorState(writer.executor);
}

void require_valid_row(const Writer &writer)
{
    if (has_checks(writer.target->ri_RelationDesc))
        ExecConstraints(writer.target, writer.slot, writer.executor);
}

} // namespace

bool may_refuse_rows(const CatalogTable &table)
{
    List *indexes = RelationGetIndexList(table.heap);
    const bool may_refuse = list_length(indexes) > 1 || has_checks(table.heap);
    list_free(indexes);
    return may_refuse;
}

void insert_row(const CatalogTable &table, const Datum *values, const bool *nulls)
{
    const Writer writer = begin_writing(table.heap);
    for (int i = 0; i < RelationGetNumberOfAttributes(table.heap); ++i) {
        writer.slot->tts_isnull[i] = TupleDescAttr(RelationGetDescr(table.heap), i)->attisdropped || nulls[i];
        writer.slot->tts_values[i] = writer.slot->tts_isnull[i] ? Datum{0} : values[i];
    }
    ExecStoreVirtualTuple(writer.slot);
    require_valid_row(writer);
    simple_table_tuple_insert(table.heap, writer.slot);
    insert_index_entries(writer.target, writer.slot, writer.executor, IndexEntries::all);
    end_writing(writer);
}

namespace
{

// A caller's locks keep out other writers of the row. A session that adopts the log does not take the locks
// of its lanes.
void require_unchanged(const CatalogTable &table, TM_Result result)
{
    if (result != TM_Ok)
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("a row of table \"%s\" was changed by another transaction",
                               RelationGetRelationName(table.heap)),
                        errhint("Try again.")));
}

} // namespace

void update_row(const CatalogTable &table, const KeyScan &scan, std::initializer_list<Change> changes)
{
    const Writer writer = begin_writing(table.heap);
    slot_getallattrs(scan.slot);
    const int count = RelationGetNumberOfAttributes(table.heap);
    memcpy(writer.slot->tts_values, scan.slot->tts_values, sizeof(Datum) * count);
    memcpy(writer.slot->tts_isnull, scan.slot->tts_isnull, sizeof(bool) * count);
    for (const Change &change : changes) {
        writer.slot->tts_values[change.column - 1] = change.value;
        writer.slot->tts_isnull[change.column - 1] = change.is_null;
    }
    ExecStoreVirtualTuple(writer.slot);
    require_valid_row(writer);
    ItemPointerData tid = scan.slot->tts_tid;
    IndexEntries entries;
    require_unchanged(table, update_tuple(table.heap, &tid, writer.slot, &entries));
    insert_index_entries(writer.target, writer.slot, writer.executor, entries);
    end_writing(writer);
}

void delete_row(const CatalogTable &table, const KeyScan &scan)
{
    TM_FailureData failure;
    ItemPointerData tid = scan.slot->tts_tid;
    require_unchanged(table, table_tuple_delete(table.heap, &tid, GetCurrentCommandId(true), InvalidSnapshot,
                                                InvalidSnapshot, true, &failure, false));
}

void delete_rows(const CatalogTable &table, std::initializer_list<Key> keys)
{
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(table, snapshot, keys);
    while (next_row(scan)) {
        CHECK_FOR_INTERRUPTS();
        if (lock_newest_row(table, scan, snapshot)) // another session may be deleting it
            delete_row(table, scan);
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

namespace
{

bool lock_version(const CatalogTable &table, const KeyScan &scan, Snapshot snapshot, LockWaitPolicy wait,
                  uint8 flags)
{
    TM_FailureData failure;
    ItemPointerData tid = scan.slot->tts_tid;
    const TM_Result result =
        table_tuple_lock(table.heap, &tid, snapshot, scan.slot, GetCurrentCommandId(true),
                         LockTupleNoKeyExclusive, wait, flags, &failure);
    return result == TM_Ok;
}

} // namespace

bool lock_row(const CatalogTable &table, const KeyScan &scan, Snapshot snapshot, LockWaitPolicy wait)
{
    return lock_version(table, scan, snapshot, wait, 0);
}

bool lock_newest_row(const CatalogTable &table, const KeyScan &scan, Snapshot snapshot)
{
    return lock_version(table, scan, snapshot, LockWaitBlock, TUPLE_LOCK_FLAG_FIND_LAST_VERSION);
}

Snapshot take_snapshot()
{
    CommandCounterIncrement();
    return RegisterSnapshot(GetLatestSnapshot());
}

} // namespace callhardening
