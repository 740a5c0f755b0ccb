#include "pg/workers/kept_worker.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/versions.hpp"
#include "pg/log/consumer.hpp"
#include "pg/workers/kept_order.hpp"
#include "pg/workers/node_worker.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PGDLLEXPORT void callhardening_scanner_main(Datum database);
}

namespace callhardening
{

namespace
{

// -- the table ------------------------------------------------------------------------------------

// The columns of kept_workers, created in sql/workers/kept_worker.sql.
enum KeptColumn {
    kept_consumer = 1,
    kept_log,
    kept_database,
    kept_role,
    kept_workers,
    kept_max_events,
    kept_poll,
    kept_since,
    kept_columns = kept_since
};
constexpr CatalogColumn columns_of_kept_workers[] = {
    {"consumer_id", INT4OID}, {"log_id", INT4OID},     {"database", OIDOID}, {"role", OIDOID},
    {"workers", INT4OID},     {"max_events", INT4OID}, {"poll", INT4OID},    {"kept_since", TIMESTAMPTZOID}};
static_assert(lengthof(columns_of_kept_workers) == kept_columns, "each column is here");

CatalogTable open_kept_workers(LOCKMODE lock)
{
    return open_catalog_table(kept_workers_layout, "kept_workers_pkey", lock);
}

// One session at a time changes what is kept for a consumer, until the end of its transaction. A session that
// stops the workers of one consumer waits for them, and others need not wait.
CatalogTable open_for_change(int32 consumer_id)
{
    const CatalogTable table = open_kept_workers(RowExclusiveLock);
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationGetRelid(table.heap), static_cast<Oid>(consumer_id), 0);
    LockAcquire(&tag, ExclusiveLock, false, false);
    return table;
}

// -- the end of the transaction -------------------------------------------------------------------

struct AtEnd {
    bool asks_for_scan;
    bool refuses_prepare;
    bool holds_orders;
};
AtEnd at_end = {};

// A prepared transaction is committed by any process, without this callback. The launcher would not hear of
// it.
void refuse_prepare()
{
    if (at_end.refuses_prepare)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("a transaction that keeps workers, or ends kept ones, cannot be prepared"),
                        errhint("Call start_call_worker or stop_call_worker in a transaction of its own.")));
}

void end_of_transaction(XactEvent event, void *)
{
    if (event == XACT_EVENT_PRE_PREPARE)
        refuse_prepare();
    if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
        return;
    // In this order: the launcher starts nothing in a database that it has to scan first.
    if (at_end.asks_for_scan && event != XACT_EVENT_PREPARE)
        request_scan(MyDatabaseId);
    if (at_end.holds_orders)
        let_orders_go();
    at_end = {};
}

void scan_after_transaction()
{
    static bool is_registered = false;
    if (!is_registered)
        RegisterXactCallback(end_of_transaction, nullptr);
    is_registered = true;
    at_end.asks_for_scan = true;
}

void require_scan_after_transaction()
{
    scan_after_transaction();
    at_end.refuses_prepare = true;
}

// -- writing --------------------------------------------------------------------------------------

void require_preloaded()
{
    if (!is_preloaded())
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("workers cannot be kept: callhardening is not preloaded"),
                        errdetail("Without its launcher nothing would start them again."),
                        errhint("Add callhardening to shared_preload_libraries, and restart the server.")));
}

// Whoever owns the table can write any role into it. So a row counts only if its owner could act as the role
// anyway.
bool is_trusted(Relation heap, Oid role)
{
    return can_set_role(RelationGetForm(heap)->relowner, role);
}

void require_trust(const CatalogTable &table, Oid role)
{
    if (!is_trusted(table.heap, role))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("workers of role \"%s\" cannot be kept", GetUserNameFromId(role, true)),
                        errdetail("The owner of the extension is neither a superuser nor a member of it.")));
}

// As pg_terminate_backend asks it. A dropped role has no workers that anybody could need.
bool may_stop(Oid role)
{
    if (!role_exists(role))
        return true;
    if (superuser_arg(role) && !superuser())
        return false;
    return has_privs_of_role(GetUserId(), role) || has_privs_of_role(GetUserId(), ROLE_PG_SIGNAL_BACKEND);
}

void require_right_to_stop(const EventLog &log, Oid role)
{
    if (!may_stop(role))
        ereport(ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                 errmsg("permission denied to change the kept workers of %s", log.events_name),
                 errdetail("They run as role \"%s\".", GetUserNameFromId(role, true)),
                 errhint("Call stop_call_worker as this role, or with the rights of pg_signal_backend.")));
}

// Removes the row of the log. A row from another database starts nothing here: anybody with the task may
// remove it. False if there is none.
bool forget_row(const CatalogTable &table, const EventLog &log)
{
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(table, snapshot, {int4_key(1, log.consumer_id)});
    const bool found = next_row(scan);
    if (found && row_oid(scan.slot, kept_database) == MyDatabaseId)
        require_right_to_stop(log, row_oid(scan.slot, kept_role));
    if (found)
        delete_row(table, scan);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    return found;
}

