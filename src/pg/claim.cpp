#include "pg/claim.hpp"
#include "pg/snapshot.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "common/pg_prng.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

XidSnapshot end_of_lane(const EventLog &log, int lane, XidSnapshot now)
{
    constexpr uint64 no_end = PG_INT64_MAX;
    if (lane >= log.first_lane)
        return now;
    // An id that is in progress here may be an old event's.
    if (now.xmin >= log.adopted.xmax)
        return {no_end, no_end, {}};
    now.xmax = no_end;
    return now;
}

namespace
{

// What claiming goes by, opened once.
struct Claiming {
    EventLog *log;
    const ClaimOptions *options;
    LaneTables tables;
    LogTable table;
    OwnTable parked;
    bool any_parked; // in the log, when the search began
    bool any_due;
    bool *due; // by lane of the log: something parked in it is due
    Claim *claim;
};

// -- looking -------------------------------------------------------------------------------------

bool is_ahead(const LanePosition &position, const XidSnapshot &now)
{
    return (position.in_window ? position.reading : position.settled).xmax > now.xmax;
}

enum class Look : unsigned char {
    nothing,
    moving, // nothing as well, but it took long to find out
    something,
    waiting, // for the worker that has it, or for retries
    ahead,   // of the transaction ids of this cluster: the log was restored from another one
};

// Is there an event in the window behind the position?
bool has_events(const Claiming &claiming, Snapshot snapshot, int lane, std::span<const XidRange> window,
                const LogPosition &behind)
{
    LaneReader reader = begin_reading(claiming.table, snapshot, lane, window, behind);
    const bool found = next_event(&reader);
    end_reading(reader);
    return found;
}

int64 pages_looked_at()
{
    return pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read;
}

// Where transactions that were open when the lane was settled have ended since, or have left dead rows
// behind, each poll looks them up again: so the lane's window moves on, even where there is no event in it.
Look look_for_range(const Claiming &claiming, Snapshot snapshot, LanePosition position, int lane,
                    const XidSnapshot &now)
{
    constexpr size_t many_ranges = 16;
    constexpr int64 many_pages = 16;
    const int64 pages = pages_looked_at();
    if (position.in_window) {
        if (has_events(claiming, snapshot, lane, window_between(position.settled, position.reading),
                       position.read))
            return Look::something;
        CloseWindow(position);
    }
    const std::span<const XidRange> window = window_between(position.settled, now);
    if (has_events(claiming, snapshot, lane, window, {}))
        return Look::something;
    return EndedAmong(position.settled, now) > many_ranges || pages_looked_at() - pages > many_pages
               ? Look::moving
               : Look::nothing;
}

bool is_lane_due(const Claiming &claiming, Snapshot snapshot, int lane)
{
    if (!claiming.any_due || !claiming.due[lane % claiming.log->lanes])
        return false;
    const ParkedEvents parked = read_parked(*claiming.log, claiming.parked, snapshot, lane);
    return find_due(*claiming.log, parked, GetCurrentTimestamp()).count > 0;
}

// So much is parked in the lane that no new range is taken.
bool is_full(const Claiming &claiming, Snapshot snapshot, int lane)
{
    return claiming.any_parked &&
           has_many_parked(*claiming.log, claiming.parked, snapshot, lane, claiming.log->max_parked);
}

// Without a lock: who locks first to look stops everybody.
Look look_at(const Claiming &claiming, Snapshot snapshot, const XidSnapshot &now, int lane)
{
    const EventLog &log = *claiming.log;
    const LaneRecord record = newest_record(log, claiming.tables, snapshot, lane);
    const XidSnapshot end = end_of_lane(log, lane, now);
    if (is_ahead(record.position, end))
        return Look::ahead;
    if (record.IsOpen())
        return record.IsOver(GetCurrentTimestamp()) ? Look::something : Look::waiting;
    const bool is_old = lane < log.first_lane; // without a range, its retries are the next lane's
    if (!is_old && is_lane_due(claiming, snapshot, lane))
        return Look::something;
    const Look look = look_for_range(claiming, snapshot, record.position, lane, end);
    if (look != Look::something)
        return is_old ? Look::nothing : look;
    if (is_old && is_lane_due(claiming, snapshot, lane))
        return Look::something;
    const bool may_wait =
        !record.position.has_again; // for retries, as it is not to be handed out the first time
    return may_wait && is_full(claiming, snapshot, lane) ? Look::waiting : Look::something;
}

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

// A lane that is being claimed.
struct Lane {
    Claiming *claiming;
    int number;
    int limit; // of events
    LaneRecord newest;
    LaneRecord next;  // to be appended
    bool has_changed; // the position has, even where nothing is handed out
    Snapshot snapshot;
    XidSnapshot now;
    ParkedEvents parked;
};

EventInLane in_lane(int lane, const LogEvent &event)
{
    return {lane, event.place.seq, event.call_id};
}

enum class Place : unsigned char { handed_out, parked, dead };

// What has been parked, or has died, in an earlier claim of the range is not handed out again; what belongs
// to a call that waits is parked behind it.
Place place_event(Lane *lane, const LogEvent &event)
{
    const Claiming &claiming = *lane->claiming;
    if (find_parked(lane->parked, event.call_id, event.place.seq) != nullptr)
        return Place::parked;
    if (lane->next.position.has_again && is_dead(*claiming.log, lane->snapshot, event.place.seq))
        return Place::dead;
    if (!has_parked_call(lane->parked, event.call_id)) {
        *add_event(claiming.claim) = {event, lane->next.position.NextAttempt()};
        return Place::handed_out;
    }
    // It may have been handed out before the event that it waits for has failed.
    park_event(*claiming.log, claiming.parked, in_lane(lane->number, event),
               lane->next.position.NextAttempt() - 1, 0, nullptr, nullptr);
    lane->has_changed = true;
    return Place::parked;
}

// What one pass through a window gives.
struct Pass {
    int events;
    LogPosition to;
    bool at_end; // of the window
};

// A claim never reaches over the end of what was handed out before, as its events have had other attempts.
bool is_beyond_again(const LanePosition &position, const LogPosition &place)
{
    return position.has_again && place > position.again;
}

Pass read_window(Lane *lane)
{
    const Claiming &claiming = *lane->claiming;
    const LanePosition &position = lane->next.position;
    LaneReader reader = begin_reading(claiming.table, lane->snapshot, lane->number,
                                      window_between(position.settled, position.reading), position.read);
    Pass pass = {0, position.read, false};
    int looked_at = 0;
    bool more = next_event(&reader);
    // What is parked counts as well, so that the pass is bounded.
    for (; more && looked_at < lane->limit && !is_beyond_again(position, reader.place); ++looked_at) {
        pass.to = reader.place;
        if (place_event(lane, present_event(*claiming.log, reader)) == Place::handed_out)
            ++pass.events;
        more = next_event(&reader);
    }
    pass.at_end = !more;
    end_reading(reader);
    return pass;
}

// Takes the next range; false where there is none. Windows that hand out nothing are done with at once. A
// lane that is full takes no more than what was handed out before.
bool take_range(Lane *lane)
{
    LaneRecord &next = lane->next;
    const bool is_full = lane->parked.count >= lane->claiming->log->max_parked;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (is_full && !next.position.has_again)
            return false;
        const bool is_last = !next.position.in_window;
        if (is_last) {
            next.position.reading = lane->now;
            next.position.in_window = true;
        }
        const Pass pass = read_window(lane);
        next.to = pass.to;
        next.to_end = pass.at_end;
        next.events = pass.events;
        if (pass.events > 0)
            return true;
        next.position = PositionAfter(next);
        lane->has_changed = lane->has_changed || !is_last || !pass.at_end;
        if (is_last && pass.at_end)
            return false;
    }
}

