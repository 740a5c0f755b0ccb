// Differences between the releases of PostgreSQL. In src/pg, only this file and pg/postgres.hpp have an #if
// on them. What is declared by hand is here too, because another release may change it.
#pragma once

#include <string_view>

#include "pg/base/postgres.hpp"

extern "C" {
#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_proc.h"
#include "common/base64.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "pgstat.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#include "utils/wait_event.h"
#endif

// Of libpq/libpq.h, which includes headers of GSSAPI.
bool pq_check_connection(void);
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

// Can `member` become `role` by SET ROLE?
inline bool can_set_role(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return member_can_set_role(member, role);
#else
    return is_member_of_role(member, role);
#endif
}

// Checks the current user's rights on the tables of a plan.
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

#if PG_VERSION_NUM >= 160000
using JsonActionResult = JsonParseErrorType;
inline JsonActionResult json_action_done()
{
    return JSON_SUCCESS;
}
#else
using JsonActionResult = void;
inline void json_action_done() {}
#endif

inline JsonLexContext *make_json_lexer(std::string_view text)
{
#if PG_VERSION_NUM >= 170000
    return makeJsonLexContextCstringLen(nullptr, text.data(), text.size(), GetDatabaseEncoding(), true);
#else
    return makeJsonLexContextCstringLen(const_cast<char *>(text.data()), static_cast<int>(text.size()),
                                        GetDatabaseEncoding(), true);
#endif
}

// The indexes to be updated for a new version of a row.
enum class IndexEntries { none, summaries, all };

inline TM_Result update_tuple(Relation heap, ItemPointer tid, TupleTableSlot *slot, IndexEntries *entries)
{
    TM_FailureData failure;
    LockTupleMode lock;
#if PG_VERSION_NUM >= 160000
    TU_UpdateIndexes which = TU_None;
#else
    bool which = false;
#endif
    const TM_Result result = table_tuple_update(heap, tid, slot, GetCurrentCommandId(true), InvalidSnapshot,
                                                InvalidSnapshot, true, &failure, &lock, &which);
#if PG_VERSION_NUM >= 160000
    const bool all = which == TU_All;
    *entries = which == TU_Summarizing ? IndexEntries::summaries : IndexEntries::none;
#else
    const bool all = which;
    *entries = IndexEntries::none;
#endif
    if (all)
        *entries = IndexEntries::all;
    return result;
}

inline void insert_index_entries(ResultRelInfo *target, TupleTableSlot *slot, EState *executor,
                                 IndexEntries which)
{
    if (which == IndexEntries::none || target->ri_NumIndices == 0)
        return;
#if PG_VERSION_NUM >= 160000
    ExecInsertIndexTuples(target, slot, executor, false, false, nullptr, NIL,
                          which == IndexEntries::summaries);
#else
    ExecInsertIndexTuples(target, slot, executor, false, false, nullptr, NIL);
#endif
}

// The sequence of an identity column; InvalidOid: no identity column.
inline Oid identity_sequence(Relation relation, AttrNumber column)
{
#if PG_VERSION_NUM >= 170000
    return getIdentitySequence(relation, column, true);
#else
    return getIdentitySequence(RelationGetRelid(relation), column, true);
#endif
}

// The transaction that holds or wants a lock.
inline VirtualTransactionId transaction_of(const LockInstanceData &lock)
{
#if PG_VERSION_NUM >= 170000
    return lock.vxid;
#else
    return {lock.backend, lock.lxid};
#endif
}

// The number of characters, or -1 if there is not enough room.
inline int encode_base64(std::string_view bytes, char *encoded, int capacity)
{
#if PG_VERSION_NUM >= 180000
    const auto *source = reinterpret_cast<const uint8 *>(bytes.data());
#else
    const char *source = bytes.data();
#endif
    return pg_b64_encode(source, static_cast<int>(bytes.size()), encoded, capacity);
}

using InitializeSegment = void (*)(void *memory);

// The pinned segment of dynamic shared memory with this name. The first session makes it.
#if PG_VERSION_NUM >= 170000
inline void *named_segment(const char *name, Size size, InitializeSegment initialize)
{
    bool found;
    return GetNamedDSMSegment(name, size, initialize, &found);
}
#else
// The server keeps some room in its main segment for handles made at run time. A crash ends both, handle and
// segment.
inline void *named_segment(const char *name, Size size, InitializeSegment initialize)
{
    bool found;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    auto *handle = static_cast<dsm_handle *>(ShmemInitStruct(name, sizeof(dsm_handle), &found));
    if (!found)
        *handle = DSM_HANDLE_INVALID;
    dsm_segment *segment = nullptr;
    if (*handle == DSM_HANDLE_INVALID) {
        segment = dsm_create(size, 0);
        initialize(dsm_segment_address(segment));
        dsm_pin_segment(segment);
        dsm_pin_mapping(segment);
        *handle = dsm_segment_handle(segment);
    } else if ((segment = dsm_find_mapping(*handle)) == nullptr) {
        if ((segment = dsm_attach(*handle)) == nullptr)
            elog(ERROR, "could not attach to shared memory \"%s\"", name);
        dsm_pin_mapping(segment);
    }
    LWLockRelease(AddinShmemInitLock);
    return dsm_segment_address(segment);
}
#endif

// What pg_stat_activity shows as the wait_event of a session that waits. Before 17 it shows "Extension".
inline uint32 named_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
    return WaitEventExtensionNew(name);
#else
    static_cast<void>(name);
    return PG_WAIT_EXTENSION;
#endif
}

// A session of the server, by its number from 1. NULL: it has ended.
inline const LocalPgBackendStatus *session_status(int number)
{
#if PG_VERSION_NUM >= 160000
    return pgstat_get_local_beentry_by_index(number);
#else
    return pgstat_fetch_stat_local_beentry(number);
#endif
}

} // namespace callhardening
