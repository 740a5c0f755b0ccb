#include "pg/base/time.hpp"
#include "pg/base/versions.hpp"
#include "pg/claims/claim.hpp"
#include "pg/log/consumer.hpp"
#include "pg/shared/wake.hpp"

extern "C" {
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

enum WaitArgument { wait_log, wait_timeout, wait_consumer };

// -- checks --------------------------------------------------------------------------------------

int64 timeout_of(FunctionCallInfo fcinfo)
{
    constexpr int64 longest = USECS_PER_DAY;
    const Interval *interval = PG_ARGISNULL(wait_timeout) ? nullptr : PG_GETARG_INTERVAL_P(wait_timeout);
    const bool is_sane = interval != nullptr && interval->month == 0;
    const int64 timeout = is_sane ? interval_microseconds(interval) : -1;
    if (timeout < 0 || timeout > longest)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("timeout must be between 0 and 24 hours")));
    return timeout;
}

void require_transaction_that_can_wait()
{
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                        errmsg("wait_for_call_events cannot be used on a standby server"),
                        errdetail("Events are claimed on the primary server."),
                        errhint("Connect to the primary server.")));
    if (IsolationUsesXactSnapshot())
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("wait_for_call_events cannot be used with an isolation level above read committed"),
                 errdetail("The snapshot of the transaction would be held, and does not show new events."),
                 errhint("Use SET TRANSACTION ISOLATION LEVEL READ COMMITTED.")));
    if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
        ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                        errmsg("wait_for_call_events cannot be used in a transaction that has written"),
                        errdetail("Its transaction id and its locks would be held during the wait."),
                        errhint("Commit first.")));
}

// The statement's own snapshot is the only one. In a function there is another one, of the query that calls
// it.
bool is_own_statement()
{
    return ActivePortal != nullptr && ActivePortal->portalSnapshot != nullptr && ActiveSnapshotSet() &&
           ActivePortal->portalSnapshot == GetActiveSnapshot();
}

void require_own_statement()
{
    if (!is_own_statement())
        ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                        errmsg("wait_for_call_events cannot be called from a function"),
                        errdetail("A function, and a block with EXCEPTION, hold a snapshot."),
                        errhint("Use CALL as a statement of its own.")));
}

void require_no_snapshot()
{
    if (TransactionIdIsValid(MyProc->xmin))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("wait_for_call_events cannot be used while the transaction holds a snapshot"),
                        errdetail("An open cursor or an enclosing query holds it."),
                        errhint("Close the cursor first.")));
}

// -- waiting -------------------------------------------------------------------------------------

struct Look {
    FunctionCallInfo call;
    Outlook outlook;
    bool found;
};

void look_for_event(Look *look)
{
    EventLog log;
    PushActiveSnapshot(GetTransactionSnapshot());
    find_event_log(look->call, wait_log, &log);
    choose_consumer(look->call, wait_consumer, &log);
    start_waiting({log.log_id, log.consumer_id, WaiterKind::client});
    look->found = has_claimable_event(&log, &look->outlook);
}

// In a subtransaction that is rolled back: this releases the locks of the tables, so nobody has to wait for a
// session that only waits.
void look_without_a_trace(Look *look)
{
    const MemoryContext caller = CurrentMemoryContext;
    const ResourceOwner owner = CurrentResourceOwner;
    ErrorData *volatile error = nullptr;
    BeginInternalSubTransaction(nullptr);
    PG_TRY();
    {
        look_for_event(look);
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(caller);
        error = CopyErrorData();
        FlushErrorState();
    }
    PG_END_TRY();
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(caller);
    CurrentResourceOwner = owner;
    if (error != nullptr)
        ReThrowError(error);
    InvalidateCatalogSnapshot();
}

// The session of a dead client would go on waiting, and be woken in the place of another one.
void require_client()
{
    if (whereToSendOutput == DestRemote && !pq_check_connection()) {
        ClientConnectionLost = true;
        InterruptPending = true;
    }
    CHECK_FOR_INTERRUPTS();
}

// Without a place in the shared memory, or for events that wake nobody.
int64 longest_sleep(bool has_place)
{
    return has_place ? USECS_PER_SEC : 200 * 1000;
}

void wait_for_event(FunctionCallInfo fcinfo, TimestampTz end, bool has_place)
{
    for (;;) {
        Look look = {fcinfo, {DT_NOEND, true}, false};
        require_client();
        look_without_a_trace(&look);
        if (look.found || GetCurrentTimestamp() >= end)
            return;
        require_no_snapshot();
        set_blocked(look.outlook.is_blocked);
        const TimestampTz next = Min(look.outlook.next, GetCurrentTimestamp() + longest_sleep(has_place));
        for (const TimestampTz until = Min(end, next); !is_woken() && GetCurrentTimestamp() < until;)
            sleep_until(until);
    }
}

} // namespace

} // namespace callhardening

using namespace callhardening;

// The server gives each CALL a snapshot. As COMMIT in a procedure does, this gives it up, and takes a new one
// at the end.
CALLHARDENING_FUNCTION(wait_for_call_events)
{
    const TimestampTz end = GetCurrentTimestamp() + timeout_of(fcinfo);
    require_transaction_that_can_wait();
    require_own_statement();
    const bool has_place = take_waiting_place();
    PopActiveSnapshot();
    ActivePortal->portalSnapshot = nullptr;
    PG_TRY();
    {
        InvalidateCatalogSnapshot();
        require_no_snapshot();
        wait_for_event(fcinfo, end, has_place);
    }
    PG_FINALLY();
    {
        stop_waiting();
        EnsurePortalSnapshotExists();
    }
    PG_END_TRY();
    PG_RETURN_VOID();
}