// -- retries -------------------------------------------------------------------------------------

// An event that was deleted from the log, or moved: there is nothing to try again.
void bury_lost(const Lane &lane, const ParkedEvent &event)
{
    EventLog last_attempt = *lane.claiming->log;
    last_attempt.max_attempts = 0;
    const Failure failure = {nullptr, "02000", "the event is not in the log any more"};
    fail_event(last_attempt, lane.claiming->parked, {lane.number, event.seq, event.call_id}, event.attempts,
               nullptr, failure);
}

// What was parked in a claim that was given back or lost waits until its range is done with, which would hand
// it out once more. Older lanes are done with.
bool is_passed(const Lane &lane, const LogEvent &event)
{
    const LanePosition &position = lane.next.position;
    if (event.lane != lane.number)
        return event.lane < lane.number;
    return position.settled.Sees(event.place.xid) ||
           (position.in_window && position.reading.Sees(event.place.xid) && event.place <= position.read);
}

bool take_retry(Lane *lane)
{
    const Claiming &claiming = *lane->claiming;
    const DueEvents due = find_due(*claiming.log, lane->parked, GetCurrentTimestamp());
    lane->next.is_retry = true;
    lane->next.events = 0;
    for (int i = 0; i < due.count && lane->next.events < lane->limit; ++i) {
        const ParkedEvent &parked = *due.events[i];
        LogEvent event;
        if (!find_event(*claiming.log, claiming.table, lane->snapshot, parked.seq, &event)) {
            bury_lost(*lane, parked);
            lane->has_changed = true;
            continue;
        }
        if (!is_passed(*lane, event))
            continue;
        hand_out_parked(*claiming.log, claiming.parked, lane->number, parked.seq, lane->next.claim_id);
        *add_event(claiming.claim) = {event, parked.attempts + 1};
        ++lane->next.events;
    }
    lane->next.is_retry = lane->next.events > 0;
    return lane->next.is_retry;
}

