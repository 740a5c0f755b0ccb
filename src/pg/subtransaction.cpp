#include "pg/subtransaction.hpp"

extern "C" {
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
}

namespace callhardening
{

static bool is_error_of_data(const ErrorData *error)
{
    switch (ERRCODE_TO_CATEGORY(error->sqlerrcode)) {
    case ERRCODE_DATA_EXCEPTION:
    case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
    case ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION:
    case ERRCODE_TRIGGERED_ACTION_EXCEPTION:
    case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
    case ERRCODE_PLPGSQL_ERROR:
    case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
        return true;
    default:
        return false;
    }
}

ErrorData *try_in_subtransaction(void (*work)(void *state), void *state)
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

    if (error != nullptr && !is_error_of_data(error))
        ReThrowError(error);
    return error;
}

} // namespace callhardening
