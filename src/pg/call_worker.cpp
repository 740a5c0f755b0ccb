#include "pg/claim.hpp"
#include "pg/process.hpp"
#include "pg/spi.hpp"
#include "pg/versions.hpp"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PGDLLEXPORT void callhardening_call_worker_main(Datum argument);
}

namespace callhardening
{

namespace
{

// -- starting ------------------------------------------------------------------------------------

// What a worker is told; goes through shared memory.
struct WorkerOrder {
    Oid database;
    Oid role; // whose rights it has
    Oid schema;
    Oid events; // the log
    int32 max_events;
    int32 poll; // milliseconds
};
static_assert(sizeof(WorkerOrder) <= BGW_EXTRALEN);

// Workers of a log are known by an advisory lock, shared among them, that is held as long as they live.
constexpr uint32 worker_lock_class = 0x43414c4c;
// Who counts and starts them has this one.
constexpr uint32 start_lock_class = 0x43414c53;

LOCKTAG lock_of(const EventLog &log, uint32 lock_class)
{
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, lock_class, log.log_id, 2);
    return tag;
}

// Of one process, or of any (0).
int count_workers(const EventLog &log, pid_t pid)
{
    const LOCKTAG tag = lock_of(log, worker_lock_class);
    LockData *locks = GetLockStatusData();
    int count = 0;
    for (int i = 0; i < locks->nelements; ++i) {
        const LockInstanceData &lock = locks->locks[i];
        if (lock.holdMask != 0 && (pid == 0 || lock.pid == pid) &&
            memcmp(&lock.locktag, &tag, sizeof tag) == 0)
            ++count;
    }
    pfree(locks->locks);
    pfree(locks);
    return count;
}

BackgroundWorker describe_worker(const EventLog &log, const WorkerOrder &order)
{
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_notify_pid = MyProcPid;
    strlcpy(worker.bgw_library_name, "callhardening", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "callhardening_call_worker_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_type, "callhardening worker", sizeof worker.bgw_type);
    snprintf(worker.bgw_name, sizeof worker.bgw_name, "callhardening worker for %s", log.events_name);
    memcpy(worker.bgw_extra, &order, sizeof order);
    return worker;
}

[[noreturn]] void raise_no_slot()
{
    ereport(ERROR,
            (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("no background worker slot is left"),
             errhint("Raise max_worker_processes, and restart the server.")));
    pg_unreachable();
}

// Terminates a worker that nobody waits for any more: it would come up later, and uncounted.
void give_up(int, Datum handle)
{
    TerminateBackgroundWorker(reinterpret_cast<BackgroundWorkerHandle *>(DatumGetPointer(handle)));
}

void wait_a_little()
{
    constexpr long milliseconds = 10;
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

// A worker is up when it has connected and has found its log.
bool comes_up(const EventLog &log, BackgroundWorkerHandle *handle)
{
    constexpr int longest = 10000; // milliseconds
    const TimestampTz begin = GetCurrentTimestamp();
    pid_t pid;
    if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
        return false;
    while (GetBackgroundWorkerPid(handle, &pid) == BGWH_STARTED) {
        if (count_workers(log, pid) > 0)
            return true;
        if (TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), longest))
            return false;
        wait_a_little();
    }
    return false;
}

void launch(const EventLog &log, const WorkerOrder &order)
{
    BackgroundWorker worker = describe_worker(log, order);
    BackgroundWorkerHandle *handle;
    if (!RegisterDynamicBackgroundWorker(&worker, &handle))
        raise_no_slot();
    PG_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(handle));
    {
        if (!comes_up(log, handle))
            ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                            errmsg("the call worker did not come up"), errhint("The server log says why.")));
    }
    PG_END_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(handle));
}

int launch_missing(const EventLog &log, const WorkerOrder &order, int wanted)
{
    const LOCKTAG tag = lock_of(log, start_lock_class);
    LockAcquire(&tag, ExclusiveLock, false, false);
    const int missing = Max(0, wanted - count_workers(log, 0));
    for (int i = 0; i < missing; ++i)
        launch(log, order);
    LockRelease(&tag, ExclusiveLock, false); // those that started are seen: nobody has to wait for a commit
    return missing;
}

// -- what would keep a worker from coming up -----------------------------------------------------

// No worker runs before recovery has ended. Starting one writes nothing, so that read-only transactions may.
void check_can_start()
{
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                        errmsg("start_call_worker cannot be used on a standby server"),
                        errdetail("What is claimed has to be written down."),
                        errhint("Connect to the primary server.")));
}

bool can_log_in(Oid role)
{
    const HeapTuple row = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
    if (!HeapTupleIsValid(row))
        return false;
    const bool can = reinterpret_cast<Form_pg_authid>(GETSTRUCT(row))->rolcanlogin;
    ReleaseSysCache(row);
    return can;
}