// -- what a lost worker left behind ---------------------------------------------------------------

void park_range(Lane *lane, const char *worker)
{
    const Claiming &claiming = *lane->claiming;
    const EventLog &log = *claiming.log;
    const LanePosition &position = lane->newest.position;
    const Failure failure = {worker, nullptr, lost_worker};
    const TimestampTz now = GetCurrentTimestamp();
    ParkedEvents parked = read_parked(log, claiming.parked, lane->snapshot, lane->number);
    LaneReader reader = begin_reading(claiming.table, lane->snapshot, lane->number,
                                      window_between(position.settled, position.reading), position.read);
    while (next_event(&reader) && reader.place <= lane->newest.to) {
        const LogEvent event = present_event(log, reader);
        if (find_parked(parked, event.call_id, event.place.seq) == nullptr &&
            !is_dead(log, lane->snapshot, event.place.seq))
            // Each of a call is due: the first one goes out, and those behind it wait for their turn.
            park_event(log, claiming.parked, in_lane(lane->number, event), position.NextAttempt(),
                       position.NextAttempt(), &now, &failure);
    }
    end_reading(reader);
}

void take_over(Lane *lane)
{
    const Claiming &claiming = *lane->claiming;
    char *worker = newest_worker(*claiming.log, claiming.tables, lane->snapshot, lane->number);
    if (lane->newest.is_retry)
        expire_retry(*claiming.log, lane->number, lane->newest.claim_id, worker);
    else if (IsLostForGood(lane->newest))
        park_range(lane, worker);
    lane->next.position = PositionAfterLoss(lane->newest);
    lane->has_changed = true;
}

// -- claiming a lane -----------------------------------------------------------------------------

// After the lock, in this order: a new snapshot, the newest record, and what the snapshot sees. Before it
// somebody else may have been here, of which the lane's row gives no sign.
void look_again(Lane *lane)
{
    const Claiming &claiming = *lane->claiming;
    lane->snapshot = take_snapshot();
    lane->newest = newest_record(*claiming.log, claiming.tables, lane->snapshot, lane->number);
    lane->now = end_of_lane(*claiming.log, lane->number, xids_of(lane->snapshot));
    lane->next = lane->newest;
}

