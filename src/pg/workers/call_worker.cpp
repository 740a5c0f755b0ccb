#include "pg/workers/call_worker.hpp"
#include "pg/apply/process.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/versions.hpp"
#include "pg/claims/claim.hpp"
#include "pg/log/consumer.hpp"
#include "pg/shared/wake.hpp"
#include "pg/workers/kept_order.hpp"
#include "pg/workers/kept_worker.hpp"
#include "pg/workers/node_worker.hpp"
#include "pg/workers/worker.hpp"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/inval.h"
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

} // namespace

int count_workers(const EventLog &log)
{
    const Workers workers = find_workers(&log);
    pfree(workers.pids);
    return workers.count;
}

namespace
{

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

// Workers run only after recovery. Starting one writes nothing, so a read-only transaction may do it.
void require_primary_server()
{
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                        errmsg("start_call_worker cannot be used on a standby server"),
                        errdetail("A claim must be written to a table."),
                        errhint("Connect to the primary server.")));
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

int start_workers(const EventLog &log, const WorkerOrder &order, int wanted, bool keep)
{
    if (!keep)
        return launch_missing(log, order, wanted);
    warn_superuser(order.role);
    keep_workers(log, order, wanted);
    return Max(0, wanted - count_workers(log));
}

namespace
{

// -- working -------------------------------------------------------------------------------------

// Set by a change of roles or databases, which may have taken the worker's right to be connected.
bool rights_changed = false;

void note_changed_rights(Datum, int, uint32)
{
    rights_changed = true;
}

void watch_rights()
{
    CacheRegisterSyscacheCallback(AUTHOID, note_changed_rights, Datum{0});
    CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, note_changed_rights, Datum{0});
    CacheRegisterSyscacheCallback(DATABASEOID, note_changed_rights, Datum{0});
}

} // namespace

bool has_rights(const Worker &worker)
{
    if (!rights_changed)
        return true;
    rights_changed = false;
    return can_log_in(worker.order.role) && can_connect(MyDatabaseId, worker.order.role);
}

bool hold_extension(const Worker &worker)
{
    LockDatabaseObject(ExtensionRelationId, worker.order.extension, 0, AccessShareLock);
    return get_extension_oid("callhardening", true) == worker.order.extension;
}

void begin_worker_transaction(const char *activity, const Worker &worker)
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

void end_worker_transaction()
{
    PopActiveSnapshot();
    CommitTransactionCommand();
    pgstat_report_stat(false);
    pgstat_report_activity(STATE_IDLE, nullptr);
}

namespace
{

// NULL, or the reason to end.
const char *find_log(Worker *worker)
{
    if (!hold_extension(*worker))
        return no_extension;
    if (!has_rights(*worker))
        return no_rights;
    if (!find_event_log_of(worker->order.events, &worker->log))
        return no_log;
    if (is_for_shards(worker->order))
        return nullptr;
    return see_as_consumer(worker->order.consumer_id, &worker->log) ? nullptr : no_consumer;
}

// Registers as a waiter first: a commit that this claim does not see wakes the worker.
void claim_as_waiter(Worker *worker)
{
    constexpr int64 lease = 60 * USECS_PER_SEC;
    EventLog *log = &worker->log;
    if (!is_for_shards(worker->order) && take_waiting_place())
        start_waiting({log->log_id, log->consumer_id, WaiterKind::worker});
    ClaimOptions options = {worker->order.max_events, true, lease, default_worker(), false, false};
    options.outlook = &worker->outlook;
    claim_events(log, options, &worker->claim);
    if (!is_for_shards(worker->order))
        set_blocked(worker->outlook.is_blocked);
}

const char *claim_batch(Worker *worker)
{
    begin_worker_transaction("claiming events of", *worker);
    const char *end = find_log(worker);
    if (end == nullptr)
        claim_as_waiter(worker);
    if (end == nullptr && worker->claim.event_count == 0)
        flush_counts_of(worker->log);
    ForceSyncCommit(); // the attempt is counted even if it crashes the server
    end_worker_transaction();
    return end;
}

// Runs in a transaction of its own, so the attempt is counted even if it kills the worker.
const char *process_batch(Worker *worker)
{
    begin_worker_transaction("processing events of", *worker);
    const bool is_held = hold_extension(*worker);
    if (is_held) {
        SPI_connect();
        MemoryContextSwitchTo(worker->batch);
        apply_claimed_events(worker->log, &worker->claim, worker->batch);
        SPI_finish();
    }
    end_worker_transaction();
    return is_held ? nullptr : no_extension;
}

void release_lanes(const Worker &worker)
{
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
}

void release_batch(const Worker &worker)
{
    begin_worker_transaction("giving back events of", worker);
    if (hold_extension(worker))
        release_lanes(worker);
    end_worker_transaction();
}

// -- stopping -------------------------------------------------------------------------------------

// The first signal cancels the batch, so that its events are released. The second one ends the worker like
// any session.
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

// The release must not delay the server's shutdown: the lease would expire by itself.
void be_brief()
{
    QueryCancelPending = 0; // set by the stop, but the batch had ended
    SetConfigOption("lock_timeout", "2s", PGC_USERSET, PGC_S_SESSION);
    SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION);
}

// -- from batch to batch --------------------------------------------------------------------------

Outcome work_once(Worker *worker)
{
    worker->end = claim_batch(worker);
    if (worker->end == nullptr && worker->claim.event_count == 0)
        return Outcome::idle;
    stop_waiting();
    if (worker->end == nullptr)
        worker->end = process_batch(worker);
    return worker->end == nullptr ? Outcome::worked : Outcome::ended;
}

} // namespace

