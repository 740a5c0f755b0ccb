#include "pg/workers/launcher.hpp"
#include "pg/base/versions.hpp"
#include "pg/shared/counters.hpp"
#include "pg/workers/kept_order.hpp"

extern "C" {
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PGDLLEXPORT void callhardening_launcher_main(Datum argument);
}

namespace callhardening
{

namespace
{

// callhardening.max_restart_pause, in seconds.
int max_restart_pause = 300;

constexpr int64 long_life = 60 * USECS_PER_SEC; // a worker that lived so long has not failed at its start

// The launcher has one memory context for each round of its loop.
MemoryContext round_memory;
TimestampTz round_time; // the beginning of the round
TimestampTz next_round; // the next round, if nothing wakes the launcher earlier

void come_back_at(TimestampTz time)
{
    next_round = Min(next_round, time);
}

TimestampTz after_failures(int failures)
{
    const int64 pause = Min(int64{max_restart_pause}, int64{1} << Min(Max(failures, 1) - 1, 20));
    return round_time + pause * USECS_PER_SEC;
}

// -- looking at databases and roles ---------------------------------------------------------------

struct Database {
    bool exists;
    NameData name;
    bool is_open; // to connections
    bool takes_role;
};

bool takes_role(HeapTuple row, TupleDesc columns, Oid role)
{
    bool is_null;
    const Datum acl = heap_getattr(row, Anum_pg_database_datacl, columns, &is_null);
    // By default everybody may connect. Without a database, long lists cannot be fetched: the worker will.
    if (is_null || superuser_arg(role) || VARATT_IS_EXTERNAL(DatumGetPointer(acl)))
        return true;
    const auto *form = reinterpret_cast<Form_pg_database>(GETSTRUCT(row));
    return aclmask(DatumGetAclP(acl), role, form->datdba, ACL_CONNECT, ACLMASK_ANY) != 0;
}

// Not by the cache: it would fetch long lists of rights.
Database read_database(Oid database, Oid role)
{
    Database found = {};
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_database_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(database));
    const Relation databases = table_open(DatabaseRelationId, AccessShareLock);
    const SysScanDesc scan = systable_beginscan(databases, InvalidOid, false, nullptr, 1, &key);
    if (const HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row)) {
        const auto *form = reinterpret_cast<Form_pg_database>(GETSTRUCT(row));
        found.exists = true;
        found.name = form->datname;
        found.is_open = form->datallowconn && form->datconnlimit >= -1; // -2: its DROP was interrupted
        found.takes_role = OidIsValid(role) && takes_role(row, RelationGetDescr(databases), role);
    }
    systable_endscan(scan);
    table_close(databases, AccessShareLock);
    return found;
}