void start_record(Lane *lane)
{
    const ClaimOptions &options = *lane->claiming->options;
    LaneRecord &next = lane->next;
    next.n = lane->newest.n + 1;
    next.state = RecordState::claimed;
    next.claim_id = MakeClaimId({lane->claiming->log->log_id, lane->number, next.n},
                                pg_prng_uint64(&pg_global_prng_state));
    next.claimed_at = GetCurrentTimestamp();
    next.lease_end = options.has_lease ? next.claimed_at + options.lease : DT_NOBEGIN;
    next.is_retry = false;
    next.to = {};
    next.to_end = false;
    next.events = 0;
}

void refresh_snapshot(Lane *lane)
{
    UnregisterSnapshot(lane->snapshot);
    lane->snapshot = take_snapshot();
}

void look_at_parked(Lane *lane)
{
    const Claiming &claiming = *lane->claiming;
    lane->parked = read_parked(*claiming.log, claiming.parked, lane->snapshot, lane->number);
}

// Retries alternate with ranges, so that neither waits for the other. But a range that was handed out before
// may have events of a parked one's call in it that come before that one: they are handed out first, or are
// parked in front of it.
bool take_events(Lane *lane)
{
    look_at_parked(lane);
    if (!lane->newest.is_retry && !lane->next.position.has_again)
        return take_retry(lane) || take_range(lane);
    if (take_range(lane))
        return true;
    refresh_snapshot(lane);
    look_at_parked(lane);
    return take_retry(lane);
}

void append_claim(Lane *lane, int first)
{
    const Claiming &claiming = *lane->claiming;
    Claim *claim = claiming.claim;
    append_record(*claiming.log, claiming.tables, lane->next, claiming.options->worker);
    claim->lanes[claim->lane_count++] = {lane->next, first, claim->event_count};
}

void append_move(Lane *lane)
{
    const Claiming &claiming = *lane->claiming;
    lane->next.state = RecordState::moved;
    lane->next.claim_id = 0;
    append_record(*claiming.log, claiming.tables, lane->next, nullptr);
}

// An old lane that others have emptied has no retries any more: the next lane may be claimed by now.
bool is_claimable(const Lane &lane)
{
    const Claiming &claiming = *lane.claiming;
    if (lane.newest.IsOpen())
        return lane.newest.IsOver(GetCurrentTimestamp());
    return lane.number >= claiming.log->first_lane ||
           look_for_range(claiming, lane.snapshot, lane.newest.position, lane.number, lane.now) ==
               Look::something;
}

// Claims up to `limit` events of a lane that is locked; where there are none, `moving` says whether to move
// on.
void claim_lane(Claiming *claiming, int number, int limit, bool moving)
{
    const int first = claiming->claim->event_count;
    Lane lane = {};
    lane.claiming = claiming;
    lane.number = number;
    lane.limit = limit;
    lane.has_changed = moving;
    look_again(&lane);
    if (is_claimable(lane)) {
        start_record(&lane);
        if (lane.newest.IsOpen()) {
            take_over(&lane);
            refresh_snapshot(&lane);
        }
        if (take_events(&lane))
            append_claim(&lane, first);
        else if (lane.has_changed)
            append_move(&lane);
    }
    UnregisterSnapshot(lane.snapshot);
}

// -- from lane to lane ---------------------------------------------------------------------------

struct Search {
    Claiming *claiming;
    Snapshot snapshot;
    XidSnapshot now;
    MemoryContext scratch; // for the look at one lane
    int most_lanes;
    int moved;     // lanes that were moved on
    int lost;      // lanes that others had emptied when they were locked
    bool is_ahead; // a lane is ahead of this cluster
};

bool is_enough(const Search &search)
{
    const Claim &claim = *search.claiming->claim;
    return claim.event_count >= search.claiming->options->max_events || claim.lane_count >= search.most_lanes;
}