void survive_error()
{
    // HOLD_INTERRUPTS() without an increment of a volatile, deprecated in C++20.
    InterruptHoldoffCount = InterruptHoldoffCount + 1;
    if (!ShutdownRequestPending || geterrcode() != ERRCODE_QUERY_CANCELED)
        EmitErrorReport();
    FlushErrorState();
    AbortCurrentTransaction();
    pgstat_report_activity(STATE_IDLE, nullptr);
    InterruptHoldoffCount = InterruptHoldoffCount - 1;
}

namespace
{

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
        survive_error(); // the lease expires by itself
    }
    PG_END_TRY();
    return released;
}

void give_back(const Worker &worker)
{
    const bool was_stopped = ShutdownRequestPending != 0;
    if (!try_to_release(worker) && !was_stopped && ShutdownRequestPending)
        try_to_release(worker); // the stop signal had cancelled the first try
}

} // namespace

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
    if (failed)
        stop_waiting();
    if (failed && worker->claim.lane_count > 0)
        give_back(*worker);
    return outcome;
}

namespace
{

// -- the pause between batches -----------------------------------------------------------------------

void reload_if_told()
{
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
    }
}

// A cancel during the pause ends only the pause.
void pause_until(TimestampTz end)
{
    PG_TRY();
    {
        while (!ShutdownRequestPending && !is_woken() && GetCurrentTimestamp() < end) {
            sleep_until(end);
            reload_if_told();
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

TimestampTz after(int64 milliseconds)
{
    return GetCurrentTimestamp() + milliseconds * 1000;
}

// A kept worker looks once a minute whether it may go on.
int64 poll_of(const WorkerOrder &order)
{
    constexpr int64 minute = 60000;
    return order.is_kept ? Min(int64{order.poll}, minute) : order.poll;
}

// The limit was lowered. A worker that is not kept stays, since nothing would start it again.
bool has_lost_slot(const Worker &worker)
{
    return worker.order.is_kept && worker.slot >= max_workers;
}

// Milliseconds until the next batch. After a small batch the worker lets the commits of one millisecond
// gather. They wake nobody meanwhile: a wake costs its receiver a signal, and a batch costs the worker two
// commits.
int64 pause_after(Outcome outcome, const Worker &worker, int64 last_pause)
{
    constexpr int64 longest = 60000;
    constexpr int small_batch = 32;
    if (outcome == Outcome::failed)
        return Min(longest, Max(1000, last_pause * 2));
    return outcome == Outcome::worked && worker.claim.event_count < small_batch ? 1 : 0;
}

void work(Worker *worker)
{
    int64 pause = 0;
    while (!ShutdownRequestPending) {
        const Outcome outcome = is_for_shards(worker->order) ? work_on_shards(worker) : try_to_work(worker);
        MemoryContextSwitchTo(TopMemoryContext);
        MemoryContextReset(worker->batch);
        if (outcome == Outcome::ended)
            return;
        if (has_lost_slot(*worker)) {
            worker->end = no_slot;
            return;
        }
        pause = pause_after(outcome, *worker, pause);
        pause_until(outcome == Outcome::idle ? Min(after(poll_of(worker->order)), worker->outlook.next)
                                             : after(pause));
    }
    worker->end = told_to_stop;
}

// If two sessions start the last allowed worker at the same time, only one worker gets the slot.
bool take_slot(Worker *worker)
{
    for (int slot = 0; slot < max_workers; ++slot) {
        const LOCKTAG tag = lock_tag(InvalidOid, WorkerLock::slot, slot);
        worker->slot = slot;
        if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_OK)
            return true;
    }
    return false;
}

void show_that_it_lives(const Worker &worker)
{
    const LOCKTAG tag = lock_of(worker.log, WorkerLock::worker);
    LockAcquire(&tag, ShareLock, true, false);
}

// What is kept for the log is gone, too. Without this the launcher would start a worker again and again.
void report_lost_log(const Worker &worker)
{
    if (worker.end == no_log || worker.end == no_consumer || worker.end == no_extension)
        request_scan(MyDatabaseId);
}

// The locks of the worker are gone by then.
void report_end(int, Datum)
{
    report_worker_end();
}

const char *come_up(Worker *worker)
{
    begin_worker_transaction("looking for", *worker);
    const char *end =
        is_for_shards(worker->order) ? (hold_extension(*worker) ? nullptr : no_extension) : find_log(worker);
    if (end == nullptr && !take_slot(worker))
        end = no_slot;
    if (end == nullptr)
        show_that_it_lives(*worker);
    end_worker_transaction();
    return end;
}

} // namespace

int max_workers = 8;

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

const char *name_for_workers(const EventLog &log)
{
    return log.consumer == nullptr ? log.events_name
                                   : psprintf("%s, consumer %s", log.events_name, log.consumer);
}

std::span<const EventLog> consumers_argument(FunctionCallInfo fcinfo, EventLog *log)
{
    find_any_event_log(fcinfo, 0, log); // its workers can still be stopped
    if (PG_ARGISNULL(1))
        return consumers_of(*log);
    choose_consumer(fcinfo, 1, log);
    return {log, 1};
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

void callhardening_call_worker_main(Datum)
{
    Worker worker = {};
    memcpy(&worker.order, MyBgworkerEntry->bgw_extra, sizeof worker.order);
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    on_shmem_exit(report_end, Datum{0});
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(worker.order.database, worker.order.role, 0);
    SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
    worker.batch = AllocSetContextCreate(TopMemoryContext, "callhardening batch", ALLOCSET_DEFAULT_SIZES);
    watch_rights();
    worker.end = come_up(&worker);
    if (worker.end == nullptr) {
        pqsignal(SIGTERM, stop_worker);
        work(&worker);
    }
    report_lost_log(worker);
    ereport(LOG, (errmsg("%s ends: %s", MyBgworkerEntry->bgw_name, worker.end)));
}
