#include "pg/workers/worker.hpp"
#include "pg/apply/process.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/versions.hpp"
#include "pg/log/consumer.hpp"
#include "pg/shared/wake.hpp"
#include "pg/workers/kept_order.hpp"
#include "pg/workers/node_worker.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
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

// -- rights and transactions -----------------------------------------------------------------------

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
    if (end == nullptr && (worker->slot = take_worker_slot()) < 0)
        end = no_slot;
    if (end == nullptr)
        show_worker(worker->log);
    end_worker_transaction();
    return end;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

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