// A lane is not worth its records for a handful of events, and others should find something as well.
int share_of_lane(const Search &search)
{
    constexpr int least = 64;
    const int left = search.claiming->options->max_events - search.claiming->claim->event_count;
    const int lanes_left = search.most_lanes - search.claiming->claim->lane_count;
    return Min(left, Max(least, (left + lanes_left - 1) / lanes_left));
}

Look look_from_search(const Search &search, int lane)
{
    const MemoryContext caller = MemoryContextSwitchTo(search.scratch);
    const Look look = look_at(*search.claiming, search.snapshot, search.now, lane);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(search.scratch);
    return look;
}

void move_lane(Search *search, int lane)
{
    if (search->moved++ < search->most_lanes &&
        lock_lane(*search->claiming->log, search->claiming->tables, search->snapshot, lane, LockWaitSkip))
        claim_lane(search->claiming, lane, share_of_lane(*search), true);
}

// True where the lane is not done with, whoever has got what is in it.
bool try_lane(Search *search, int lane)
{
    Claiming *claiming = search->claiming;
    const int before = claiming->claim->event_count;
    const Look look = look_from_search(*search, lane);
    search->is_ahead = search->is_ahead || look == Look::ahead;
    if (look == Look::moving)
        move_lane(search, lane);
    if (look == Look::something &&
        lock_lane(*claiming->log, claiming->tables, search->snapshot, lane, LockWaitSkip)) {
        claim_lane(claiming, lane, share_of_lane(*search), false);
        search->lost += claiming->claim->event_count == before;
    }
    return look == Look::something || look == Look::waiting;
}

// Old lanes go before the new one, since they have the older events of its calls. True where one is not done
// with.
bool try_old_lanes(Search *search, int slot)
{
    const EventLog &log = *search->claiming->log;
    const LaneTables &tables = search->claiming->tables;
    for (int lane = slot; lane < log.first_lane; lane += log.lanes)
        if (has_lane(log, tables, search->snapshot, lane) && try_lane(search, lane))
            return true;
    return false;
}

void search_lanes(Search *search)
{
    const EventLog &log = *search->claiming->log;
    const auto start = static_cast<int>(pg_prng_uint64_range(&pg_global_prng_state, 0, log.lanes - 1));
    for (int i = 0; i < log.lanes && !is_enough(*search) && !search->is_ahead; ++i) {
        CHECK_FOR_INTERRUPTS();
        const int slot = (start + i) % log.lanes;
        if (!log.has_old_lanes || !try_old_lanes(search, slot))
            try_lane(search, log.first_lane + slot);
    }
}

// -- lanes of another cluster --------------------------------------------------------------------

bool is_over(const Claiming &claiming, Snapshot snapshot, int lane)
{
    const EventLog &log = *claiming.log;
    if (!has_lane(log, claiming.tables, snapshot, lane))
        return true;
    const LaneRecord record = newest_record(log, claiming.tables, snapshot, lane);
    const XidSnapshot end = end_of_lane(log, lane, xids_of(snapshot));
    return !record.IsOpen() &&
           look_for_range(claiming, snapshot, record.position, lane, end) != Look::something;
}

bool are_old_lanes_over(const Claiming &claiming)
{
    bool over = true;
    const Snapshot snapshot = take_snapshot();
    for (int lane = 0; over && lane < claiming.log->first_lane; ++lane)
        over = is_over(claiming, snapshot, lane);
    UnregisterSnapshot(snapshot);
    return over;
}

// Old lanes are empty for good when nothing is found in them while nobody is appending to the log: who began
// before the log was adopted may stamp with their numbers, and who begins later does not.
void drop_old_lanes(const Search &search)
{
    const EventLog &log = *search.claiming->log;
    const LaneTables &tables = search.claiming->tables;
    if (search.now.xmin < log.adopted.xmax || !ConditionalLockRelationOid(log.events, ShareLock))
        return;
    if (!are_old_lanes_over(*search.claiming))
        return;
    for (int lane = 0; lane < log.first_lane; ++lane)
        if (lock_lane(log, tables, search.snapshot, lane, LockWaitBlock))
            drop_lane(log, tables, lane);
    forget_old_lanes(log);
}

