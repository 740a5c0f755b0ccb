#include "core/lanes/claim.hpp"

#include "pg/claims/dead.hpp"
#include "pg/claims/waiting.hpp"
#include "pg/shared/wake.hpp"

extern "C" {
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

WaitingEvent waiting_in_slot(TupleTableSlot *slot)
{
    bool blocked;
    const Datum due_at = row_value(slot, waiting_due_at, &blocked);
    return {{static_cast<uint64>(row_int8(slot, waiting_xid)), row_int8(slot, waiting_seq)},
            row_text(slot, waiting_call_id),
            row_int4(slot, waiting_attempts),
            row_int4(slot, waiting_lease_expiries),
            !blocked,
            blocked ? 0 : DatumGetTimestampTz(due_at),
            row_int8(slot, waiting_claim)};
}

// Orders by number alone if the transaction of one event is unknown in this cluster.
int compare_positions(const LogPosition &a, const LogPosition &b)
{
    if (a.xid == 0 || b.xid == 0)
        return a.seq < b.seq ? -1 : a.seq > b.seq;
    return a < b ? -1 : a > b;
}

int compare_waiting(const void *left, const void *right)
{
    const auto *a = static_cast<const WaitingEvent *>(left), *b = static_cast<const WaitingEvent *>(right);
    if (const int order = strcmp(a->call_id, b->call_id); order != 0)
        return order;
    return compare_positions(a->position, b->position);
}

// The start of the call's events, or the place to insert them.
int first_of_call(const WaitingEvents &waiting, const char *call_id)
{
    int low = 0, high = waiting.count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (strcmp(waiting.events[middle].call_id, call_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool is_of_call(const WaitingEvents &waiting, int i, const char *call_id)
{
    return i < waiting.count && strcmp(waiting.events[i].call_id, call_id) == 0;
}

// Behind the last event of the call. The call begins at `first`.
int end_of_call(const WaitingEvents &waiting, int first)
{
    int end = first + 1;
    while (is_of_call(waiting, end, waiting.events[first].call_id))
        ++end;
    return end;
}

// Finds the row of a waiting event. The caller ends `scan`.
bool find_row(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane, int64 seq,
              KeyScan *scan)
{
    *scan =
        begin_key_scan(waiting, snapshot,
                       {int4_key(1, log.consumer_id), int4_key(2, home_lane(log, lane)), int8_key(3, seq)});
    return next_row(*scan);
}

} // namespace

// -- reading -------------------------------------------------------------------------------------

namespace
{

constexpr CatalogColumn columns_of_retrying_events[] = {
    {"consumer_id", INT4OID},    {"lane", INT4OID},
    {"event_seq", INT8OID},      {"event_xid", XID8OID},
    {"call_id", TEXTOID},        {"attempts", INT4OID},
    {"lease_expiries", INT4OID}, {"due_at", TIMESTAMPTZOID},
    {"claim_id", INT8OID},       {"waiting_since", TIMESTAMPTZOID},
    {"errors", JSONBOID},        {"lock_waits", INT4OID}};
static_assert(lengthof(columns_of_retrying_events) == waiting_columns, "each column is here");

} // namespace

constinit const CatalogLayout retrying_events_layout = {"retrying_events", columns_of_retrying_events};

CatalogTable open_waiting(LOCKMODE lock)
{
    return open_catalog_table(retrying_events_layout, "retrying_events_pkey", lock);
}

WaitingEvents read_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane)
{
    int room = 16;
    WaitingEvents result = {static_cast<WaitingEvent *>(palloc(sizeof(WaitingEvent) * room)), 0};
    const KeyScan scan =
        begin_key_scan(waiting, snapshot, {int4_key(1, log.consumer_id), int4_key(2, home_lane(log, lane))});
    while (next_row(scan)) {
        CHECK_FOR_INTERRUPTS();
        if (result.count == room) {
            room *= 2;
            result.events = static_cast<WaitingEvent *>(repalloc(result.events, sizeof(WaitingEvent) * room));
        }
        result.events[result.count++] = waiting_in_slot(scan.slot);
    }
    end_key_scan(scan);
    qsort(result.events, result.count, sizeof(WaitingEvent), compare_waiting);
    return result;
}

const WaitingEvent *find_waiting(const WaitingEvents &waiting, const char *call_id, int64 seq)
{
    for (int i = first_of_call(waiting, call_id); is_of_call(waiting, i, call_id); ++i)
        if (waiting.events[i].position.seq == seq)
            return &waiting.events[i];
    return nullptr;
}

bool has_waiting_call(const WaitingEvents &waiting, const char *call_id)
{
    return is_of_call(waiting, first_of_call(waiting, call_id), call_id);
}

bool has_due_event(const WaitingEvents &waiting, const char *call_id)
{
    for (int i = first_of_call(waiting, call_id); is_of_call(waiting, i, call_id); ++i)
        if (waiting.events[i].has_due)
            return true;
    return false;
}

bool has_any_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot)
{
    const KeyScan scan = begin_key_scan(waiting, snapshot, {int4_key(1, log.consumer_id)});
    const bool found = next_row(scan);
    end_key_scan(scan);
    return found;
}

bool is_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane, int64 seq)
{
    KeyScan scan;
    const bool found = find_row(log, waiting, snapshot, lane, seq, &scan);
    end_key_scan(scan);
    return found;
}

