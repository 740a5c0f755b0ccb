#include "pg/claims/claim.hpp"
#include "pg/base/catalog_table.hpp"
#include "pg/citus/shard.hpp"
#include "pg/claims/adopt.hpp"
#include "pg/claims/claim_lane.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/snapshot.hpp"
#include "pg/shared/wake.hpp"

#include <numeric>

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// -- visiting the lanes ---------------------------------------------------------------------------

struct Search {
    ClaimContext *context;
    Snapshot snapshot;
    XidSnapshot now;
    MemoryContext scratch; // for one visit of a lane
    int most_lanes;
    int most_moved;
    int moved;     // lanes moved on
    int lost;      // lanes emptied by other workers before this one locked them
    bool looks;    // only for a lane that is claimable
    bool found;    // by a look
    bool is_ahead; // a lane is ahead of this cluster
};

bool is_enough(const Search &search)
{
    const Claim &claim = *search.context->claim;
    return search.found || claim.event_count >= search.context->options->max_events ||
           claim.lane_count >= search.most_lanes;
}

// Taking a whole lane would leave other workers without events, but a few events are not worth a record. A
// claim completed in its own transaction is short, so it takes all.
int share_of_lane(const Search &search)
{
    constexpr int least = 128;
    const int left = search.context->options->max_events - search.context->claim->event_count;
    if (search.context->options->is_completed_here)
        return left;
    const int lanes_left = search.most_lanes - search.context->claim->lane_count;
    return Min(left, Max(least, (left + lanes_left - 1) / lanes_left));
}

LaneState state_in_search(const Search &search, int lane)
{
    const MemoryContext caller = MemoryContextSwitchTo(search.scratch);
    const LaneState state = state_of_lane(*search.context, search.snapshot, search.now, lane);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(search.scratch);
    return state;
}

void move_lane(Search *search, int lane)
{
    if (search->moved++ < search->most_moved &&
        lock_lane(*search->context->log, search->context->tables, search->snapshot, lane, LockWaitSkip))
        claim_lane(search->context, lane, share_of_lane(*search), true);
}

void take_lane(Search *search, int lane)
{
    ClaimContext *context = search->context;
    const int before = context->claim->event_count;
    if (search->looks && !is_lane_locked(*context->log, context->tables, search->snapshot, lane))
        search->found = true;
    else if (!search->looks &&
             lock_lane(*context->log, context->tables, search->snapshot, lane, LockWaitSkip)) {
        claim_lane(context, lane, share_of_lane(*search), false);
        search->lost += context->claim->event_count == before;
    } else if (context->options->outlook != nullptr)
        context->options->outlook->is_blocked = true; // another transaction has the lock
}

// True if the lane is not finished yet, even if another worker has its events.
bool try_lane(Search *search, int lane)
{
    const LaneState state = state_in_search(*search, lane);
    search->is_ahead = search->is_ahead || state == LaneState::ahead;
    if (state == LaneState::moving && !search->looks)
        move_lane(search, lane);
    if (state == LaneState::claimable)
        take_lane(search, lane);
    return state == LaneState::claimable || state == LaneState::waiting;
}

// Old lanes go first, because they have the older events of the same calls. True if one is not finished yet.
bool try_old_lanes(Search *search, int slot)
{
    const EventLog &log = *search->context->log;
    const LaneTables &tables = search->context->tables;
    for (int lane = slot; lane < log.first_lane; lane += log.lanes)
        if (has_lane(log, tables, search->snapshot, lane) && try_lane(search, lane))
            return true;
    return false;
}

int random_up_to(int last)
{
    return static_cast<int>(pg_prng_uint64_range(&pg_global_prng_state, 0, last));
}

// Visits every lane with a random stride. Scanning in order would favour the lane after a run of empty ones.
int random_step(int lanes)
{
    int step = 1 + random_up_to(lanes - 1);
    while (std::gcd(step, lanes) != 1)
        step = 1 + random_up_to(lanes - 1);
    return step;
}