void open_claiming(Claiming *claiming)
{
    claiming->tables = open_lanes(*claiming->log, RowExclusiveLock);
    claiming->parked = open_parked(*claiming->log, RowExclusiveLock);
    open_log_table(*claiming->log, &claiming->table);
    claiming->due = static_cast<bool *>(palloc(sizeof(bool) * claiming->log->lanes));
}

void close_claiming(const Claiming &claiming)
{
    close_log_table(claiming.table);
    close_own_table(claiming.parked, NoLock);
    close_lanes(claiming.tables, NoLock);
}

void start_search(Claiming *claiming, Search *search)
{
    *search = {};
    search->claiming = claiming;
    search->snapshot = take_snapshot();
    search->now = xids_of(search->snapshot);
    search->most_lanes = Max(1, claiming->log->lanes / 8);
    search->scratch =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening look", ALLOCSET_DEFAULT_SIZES);
    claiming->any_parked = has_any_parked(*claiming->log, claiming->parked, search->snapshot);
    claiming->any_due = claiming->any_parked && mark_due_lanes(*claiming->log, search->snapshot,
                                                               GetCurrentTimestamp(), claiming->due);
}

// One look through the lanes; true where another one may find what this one did not get.
bool search_once(Claiming *claiming)
{
    EventLog *log = claiming->log;
    Search search;
    if (log->is_foreign)
        adopt_event_log(log);
    start_search(claiming, &search);
    search_lanes(&search);
    const bool is_empty = claiming->claim->event_count == 0;
    if (search.is_ahead)
        adopt_event_log(log);
    else if (log->has_old_lanes && is_empty && search.lost == 0)
        drop_old_lanes(search);
    UnregisterSnapshot(search.snapshot);
    return is_empty && (search.lost > 0 || search.is_ahead);
}

} // namespace

void claim_events(EventLog *log, const ClaimOptions &options, Claim *claim)
{
    Claiming claiming = {};
    *claim = {};
    claiming.log = log;
    claiming.options = &options;
    claiming.claim = claim;
    claim->lanes = static_cast<LaneClaim *>(palloc(sizeof(LaneClaim) * Max(1, log->lanes)));
    open_claiming(&claiming);
    // Between the look and the lock others may have emptied these lanes, and not all the others.
    for (int look = 0; look < log->lanes && search_once(&claiming); ++look)
        CHECK_FOR_INTERRUPTS();
    close_claiming(claiming);
}

// -- ending a claim ------------------------------------------------------------------------------

namespace
{

void append_end(const EventLog &log, const LaneTables &tables, const LaneRecord &claim, RecordState state,
                const LanePosition &position)
{
    LaneRecord end = claim;
    end.n = claim.n + 1;
    end.state = state;
    end.position = position;
    append_record(log, tables, end, nullptr);
}

} // namespace

void complete_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    if (record.is_retry)
        complete_retry(log, record.lane, record.claim_id);
    append_end(log, tables, record, RecordState::completed, PositionAfter(record));
}

void release_claim(const EventLog &log, const LaneTables &tables, const LaneRecord &record)
{
    if (record.is_retry)
        release_retry(log, record.lane, record.claim_id);
    append_end(log, tables, record, RecordState::released, PositionAfterRelease(record));
}

