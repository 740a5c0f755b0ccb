#include "core/lanes/claim.hpp"

#include "pg/base/memory.hpp"
#include "pg/base/text.hpp"
#include "pg/base/time.hpp"
#include "pg/citus/shard.hpp"
#include "pg/claims/claim.hpp"
#include "pg/claims/dead.hpp"
#include "pg/claims/processed_at.hpp"
#include "pg/claims/waiting.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/form.hpp"
#include "pg/log/snapshot.hpp"

extern "C" {
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
}

namespace callhardening
{

namespace
{

// -- arguments -----------------------------------------------------------------------------------

int64 lease_of(FunctionCallInfo fcinfo, int argument)
{
    constexpr int longest_days = 30;
    const Interval *interval = PG_GETARG_INTERVAL_P(argument);
    const bool is_sane = interval->month == 0 && interval->day >= 0 && interval->day <= longest_days;
    const int64 lease = is_sane ? interval_microseconds(interval) : 0;
    if (lease <= 0 || lease > longest_days * USECS_PER_DAY)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("lease must be longer than 0 and at most %d days", longest_days),
                        errhint("Renew a claim with renew_call_claim to hold it longer.")));
    return lease;
}

// -- claiming ------------------------------------------------------------------------------------

enum ClaimArgument {
    claim_max_events,
    claim_lease,
    claim_worker_name,
    claim_log_name,
    claim_complete,
    claim_consumer_name
};

ClaimOptions claim_options(FunctionCallInfo fcinfo)
{
    constexpr int longest_name = 200; // each record of the claim and each error has a copy
    ClaimOptions options = {};
    options.max_events = max_events_argument_of(fcinfo, claim_max_events);
    options.has_lease = !PG_ARGISNULL(claim_lease);
    if (options.has_lease)
        options.lease = lease_of(fcinfo, claim_lease);
    options.worker = PG_ARGISNULL(claim_worker_name)
                         ? default_worker()
                         : cut_text(text_argument(fcinfo, claim_worker_name), longest_name);
    return options;
}

// The executor frees the result row by row.
void keep_result_memory(ReturnSetInfo *result)
{
    static constinit KeptMemory memory = {"callhardening claimed rows", nullptr, 0};
    const bool random_access = (result->allowedModes & SFRM_Materialize_Random) != 0;
    tuplestore_end(result->setResult);
    const MemoryContext caller = MemoryContextSwitchTo(kept_memory(&memory));
    result->setResult = tuplestore_begin_heap(random_access, false, work_mem);
    MemoryContextSwitchTo(caller);
}

struct Receiver {
    const ReturnSetInfo *result;
    CountedConsumer consumer;
    TimestampTz now;
};

// A client says when it is done with a claim, but not with which of its events. So its lag ends here.
void count_claimed(const Receiver &receiver, const ClaimedEvent &claimed)
{
    count_events(receiver.consumer, Counter::claimed);
    if (claimed.attempt == 1 && claimed.event.has_received_at)
        count_lag(receiver.consumer, receiver.now - postgres_time(claimed.event.received_at));
}

void return_event(void *state, int64 claim_id, const ClaimedEvent &claimed)
{
    const auto *receiver = static_cast<const Receiver *>(state);
    const ReturnSetInfo *result = receiver->result;
    const LogEvent &event = claimed.event;
    bool nulls[7] = {false, false, false, false, false, !event.has_received_at, false};
    const Datum event_type = text_or_null(event.event_type, &nulls[3]);
    const Datum values[] = {Int64GetDatum(claim_id),
                            Int64GetDatum(event.position.seq),
                            CStringGetTextDatum(event.call_id),
                            event_type,
                            Int32GetDatum(claimed.attempt),
                            TimestampTzGetDatum(postgres_time(event.received_at)),
                            open_payload(event.payload)};
    tuplestore_putvalues(result->setResult, result->setDesc, const_cast<Datum *>(values), nulls);
    count_claimed(*receiver, claimed);
}

// -- finding a claim -----------------------------------------------------------------------------

// The locked lane of a claim id, with its newest record.
struct FoundClaim {
    EventLog log;
    LaneTables tables;
    LaneRecord record;
    bool is_known;
    bool is_current; // it is the newest of its lane, and open
};

// Claim ids have only some bits of the lane's number. This is the newest lane with these bits.
int lane_of(const EventLog &log, const ClaimAddress &address)
{
    const int newest = log.first_lane + log.lanes - 1;
    return newest < address.lane ? address.lane
                                 : address.lane + (newest - address.lane) / claim_id_lanes * claim_id_lanes;
}