void check_can_connect(Oid role)
{
    if (!can_log_in(role))
        ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                        errmsg("role \"%s\" is not permitted to log in", GetUserNameFromId(role, true)),
                        errdetail("A call worker connects as the role that starts it."),
                        errhint("Start it as a role that has LOGIN.")));
    if (!can_connect(MyDatabaseId, role))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("role \"%s\" is not permitted to connect to database \"%s\"",
                               GetUserNameFromId(role, true), get_database_name(MyDatabaseId)),
                        errdetail("A call worker connects as the role that starts it."),
                        errhint("Grant it CONNECT on the database.")));
}

void check_is_committed(const EventLog &log)
{
    if (is_event_log_uncommitted(log))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("%s was made or configured in this transaction", log.events_name),
                        errdetail("A call worker sees what is committed."),
                        errhint("Commit first, then start the worker.")));
}

// -- arguments -----------------------------------------------------------------------------------

int workers_of(FunctionCallInfo fcinfo, int argument)
{
    const int workers = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);
    if (workers < 1)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("workers must be 1 or more")));
    return workers;
}

int poll_of(FunctionCallInfo fcinfo, int argument)
{
    constexpr int64 longest = 3600 * USECS_PER_SEC;
    const Interval *interval = PG_ARGISNULL(argument) ? nullptr : PG_GETARG_INTERVAL_P(argument);
    const int64 poll = interval == nullptr || interval->month != 0 || interval->day != 0 ? 0 : interval->time;
    if (poll < 1000 || poll > longest)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("poll must be between 1 millisecond and 1 hour")));
    return static_cast<int>(poll / 1000);
}

// -- working -------------------------------------------------------------------------------------

struct Worker {
    WorkerOrder order;
    EventLog log;
    Claim claim;
    MemoryContext batch;
};

// Read committed and read-write, whatever the defaults of the database and the role are.
void begin_transaction(const char *activity, const Worker &worker)
{
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    XactIsoLevel = XACT_READ_COMMITTED;
    XactReadOnly = false;
    PushActiveSnapshot(GetTransactionSnapshot());
    const char *name = get_rel_name(worker.order.events);
    pgstat_report_activity(STATE_RUNNING,
                           psprintf("%s %s", activity, name != nullptr ? name : "a dropped log"));
    MemoryContextSwitchTo(worker.batch);
}

void end_transaction()
{
    PopActiveSnapshot();
    CommitTransactionCommand();
    pgstat_report_stat(false);
    pgstat_report_activity(STATE_IDLE, nullptr);
}

// False where the log is none any more.
bool claim_batch(Worker *worker)
{
    constexpr int64 lease = 60 * USECS_PER_SEC;
    begin_transaction("claiming events of", *worker);
    const bool exists = find_event_log_of(worker->order.schema, worker->order.events, &worker->log) &&
                        worker->log.events_name != nullptr;
    if (exists)
        claim_events(&worker->log, {worker->order.max_events, true, lease, default_worker()}, &worker->claim);
    end_transaction();
    return exists;
}

// In a transaction of its own: an attempt that kills the worker has been counted.
void process_batch(Worker *worker)
{
    begin_transaction("processing events of", *worker);
    SPI_connect();
    MemoryContextSwitchTo(worker->batch);
    process_claim(worker->log, &worker->claim, worker->batch);
    SPI_finish();
    end_transaction();
}

void release_batch(const Worker &worker)
{
    begin_transaction("giving back events of", worker);
    const LaneTables tables = open_lanes(worker.log, RowExclusiveLock);
    for (int i = 0; i < worker.claim.lane_count; ++i) {
        const LaneRecord &record = worker.claim.lanes[i].record;
        if (lock_lane(worker.log, tables, GetActiveSnapshot(), record.lane, LockWaitBlock)) {
            const Snapshot snapshot = take_snapshot();
            const LaneRecord newest = newest_record(worker.log, tables, snapshot, record.lane);
            UnregisterSnapshot(snapshot);
            if (newest.IsOpen() && newest.claim_id == record.claim_id)
                release_claim(worker.log, tables, newest);
        }
    }
    close_lanes(tables, NoLock);
    end_transaction();
}

// -- being stopped -------------------------------------------------------------------------------

// A batch ends as one that is cancelled does, so that it can be given back. Told once more, the worker ends
// as other sessions do.
void stop_worker(SIGNAL_ARGS)
{
    const int kept = errno;
    if (ShutdownRequestPending)
        die(postgres_signal_arg);
    ShutdownRequestPending = 1;
    QueryCancelPending = 1;
    InterruptPending = 1;
    SetLatch(MyLatch);
    errno = kept;
}

// What is given back when the worker is stopped must not keep the server from stopping: the lease would end
// by itself.
void be_brief()
{
    QueryCancelPending = 0; // of the stop, where the batch ended by itself
    SetConfigOption("lock_timeout", "2s", PGC_USERSET, PGC_S_SESSION);
    SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION);
}

// -- from batch to batch -------------------------------------------------------------------------

