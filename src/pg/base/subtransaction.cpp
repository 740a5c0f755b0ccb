#include "pg/base/subtransaction.hpp"

extern "C" {
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
}

namespace callhardening
{

bool is_lock_error(const ErrorData *error)
{
    return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
           error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

namespace
{

// If a policy forbids one row, the SQLSTATE is the same as for a missing privilege. Only the raising function
// differs, and it raises nothing else with this SQLSTATE.
bool is_forbidden_row(const ErrorData *error)
{
    return error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE && error->funcname != nullptr &&
           strcmp(error->funcname, "ExecWithCheckOptions") == 0;
}

// Errors independent of the event, or temporary ones.
bool is_error_of_system(const ErrorData *error)
{
    if (is_forbidden_row(error) || is_lock_error(error))
        return false;
    switch (ERRCODE_TO_CATEGORY(error->sqlerrcode)) {
    case ERRCODE_CONNECTION_EXCEPTION:
    case ERRCODE_FEATURE_NOT_SUPPORTED:
    case ERRCODE_INVALID_TRANSACTION_STATE:
    case ERRCODE_TRANSACTION_ROLLBACK:
    case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
    case ERRCODE_INSUFFICIENT_RESOURCES:
    case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
    case ERRCODE_OPERATOR_INTERVENTION:
    case ERRCODE_SYSTEM_ERROR:
    case ERRCODE_CONFIG_FILE_ERROR:
    case ERRCODE_INTERNAL_ERROR:
        return true;
    default:
        return false;
    }
}

} // namespace

ErrorData *catch_in_subtransaction(void (*work)(void *state), void *state)
{
    const MemoryContext caller = CurrentMemoryContext;
    const ResourceOwner owner = CurrentResourceOwner;
    ErrorData *volatile error = nullptr;

    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(caller);
    PG_TRY();
    {
        work(state);
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(caller);
        error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(caller);
    CurrentResourceOwner = owner;
    return error;
}

ErrorData *try_in_subtransaction(void (*work)(void *state), void *state)
{
    ErrorData *error = catch_in_subtransaction(work, state);
    if (error != nullptr && is_error_of_system(error))
        ReThrowError(error);
    return error;
}

} // namespace callhardening