bool has_many_waiting(const EventLog &log, const CatalogTable &waiting, Snapshot snapshot, int lane, int many)
{
    int count = 0;
    const KeyScan scan =
        begin_key_scan(waiting, snapshot, {int4_key(1, log.consumer_id), int4_key(2, home_lane(log, lane))});
    while (count < many && next_row(scan))
        ++count;
    end_key_scan(scan);
    return count >= many;
}

namespace
{

// A call waits while one of its events waits. If all its events are blocked, it is due.
bool is_call_due(const WaitingEvents &waiting, int first, int end, TimestampTz now)
{
    for (int i = first; i < end; ++i)
        if (waiting.events[i].has_due && waiting.events[i].due_at > now)
            return false;
    return true;
}

int compare_due(const void *left, const void *right)
{
    const auto *a = *static_cast<const WaitingEvent *const *>(left),
               *b = *static_cast<const WaitingEvent *const *>(right);
    if (a->due_at != b->due_at)
        return a->due_at < b->due_at ? -1 : 1;
    return compare_positions(a->position, b->position);
}

// An event in its last attempt is handed out alone too. If its worker were lost with other events, the event
// could neither be blamed nor retried.
bool is_alone(const EventLog &log, const WaitingEvent &event)
{
    return event.lease_expiries >= lease_expiries_to_be_alone || event.attempts + 1 >= log.max_attempts;
}

} // namespace

DueEvents find_due(const EventLog &log, const WaitingEvents &waiting, TimestampTz now)
{
    DueEvents due = {
        static_cast<const WaitingEvent **>(palloc(sizeof(WaitingEvent *) * Max(1, waiting.count))), 0};
    for (int first = 0; first < waiting.count;) {
        const int end = end_of_call(waiting, first);
        if (is_call_due(waiting, first, end, now))
            due.events[due.count++] = &waiting.events[first];
        first = end;
    }
    qsort(due.events, due.count, sizeof(WaitingEvent *), compare_due);
    if (due.count == 0)
        return due;
    if (is_alone(log, *due.events[0])) {
        due.count = 1;
        return due;
    }
    int count = 0;
    for (int i = 0; i < due.count; ++i)
        if (!is_alone(log, *due.events[i]))
            due.events[count++] = due.events[i];
    due.count = count;
    return due;
}

bool mark_due_lanes(const EventLog &log, Snapshot snapshot, TimestampTz now, bool *lanes)
{
    bool any = false;
    memset(lanes, 0, sizeof(bool) * log.lanes);
    const CatalogTable table =
        open_catalog_table(retrying_events_layout, "idx_retrying_events_due", AccessShareLock);
    const KeyScan scan = begin_key_scan(
        table, snapshot, {int4_key(1, log.consumer_id), time_key(2, now, BTLessEqualStrategyNumber)});
    while (next_row(scan)) {
        CHECK_FOR_INTERRUPTS();
        const int lane = row_int4(scan.slot, waiting_lane) - log.first_lane;
        if (lane >= 0 && lane < log.lanes)
            lanes[lane] = any = true;
    }
    end_key_scan(scan);
    close_catalog_table(table, AccessShareLock);
    return any;
}