enum class Outcome : unsigned char { worked, idle, failed, no_log };

Outcome work_once(Worker *worker)
{
    if (!claim_batch(worker))
        return Outcome::no_log;
    if (worker->claim.event_count == 0)
        return Outcome::idle;
    process_batch(worker);
    return Outcome::worked;
}

// The error of a batch is for the server's log; the worker goes on.
void survive_error()
{
    // HOLD_INTERRUPTS(), without an increment that C++20 frowns upon.
    InterruptHoldoffCount = InterruptHoldoffCount + 1;
    if (!ShutdownRequestPending || geterrcode() != ERRCODE_QUERY_CANCELED)
        EmitErrorReport();
    FlushErrorState();
    AbortCurrentTransaction();
    pgstat_report_activity(STATE_IDLE, nullptr);
    InterruptHoldoffCount = InterruptHoldoffCount - 1;
}

bool try_to_release(const Worker &worker)
{
    volatile bool released = false;
    PG_TRY();
    {
        if (ShutdownRequestPending)
            be_brief();
        release_batch(worker);
        released = true;
    }
    PG_CATCH();
    {
        survive_error(); // the lease ends by itself
    }
    PG_END_TRY();
    return released;
}

void give_back(const Worker &worker)
{
    const bool was_stopped = ShutdownRequestPending != 0;
    if (!try_to_release(worker) && !was_stopped && ShutdownRequestPending)
        try_to_release(worker); // the stop has cancelled it
}

// One batch. What failed for another reason than its events is given back, and does not count.
Outcome try_to_work(Worker *worker)
{
    volatile bool failed = false;
    volatile Outcome outcome = Outcome::failed;
    worker->claim = {};
    PG_TRY();
    {
        outcome = work_once(worker);
    }
    PG_CATCH();
    {
        survive_error();
        failed = true;
    }
    PG_END_TRY();
    if (failed && worker->claim.lane_count > 0)
        give_back(*worker);
    return outcome;
}

void reload_if_told()
{
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
    }
}

// A cancel that finds nothing to cancel ends the pause, and not the worker.
void wait_for(int64 milliseconds)
{
    const int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
    PG_TRY();
    {
        if (milliseconds > 0 && !ShutdownRequestPending) {
            WaitLatch(MyLatch, events, static_cast<long>(milliseconds), PG_WAIT_EXTENSION);
            ResetLatch(MyLatch);
        }
        CHECK_FOR_INTERRUPTS();
        reload_if_told();
    }
    PG_CATCH();
    {
        survive_error();
    }
    PG_END_TRY();
}

// Until it is told to stop (true), or the log is none any more.
bool work(Worker *worker)
{
    constexpr int64 longest_pause = 60000;
    int64 pause = 0;
    while (!ShutdownRequestPending) {
        const Outcome outcome = try_to_work(worker);
        MemoryContextSwitchTo(TopMemoryContext);
        MemoryContextReset(worker->batch);
        if (outcome == Outcome::no_log)
            return false;
        pause = outcome == Outcome::failed ? Min(longest_pause, Max(1000, pause * 2)) : 0;
        wait_for(outcome == Outcome::idle ? worker->order.poll : pause);
    }
    return true;
}

void show_that_it_lives(const Worker &worker)
{
    const LOCKTAG tag = lock_of(worker.log, worker_lock_class);
    LockAcquire(&tag, ShareLock, true, false);
}

bool find_log(Worker *worker)
{
    begin_transaction("looking for", *worker);
    const bool exists = find_event_log_of(worker->order.schema, worker->order.events, &worker->log);
    if (exists)
        show_that_it_lives(*worker);
    end_transaction();
    return exists;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(start_call_worker)
{
    EventLog log;
    check_can_start();
    find_event_log(fcinfo, 0, &log);
    const WorkerOrder order = {
        MyDatabaseId,      GetUserId(), log.schema, log.events, max_events_argument_of(fcinfo, 1),
        poll_of(fcinfo, 2)};
    const int wanted = workers_of(fcinfo, 3);
    check_can_connect(order.role);
    check_is_committed(log);
    PG_RETURN_INT32(launch_missing(log, order, wanted));
}

void callhardening_call_worker_main(Datum)
{
    Worker worker = {};
    memcpy(&worker.order, MyBgworkerEntry->bgw_extra, sizeof worker.order);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(worker.order.database, worker.order.role, 0);
    SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
    worker.batch = AllocSetContextCreate(TopMemoryContext, "callhardening batch", ALLOCSET_DEFAULT_SIZES);
    bool stopped = false;
    if (find_log(&worker)) {
        pqsignal(SIGTERM, stop_worker);
        stopped = work(&worker);
    }
    ereport(LOG, (stopped ? errmsg("%s ends: it was told to stop", MyBgworkerEntry->bgw_name)
                          : errmsg("%s ends: its log does not exist any more", MyBgworkerEntry->bgw_name)));
}