// DROP DATABASE and ALTER DATABASE hold this lock. A worker would wait for it, and find the database gone.
bool is_database_locked(Oid database)
{
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
    return LockAcquire(&tag, AccessShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL;
}

Obstacle find_obstacle(const WorkerOrder &worker, const Database &database)
{
    if (!database.is_open)
        return Obstacle::closed_database;
    if (is_database_locked(worker.database))
        return Obstacle::locked_database;
    if (!role_exists(worker.role))
        return Obstacle::no_role;
    if (!can_log_in(worker.role))
        return Obstacle::no_login;
    return database.takes_role ? Obstacle::none : Obstacle::no_connect;
}

struct Verdict {
    bool has_database;
    bool is_superuser;
    Obstacle obstacle;
};

void begin_transaction()
{
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
}

void end_transaction()
{
    PopActiveSnapshot();
    CommitTransactionCommand();
    MemoryContextSwitchTo(round_memory);
}

Verdict judge(const WorkerOrder &worker)
{
    Verdict verdict = {};
    begin_transaction();
    const Database database = read_database(worker.database, worker.role);
    verdict.has_database = database.exists;
    if (database.exists)
        verdict.obstacle = find_obstacle(worker, database);
    verdict.is_superuser = verdict.obstacle == Obstacle::none && superuser_arg(worker.role);
    end_transaction();
    return verdict;
}

Database look_at(Oid database)
{
    begin_transaction();
    const Database found = read_database(database, InvalidOid);
    end_transaction();
    return found;
}

// It was dropped.
void forget_database(Oid database)
{
    replace_orders(database, nullptr, 0);
    set_scan_fault(database, ScanResult::done);
    forget_counts_of(database);
}

// -- scans ----------------------------------------------------------------------------------------

struct WaitingScan {
    Oid database;
    int failures;
    TimestampTz next_try;
};

// In the memory of the process.
WaitingScan *waiting_scans;
int waiting_count, waiting_room;

// One at a time: a server can have many databases, and few slots for background workers.
struct RunningScan {
    Oid database;
    NameData name; // of the database
    int failures;
    BackgroundWorkerHandle *handle; // nullptr: none runs
};
RunningScan running_scan;

void add_scan(const WaitingScan &scan)
{
    for (int i = 0; i < waiting_count; ++i)
        if (waiting_scans[i].database == scan.database) {
            waiting_scans[i] = scan;
            return;
        }
    if (waiting_count == waiting_room) {
        waiting_room = Max(64, waiting_room * 2);
        const Size size = sizeof(WaitingScan) * waiting_room;
        waiting_scans =
            static_cast<WaitingScan *>(waiting_scans == nullptr ? MemoryContextAlloc(TopMemoryContext, size)
                                                                : repalloc(waiting_scans, size));
    }
    waiting_scans[waiting_count++] = scan;
}

void watch()
{
    begin_transaction();
    watch_counts();
    end_transaction();
}

void add_all_databases()
{
    begin_transaction();
    const Relation databases = table_open(DatabaseRelationId, AccessShareLock);
    const TableScanDesc scan = table_beginscan_catalog(databases, 0, nullptr);
    while (const HeapTuple row = heap_getnext(scan, ForwardScanDirection)) {
        const auto *form = reinterpret_cast<Form_pg_database>(GETSTRUCT(row));
        if (form->datallowconn)
            add_scan({form->oid, 0, 0});
    }
    table_endscan(scan);
    table_close(databases, AccessShareLock);
    end_transaction();
}

void take_requests()
{
    if (take_request_for_all())
        add_all_databases();
    while (const Oid database = take_scan_request())
        add_scan({database, 0, 0});
}

void try_scan_later(Oid database, int failures, ScanResult fault)
{
    add_scan({database, failures + 1, after_failures(failures + 1)});
    set_scan_fault(database, fault);
}

void say_scan_failed(const char *database, ScanResult result)
{
    if (result == ScanResult::other_version)
        ereport(LOG, (errmsg("no kept worker is started in database \"%s\"", database),
                      errdetail("The library and the extension have different versions."),
                      errhint("ALTER EXTENSION callhardening UPDATE, or restart the server.")));
}

// A request of this database that came meanwhile is done by another scan.
void end_scan()
{
    pid_t pid;
    if (running_scan.handle == nullptr)
        return;
    if (GetBackgroundWorkerPid(running_scan.handle, &pid) != BGWH_STOPPED)
        return;
    pfree(running_scan.handle);
    running_scan.handle = nullptr;
    const ScanResult result = scan_result();
    if (result == ScanResult::done) {
        set_scan_fault(running_scan.database, result);
        return;
    }
    if (running_scan.failures == 0)
        say_scan_failed(NameStr(running_scan.name), result);
    try_scan_later(running_scan.database, running_scan.failures, result);
}

// A short-lived process of a database, the kind as in "count saver".
BackgroundWorker describe_helper(Oid database, const char *kind, const char *function)
{
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    strlcpy(worker.bgw_library_name, "callhardening", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, function, sizeof worker.bgw_function_name);
    snprintf(worker.bgw_type, sizeof worker.bgw_type, "callhardening %s", kind);
    snprintf(worker.bgw_name, sizeof worker.bgw_name, "callhardening %s for database %u", kind, database);
    return worker;
}

void say_no_scanner(const WaitingScan &scan, const char *database)
{
    if (scan.failures == 0)
        ereport(LOG, (errmsg("the kept workers of database \"%s\" cannot be read yet", database),
                      errdetail("Reason: %s.", text_of(Obstacle::no_process))));
}

void begin_scan(const WaitingScan &scan)
{
    BackgroundWorker worker = describe_helper(scan.database, "scanner", "callhardening_scanner_main");
    worker.bgw_notify_pid = MyProcPid;
    const Database database = look_at(scan.database);
    if (!database.exists)
        forget_database(scan.database);
    if (!database.is_open)
        return;
    begin_scan_result();
    const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    running_scan = {scan.database, database.name, scan.failures, nullptr};
    if (!RegisterDynamicBackgroundWorker(&worker, &running_scan.handle)) {
        running_scan.handle = nullptr;
        say_no_scanner(scan, NameStr(database.name));
        try_scan_later(scan.database, scan.failures, ScanResult::failed);
    }
    MemoryContextSwitchTo(caller);
}

void scan_databases()
{
    end_scan();
    for (int i = 0; i < waiting_count && running_scan.handle == nullptr;) {
        const WaitingScan scan = waiting_scans[i];
        if (scan.next_try > round_time) {
            come_back_at(scan.next_try);
            ++i;
            continue;
        }
        waiting_scans[i] = waiting_scans[--waiting_count];
        begin_scan(scan);
    }
}

// What is known of the database is out of date. A scan that fails does not count for ever.
bool is_scan_due(Oid database)
{
    for (int i = 0; i < waiting_count; ++i)
        if (waiting_scans[i].database == database && waiting_scans[i].failures == 0)
            return true;
    return running_scan.handle != nullptr && running_scan.database == database && running_scan.failures == 0;
}

bool is_any_scan_due()
{
    for (int i = 0; i < waiting_count; ++i)
        if (waiting_scans[i].failures == 0)
            return true;
    return running_scan.handle != nullptr && running_scan.failures == 0;
}

// -- workers --------------------------------------------------------------------------------------

// A worker that this launcher has started.
struct Child {
    BackgroundWorkerHandle *handle;
    Oid database;
    int32 consumer_id;
    TimestampTz started_at;
    pid_t pid; // 0: it has not begun yet
    bool is_told_to_end;
};
Child children[most_max_workers];
int child_count;

RunningWorkers running; // in this round, of any origin

bool is_running(pid_t pid)
{
    for (int i = 0; i < running.count; ++i)
        if (running.workers[i].pid == pid)
            return true;
    return false;
}

bool is_of(const Child &child, const KeptOrder &order)
{
    return child.database == order.worker.database && child.consumer_id == order.consumer_id;
}

// Running ones, and those that come up.
int count_workers(const KeptOrder *order)
{
    int count = 0;
    for (int i = 0; i < running.count; ++i)
        if (order == nullptr || (running.workers[i].database == order->worker.database &&
                                 running.workers[i].consumer_id == order->consumer_id))
            ++count;
    for (int i = 0; i < child_count; ++i)
        if ((order == nullptr || is_of(children[i], *order)) && !is_running(children[i].pid))
            ++count;
    return count;
}

// Several workers that end together are one failure.
void note_failure(KeptOrder *order, Obstacle obstacle)
{
    if (order->next_try <= round_time) {
        ++order->failures;
        order->next_try = after_failures(order->failures);
    }
    if (obstacle != order->obstacle && obstacle != Obstacle::ended)
        ereport(LOG, (errmsg("a kept worker for %s in database \"%s\" is not started", order->log_name,
                             order->database_name),
                      errdetail("Reason: %s.", text_of(obstacle))));
    order->obstacle = obstacle;
    order->failed_at = round_time;
    update_order(*order);
}

void note_end(const Child &child)
{
    KeptOrder order;
    if (!find_order(child.database, child.consumer_id, &order))
        return;
    if (round_time - child.started_at >= long_life)
        order.failures = 0;
    note_failure(&order, Obstacle::ended);
}

bool remove_ended_children()
{
    bool has_ended = false;
    for (int i = 0; i < child_count;) {
        pid_t pid = 0;
        const BgwHandleStatus status = GetBackgroundWorkerPid(children[i].handle, &pid);
        children[i].pid = status == BGWH_STARTED ? pid : 0;
        if (status != BGWH_STOPPED) {
            ++i;
            continue;
        }
        note_end(children[i]);
        pfree(children[i].handle);
        children[i] = children[--child_count];
        has_ended = true;
    }
    return has_ended;
}

// Returns what keeps the worker from starting.
Obstacle start_worker(const KeptOrder &order)
{
    if (count_workers(nullptr) >= max_workers || child_count == most_max_workers)
        return Obstacle::limit;
    BackgroundWorker worker = describe_worker(order.log_name, order.worker);
    Child child = {nullptr, order.worker.database, order.consumer_id, round_time, 0, false};
    const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    const bool has_slot = RegisterDynamicBackgroundWorker(&worker, &child.handle);
    MemoryContextSwitchTo(caller);
    if (!has_slot)
        return Obstacle::no_process;
    children[child_count++] = child;
    return Obstacle::none;
}

void say_superuser(const KeptOrder &order)
{
    ereport(WARNING, (errmsg("a kept worker for %s in database \"%s\" has the rights of a superuser",
                             order.log_name, order.database_name),
                      errdetail("Triggers, defaults and constraints of the calls table run with them.")));
}

void start_workers(KeptOrder *order, int missing)
{
    const Verdict verdict = judge(order->worker);
    if (!verdict.has_database) {
        forget_database(order->worker.database);
        return;
    }
    if (verdict.is_superuser)
        say_superuser(*order);
    Obstacle obstacle = verdict.obstacle;
    for (int i = 0; i < missing && obstacle == Obstacle::none; ++i)
        obstacle = start_worker(*order);
    if (obstacle != Obstacle::none) {
        note_failure(order, obstacle);
        come_back_at(order->next_try);
    }
}

// Once: a second signal would end it without giving its events back.
void end_child(Child *child)
{
    if (!child->is_told_to_end)
        TerminateBackgroundWorker(child->handle);
    child->is_told_to_end = true;
}

// Those that are up are ended by the session that stops them.
void end_coming_workers(const KeptOrder &order)
{
    for (int i = 0; i < child_count; ++i)
        if (is_of(children[i], order) && !is_running(children[i].pid))
            end_child(&children[i]);
}

// They came up too late for the session that has stopped the others.
void end_orphans()
{
    KeptOrder order;
    for (int i = 0; i < child_count; ++i)
        if (!find_order(children[i].database, children[i].consumer_id, &order))
            end_child(&children[i]);
}

// A place that has become free counts for all logs at once.
bool waits_for_place(const KeptOrder &order)
{
    return order.obstacle == Obstacle::limit || order.obstacle == Obstacle::no_process;
}

enum class Pass : unsigned char { first_workers, all_workers };

int missing_workers(const KeptOrder &order, Pass pass)
{
    const int count = count_workers(&order);
    return pass == Pass::all_workers ? order.wanted - count : count == 0;
}

void attend_to(KeptOrder *order, Pass pass, bool has_free_place)
{
    const int missing = missing_workers(*order, pass);
    if (missing <= 0 || is_scan_due(order->worker.database))
        return;
    const bool skips_pause = has_free_place && waits_for_place(*order) &&
                             order->failed_at != round_time; // not after the first pass
    if (order->next_try > round_time && !skips_pause)
        come_back_at(order->next_try);
    else
        start_workers(order, missing);
}

void attend_to_orders(Pass pass, bool has_free_place)
{
    for (int slot = 0; slot < most_orders; ++slot) {
        KeptOrder order;
        bool is_held;
        if (!read_order(slot, &order, &is_held))
            continue;
        if (is_held)
            end_coming_workers(order);
        else
            attend_to(&order, pass, has_free_place);
    }
}

// If there are too few places, each consumer has one worker before another one has two. A database that is
// not read yet may have consumers, too.
void start_missing_workers(bool has_free_place)
{
    running = find_running_workers();
    end_orphans();
    attend_to_orders(Pass::first_workers, has_free_place);
    if (!is_any_scan_due())
        attend_to_orders(Pass::all_workers, has_free_place);
}

// -- counted numbers ------------------------------------------------------------------------------

// One database in a round: a server can have many databases, and few slots for background workers.
void save_counts_in_time()
{
    const UnsavedCounts unsaved = next_unsaved_counts(round_time);
    if (!OidIsValid(unsaved.database))
        return;
    come_back_at(Max(unsaved.due, round_time + USECS_PER_SEC));
    if (unsaved.due > round_time)
        return;
    note_try_to_save(unsaved.database, round_time);
    const Database database = look_at(unsaved.database);
    BackgroundWorker saver =
        describe_helper(unsaved.database, "count saver", "callhardening_count_saver_main");
    if (!database.exists)
        forget_database(unsaved.database);
    else if (database.is_open)
        RegisterDynamicBackgroundWorker(&saver, nullptr);
}

// -- the loop -------------------------------------------------------------------------------------

bool reload()
{
    if (!ConfigReloadPending)
        return false;
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
    return true;
}

void sleep()
{
    const int64 left = next_round == DT_NOEND ? -1 : (next_round - GetCurrentTimestamp()) / 1000 + 1;
    const int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (next_round == DT_NOEND ? 0 : WL_TIMEOUT);
    if (next_round == DT_NOEND || left > 0)
        WaitLatch(MyLatch, events, static_cast<long>(left), PG_WAIT_EXTENSION);
}

// Without work it sleeps until somebody sets its latch: no timeout, no transaction.
void go_round()
{
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    if (ShutdownRequestPending)
        proc_exit(1); // 0 would keep the server from starting it again
    if (catchupInterruptPending)
        ProcessCatchupInterrupt();
    MemoryContextReset(round_memory);
    MemoryContextSwitchTo(round_memory);
    round_time = GetCurrentTimestamp();
    next_round = DT_NOEND;
    const bool is_reloaded = reload(), another_ended = take_worker_end();
    const bool child_ended = remove_ended_children();
    take_requests();
    scan_databases();
    start_missing_workers(is_reloaded || another_ended || child_ended);
    save_counts_in_time();
    sleep();
}

} // namespace