// The claim id has only some bits of the record's number. This looks at the newest record with these bits.
bool is_remembered(const FoundClaim &found, Snapshot snapshot, const ClaimAddress &address, int64 claim_id)
{
    const int64 newest = found.record.record_no;
    const int64 record_no =
        address.record_no + (newest - address.record_no) / claim_id_records * claim_id_records;
    return newest >= address.record_no &&
           has_record(found.log, found.tables, snapshot, found.record.lane, record_no, claim_id);
}

void look_up_claim(const ClaimAddress &address, int64 claim_id, FoundClaim *found)
{
    const Snapshot snapshot = take_snapshot();
    const int lane = found->record.lane;
    found->record = newest_record(found->log, found->tables, snapshot, lane);
    const bool is_newest = found->record.claim_id == claim_id;
    found->is_current = is_newest && found->record.IsOpen();
    found->is_known = is_newest || is_remembered(*found, snapshot, address, claim_id);
    UnregisterSnapshot(snapshot);
}

// A role may end a claim only if it may claim from the log.
bool find_log_of_claim(const ClaimAddress &address, EventLog *log)
{
    return find_log_of_consumer(address.consumer_id, log) && may_read_events(*log);
}

// Locks the claim's lane until the end of the transaction. False if the caller's logs have no such lane. If
// true, the caller closes `found`.
bool open_claim(int64 claim_id, FoundClaim *found)
{
    ClaimAddress address;
    *found = {};
    if (!ReadClaimId(claim_id, address) || !find_log_of_claim(address, &found->log) ||
        !hold_shard(found->log.shard_id))
        return false;
    found->record.lane = lane_of(found->log, address);
    found->tables = open_lanes(found->log, RowExclusiveLock);
    const Snapshot snapshot = take_snapshot();
    const bool locked = lock_lane(found->log, found->tables, snapshot, found->record.lane, LockWaitBlock);
    UnregisterSnapshot(snapshot);
    if (!locked) {
        close_lanes(found->tables, NoLock);
        return false;
    }
    look_up_claim(address, claim_id, found);
    return true;
}

void close_claim(const FoundClaim &found)
{
    close_lanes(found.tables, NoLock);
}

const char *name_of_lost(bool is_open, const FoundClaim &found)
{
    return is_open && found.is_known ? "stale" : "unknown";
}

[[noreturn]] void raise_lost(int64 claim_id, const char *outcome, const char *hint)
{
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("claim %lld is %s", static_cast<long long>(claim_id), outcome),
                    errdetail("It was completed or released, or its lease expired and another worker has its "
                              "events."),
                    errhint("%s", hint)));
    pg_unreachable();
}

// -- ending many claims --------------------------------------------------------------------------

struct Ending {
    int64 claim_id;
    bool is_null;
    const char *outcome;
};

void complete_and_mark(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    mark_claim(log, record);
    complete_claim(log, tables, record);
    count_events(counted(log), Counter::completed, record.events);
}

using EndClaim = void (*)(const EventLog &log, const LaneTables &tables, const LaneRecord &record);

const char *end_one(int64 claim_id, EndClaim end, const char *ended)
{
    FoundClaim found;
    const bool is_open = open_claim(claim_id, &found);
    const char *outcome = is_open && found.is_current ? ended : name_of_lost(is_open, found);
    if (is_open && found.is_current)
        end(found.log, found.tables, found.record);
    if (is_open)
        close_claim(found);
    return outcome;
}

// Claim ids begin with the log and the lane. So sessions that end many claims lock the lanes in the same
// order, without deadlocks.
int compare_endings(const void *left, const void *right)
{
    const auto *a = *static_cast<Ending *const *>(left), *b = *static_cast<Ending *const *>(right);
    return a->claim_id < b->claim_id ? -1 : a->claim_id > b->claim_id;
}

Ending *endings_of(ArrayType *claim_ids, int *count)
{
    Datum *ids;
    bool *nulls;
    deconstruct_array(claim_ids, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids, &nulls,
                      count);
    auto *endings = static_cast<Ending *>(palloc(sizeof(Ending) * Max(1, *count)));
    for (int i = 0; i < *count; ++i)
        endings[i] = {nulls[i] ? 0 : DatumGetInt64(ids[i]), nulls[i], "unknown"};
    return endings;
}