void warn_of_limits(int wanted)
{
    if (wanted > Min(max_workers, max_worker_processes))
        ereport(WARNING, (errmsg("not all of the %d workers can run", wanted),
                          errdetail("callhardening.max_workers is %d, max_worker_processes is %d, for all "
                                    "databases together.",
                                    max_workers, max_worker_processes),
                          errhint("call_worker_status shows how many run.")));
}

void forget_workers(const EventLog &log)
{
    PreventCommandIfReadOnly("stop_call_worker for kept workers");
    const CatalogTable table = open_for_change(log.consumer_id);
    const bool found = forget_row(table, log);
    close_catalog_table(table, NoLock);
    if (found && is_preloaded()) {
        require_scan_after_transaction();
        at_end.holds_orders = true;
        hold_order(MyDatabaseId, log.consumer_id);
    }
}

bool has_row(int32 consumer_id)
{
    const CatalogTable table = open_kept_workers(AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(table, snapshot, {int4_key(1, consumer_id)});
    const bool found = next_row(scan);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(table, AccessShareLock);
    return found;
}

// Its workers end by themselves. The launcher would try to start those that do not run.
void forget_workers_of(int32 consumer_id)
{
    const CatalogTable table = open_for_change(consumer_id);
    if (is_preloaded() && has_row(consumer_id))
        scan_after_transaction();
    delete_rows(table, {int4_key(1, consumer_id)});
    close_catalog_table(table, NoLock);
}

// -- scanning -------------------------------------------------------------------------------------

struct FoundOrders {
    KeptOrder orders[most_orders];
    int count;
};

bool is_version_of_library(Oid extension)
{
    const Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(extension));
    const SysScanDesc scan = systable_beginscan(extensions, ExtensionOidIndexId, true, nullptr, 1, &key);
    bool is_null = true;
    const HeapTuple row = systable_getnext(scan);
    const Datum version = HeapTupleIsValid(row) ? heap_getattr(row, Anum_pg_extension_extversion,
                                                               RelationGetDescr(extensions), &is_null)
                                                : Datum{0};
    const bool same = !is_null && text_view(DatumGetTextPP(version)) == CALLHARDENING_VERSION;
    systable_endscan(scan);
    table_close(extensions, AccessShareLock);
    return same;
}

void add_order(TupleTableSlot *slot, Oid extension, const EventLog &log, FoundOrders *found)
{
    KeptOrder order = {};
    order.worker = {MyDatabaseId,
                    row_oid(slot, kept_role),
                    extension,
                    log.events,
                    log.consumer_id,
                    row_int4(slot, kept_max_events),
                    row_int4(slot, kept_poll),
                    true};
    order.consumer_id = log.consumer_id;
    order.wanted = row_int4(slot, kept_workers);
    strlcpy(order.log_name, name_for_workers(log), sizeof order.log_name);
    strlcpy(order.database_name, get_database_name(MyDatabaseId), sizeof order.database_name);
    found->orders[found->count++] = order;
}

bool find_kept_log(int32 log_id, int32 consumer_id, EventLog *log)
{
    if (consumer_id == all_shards) {
        *log = shards_of_server();
        return true;
    }
    return find_event_log_by_id(log_id, log) && log->events_name != nullptr &&
           see_as_consumer(consumer_id, log);
}

void read_row(const CatalogTable &table, TupleTableSlot *slot, Oid extension, FoundOrders *found)
{
    EventLog log;
    const Oid role = row_oid(slot, kept_role);
    if (row_oid(slot, kept_database) != MyDatabaseId || found->count == most_orders ||
        !find_kept_log(row_int4(slot, kept_log), row_int4(slot, kept_consumer), &log))
        return;
    if (is_trusted(table.heap, role))
        add_order(slot, extension, log, found);
    else
        ereport(LOG, (errmsg("the kept workers of %s are not started", log.events_name),
                      errdetail("The owner of the extension is neither a superuser nor a member of role %u.",
                                role)));
}

