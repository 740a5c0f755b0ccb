// Where the releases of PostgreSQL differ: nowhere else in src/pg is there an #if on them, but in
// pg/postgres.hpp.
#pragma once

#include <string_view>

#include "pg/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_proc.h"
#include "common/base64.h"
#include "executor/executor.h"
#include "utils/acl.h"
}

namespace callhardening
{

inline IndexScanDesc begin_index_scan(Relation heap, Relation index, Snapshot snapshot, int keys)
{
#if PG_VERSION_NUM >= 180000
    return index_beginscan(heap, index, snapshot, nullptr, keys, 0);
#else
    return index_beginscan(heap, index, snapshot, keys, 0);
#endif
}

inline bool owns_relation(Oid relation, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, relation, role);
#else
    return pg_class_ownercheck(relation, role);
#endif
}

inline bool can_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
    return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

inline bool can_connect(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(DatabaseRelationId, database, role, ACL_CONNECT) == ACLCHECK_OK;
#else
    return pg_database_aclcheck(database, role, ACL_CONNECT) == ACLCHECK_OK;
#endif
}

// The rights that a plan needs on its tables, of the current user.
inline void require_plan_rights(const PlannedStmt *plan)
{
#if PG_VERSION_NUM >= 160000
    ExecCheckPermissions(plan->rtable, plan->permInfos, true);
#else
    ExecCheckRTPerms(plan->rtable, true);
#endif
}

inline void run_executor(QueryDesc *query)
{
#if PG_VERSION_NUM >= 180000
    ExecutorRun(query, ForwardScanDirection, 0);
#else
    ExecutorRun(query, ForwardScanDirection, 0, true);
#endif
}

// The number of characters, or -1 where there is no room for them.
inline int encode_base64(std::string_view bytes, char *encoded, int capacity)
{
#if PG_VERSION_NUM >= 180000
    const auto *source = reinterpret_cast<const uint8 *>(bytes.data());
#else
    const char *source = bytes.data();
#endif
    return pg_b64_encode(source, static_cast<int>(bytes.size()), encoded, capacity);
}

} // namespace callhardening