void end_in_order(Ending **order, int count, EndClaim end, const char *ended)
{
    const MemoryContext one =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening ended claim", ALLOCSET_DEFAULT_SIZES);
    const MemoryContext caller = MemoryContextSwitchTo(one);
    for (int i = 0; i < count; ++i) {
        CHECK_FOR_INTERRUPTS();
        if (!order[i]->is_null)
            order[i]->outcome = end_one(order[i]->claim_id, end, ended);
        MemoryContextReset(one);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(one);
}

Ending **order_of(Ending *endings, int count)
{
    auto **order = static_cast<Ending **>(palloc(sizeof(Ending *) * Max(1, count)));
    for (int i = 0; i < count; ++i)
        order[i] = &endings[i];
    qsort(order, count, sizeof(Ending *), compare_endings);
    return order;
}

Datum end_claims(FunctionCallInfo fcinfo, const char *function, EndClaim end, const char *ended)
{
    require_claim_conditions(function);
    InitMaterializedSRF(fcinfo, 0);
    if (PG_ARGISNULL(0))
        return Datum{0};
    int count;
    Ending *endings = endings_of(PG_GETARG_ARRAYTYPE_P(0), &count);
    Ending **order = order_of(endings, count);
    without_reentrance([=] {
        end_in_order(order, count, end, ended);
        return true;
    });
    const auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    for (int i = 0; i < count; ++i) {
        bool nulls[] = {endings[i].is_null, false};
        Datum values[] = {Int64GetDatum(endings[i].claim_id), CStringGetTextDatum(endings[i].outcome)};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return Datum{0};
}

// -- completing together with the next claim -----------------------------------------------------

// A client may pass the claim id of each row, so repeated ids count once. Returns the new count.
int drop_repeated(Ending **order, int count)
{
    int kept = 0;
    for (int i = 0; i < count; ++i)
        if (kept == 0 || order[kept - 1]->claim_id != order[i]->claim_id)
            order[kept++] = order[i];
    return kept;
}

// Before the claim, which then finds the lanes free.
void complete_before_claim(ArrayType *claim_ids)
{
    int count;
    if (array_contains_nulls(claim_ids))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("complete must not contain null")));
    Ending *endings = endings_of(claim_ids, &count);
    Ending **order = order_of(endings, count);
    const int claims = drop_repeated(order, count);
    const char *completed = "completed";
    without_reentrance([=] {
        end_in_order(order, claims, complete_and_mark, completed);
        return true;
    });
    for (int i = 0; i < claims; ++i)
        if (order[i]->outcome != completed)
            raise_lost(order[i]->claim_id, order[i]->outcome,
                       "Nothing was completed or claimed. complete_call_events returns an outcome for each "
                       "claim.");
}

// -- failing -------------------------------------------------------------------------------------

enum FailArgument { fail_claim, fail_seq, fail_error, fail_retry_after };

bool is_in_range(const LaneRecord &record, const LogEvent &event)
{
    const LanePosition &position = record.position;
    return event.lane == record.lane && event.position > position.read && event.position <= record.to &&
           position.window_snapshot.Sees(event.position.xid) &&
           !position.done_snapshot.Sees(event.position.xid);
}

enum class Membership : unsigned char { none, handed_out, failed };

Membership membership_of(const FoundClaim &found, Snapshot snapshot, const LogEvent &event)
{
    const CatalogTable waiting = open_waiting(AccessShareLock);
    const WaitingEvents events = read_waiting(found.log, waiting, snapshot, found.record.lane);
    const WaitingEvent *row = find_waiting(events, event.call_id, event.position.seq);
    close_catalog_table(waiting, AccessShareLock);
    if (found.record.is_retry) {
        if (row != nullptr && row->claim_id == found.record.claim_id)
            return Membership::handed_out;
        return row != nullptr || is_dead(found.log, snapshot, event.position.seq) ? Membership::failed
                                                                                  : Membership::none;
    }
    if (!is_in_range(found.record, event))
        return Membership::none;
    return row != nullptr || is_dead(found.log, snapshot, event.position.seq) ? Membership::failed
                                                                              : Membership::handed_out;
}

[[noreturn]] void raise_not_in_claim(int64 claim_id, int64 seq)
{
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("event %lld is not in claim %lld", static_cast<long long>(seq),
                           static_cast<long long>(claim_id)),
                    errhint("Pass the event_seq of an event of this claim.")));
    pg_unreachable();
}

Failure failure_of(FunctionCallInfo fcinfo, const FoundClaim &found)
{
    const Snapshot snapshot = take_snapshot();
    const char *worker = newest_worker(found.log, found.tables, snapshot, found.record.lane);
    UnregisterSnapshot(snapshot);
    return {worker, nullptr,
            PG_ARGISNULL(fail_error) ? "no error was given" : to_cstring(text_argument(fcinfo, fail_error))};
}

// The retry time chosen by the caller.
const TimestampTz *due_of(FunctionCallInfo fcinfo)
{
    constexpr int64 longest = 365 * USECS_PER_DAY;
    if (PG_ARGISNULL(fail_retry_after))
        return nullptr;
    const Interval *interval = PG_GETARG_INTERVAL_P(fail_retry_after);
    const bool is_sane =
        interval->month >= 0 && interval->month <= 12 && interval->day >= 0 && interval->day <= 366;
    const int64 after = is_sane ? interval_microseconds(interval) : -1;
    if (after < 0 || after > longest)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("retry_after must be between 0 and 365 days")));
    auto *due = static_cast<TimestampTz *>(palloc(sizeof(TimestampTz)));
    *due = GetCurrentTimestamp() + after;
    return due;
}

