#include "pg/claims/claim_lane.hpp"
#include "pg/claims/dead.hpp"
#include "pg/log/snapshot.hpp"

#include <algorithm>

extern "C" {
#include "common/pg_prng.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

XidSnapshot end_of_lane(const EventLog &log, int lane, XidSnapshot now)
{
    if (lane >= log.first_lane && !log.is_restored)
        return now;
    // An id in progress here may belong to an event of this cluster. If all ids are from another cluster, it
    // cannot.
    const bool is_of_another = log.is_restored || log.adopted.xmax == XidSnapshot{}.xmax;
    const std::span<const uint64> open = is_of_another ? std::span<const uint64>{} : now.in_progress;
    const size_t count = open.size() + log.settled_marks.size();
    auto *ids = static_cast<uint64 *>(palloc(sizeof(uint64) * Max(count, 1)));
    std::copy(log.settled_marks.begin(), log.settled_marks.end(), std::copy(open.begin(), open.end(), ids));
    return {count > 0 ? ids[0] : no_xid_end, no_xid_end, {ids, count}};
}

namespace
{

// -- looking -------------------------------------------------------------------------------------

bool is_ahead(const LanePosition &position, const XidSnapshot &now)
{
    return (position.in_window ? position.window_snapshot : position.done_snapshot).xmax > now.xmax;
}

// Does the window have an event behind the position?
bool has_events(const ClaimContext &context, Snapshot snapshot, int lane, std::span<const XidRange> window,
                const LogPosition &behind)
{
    LaneReader reader = begin_reading(context.table, snapshot, lane, window, behind);
    const bool found = next_event(&reader);
    end_reading(reader);
    return found;
}

int64 pages_looked_at()
{
    return pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read;
}

} // namespace

// Each poll searches again the ids of transactions ended since the lane was settled, and reads their dead
// rows. Moving the window on stops this, even if it has no event.
LaneState state_of_range(const ClaimContext &context, Snapshot snapshot, LanePosition position, int lane,
                         const XidSnapshot &now)
{
    constexpr size_t many_ranges = 16;
    constexpr int64 many_pages = 16;
    const int64 pages = pages_looked_at();
    if (position.in_window) {
        if (has_events(context, snapshot, lane,
                       window_between(position.done_snapshot, position.window_snapshot), position.read))
            return LaneState::claimable;
        CloseWindow(position);
    }
    const std::span<const XidRange> window = window_between(position.done_snapshot, now);
    if (has_events(context, snapshot, lane, window, {}))
        return LaneState::claimable;
    return EndedAmong(position.done_snapshot, now) > many_ranges || pages_looked_at() - pages > many_pages
               ? LaneState::moving
               : LaneState::empty;
}

namespace
{

bool is_lane_due(const ClaimContext &context, Snapshot snapshot, int lane)
{
    if (!context.any_due || !context.due[lane % context.log->lanes])
        return false;
    const WaitingEvents waiting = read_waiting(*context.log, context.waiting, snapshot, lane);
    return find_due(*context.log, waiting, GetCurrentTimestamp()).count > 0;
}

// A lane with too many waiting events gets no new range.
bool is_full(const ClaimContext &context, Snapshot snapshot, int lane)
{
    return context.any_waiting &&
           has_many_waiting(*context.log, context.waiting, snapshot, lane, context.log->max_retrying);
}

// For a waiter. The claims of old lanes also hold up the lanes that follow them.
void note_open_claim(const ClaimContext &context, Snapshot snapshot, const LaneRecord &record,
                     const XidSnapshot &end)
{
    Outlook *outlook = context.options->outlook;
    if (outlook == nullptr)
        return;
    outlook->next = Min(outlook->next, record.lease_end);
    outlook->is_blocked =
        outlook->is_blocked || record.lane < context.log->first_lane ||
        is_lane_due(context, snapshot, record.lane) ||
        state_of_range(context, snapshot, PositionAfter(record), record.lane, end) == LaneState::claimable;
}

} // namespace

LaneState state_of_lane(const ClaimContext &context, Snapshot snapshot, const XidSnapshot &now, int lane)
{
    const EventLog &log = *context.log;
    const LaneRecord record = newest_record(log, context.tables, snapshot, lane);
    const XidSnapshot end = end_of_lane(log, lane, now);
    if (is_ahead(record.position, end))
        return LaneState::ahead;
    if (record.IsOpen()) {
        if (record.IsOver(GetCurrentTimestamp()))
            return LaneState::claimable;
        note_open_claim(context, snapshot, record, end);
        return LaneState::waiting;
    }
    const bool is_old = lane < log.first_lane; // the retries of an old lane are in its successor
    if (!is_old && is_lane_due(context, snapshot, lane))
        return LaneState::claimable;
    const LaneState state = state_of_range(context, snapshot, record.position, lane, end);
    if (state != LaneState::claimable)
        return is_old ? LaneState::empty : state;
    if (is_old && is_lane_due(context, snapshot, lane))
        return LaneState::claimable;
    const bool may_wait = !record.position.has_redelivery; // events handed out before do not wait for retries
    return may_wait && is_full(context, snapshot, lane) ? LaneState::waiting : LaneState::claimable;
}

namespace
{

// -- reading a range -----------------------------------------------------------------------------

ClaimedEvent *add_event(Claim *claim)
{
    if (claim->event_count == claim->event_room) {
        claim->event_room = claim->event_room == 0 ? 64 : claim->event_room * 2;
        const size_t size = sizeof(ClaimedEvent) * claim->event_room;
        claim->events = static_cast<ClaimedEvent *>(
            claim->events == nullptr ? palloc(size) : repalloc_huge(claim->events, size));
    }
    return &claim->events[claim->event_count++];
}

// A lane during its claim.
struct Lane {
    ClaimContext *context;
    int number;
    int limit; // of events
    LaneRecord newest;
    LaneRecord next;      // to be appended
    bool is_emptied;      // the range has no more events
    bool has_changed;     // the position, even if no event is handed out
    bool has_early_retry; // a due event waits for the end of its range
    Snapshot snapshot;
    XidSnapshot now;
    WaitingEvents waiting; // in this lane
    bool has_old_waiting;  // `waiting` must be read again
};

MemoryContext event_memory(ClaimContext *context)
{
    if (context->options->receive == nullptr)
        return CurrentMemoryContext;
    if (context->event_memory == nullptr)
        context->event_memory =
            AllocSetContextCreate(CurrentMemoryContext, "callhardening event", ALLOCSET_DEFAULT_SIZES);
    return context->event_memory;
}

void end_event(const ClaimContext &context, MemoryContext caller)
{
    MemoryContextSwitchTo(caller);
    if (context.options->receive != nullptr)
        MemoryContextReset(context.event_memory);
}

void hand_out(const Lane &lane, const LogEvent &event, int attempt)
{
    const ClaimContext &context = *lane.context;
    const ClaimedEvent claimed = {event, attempt};
    if (context.options->receive == nullptr) {
        *add_event(context.claim) = claimed;
        return;
    }
    context.options->receive(context.options->receiver, lane.next.claim_id, claimed);
    ++context.claim->event_count;
}

// A restore of data alone brings back dead events. Such an event is handed out for the first time, but is
// still among the dead. It could not fail again, so its death is removed. New events have higher numbers than
// the dead ones.
void forget_death(const Lane &lane, const LogEvent &event)
{
    ClaimContext *context = lane.context;
    if (!context->knows_newest_dead)
        context->newest_dead = newest_dead(*context->log, lane.snapshot);
    context->knows_newest_dead = true;
    if (!lane.next.position.has_redelivery && event.position.seq <= context->newest_dead)
        exhume(*context->log, event.position.seq);
}

// True if the event is handed out. An event that failed in an earlier claim of the range waits or is dead,
// and is not handed out again. An event is blocked if its call waits.
bool hand_out_or_block(Lane *lane, const LogEvent &event)
{
    const ClaimContext &context = *lane->context;
    if (find_waiting(lane->waiting, event.call_id, event.position.seq) != nullptr ||
        (lane->next.position.has_redelivery && is_dead(*context.log, lane->snapshot, event.position.seq)))
        return false;
    forget_death(*lane, event);
    if (!has_waiting_call(lane->waiting, event.call_id)) {
        hand_out(*lane, event, lane->next.position.NextAttempt());
        return true;
    }
    // An earlier claim may have handed it out before the first event of its call failed. So this attempt does
    // not count.
    add_waiting_event(*context.log, context.waiting, in_lane(lane->number, event),
                      lane->next.position.NextAttempt() - 1, 0, nullptr, nullptr);
    lane->has_changed = lane->has_old_waiting = true;
    return false;
}

bool hand_out_or_block_present(Lane *lane, const LaneReader &reader)
{
    const MemoryContext caller = MemoryContextSwitchTo(event_memory(lane->context));
    const bool is_handed_out = hand_out_or_block(lane, present_event(*lane->context->log, reader));
    end_event(*lane->context, caller);
    return is_handed_out;
}

// The result of one pass through a window.
struct Pass {
    int events;
    int passed; // rows read, with or without being handed out
    LogPosition to;
    bool at_end; // of the window
};

// A claim ends at redelivered_to, because later events have other numbers of attempts.
bool is_beyond_redelivery(const LanePosition &position, const LogPosition &event)
{
    return position.has_redelivery && event > position.redelivered_to;
}

Pass read_window(Lane *lane)
{
    const ClaimContext &context = *lane->context;
    const LanePosition &position = lane->next.position;
    LaneReader reader =
        begin_reading(context.table, lane->snapshot, lane->number,
                      window_between(position.done_snapshot, position.window_snapshot), position.read);
    Pass pass = {0, 0, position.read, false};
    bool more = next_event(&reader);
    // Waiting events count too, so the pass is bounded.
    for (; more && pass.passed < lane->limit && !is_beyond_redelivery(position, reader.position);
         ++pass.passed) {
        pass.to = reader.position;
        if (!is_done(reader) && hand_out_or_block_present(lane, reader))
            ++pass.events;
        more = next_event(&reader);
    }
    pass.at_end = !more;
    // Events handed out before may have been deleted since. Their end still counts as passed.
    if (more && is_beyond_redelivery(position, reader.position))
        pass.to = position.redelivered_to;
    end_reading(reader);
    return pass;
}

// Takes the next range; false if there is none. A window without events to hand out ends at once and is
// recorded. Otherwise each poll would read its rows again, and an old lane would block its successor. A full
// lane takes only events handed out before, and ranges needed by its retries.
bool take_range(Lane *lane)
{
    LaneRecord &next = lane->next;
    const bool is_full = lane->waiting.count >= lane->context->log->max_retrying && !lane->has_early_retry;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (is_full && !next.position.has_redelivery)
            return false;
        const bool is_last = !next.position.in_window;
        if (is_last) {
            next.position.window_snapshot = lane->now;
            next.position.in_window = true;
        }
        const Pass pass = read_window(lane);
        next.to = pass.to;
        next.is_window_end = pass.at_end;
        next.events = pass.events;
        lane->is_emptied = is_last && pass.at_end;
        if (pass.events > 0)
            return true;
        next.position = PositionAfter(next);
        lane->has_changed = lane->has_changed || !is_last || !pass.at_end || pass.passed > 0;
        if (is_last && pass.at_end)
            return false;
    }
}

// -- retries -------------------------------------------------------------------------------------

// A deleted or moved event cannot be retried.
void bury_lost(const Lane &lane, const WaitingEvent &event)
{
    EventLog last_attempt = *lane.context->log;
    last_attempt.max_attempts = 0;
    const Failure failure = {nullptr, "02000", "the event is no longer in the log"};
    fail_event(last_attempt, lane.context->waiting, {lane.number, event.position, event.call_id},
               event.attempts, nullptr, failure);
}

// An event that failed in a released or lost claim waits until its range is settled. Otherwise the range
// would hand it out a second time. Older lanes are settled.
bool is_passed(const Lane &lane, const LogEvent &event)
{
    if (event.lane != lane.number)
        return event.lane < lane.number;
    return IsSettled(lane.next.position, event.position);
}

// After TRUNCATE ... RESTART IDENTITY or setval, another event can have the same number. If only the call id
// was altered, it is the same event.
bool is_of_another_call(const WaitingEvent &waiting, const LogEvent &event)
{
    const bool is_appended_since = waiting.position.xid != 0 && waiting.position.xid != event.position.xid;
    return is_appended_since && strcmp(waiting.call_id, event.call_id) != 0;
}

void take_due(Lane *lane, const WaitingEvent &waiting)
{
    const ClaimContext &context = *lane->context;
    const EventLog &log = *context.log;
    LogEvent event;
    if (!find_event(log, context.table, lane->snapshot, waiting.position.seq, &event)) {
        bury_lost(*lane, waiting);
        lane->has_changed = lane->has_old_waiting = true;
        return;
    }
    const bool is_gone = is_of_another_call(waiting, event);
    if (!is_gone && !is_passed(*lane, event)) {
        lane->has_early_retry = true;
        return;
    }
    if (is_gone || event.is_done) {
        drop_done(log, context.waiting, lane->number, waiting);
        lane->has_changed = lane->has_old_waiting = true;
        return;
    }
    hand_out_waiting(log, context.waiting, lane->number, waiting, lane->next.claim_id);
    hand_out(*lane, event, waiting.attempts + 1);
    ++lane->next.events;
}

bool take_retry(Lane *lane)
{
    const DueEvents due = find_due(*lane->context->log, lane->waiting, GetCurrentTimestamp());
    lane->next.events = 0;
    for (int i = 0; i < due.count && lane->next.events < lane->limit; ++i) {
        const MemoryContext caller = MemoryContextSwitchTo(event_memory(lane->context));
        take_due(lane, *due.events[i]);
        end_event(*lane->context, caller);
    }
    lane->next.is_retry = lane->next.events > 0;
    return lane->next.is_retry;
}

// -- after a lost worker --------------------------------------------------------------------------

void retry_one_by_one(Lane *lane, const char *worker)
{
    const ClaimContext &context = *lane->context;
    const EventLog &log = *context.log;
    const LanePosition &position = lane->newest.position;
    const Failure failure = {worker, nullptr, lost_worker};
    const TimestampTz now = GetCurrentTimestamp();
    WaitingEvents waiting = read_waiting(log, context.waiting, lane->snapshot, lane->number);
    LaneReader reader =
        begin_reading(context.table, lane->snapshot, lane->number,
                      window_between(position.done_snapshot, position.window_snapshot), position.read);
    while (next_event(&reader) && reader.position <= lane->newest.to) {
        if (is_done(reader))
            continue;
        const LogEvent event = present_event(log, reader);
        if (find_waiting(waiting, event.call_id, event.position.seq) == nullptr &&
            !is_dead(log, lane->snapshot, event.position.seq))
            // All events of a call are due. The first one is handed out, and the others follow in order.
            add_waiting_event(log, context.waiting, in_lane(lane->number, event), position.NextAttempt(),
                              position.NextAttempt(), &now, &failure);
    }
    end_reading(reader);
}

void take_over(Lane *lane)
{
    const ClaimContext &context = *lane->context;
    char *worker = newest_worker(*context.log, context.tables, lane->snapshot, lane->number);
    if (lane->newest.is_retry)
        expire_retry(*context.log, lane->number, lane->newest.claim_id, worker);
    else if (IsLostForGood(lane->newest))
        retry_one_by_one(lane, worker);
    lane->next.position = PositionAfterLoss(lane->newest);
    lane->has_changed = true;
}

// -- claiming a lane -----------------------------------------------------------------------------

// The order matters: after the lock take a new snapshot, then read the newest record. Another worker may have
// changed the lane before the lock, without a sign in the lane's row.
void look_again(Lane *lane)
{
    const ClaimContext &context = *lane->context;
    lane->snapshot = take_snapshot();
    lane->newest = newest_record(*context.log, context.tables, lane->snapshot, lane->number);
    lane->now = end_of_lane(*context.log, lane->number, xids_of(lane->snapshot));
    lane->next = lane->newest;
}

void start_record(Lane *lane)
{
    const ClaimOptions &options = *lane->context->options;
    LaneRecord &next = lane->next;
    next.record_no = lane->newest.record_no + 1;
    next.state = RecordState::claimed;
    next.claim_id = MakeClaimId({lane->context->log->consumer_id, lane->number, next.record_no},
                                pg_prng_uint64(&pg_global_prng_state));
    next.claimed_at = GetCurrentTimestamp();
    next.lease_end = options.has_lease ? next.claimed_at + options.lease : DT_NOBEGIN;
    next.is_retry = false;
    next.to = {};
    next.is_window_end = false;
    next.events = 0;
}

void refresh_snapshot(Lane *lane)
{
    UnregisterSnapshot(lane->snapshot);
    lane->snapshot = take_snapshot();
}

// The step before may have changed the waiting events. Without reading them again, an event could be blocked
// behind one that is gone, forever.
void refresh_waiting(Lane *lane)
{
    const ClaimContext &context = *lane->context;
    if (!lane->has_old_waiting)
        return;
    refresh_snapshot(lane);
    lane->waiting = read_waiting(*context.log, context.waiting, lane->snapshot, lane->number);
    lane->has_old_waiting = false;
}

bool try_range(Lane *lane)
{
    refresh_waiting(lane);
    return take_range(lane);
}

// If an event is dropped, the next one of its call becomes due.
bool try_retry(Lane *lane)
{
    do {
        refresh_waiting(lane);
        if (take_retry(lane))
            return true;
    } while (lane->has_old_waiting);
    return false;
}

// Retries and ranges alternate, so neither starves. A range handed out before goes first: it may have earlier
// events of a waiting call. These are handed out first, or wait before the others.
bool take_events(Lane *lane)
{
    if (lane->context->options->skips_retries)
        return try_range(lane);
    const bool range_first = lane->newest.is_retry || lane->next.position.has_redelivery;
    if ((range_first && try_range(lane)) || try_retry(lane))
        return true;
    return (!range_first || lane->has_early_retry) && try_range(lane);
}

// Refers to the events due at the start of the search. The successor of an old lane was not visited.
bool has_no_more(const Lane &lane)
{
    const ClaimContext &context = *lane.context;
    const bool is_due = context.any_due && context.due[lane.number % context.log->lanes];
    return lane.is_emptied && !is_due && !lane.next.is_retry && lane.number >= context.log->first_lane;
}

void append_claim(Lane *lane, int first)
{
    const ClaimContext &context = *lane->context;
    Claim *claim = context.claim;
    if (!context.options->is_completed_here)
        append_record(*context.log, context.tables, lane->next, context.options->worker);
    claim->lanes[claim->lane_count++] = {lane->next, first, claim->event_count, has_no_more(*lane)};
}

void append_move(Lane *lane)
{
    const ClaimContext &context = *lane->context;
    lane->next.state = RecordState::moved;
    lane->next.claim_id = 0;
    append_record(*context.log, context.tables, lane->next, nullptr);
}

// If another worker emptied an old lane, its retries belong to the successor. The successor may be claimed by
// now.
bool is_claimable(const Lane &lane)
{
    const ClaimContext &context = *lane.context;
    if (lane.newest.IsOpen())
        return lane.newest.IsOver(GetCurrentTimestamp());
    return lane.number >= context.log->first_lane ||
           state_of_range(context, lane.snapshot, lane.newest.position, lane.number, lane.now) ==
               LaneState::claimable;
}

} // namespace

void claim_lane(ClaimContext *context, int number, int limit, bool moving)
{
    const int first = context->claim->event_count;
    Lane lane = {};
    lane.context = context;
    lane.number = number;
    lane.limit = limit;
    lane.has_changed = moving;
    lane.has_old_waiting = true;
    look_again(&lane);
    if (is_claimable(lane)) {
        start_record(&lane);
        if (lane.newest.IsOpen())
            take_over(&lane);
        if (take_events(&lane))
            append_claim(&lane, first);
        else if (lane.has_changed)
            append_move(&lane);
    }
    UnregisterSnapshot(lane.snapshot);
}

} // namespace callhardening