void search_lanes(Search *search)
{
    const EventLog &log = *search->context->log;
    const int start = random_up_to(log.lanes - 1), step = random_step(log.lanes);
    for (int i = 0; i < log.lanes && !is_enough(*search) && !search->is_ahead; ++i) {
        CHECK_FOR_INTERRUPTS();
        const int slot = (start + i * step) % log.lanes;
        if (!log.has_old_lanes || !try_old_lanes(search, slot))
            try_lane(search, log.first_lane + slot);
    }
}

// -- lanes of another cluster --------------------------------------------------------------------

bool is_over(const ClaimContext &context, const EventLog &consumer, Snapshot snapshot, int lane)
{
    if (!has_lane(consumer, context.tables, snapshot, lane))
        return true;
    const LaneRecord record = newest_record(consumer, context.tables, snapshot, lane);
    const XidSnapshot end = end_of_lane(consumer, lane, xids_of(snapshot));
    return !record.IsOpen() &&
           state_of_range(context, snapshot, record.position, lane, end) != LaneState::claimable;
}

bool are_old_lanes_over(const ClaimContext &context, std::span<const EventLog> consumers)
{
    bool over = true;
    const Snapshot snapshot = take_snapshot();
    for (const EventLog &consumer : consumers)
        for (int lane = 0; over && lane < consumer.first_lane; ++lane)
            over = is_over(context, consumer, snapshot, lane);
    UnregisterSnapshot(snapshot);
    return over;
}

bool lock_old_lanes(const LaneTables &tables, std::span<const EventLog> consumers)
{
    bool locked = true;
    const Snapshot snapshot = take_snapshot();
    for (const EventLog &consumer : consumers)
        for (int lane = 0; locked && lane < consumer.first_lane; ++lane)
            locked = !has_lane(consumer, tables, snapshot, lane) ||
                     lock_lane(consumer, tables, snapshot, lane, LockWaitSkip);
    UnregisterSnapshot(snapshot);
    return locked;
}

// Nothing may be appended to an old lane after the check. Transactions from before the adoption may still
// stamp its number, so they must have ended. The lock of the table keeps other appenders out. A seek can give
// a consumer the events of an old lane again, so the log and the lanes are locked before the last check.
// Appenders would wait too if this waited for a lock. While a consumer still has events there, the first
// check saves them from the lock.
void drop_old_lanes(const Search &search)
{
    EventLog log;
    const int32 log_id = search.context->log->log_id;
    const LaneTables &tables = search.context->tables;
    if (search.now.xmin < search.context->log->adopted.xmax || !find_event_log_by_id(log_id, &log) ||
        !are_old_lanes_over(*search.context, consumers_of(log)) ||
        !ConditionalLockRelationOid(log.events, ShareLock) || !try_lock_event_log(log) ||
        !find_event_log_by_id(log_id, &log))
        return;
    const std::span<const EventLog> consumers = consumers_of(log);
    if (!log.has_old_lanes || search.now.xmin < log.adopted.xmax || !lock_old_lanes(tables, consumers) ||
        !are_old_lanes_over(*search.context, consumers))
        return;
    for (const EventLog &consumer : consumers)
        for (int lane = 0; lane < log.first_lane; ++lane)
            drop_lane(consumer, tables, lane);
    forget_old_lanes(log, search.context->table);
}

bool is_subscribed(Oid table)
{
    CatCList *subscriptions = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(table));
    const bool is_any = subscriptions->n_members > 0;
    ReleaseSysCacheList(subscriptions);
    return is_any;
}

bool is_stamp_trigger(const Trigger &trigger)
{
    if (!TRIGGER_FOR_BEFORE(trigger.tgtype) || !TRIGGER_FOR_INSERT(trigger.tgtype) ||
        get_func_namespace(trigger.tgfoid) != own_schema())
        return false;
    const char *name = get_func_name(trigger.tgfoid);
    return name != nullptr && strcmp(name, "stamp_call_event") == 0;
}