TimestampTz next_due_time(const EventLog &log, Snapshot snapshot, TimestampTz now)
{
    const CatalogTable table =
        open_catalog_table(retrying_events_layout, "idx_retrying_events_due", AccessShareLock);
    const KeyScan scan = begin_key_scan(
        table, snapshot, {int4_key(1, log.consumer_id), time_key(2, now, BTGreaterStrategyNumber)});
    const TimestampTz next = next_row(scan) ? row_int8(scan.slot, waiting_due_at) : DT_NOEND;
    end_key_scan(scan);
    close_catalog_table(table, AccessShareLock);
    return next;
}

// -- writing -------------------------------------------------------------------------------------

namespace
{

Change set_claim(int64 claim_id)
{
    return {waiting_claim, Int64GetDatum(claim_id), claim_id == 0};
}

Change set_int4(int column, int value)
{
    return {column, Int32GetDatum(value), false};
}

// A waiter sleeps until the first retry that it has seen.
Change set_due(const EventLog &log, const TimestampTz *due_at)
{
    wake_at_commit(log.log_id, log.consumer_id);
    return {waiting_due_at, due_at == nullptr ? Datum{0} : TimestampTzGetDatum(*due_at), due_at == nullptr};
}

void change_waiting(const EventLog &log, const CatalogTable &waiting, int lane, int64 seq,
                    std::initializer_list<Change> changes)
{
    const Snapshot snapshot = take_snapshot();
    KeyScan scan;
    if (find_row(log, waiting, snapshot, lane, seq, &scan))
        update_row(waiting, scan, changes);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

TimestampTz next_attempt(const EventLog &log, int attempts)
{
    return GetCurrentTimestamp() +
           Backoff(attempts, log.retry_base, log.retry_cap, pg_prng_double(&pg_global_prng_state));
}

// Makes the next event of the call due, unless another one has a time.
void release_call(const EventLog &log, const CatalogTable &waiting, int lane, const char *call_id)
{
    const Snapshot snapshot = take_snapshot();
    const WaitingEvents others = read_waiting(log, waiting, snapshot, lane);
    UnregisterSnapshot(snapshot);
    if (!has_waiting_call(others, call_id) || has_due_event(others, call_id))
        return;
    const TimestampTz now = GetCurrentTimestamp();
    change_waiting(log, waiting, lane, others.events[first_of_call(others, call_id)].position.seq,
                   {set_due(log, &now)});
}

} // namespace

namespace
{

// What failed of a new event so far.
struct Tries {
    int attempts;
    int lease_expiries;
    int lock_waits;
};

void insert_waiting(const EventLog &log, const CatalogTable &waiting, const EventInLane &event,
                    const Tries &tries, const TimestampTz *due_at, const Failure *failure)
{
    bool nulls[waiting_columns] = {};
    Datum values[waiting_columns];
    values[waiting_consumer - 1] = Int32GetDatum(log.consumer_id);
    values[waiting_lane - 1] = Int32GetDatum(home_lane(log, event.lane));
    values[waiting_seq - 1] = Int64GetDatum(event.position.seq);
    values[waiting_xid - 1] = UInt64GetDatum(event.lane < log.first_lane ? 0 : event.position.xid);
    values[waiting_call_id - 1] = CStringGetTextDatum(event.call_id);
    values[waiting_attempts - 1] = Int32GetDatum(tries.attempts);
    values[waiting_lease_expiries - 1] = Int32GetDatum(tries.lease_expiries);
    values[waiting_due_at - 1] = due_at == nullptr ? Datum{0} : TimestampTzGetDatum(*due_at);
    nulls[waiting_due_at - 1] = due_at == nullptr;
    values[waiting_claim - 1] = Datum{0};
    nulls[waiting_claim - 1] = true;
    values[waiting_since - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
    values[waiting_errors - 1] = add_failure(Datum{0}, true, failure, &nulls[waiting_errors - 1]);
    values[waiting_lock_waits - 1] = Int32GetDatum(tries.lock_waits);
    insert_row(waiting, values, nulls);
    if (due_at != nullptr)
        wake_at_commit(log.log_id, log.consumer_id);
}

} // namespace

void add_waiting_event(const EventLog &log, const CatalogTable &waiting, const EventInLane &event,
                       int attempts, int lease_expiries, const TimestampTz *due_at, const Failure *failure)
{
    insert_waiting(log, waiting, event, {attempts, lease_expiries, 0}, due_at, failure);
}

namespace
{

// Locks are usually short, so these pauses grow less than after failures.
TimestampTz next_look_at_lock(const EventLog &log, int lock_waits)
{
    constexpr int64 longest = 10 * USECS_PER_SEC;
    return GetCurrentTimestamp() + Backoff(lock_waits, log.retry_base, Min(log.retry_cap, longest),
                                           pg_prng_double(&pg_global_prng_state));
}

} // namespace

void retry_locked(const EventLog &log, const CatalogTable &waiting, const EventInLane &event, int attempts)
{
    const Snapshot snapshot = take_snapshot();
    KeyScan scan;
    const bool is_found = find_row(log, waiting, snapshot, event.lane, event.position.seq, &scan);
    const int lock_waits = is_found ? row_int4(scan.slot, waiting_lock_waits) + 1 : 1;
    const TimestampTz due = next_look_at_lock(log, lock_waits);
    if (is_found)
        update_row(waiting, scan,
                   {set_due(log, &due), set_claim(0), set_int4(waiting_attempts, attempts),
                    set_int4(waiting_lock_waits, lock_waits)});
    else
        insert_waiting(log, waiting, event, {attempts, 0, lock_waits}, &due, nullptr);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

namespace
{

// Records another failure of a waiting event.
bool fail_waiting(const EventLog &log, const CatalogTable &waiting, const KeyScan &scan,
                  const EventInLane &event, int attempts, const TimestampTz *due_at, const Failure &failure)
{
    bool had_none, has_none;
    const Datum old = row_value(scan.slot, waiting_errors, &had_none);
    const Datum errors = add_failure(old, had_none, &failure, &has_none);
    if (attempts >= log.max_attempts) {
        bury(log, event, attempts, errors, failure);
        delete_row(waiting, scan);
        return true;
    }
    update_row(waiting, scan,
               {set_due(log, due_at),
                set_claim(0),
                set_int4(waiting_attempts, attempts),
                set_int4(waiting_lock_waits, 0),
                {waiting_errors, errors, false}});
    return false;
}

} // namespace

bool fail_event(const EventLog &log, const CatalogTable &waiting, const EventInLane &event, int attempts,
                const TimestampTz *due_at, const Failure &failure)
{
    const TimestampTz due = due_at != nullptr ? *due_at : next_attempt(log, attempts);
    const Snapshot snapshot = take_snapshot();
    KeyScan scan;
    bool is_dead = attempts >= log.max_attempts;
    if (find_row(log, waiting, snapshot, event.lane, event.position.seq, &scan))
        is_dead = fail_waiting(log, waiting, scan, event, attempts, &due, failure);
    else if (is_dead) {
        bool has_none;
        bury(log, event, attempts, add_failure(Datum{0}, true, &failure, &has_none), failure);
    } else
        add_waiting_event(log, waiting, event, attempts, 0, &due, &failure);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    if (is_dead)
        release_call(log, waiting, event.lane, event.call_id);
    return is_dead;
}

// -- retries -------------------------------------------------------------------------------------

void hand_out_waiting(const EventLog &log, const CatalogTable &waiting, int lane, const WaitingEvent &event,
                      int64 claim_id)
{
    change_waiting(log, waiting, lane, event.position.seq,
                   {set_claim(claim_id), set_int4(waiting_attempts, event.attempts + 1)});
}

namespace
{

struct Retry {
    CatalogTable waiting;
    WaitingEvents events; // of the lane
};

Retry open_retry(const EventLog &log, int lane)
{
    Retry retry;
    const Snapshot snapshot = take_snapshot();
    retry.waiting = open_waiting(RowExclusiveLock);
    retry.events = read_waiting(log, retry.waiting, snapshot, lane);
    UnregisterSnapshot(snapshot);
    return retry;
}

EventInLane in_lane(int lane, const WaitingEvent &event)
{
    return {lane, event.position, event.call_id};
}

void drop_waiting(const EventLog &log, const CatalogTable &waiting, int lane, int64 seq)
{
    const Snapshot snapshot = take_snapshot();
    KeyScan scan;
    if (find_row(log, waiting, snapshot, lane, seq, &scan))
        delete_row(waiting, scan);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

// The first event of a call is done, and its rest begins at `first`. Makes the next one due, unless another
// one has a time.
void release_next(const EventLog &log, const Retry &retry, int lane, int first, const char *call_id,
                  TimestampTz now)
{
    for (int i = first; is_of_call(retry.events, i, call_id); ++i)
        if (retry.events.events[i].has_due)
            return;
    if (is_of_call(retry.events, first, call_id))
        change_waiting(log, retry.waiting, lane, retry.events.events[first].position.seq,
                       {set_due(log, &now)});
}

// Records the loss of the event's worker. Another event of the claim may be the cause, so this event does not
// die.
void expire_waiting(const EventLog &log, const Retry &retry, int lane, const WaitingEvent &event,
                    const Failure &failure, TimestampTz now)
{
    if (event.attempts >= log.max_attempts) { // it was handed out alone
        fail_event(log, retry.waiting, in_lane(lane, event), event.attempts, &now, failure);
        return;
    }
    const Snapshot snapshot = take_snapshot();
    KeyScan scan;
    if (find_row(log, retry.waiting, snapshot, lane, event.position.seq, &scan)) {
        bool had_none, has_none;
        const Datum old = row_value(scan.slot, waiting_errors, &had_none);
        const Datum errors = add_failure(old, had_none, &failure, &has_none);
        update_row(retry.waiting, scan,
                   {set_claim(0),
                    set_int4(waiting_lease_expiries, event.lease_expiries + 1),
                    {waiting_errors, errors, false}});
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

} // namespace

void complete_retry(const EventLog &log, int lane, int64 claim_id)
{
    const Retry retry = open_retry(log, lane);
    const TimestampTz now = GetCurrentTimestamp();
    for (int i = 0; i < retry.events.count; ++i) {
        const WaitingEvent &event = retry.events.events[i];
        if (event.claim_id != claim_id)
            continue;
        drop_waiting(log, retry.waiting, lane, event.position.seq);
        release_next(log, retry, lane, i + 1, event.call_id, now);
    }
    close_catalog_table(retry.waiting, NoLock);
}

void drop_done(const EventLog &log, const CatalogTable &waiting, int lane, const WaitingEvent &event)
{
    drop_waiting(log, waiting, lane, event.position.seq);
    release_call(log, waiting, lane, event.call_id);
}

void release_retry(const EventLog &log, int lane, int64 claim_id)
{
    const Retry retry = open_retry(log, lane);
    for (int i = 0; i < retry.events.count; ++i) {
        const WaitingEvent &event = retry.events.events[i];
        if (event.claim_id == claim_id)
            change_waiting(log, retry.waiting, lane, event.position.seq,
                           {set_claim(0), set_int4(waiting_attempts, event.attempts - 1)});
    }
    close_catalog_table(retry.waiting, NoLock);
}

void expire_retry(const EventLog &log, int lane, int64 claim_id, const char *worker)
{
    const Failure failure = {worker, nullptr, lost_worker};
    const Retry retry = open_retry(log, lane);
    const TimestampTz now = GetCurrentTimestamp();
    for (int i = 0; i < retry.events.count; ++i)
        if (retry.events.events[i].claim_id == claim_id)
            expire_waiting(log, retry, lane, retry.events.events[i], failure, now);
    close_catalog_table(retry.waiting, NoLock);
}

void forget_waiting(const EventLog &consumer)
{
    const CatalogTable waiting = open_waiting(RowExclusiveLock);
    delete_rows(waiting, {int4_key(1, consumer.consumer_id)});
    close_catalog_table(waiting, NoLock);
}

} // namespace callhardening