namespace
{

// Behind an event of its call that waits, an event is held back; where there is none, since the event before
// it has died, it is due.
void park_behind(const EventLog &log, const OwnTable &parked, const LaneRecord &record, const LogEvent &event,
                 bool waits)
{
    const TimestampTz now = GetCurrentTimestamp();
    park_event(log, parked, in_lane(record.lane, event), record.position.NextAttempt(), 0,
               waits ? nullptr : &now, nullptr);
}

// Those of the same call, as far as the claim's range goes.
void park_later_events(const EventLog &log, const LogTable &table, const LaneRecord &record,
                       const LogEvent &event)
{
    const Snapshot snapshot = take_snapshot();
    const LanePosition &position = record.position;
    const OwnTable parked = open_parked(log, RowExclusiveLock);
    const ParkedEvents waiting = read_parked(log, parked, snapshot, record.lane);
    bool waits = has_due_event(waiting, event.call_id);
    LaneReader reader = begin_reading(table, snapshot, record.lane,
                                      window_between(position.settled, position.reading), event.place);
    while (next_event(&reader) && reader.place <= record.to) {
        const LogEvent later = present_event(log, reader);
        if (strcmp(later.call_id, event.call_id) != 0 ||
            find_parked(waiting, later.call_id, later.place.seq) != nullptr ||
            (position.has_again && is_dead(log, snapshot, later.place.seq)))
            continue;
        park_behind(log, parked, record, later, waits);
        waits = true;
    }
    end_reading(reader);
    close_own_table(parked, NoLock);
    UnregisterSnapshot(snapshot);
}

int attempts_of(const EventLog &log, const LaneRecord &record, const LogEvent &event)
{
    if (!record.is_retry)
        return record.position.NextAttempt();
    const Snapshot snapshot = take_snapshot();
    const OwnTable parked = open_parked(log, AccessShareLock);
    const ParkedEvents waiting = read_parked(log, parked, snapshot, record.lane);
    const ParkedEvent *found = find_parked(waiting, event.call_id, event.place.seq);
    close_own_table(parked, AccessShareLock);
    UnregisterSnapshot(snapshot);
    return found == nullptr ? 0 : found->attempts;
}

} // namespace

bool fail_claimed_event(const EventLog &log, const LaneRecord &record, const LogEvent &event,
                        const TimestampTz *due_at, const Failure &failure)
{
    const OwnTable parked = open_parked(log, RowExclusiveLock);
    const bool is_dead = fail_event(log, parked, in_lane(record.lane, event), attempts_of(log, record, event),
                                    due_at, failure);
    close_own_table(parked, NoLock);
    return is_dead;
}

void hold_back_later_events(const EventLog &log, const LogTable &table, const LaneRecord &record,
                            const LogEvent &event)
{
    if (!record.is_retry) // which has no other event of the call
        park_later_events(log, table, record, event);
}

void hold_back_event(const EventLog &log, const LaneRecord &record, const LogEvent &event)
{
    const Snapshot snapshot = take_snapshot();
    const OwnTable parked = open_parked(log, RowExclusiveLock);
    const ParkedEvents waiting = read_parked(log, parked, snapshot, record.lane);
    park_behind(log, parked, record, event, has_due_event(waiting, event.call_id));
    close_own_table(parked, NoLock);
    UnregisterSnapshot(snapshot);
}

int max_events_argument_of(FunctionCallInfo fcinfo, int argument)
{
    const int32 max_events = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);
    if (max_events < 1 || max_events > most_claimed_events)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("max_events must be between 1 and %d", most_claimed_events)));
    return max_events;
}

void check_can_claim(const char *function)
{
    if (RecoveryInProgress() || XactReadOnly)
        ereport(ERROR,
                (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                 RecoveryInProgress() ? errmsg("%s cannot be used on a standby server", function)
                                      : errmsg("%s cannot be used in a read-only transaction", function),
                 errdetail("What is claimed has to be written down."),
                 RecoveryInProgress() ? errhint("Connect to the primary server.")
                                      : errhint("Use SET TRANSACTION READ WRITE.")));
    if (IsolationUsesXactSnapshot())
        ereport(
            ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("events cannot be claimed in a transaction with an isolation level above read committed"),
             errdetail("Its snapshot does not see what other workers have claimed since."),
             errhint("Use SET TRANSACTION ISOLATION LEVEL READ COMMITTED.")));
}

char *default_worker()
{
    const bool has_name = application_name != nullptr && *application_name != '\0';
    return psprintf("%s (pid %d)", has_name ? application_name : "unnamed", MyProcPid);
}

} // namespace callhardening
