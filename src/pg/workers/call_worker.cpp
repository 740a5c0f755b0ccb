#include "pg/workers/call_worker.hpp"
#include "pg/base/versions.hpp"
#include "pg/claims/claim.hpp"
#include "pg/log/consumer.hpp"
#include "pg/workers/kept_worker.hpp"

extern "C" {
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// -- worker processes -----------------------------------------------------------------------------

constexpr const char *worker_type = "callhardening worker"; // shown in pg_stat_activity

// Sessions find each other by these locks. SQL can set only three fields of an advisory lock; the fourth is 1
// or 2. Another value there keeps roles from taking these locks. Otherwise a role could look like a worker,
// or stop workers from starting.
enum class WorkerLock : uint32 {
    worker = 0x43414c4c, // of a consumer: each of its workers holds it until it ends
    start = 0x43414c53,  // of a consumer: held while a session counts and starts its workers
    slot = 0x43414c4e,   // of the server: each worker holds one of max_workers
};
constexpr uint16 not_from_sql = 0x4343;

LOCKTAG lock_tag(Oid database, WorkerLock lock, int number)
{
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, database, static_cast<uint32>(lock), number, not_from_sql);
    return tag;
}

LOCKTAG lock_of(const EventLog &log, WorkerLock lock)
{
    return lock_tag(MyDatabaseId, lock, log.consumer_id);
}

bool is_worker_lock(const LockInstanceData &lock)
{
    const LOCKTAG &tag = lock.locktag;
    if (lock.holdMask == 0 || tag.locktag_type != LOCKTAG_ADVISORY || tag.locktag_field4 != not_from_sql ||
        tag.locktag_field2 != static_cast<uint32>(WorkerLock::worker))
        return false;
    const char *type = GetBackgroundWorkerTypeByPid(lock.pid);
    return type != nullptr && strcmp(type, worker_type) == 0;
}

// The process ids of a consumer's workers. If `log` is NULL, those of all workers of the server.
struct Workers {
    int *pids;
    int count;
};

Workers find_workers(const EventLog *log)
{
    const RunningWorkers running = find_running_workers();
    Workers workers = {static_cast<int *>(palloc(sizeof(int) * Max(1, running.count))), 0};
    for (int i = 0; i < running.count; ++i) {
        const RunningWorker &worker = running.workers[i];
        if (log == nullptr || (worker.database == MyDatabaseId && worker.consumer_id == log->consumer_id))
            workers.pids[workers.count++] = worker.pid;
    }
    pfree(running.workers);
    return workers;
}

int count_all_workers()
{
    const Workers workers = find_workers(nullptr);
    pfree(workers.pids);
    return workers.count;
}

bool is_worker_of(const EventLog &log, pid_t pid)
{
    const Workers workers = find_workers(&log);
    bool found = false;
    for (int i = 0; i < workers.count; ++i)
        found = found || workers.pids[i] == pid;
    pfree(workers.pids);
    return found;
}

// -- starting ------------------------------------------------------------------------------------

[[noreturn]] void raise_no_slot()
{
    ereport(ERROR,
            (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("no background worker slot is left"),
             errhint("Raise max_worker_processes, and restart the server.")));
    pg_unreachable();
}

void require_below_limit()
{
    if (count_all_workers() >= max_workers)
        ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                        errmsg("the limit callhardening.max_workers is reached"),
                        errdetail("The limit is %d, for all databases together.", max_workers),
                        errhint("Raise callhardening.max_workers, and reload the configuration.")));
}

// Terminates a worker that no session waits for. It would start later, without being counted.
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

// A worker has started when it is connected and has found its log.
bool comes_up(const EventLog &log, BackgroundWorkerHandle *handle)
{
    constexpr int longest = 10000; // in milliseconds
    const TimestampTz begin = GetCurrentTimestamp();
    pid_t pid;
    if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
        return false;
    while (GetBackgroundWorkerPid(handle, &pid) == BGWH_STARTED) {
        if (is_worker_of(log, pid))
            return true;
        if (TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), longest))
            return false;
        wait_a_little();
    }
    return false;
}