const char *fail_in_claim(FunctionCallInfo fcinfo, const FoundClaim &found)
{
    const int64 seq = PG_GETARG_INT64(fail_seq);
    const TimestampTz *due_at = due_of(fcinfo);
    LogTable table;
    LogEvent event;
    open_log_table(found.log, &table);
    const Snapshot snapshot = take_snapshot();
    const bool exists = find_event(found.log, table, snapshot, seq, &event);
    const Membership membership = exists ? membership_of(found, snapshot, event) : Membership::none;
    UnregisterSnapshot(snapshot);
    if (membership == Membership::none)
        raise_not_in_claim(found.record.claim_id, seq);
    bool is_dead = false;
    if (membership == Membership::handed_out) {
        is_dead = fail_claimed_event(found.log, found.record, event, due_at, failure_of(fcinfo, found));
        block_later_events(found.log, table, found.record, event);
        ForceSyncCommit(); // if a crash lost the failure, completing the claim would settle the event
    }
    close_log_table(table);
    return membership == Membership::failed ? "stale" : is_dead ? "dead" : "retry";
}

void require_arguments(FunctionCallInfo fcinfo, int count, const char *names)
{
    for (int i = 0; i < count; ++i)
        if (PG_ARGISNULL(i))
            ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", names)));
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(claim_call_events)
{
    static constinit KeptMemory memory = {"callhardening claim", nullptr, 0};
    ClaimOptions options = claim_options(fcinfo);
    EventLog log;
    Claim claim;
    require_claim_conditions("claim_call_events");
    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    keep_result_memory(result);
    const MemoryContext caller = MemoryContextSwitchTo(kept_memory(&memory));
    if (!PG_ARGISNULL(claim_complete))
        complete_before_claim(PG_GETARG_ARRAYTYPE_P(claim_complete));
    find_event_log(fcinfo, claim_log_name, &log);
    choose_consumer(fcinfo, claim_consumer_name, &log);
    options.receive = return_event;
    Receiver receiver = {result, counted(log), GetCurrentTimestamp()};
    options.receiver = &receiver;
    claim_events(&log, options, &claim);
    if (claim.event_count == 0)
        flush_counts_of(log);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(memory.context);
    return Datum{0};
}

CALLHARDENING_FUNCTION(complete_call_events)
{
    return end_claims(fcinfo, "complete_call_events", complete_and_mark, "completed");
}

CALLHARDENING_FUNCTION(release_call_events)
{
    return end_claims(fcinfo, "release_call_events", release_claim, "released");
}

CALLHARDENING_FUNCTION(fail_call_event)
{
    require_claim_conditions("fail_call_event");
    require_arguments(fcinfo, 2, "claim_id and event_seq");
    FoundClaim found;
    if (!open_claim(PG_GETARG_INT64(fail_claim), &found))
        PG_RETURN_TEXT_P(to_text("stale"));
    const char *outcome = found.is_current ? fail_in_claim(fcinfo, found) : "stale";
    close_claim(found);
    PG_RETURN_TEXT_P(to_text(outcome));
}

CALLHARDENING_FUNCTION(renew_call_claim)
{
    require_claim_conditions("renew_call_claim");
    require_arguments(fcinfo, 2, "claim_id and lease");
    const int64 lease = lease_of(fcinfo, 1);
    FoundClaim found;
    if (!open_claim(PG_GETARG_INT64(0), &found))
        PG_RETURN_NULL();
    LaneRecord renewed = found.record;
    if (found.is_current) {
        const Snapshot snapshot = take_snapshot();
        const char *worker = newest_worker(found.log, found.tables, snapshot, renewed.lane);
        UnregisterSnapshot(snapshot);
        ++renewed.record_no;
        renewed.state = RecordState::renewed;
        renewed.lease_end = GetCurrentTimestamp() + lease;
        append_record(found.log, found.tables, renewed, worker);
    }
    close_claim(found);
    if (!found.is_current)
        PG_RETURN_NULL();
    PG_RETURN_TIMESTAMPTZ(renewed.lease_end);
}

CALLHARDENING_FUNCTION(assert_call_claim)
{
    require_claim_transaction("assert_call_claim");
    require_arguments(fcinfo, 1, "claim_id");
    FoundClaim found;
    const bool is_open = open_claim(PG_GETARG_INT64(0), &found);
    if (!is_open || !found.is_current)
        raise_lost(PG_GETARG_INT64(0), name_of_lost(is_open, found),
                   "Roll back your changes for its events.");
    close_claim(found);
    PG_RETURN_VOID();
}