// Without the trigger, events of a subscription keep the publisher's stamps. Some of them would count as
// settled here.
void require_stamp_trigger(const EventLog &log, Relation table)
{
    if (!is_subscribed(log.events))
        return;
    const TriggerDesc *triggers = table->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
        const Trigger &trigger = triggers->triggers[i];
        if (is_stamp_trigger(trigger) && trigger.tgenabled == TRIGGER_FIRES_ON_ORIGIN)
            ereport(ERROR,
                    (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                     errmsg("a subscription writes to event log %s without its trigger", log.events_name),
                     errdetail("Workers would not find its events."),
                     errhint("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s;", log.events_name,
                             quote_identifier(trigger.tgname))));
    }
}

void open_context(ClaimContext *context, LOCKMODE lock)
{
    context->tables = open_lanes(*context->log, lock);
    context->waiting = open_waiting(lock);
    open_log_table(*context->log, &context->table);
    require_stamp_trigger(*context->log, context->table.by_lane.heap);
    context->due = static_cast<bool *>(palloc(sizeof(bool) * context->log->lanes));
}

void close_context(const ClaimContext &context)
{
    close_log_table(context.table);
    close_catalog_table(context.waiting, NoLock);
    close_lanes(context.tables, NoLock);
}

void start_search(ClaimContext *context, Search *search)
{
    *search = {};
    search->context = context;
    search->snapshot = take_snapshot();
    search->now = xids_of(search->snapshot);
    search->most_moved = Max(1, context->log->lanes / 8);
    search->most_lanes = context->options->is_completed_here ? context->log->lanes : search->most_moved;
    search->scratch =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening look", ALLOCSET_DEFAULT_SIZES);
    context->any_waiting = has_any_waiting(*context->log, context->waiting, search->snapshot);
    const TimestampTz now = GetCurrentTimestamp();
    context->any_due = context->any_waiting && !context->options->skips_retries &&
                       mark_due_lanes(*context->log, search->snapshot, now, context->due);
    if (Outlook *outlook = context->options->outlook; outlook != nullptr)
        *outlook = {context->any_waiting ? next_due_time(*context->log, search->snapshot, now) : DT_NOEND,
                    false};
}

// One search through the lanes. True if another search may find more.
bool search_once(ClaimContext *context)
{
    EventLog *log = context->log;
    Search search;
    start_search(context, &search);
    search_lanes(&search);
    const bool is_empty = context->claim->event_count == 0;
    if (is_enough(search))
        wake_at_commit(log->log_id, log->consumer_id); // the other lanes may have more
    if (search.is_ahead)
        adopt_event_log(log, context->table);
    else if (log->has_old_lanes && is_empty && search.lost == 0)
        drop_old_lanes(search);
    UnregisterSnapshot(search.snapshot);
    return is_empty && (search.lost > 0 || search.is_ahead);
}

// Other workers may have emptied these lanes after the snapshot, and other lanes may have events. A lane
// moved on without events may also have later ones.
void search(ClaimContext *context)
{
    const int most_looks = Max(context->log->lanes, 16);
    for (int look = 0; look < most_looks && search_once(context); ++look)
        CHECK_FOR_INTERRUPTS();
}

// -- events outside the workers' reach ------------------------------------------------------------

struct LastLook {
    int32 consumer_id;
    TimestampTz at;
};

LastLook *last_look_at(int32 consumer_id)
{
    static LastLook looks[8];
    return &looks[consumer_id % lengthof(looks)];
}

// Looking with every claim is too expensive: it probes the log's index for each lane. An idle session looks
// more often.
bool is_time_to_look(const LastLook &last, int32 consumer_id, bool is_idle)
{
    constexpr int64 second = 1'000'000, minute = 60 * second;
    const int64 age = GetCurrentTimestamp() - last.at;
    return last.consumer_id != consumer_id || age < 0 || age >= (is_idle ? second : minute);
}