void launch(const EventLog &log, const WorkerOrder &order)
{
    BackgroundWorker worker = describe_worker(name_for_workers(log), order);
    BackgroundWorkerHandle *handle;
    require_below_limit();
    if (!RegisterDynamicBackgroundWorker(&worker, &handle))
        raise_no_slot();
    PG_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(handle));
    {
        if (!comes_up(log, handle)) {
            require_below_limit(); // another session may have started the last allowed worker
            ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("the call worker did not start"),
                            errhint("The server log has the reason.")));
        }
    }
    PG_END_ENSURE_ERROR_CLEANUP(give_up, PointerGetDatum(handle));
}

// Triggers and defaults of the calls table are its owner's code. They would run as a superuser.
void warn_superuser(Oid role)
{
    if (superuser_arg(role))
        ereport(WARNING, (errmsg("the call worker has the rights of a superuser"),
                          errdetail("Triggers, defaults and constraints of the calls table run with them."),
                          errhint("Start call workers as a role with the task process (grant_call_role).")));
}

int launch_missing(const EventLog &log, const WorkerOrder &order, int wanted)
{
    const LOCKTAG tag = lock_of(log, WorkerLock::start);
    LockAcquire(&tag, ExclusiveLock, false, false);
    const int missing = Max(0, wanted - count_workers(log));
    if (missing > 0)
        warn_superuser(order.role);
    for (int i = 0; i < missing; ++i)
        launch(log, order);
    // Started workers are visible now, so no session has to wait for the commit.
    LockRelease(&tag, ExclusiveLock, false);
    return missing;
}

// -- checks before the start ----------------------------------------------------------------------

// Without this right, each batch of the worker would fail with a message only in the server log.
void require_right_to_read(const EventLog &log, Oid role)
{
    if (pg_class_aclcheck(log.events, role, ACL_SELECT) != ACLCHECK_OK)
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(log.events));
}

void require_committed_log(const EventLog &log)
{
    if (is_event_log_uncommitted(log))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("%s was created or configured in this transaction", log.events_name),
                        errdetail("A call worker sees only committed changes."),
                        errhint("Commit first, then start the worker.")));
}

} // namespace

int max_workers = 8;

// Workers run only after recovery. Starting one writes nothing, so a read-only transaction may do it.
void require_primary_server()
{
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                        errmsg("start_call_worker cannot be used on a standby server"),
                        errdetail("A claim must be written to a table."),
                        errhint("Connect to the primary server.")));
}

bool role_exists(Oid role)
{
    return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
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

void require_connection_rights(Oid role)
{
    if (!can_log_in(role))
        ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                        errmsg("role \"%s\" is not permitted to log in", GetUserNameFromId(role, true)),
                        errdetail("A call worker connects as the role that starts it."),
                        errhint("Start it as a role with LOGIN.")));
    if (!can_connect(MyDatabaseId, role))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("role \"%s\" is not permitted to connect to database \"%s\"",
                               GetUserNameFromId(role, true), get_database_name(MyDatabaseId)),
                        errdetail("A call worker connects as the role that starts it."),
                        errhint("Grant it CONNECT on the database.")));
}

// -- arguments -----------------------------------------------------------------------------------

int workers_argument(FunctionCallInfo fcinfo, int argument)
{
    const int workers = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);
    if (workers < 1 || workers > most_max_workers)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("workers must be between 1 and %d", most_max_workers)));
    return workers;
}

int poll_argument(FunctionCallInfo fcinfo, int argument)
{
    constexpr int64 longest = 3600 * USECS_PER_SEC;
    const Interval *interval = PG_ARGISNULL(argument) ? nullptr : PG_GETARG_INTERVAL_P(argument);
    const int64 poll = interval == nullptr || interval->month != 0 || interval->day != 0 ? 0 : interval->time;
    if (poll < 1000 || poll > longest)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("poll must be between 1 millisecond and 1 hour")));
    return static_cast<int>(poll / 1000);
}

WorkerOrder order_of_caller(const EventLog &log, int max_events, int poll)
{
    return {MyDatabaseId,
            GetUserId(),
            get_extension_oid("callhardening", false),
            log.events,
            log.consumer_id,
            max_events,
            poll,
            false};
}