void read_rows(Oid extension, FoundOrders *found)
{
    const CatalogTable table = open_kept_workers(AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(table, snapshot, {});
    while (next_row(scan))
        read_row(table, scan.slot, extension, found);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(table, AccessShareLock);
}

// A library of another version could misread the tables.
ScanResult scan()
{
    auto *found = static_cast<FoundOrders *>(palloc0(sizeof(FoundOrders)));
    const Oid extension = get_extension_oid("callhardening", true);
    const bool has_version = !OidIsValid(extension) || is_version_of_library(extension);
    if (OidIsValid(extension) && has_version)
        read_rows(extension, found);
    const int homeless = replace_orders(MyDatabaseId, found->orders, found->count);
    if (homeless > 0)
        ereport(LOG, (errmsg("the kept workers of %d event logs are not started", homeless),
                      errdetail("The server keeps the workers of at most %d event logs.", most_orders)));
    return has_version ? ScanResult::done : ScanResult::other_version;
}

// -- what a database is told ----------------------------------------------------------------------

const char *launcher_word()
{
    if (!is_preloaded())
        return "not preloaded";
    if (RecoveryInProgress())
        return "standby";
    return is_launcher_running() ? "running" : "not running";
}

// Why no worker is started in this database. NULL: they are.
const char *fault_of_launcher()
{
    if (!is_preloaded())
        return "callhardening is not in shared_preload_libraries";
    if (RecoveryInProgress())
        return "the server is a standby";
    if (!is_launcher_running())
        return "the launcher does not run: the server log has the reason";
    if (max_workers == 0)
        return "callhardening.max_workers is 0";
    switch (scan_fault(MyDatabaseId)) {
    case ScanResult::done:
        return nullptr;
    case ScanResult::other_version:
        return "the library and the extension have different versions";
    case ScanResult::failed:
        return "the launcher could not read this database: the server log has the reason";
    }
    return nullptr;
}

void put_order(const ReturnSetInfo *result, const KeptOrder &order)
{
    const bool has_failed = order.obstacle != Obstacle::none;
    const bool waits = order.next_try != 0;
    Datum values[] = {Int32GetDatum(order.consumer_id),
                      has_failed ? CStringGetTextDatum(text_of(order.obstacle)) : Datum{0},
                      TimestampTzGetDatum(order.failed_at), TimestampTzGetDatum(order.next_try)};
    bool nulls[] = {false, !has_failed, !has_failed, !waits};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

} // namespace

void keep_workers(const EventLog &log, const WorkerOrder &order, int wanted)
{
    require_preloaded();
    PreventCommandIfReadOnly("start_call_worker(keep => true)");
    warn_of_limits(wanted);
    const CatalogTable table = open_for_change(log.consumer_id);
    require_trust(table, order.role);
    forget_row(table, log);
    const Datum values[] = {Int32GetDatum(log.consumer_id), Int32GetDatum(log.log_id),
                            ObjectIdGetDatum(MyDatabaseId), ObjectIdGetDatum(order.role),
                            Int32GetDatum(wanted),          Int32GetDatum(order.max_events),
                            Int32GetDatum(order.poll),      TimestampTzGetDatum(GetCurrentTimestamp())};
    constexpr bool nulls[lengthof(values)] = {};
    insert_row(table, values, nulls);
    close_catalog_table(table, NoLock);
    require_scan_after_transaction();
}

void forget_kept_workers(const EventLog &log)
{
    if (!RecoveryInProgress() && has_row(log.consumer_id))
        forget_workers(log);
}

constinit const CatalogLayout kept_workers_layout = {"kept_workers", columns_of_kept_workers};

void follow_dropped_consumers()
{
    forget_workers_of_dropped = forget_workers_of;
}

} // namespace callhardening

using namespace callhardening;

// Before the workers end: the launcher must not start others before the commit.
CALLHARDENING_FUNCTION(forget_kept_workers)
{
    EventLog log;
    for (const EventLog &consumer : consumers_argument(fcinfo, &log))
        forget_kept_workers(consumer);
    PG_RETURN_VOID();
}

// For the trigger that forgets a dropped log.
CALLHARDENING_FUNCTION(forget_workers_of)
{
    Datum *ids;
    bool *nulls;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), INT4OID, sizeof(int32), true, TYPALIGN_INT, &ids, &nulls,
                      &count);
    for (int i = 0; i < count; ++i)
        if (!nulls[i])
            forget_workers_of(DatumGetInt32(ids[i]));
    PG_RETURN_VOID();
}

CALLHARDENING_FUNCTION(launcher_state)
{
    const char *fault = fault_of_launcher();
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    Datum values[] = {CStringGetTextDatum(launcher_word()), Datum{0}};
    bool nulls[] = {false, false};
    values[1] = text_or_null(fault, &nulls[1]);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    return Datum{0};
}

CALLHARDENING_FUNCTION(kept_worker_states)
{
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    KeptOrder *orders = nullptr;
    const int count = is_preloaded() ? read_orders(MyDatabaseId, &orders) : 0;
    for (int i = 0; i < count; ++i)
        put_order(result, orders[i]);
    return Datum{0};
}

// Reads one database, as the superuser of the cluster: the table is the extension's, and is read without a
// look at functions of users.
void callhardening_scanner_main(Datum database)
{
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
    SetConfigOption("lock_timeout", "10s", PGC_USERSET, PGC_S_SESSION); // others wait for this scan
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    pgstat_report_activity(STATE_RUNNING, "looking for kept workers");
    const ScanResult result = scan();
    PopActiveSnapshot();
    CommitTransactionCommand();
    set_scan_result(result);
}