void register_launcher()
{
    DefineCustomIntVariable(
        "callhardening.max_restart_pause", "Longest pause before a kept call worker is started again.",
        "The first pause is one second. It doubles with each failure. A minute of life ends the growth.",
        &max_restart_pause, max_restart_pause, 1, 86400, PGC_SIGHUP, GUC_UNIT_S, nullptr, nullptr, nullptr);
    if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
        return;
    BackgroundWorker worker = {};
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = 5;
    strlcpy(worker.bgw_library_name, "callhardening", sizeof worker.bgw_library_name);
    strlcpy(worker.bgw_function_name, "callhardening_launcher_main", sizeof worker.bgw_function_name);
    strlcpy(worker.bgw_type, "callhardening launcher", sizeof worker.bgw_type);
    strlcpy(worker.bgw_name, "callhardening launcher", sizeof worker.bgw_name);
    RegisterBackgroundWorker(&worker);
    reserve_order_memory();
}

} // namespace callhardening

using namespace callhardening;

void callhardening_launcher_main(Datum)
{
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0); // it reads only tables of all databases
    round_memory = AllocSetContextCreate(TopMemoryContext, "callhardening launcher", ALLOCSET_DEFAULT_SIZES);
    announce_launcher();
    watch();
    add_all_databases();
    for (;;)
        go_round();
}
