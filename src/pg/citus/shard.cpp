#include "pg/citus/shard.hpp"
#include "pg/base/relation.hpp"
#include "pg/citus/catalog.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
}

namespace callhardening
{

namespace
{

Oid shard_guard()
{
    Oid type = INT8ARRAYOID;
    List *name = lappend(nullptr, makeString(pstrdup("_callhardening")));
    return LookupFuncName(lappend(name, makeString(pstrdup("call_shard_guard"))), 1, &type, false);
}

[[noreturn]] void raise_moved_away(const char *log)
{
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("shard %s is on another server", log), errdetail("Citus has moved it."),
                    errhint("Call attach_call_shards. Then that server processes its events.")));
    pg_unreachable();
}

} // namespace

// A shard can have several placements, each in a group of servers.
bool is_shard_here(int64 shard_id)
{
    bool is_here = shard_id == 0;
    const Oid placements = is_here ? InvalidOid : catalog_of_citus("pg_dist_placement");
    if (!OidIsValid(placements))
        return is_here;
    CitusRow found = find_citus_row(placements, "pg_dist_placement_shardid_index", "shardid", F_INT8EQ,
                                    Int64GetDatum(shard_id));
    const int32 group = HeapTupleIsValid(found.row) ? own_group() : 0;
    for (; HeapTupleIsValid(found.row) && !is_here; found.row = systable_getnext(found.scan))
        is_here = DatumGetInt32(value_of(found, "groupid")) == group;
    close_citus_row(found);
    return is_here;
}

// Called without a look at the caller's rights: he has them on the log, and the function checks nothing else.
bool hold_shard(int64 shard_id)
{
    if (shard_id == 0)
        return true;
    Datum shard = Int64GetDatum(shard_id);
    ArrayType *shards = construct_array(&shard, 1, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    return DatumGetBool(OidFunctionCall1(shard_guard(), PointerGetDatum(shards)));
}

void require_shard_here(int64 shard_id, const char *log)
{
    if (!is_shard_here(shard_id))
        raise_moved_away(log);
}

void require_shard(int64 shard_id, const char *log)
{
    if (!hold_shard(shard_id))
        raise_moved_away(log);
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(is_placed_here)
{
    PG_RETURN_BOOL(PG_ARGISNULL(0) || is_shard_here(PG_GETARG_INT64(0)));
}

CALLHARDENING_FUNCTION(known_name)
{
    const char *name = relation_name(known_table(PG_GETARG_OID(0)));
    if (name == nullptr)
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text(name));
}
