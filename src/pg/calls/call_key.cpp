#include "pg/calls/call_key.hpp"
#include "pg/base/relation.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace callhardening
{

namespace
{

bool is_unique_index_on(Form_pg_index index, AttrNumber column)
{
    return index->indisunique && index->indnkeyatts == 1 && index->indkey.values[0] == column;
}

KeyState state_of(HeapTuple tuple, AttrNumber column)
{
    const auto index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
    if (!is_unique_index_on(index, column))
        return KeyState::missing;
    if (!index->indisvalid)
        return KeyState::invalid;
    if (!index->indimmediate)
        return KeyState::deferrable;
    return heap_attisnull(tuple, Anum_pg_index_indpred, nullptr) ? KeyState::unique : KeyState::missing;
}

bool is_text_type(Oid type)
{
    return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

bool is_exact_type(Oid type)
{
    return type == INT2OID || type == INT4OID || type == INT8OID || type == NUMERICOID || type == UUIDOID;
}

void take_better(CallKey *key, HeapTuple index, AttrNumber call_id)
{
    const KeyState state = state_of(index, call_id);
    if (state > key->state)
        key->state = state;
    if (state == KeyState::unique)
        key->index = reinterpret_cast<Form_pg_index>(GETSTRUCT(index))->indexrelid;
}

} // namespace

CallKey find_call_key(Relation calls, AttrNumber call_id)
{
    CallKey key = {KeyState::missing, InvalidOid};
    const ListCell *cell;
    const List *indexes = RelationGetIndexList(calls);
    foreach (cell, indexes) {
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
        if (!HeapTupleIsValid(tuple))
            continue;
        take_better(&key, tuple, call_id);
        ReleaseSysCache(tuple);
    }
    return key;
}

const char *key_obstacle(const FormData_pg_attribute &call_id)
{
    const Oid type = getBaseType(call_id.atttypid);
    if (call_id.attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
        return "It is GENERATED ALWAYS, so it takes no call id.";
    if (is_text_type(type))
        return get_collation_isdeterministic(call_id.attcollation)
                   ? nullptr
                   : "Its collation treats different call ids as equal.";
    if (is_exact_type(type))
        return nullptr;
    return psprintf(is_string_type(type) ? "The type %s may treat different call ids as equal."
                                         : "The type %s cannot hold call ids.",
                    format_type_be(type));
}

} // namespace callhardening

using namespace callhardening;

namespace
{

constexpr const char *state_names[] = {"missing", "deferrable", "invalid", "unique"};

// Reads only the catalogs. So call_enforcement does not wait for a table locked by another session.
KeyState key_state_of(Oid calls, AttrNumber call_id)
{
    CallKey key = {KeyState::missing, InvalidOid};
    ScanKeyData condition;
    ScanKeyInit(&condition, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(calls));
    Relation indexes = table_open(IndexRelationId, AccessShareLock);
    const SysScanDesc scan = systable_beginscan(indexes, IndexIndrelidIndexId, true, nullptr, 1, &condition);
    for (HeapTuple index = systable_getnext(scan); HeapTupleIsValid(index); index = systable_getnext(scan))
        take_better(&key, index, call_id);
    systable_endscan(scan);
    table_close(indexes, AccessShareLock);
    return key.state;
}

// The column named by the first two arguments; invalid if it does not exist. The caller releases it.
HeapTuple column_argument(FunctionCallInfo fcinfo)
{
    return SearchSysCacheAttName(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)));
}

} // namespace

CALLHARDENING_FUNCTION(key_state)
{
    HeapTuple column = column_argument(fcinfo);
    if (!HeapTupleIsValid(column))
        PG_RETURN_NULL();
    const AttrNumber number = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(column))->attnum;
    ReleaseSysCache(column);
    const KeyState state = key_state_of(PG_GETARG_OID(0), number);
    PG_RETURN_TEXT_P(cstring_to_text(state_names[static_cast<size_t>(state)]));
}

CALLHARDENING_FUNCTION(key_obstacle)
{
    HeapTuple column = column_argument(fcinfo);
    if (!HeapTupleIsValid(column))
        PG_RETURN_NULL();
    const char *obstacle = key_obstacle(*reinterpret_cast<Form_pg_attribute>(GETSTRUCT(column)));
    ReleaseSysCache(column);
    if (obstacle == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(obstacle));
}