const char *name_for_workers(const EventLog &log)
{
    return log.consumer == nullptr ? log.events_name
                                   : psprintf("%s, consumer %s", log.events_name, log.consumer);
}

BackgroundWorker describe_worker(const char *log_name, const WorkerOrder &order)
{
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_notify_pid = MyProcPid;
    strlcpy(worker.bgw_library_name, "callhardening", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "callhardening_call_worker_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_type, worker_type, sizeof worker.bgw_type);
    snprintf(worker.bgw_name, sizeof worker.bgw_name, "callhardening worker for %s", log_name);
    memcpy(worker.bgw_extra, &order, sizeof order);
    return worker;
}

int start_workers(const EventLog &log, const WorkerOrder &order, int wanted, bool keep)
{
    if (!keep)
        return launch_missing(log, order, wanted);
    warn_superuser(order.role);
    keep_workers(log, order, wanted);
    return Max(0, wanted - count_workers(log));
}

// -- running workers ------------------------------------------------------------------------------

RunningWorkers find_running_workers()
{
    LockData *locks = GetLockStatusData();
    RunningWorkers running = {
        static_cast<RunningWorker *>(palloc(sizeof(RunningWorker) * Max(1, locks->nelements))), 0};
    for (int i = 0; i < locks->nelements; ++i) {
        const LockInstanceData &lock = locks->locks[i];
        if (is_worker_lock(lock))
            running.workers[running.count++] = {lock.locktag.locktag_field1,
                                                static_cast<int32>(lock.locktag.locktag_field3), lock.pid};
    }
    pfree(locks->locks);
    pfree(locks);
    return running;
}

int count_workers(const EventLog &log)
{
    const Workers workers = find_workers(&log);
    pfree(workers.pids);
    return workers.count;
}

int take_worker_slot()
{
    for (int slot = 0; slot < max_workers; ++slot) {
        const LOCKTAG tag = lock_tag(InvalidOid, WorkerLock::slot, slot);
        if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_OK)
            return slot;
    }
    return -1;
}

void show_worker(const EventLog &log)
{
    const LOCKTAG tag = lock_of(log, WorkerLock::worker);
    LockAcquire(&tag, ShareLock, true, false);
}

void put_worker_pids(FunctionCallInfo fcinfo, const EventLog &log)
{
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    const Workers workers = find_workers(&log);
    for (int i = 0; i < workers.count; ++i) {
        Datum values[] = {Int32GetDatum(workers.pids[i])};
        bool nulls[] = {false};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    pfree(workers.pids);
}

std::span<const EventLog> consumers_argument(FunctionCallInfo fcinfo, EventLog *log)
{
    find_any_event_log(fcinfo, 0, log); // its workers can still be stopped
    if (PG_ARGISNULL(1))
        return consumers_of(*log);
    choose_consumer(fcinfo, 1, log);
    return {log, 1};
}

void define_worker_settings()
{
    DefineCustomIntVariable("callhardening.max_workers",
                            "Most call workers that run in the server at the same time, in all databases.",
                            "A kept worker above a lowered limit ends, others stay.", &max_workers,
                            max_workers, 0, most_max_workers, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    MarkGUCPrefixReserved("callhardening"); // the server warns about a misspelt name
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(start_call_worker)
{
    EventLog log;
    require_primary_server();
    find_event_log(fcinfo, 0, &log);
    require_log_of_webhooks(log, "start_call_worker");
    choose_consumer(fcinfo, 5, &log);
    require_log_of_webhooks(log, "start_call_worker");
    const WorkerOrder order =
        order_of_caller(log, max_events_argument_of(fcinfo, 1), poll_argument(fcinfo, 2));
    const int wanted = workers_argument(fcinfo, 3);
    require_connection_rights(order.role);
    require_right_to_read(log, order.role);
    require_committed_log(log);
    PG_RETURN_INT32(start_workers(log, order, wanted, !PG_ARGISNULL(4) && PG_GETARG_BOOL(4)));
}

CALLHARDENING_FUNCTION(call_worker_pids)
{
    EventLog log;
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    for (const EventLog &consumer : consumers_argument(fcinfo, &log))
        put_worker_pids(fcinfo, consumer);
    return Datum{0};
}
