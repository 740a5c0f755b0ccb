#include "pg/workers/node_worker.hpp"
#include "pg/base/versions.hpp"
#include "pg/shared/wake.hpp"
#include "pg/workers/kept_worker.hpp"

extern "C" {
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// One round through the shards.
struct Round {
    List *shards;
    Outcome outcome;
    int events;
    Outlook outlook;
};

// Registers as a waiter first, as in claim_as_waiter.
void list_shards(Worker *worker, List **shards)
{
    const MemoryContext batch = worker->batch;
    begin_worker_transaction("looking for shards of", *worker);
    if (take_waiting_place())
        start_waiting({every_log, all_shards, WaiterKind::worker});
    worker->end = !hold_extension(*worker) ? no_extension : has_rights(*worker) ? nullptr : no_rights;
    MemoryContextSwitchTo(TopMemoryContext);
    if (worker->end == nullptr)
        *shards = registered_shards();
    MemoryContextSwitchTo(batch);
    end_worker_transaction();
}

bool try_to_list_shards(Worker *worker, List **shards)
{
    volatile bool listed = false;
    PG_TRY();
    {
        list_shards(worker, shards);
        listed = true;
    }
    PG_CATCH();
    {
        survive_error();
    }
    PG_END_TRY();
    return listed;
}

Outcome worse_of(Outcome round, Outcome shard)
{
    if (round == Outcome::worked || shard == Outcome::worked)
        return Outcome::worked;
    return round == Outcome::failed ? round : shard;
}

// A shard that was detached meanwhile is passed over.
void work_on_shard(Worker *worker, Oid shard, Round *round)
{
    worker->order.events = shard;
    worker->outlook = {DT_NOEND, false};
    const Outcome outcome = try_to_work(worker);
    MemoryContextSwitchTo(TopMemoryContext);
    MemoryContextReset(worker->batch);
    if (outcome == Outcome::ended && worker->end == no_log)
        return;
    round->outcome = outcome == Outcome::ended ? outcome : worse_of(round->outcome, outcome);
    round->events += worker->claim.event_count;
    round->outlook.next = Min(round->outlook.next, worker->outlook.next);
    round->outlook.is_blocked = round->outlook.is_blocked || worker->outlook.is_blocked;
}

void require_server_argument(FunctionCallInfo fcinfo)
{
    enum { log, node };
    if (PG_ARGISNULL(node) || !PG_GETARG_BOOL(node) || !PG_ARGISNULL(log))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("node must be true, and log must be NULL"),
                 errdetail("A worker of a server works on all of its shards."),
                 errhint("For a worker of one log, leave node out.")));
}

} // namespace

Outcome work_on_shards(Worker *worker)
{
    Round round = {NIL, Outcome::idle, 0, {DT_NOEND, false}};
    worker->order.events = InvalidOid;
    if (!try_to_list_shards(worker, &round.shards))
        return Outcome::failed;
    if (worker->end != nullptr)
        return Outcome::ended;
    ListCell *cell;
    foreach (cell, round.shards) {
        if (ShutdownRequestPending || round.outcome == Outcome::ended)
            break;
        work_on_shard(worker, lfirst_oid(cell), &round);
    }
    list_free(round.shards);
    worker->outlook = round.outlook;
    worker->claim.event_count = round.events;
    set_blocked(round.outlook.is_blocked);
    return round.outcome;
}

EventLog shards_of_server()
{
    EventLog shards = {};
    shards.log_id = shards.consumer_id = all_shards;
    shards.events_name = "the shards of this server";
    return shards;
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(start_node_worker)
{
    enum { log, node, max_events, poll, workers, keep };
    require_primary_server();
    require_server_argument(fcinfo);
    const EventLog shards = shards_of_server();
    const WorkerOrder order =
        order_of_caller(shards, max_events_argument_of(fcinfo, max_events), poll_argument(fcinfo, poll));
    const int wanted = workers_argument(fcinfo, workers);
    require_connection_rights(order.role);
    PG_RETURN_INT32(start_workers(shards, order, wanted, !PG_ARGISNULL(keep) && PG_GETARG_BOOL(keep)));
}

CALLHARDENING_FUNCTION(node_worker_pids)
{
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    require_server_argument(fcinfo);
    put_worker_pids(fcinfo, shards_of_server());
    return Datum{0};
}

CALLHARDENING_FUNCTION(count_node_workers)
{
    static_cast<void>(fcinfo);
    PG_RETURN_INT32(count_workers(shards_of_server()));
}

CALLHARDENING_FUNCTION(forget_kept_node_workers)
{
    require_server_argument(fcinfo);
    forget_kept_workers(shards_of_server());
    PG_RETURN_VOID();
}