// After a look that finds some, the next one is due at once: the next claim has to find them too.
bool sees_strays(const ClaimContext &context, bool is_idle)
{
    const EventLog &log = *context.log;
    LastLook *last = last_look_at(log.consumer_id);
    if (!log.is_restored && !is_time_to_look(*last, log.consumer_id, is_idle))
        return false;
    *last = {log.consumer_id, GetCurrentTimestamp()};
    const bool found = needs_adoption(log, context.tables, context.table);
    if (found)
        *last = {};
    return found;
}

// True if the log was adopted for stray events.
bool bring_back_strays(ClaimContext *context, bool is_idle)
{
    const bool found = sees_strays(*context, is_idle);
    if (found)
        adopt_event_log(context->log, context->table);
    return found;
}

} // namespace

void claim_events(EventLog *log, const ClaimOptions &options, Claim *claim)
{
    ClaimContext context = {};
    *claim = {};
    context.log = log;
    context.options = &options;
    context.claim = claim;
    claim->lanes = static_cast<LaneClaim *>(palloc(sizeof(LaneClaim) * Max(1, log->lanes)));
    if (!hold_shard(log->shard_id))
        return;
    open_context(&context, RowExclusiveLock);
    bring_back_strays(&context, false);
    search(&context);
    if (claim->event_count == 0 && bring_back_strays(&context, true))
        search(&context);
    close_context(context);
}

// A restored log has to be adopted, and so has one with stray events. A claim does that.
bool has_claimable_event(EventLog *log, Outlook *outlook)
{
    ClaimContext context = {};
    Claim none = {};
    ClaimOptions options = {1, true, 0, nullptr, false, false};
    Search search;
    options.outlook = outlook;
    context.log = log;
    context.options = &options;
    context.claim = &none;
    open_context(&context, AccessShareLock);
    start_search(&context, &search);
    search.looks = true;
    search_lanes(&search);
    UnregisterSnapshot(search.snapshot);
    const bool found = search.found || search.is_ahead || sees_strays(context, true);
    close_context(context);
    return found;
}

// -- checks before a claim ------------------------------------------------------------------------

int max_events_argument_of(FunctionCallInfo fcinfo, int argument)
{
    const int32 max_events = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);
    if (max_events < 1 || max_events > most_claimed_events)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("max_events must be between 1 and %d", most_claimed_events)));
    return max_events;
}

constinit bool is_dealing_with_events = false;

void require_claim_transaction(const char *function)
{
    if (RecoveryInProgress() || XactReadOnly)
        ereport(ERROR,
                (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                 RecoveryInProgress() ? errmsg("%s cannot be used on a standby server", function)
                                      : errmsg("%s cannot be used in a read-only transaction", function),
                 errdetail("A claim must be written to a table."),
                 RecoveryInProgress() ? errhint("Connect to the primary server.")
                                      : errhint("Use SET TRANSACTION READ WRITE.")));
    if (IsolationUsesXactSnapshot())
        ereport(
            ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("events cannot be claimed in a transaction with an isolation level above read committed"),
             errdetail("Its snapshot does not show later claims of other workers."),
             errhint("Use SET TRANSACTION ISOLATION LEVEL READ COMMITTED.")));
}

void require_claim_conditions(const char *function)
{
    if (is_dealing_with_events)
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_IN_USE),
             errmsg("%s cannot be called by a trigger while events are applied, completed or purged",
                    function),
             errdetail("A function that applies, completes or deletes events is running in this session."),
             errhint("Call it after that function has ended.")));
    require_claim_transaction(function);
}

char *default_worker()
{
    const bool has_name = application_name != nullptr && *application_name != '\0';
    return psprintf("%s (pid %d)", has_name ? application_name : "unnamed", MyProcPid);
}

} // namespace callhardening
