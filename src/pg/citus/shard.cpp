#include "pg/citus/shard.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
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

} // namespace

// Called without a look at the caller's rights: he has them on the log, and the function checks nothing else.
bool hold_shard(int64 shard_id)
{
    if (shard_id == 0)
        return true;
    Datum shard = Int64GetDatum(shard_id);
    ArrayType *shards = construct_array(&shard, 1, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    return DatumGetBool(OidFunctionCall1(shard_guard(), PointerGetDatum(shards)));
}

void require_shard(int64 shard_id, const char *log)
{
    if (hold_shard(shard_id))
        return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("shard %s is on another server", log), errdetail("Citus has moved it."),
                    errhint("Call attach_call_shards. Then that server processes its events.")));
}

} // namespace callhardening
