#include "core/event_log.hpp"

#include "pg/lane.hpp"
#include "pg/spi.hpp"
#include "pg/time.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// -- snapshots -----------------------------------------------------------------------------------

XidSnapshot parse_snapshot(const char *text)
{
    XidSnapshot snapshot;
    const size_t count = CountInProgress(text);
    auto *room = static_cast<std::uint64_t *>(palloc(sizeof(std::uint64_t) * (count + 1)));
    if (!ParseSnapshot(text, {room, count}, snapshot))
        elog(ERROR, "malformed snapshot in call_claims");
    return snapshot;
}

// What a statement would see now, this transaction excluded.
const char *current_snapshot()
{
    PushActiveSnapshot(GetTransactionSnapshot());
    const char *text =
        DatumGetCString(OidFunctionCall1(F_PG_SNAPSHOT_OUT, OidFunctionCall0(F_PG_CURRENT_SNAPSHOT)));
    PopActiveSnapshot();

    const FullTransactionId own = GetTopFullTransactionIdIfAny();
    if (!FullTransactionIdIsValid(own))
        return text;
    const size_t size = strlen(text) + 2 + snapshot_bytes_per_xid;
    auto *with_own = static_cast<char *>(palloc(size));
    if (FormatSnapshot(parse_snapshot(text), U64FromFullTransactionId(own), {with_own, size}) == 0)
        elog(ERROR, "could not write a snapshot of callhardening");
    return with_own;
}

struct Window {
    XidRange *ranges;
    size_t count;
};

Window window_between(const char *settled, const char *reading)
{
    const XidSnapshot older = parse_snapshot(settled), newer = parse_snapshot(reading);
    const size_t room = older.in_progress.size() + newer.in_progress.size() + 1;
    Window window;
    window.ranges = static_cast<XidRange *>(palloc(sizeof(XidRange) * room));
    window.count = WindowRanges(older, newer, {window.ranges, room});
    return window;
}

// Transactions that were open when the lane was settled have ended since, too many to look each of them up at
// every poll: the lane moves on, even where none of them appended to it.
bool is_worth_moving(const Window &window)
{
    constexpr size_t most_ranges = 16;
    return window.count > most_ranges;
}

// -- positions -----------------------------------------------------------------------------------

const char *const nothing_settled = "3:3:"; // 3 is the first transaction id that is ever assigned

LanePosition position_in_row(uint64 row)
{
    bool is_null;
    LanePosition position = {};
    position.lane = spi_int4(row, 1);
    position.n = spi_int8(row, 2);
    position.settled = spi_is_null(row, 3) ? nothing_settled : spi_cstring(row, 3);
    position.reading = spi_cstring(row, 4);
    const Datum read_xid = spi_datum(row, 5, &is_null);
    position.read_xid = is_null ? 0 : DatumGetUInt64(read_xid);
    position.read_seq = spi_int8(row, 6);
    return position;
}

// Everything in the window that was being read has been handed out.
void start_next_window(LanePosition *position)
{
    position->settled = position->reading;
    position->reading = nullptr;
    position->read_xid = 0;
    position->read_seq = 0;
}

// The newest record of one lane, or of all where `lane` is NULL: one step back from the end of the key each.
void select_positions(const EventLog *log, SpiArgument lane)
{
    static KeptPlans plans;
    run_statement(&plans,
                  psprintf("SELECT l.lane, c.n, c.settled::pg_catalog.text, c.reading::pg_catalog.text,"
                           " c.read_xid, c.read_seq FROM %s.call_lanes l LEFT JOIN LATERAL"
                           " (SELECT * FROM %s.call_claims r WHERE r.log_id OPERATOR(pg_catalog.=) l.log_id"
                           " AND r.lane OPERATOR(pg_catalog.=) l.lane ORDER BY r.n DESC LIMIT 1) c ON true"
                           " WHERE l.log_id OPERATOR(pg_catalog.=) $1"
                           " AND ($2 IS NULL OR l.lane OPERATOR(pg_catalog.=) $2) ORDER BY l.lane",
                           log->extension, log->extension),
                  {int4_value(log->log_id), lane});
}

// -- looking and locking -------------------------------------------------------------------------

// Events of a range behind the last one that was handed out: the smallest key that is still to be read.
struct RangeStart {
    uint64 xid;
    int64 seq; // exclusive
};

RangeStart start_of(const LanePosition &position, const XidRange &range)
{
    if (range.first > position.read_xid)
        return {range.first, PG_INT64_MIN};
    return {position.read_xid, position.read_seq};
}

bool range_has_events(const EventLog *log, const LanePosition &position, const XidRange &range)
{
    static KeptPlans plans;
    const RangeStart start = start_of(position, range);
    run_statement(
        &plans,
        psprintf("SELECT FROM %s WHERE event_lane OPERATOR(pg_catalog.=) $1"
                 " AND event_xid OPERATOR(pg_catalog.<) $2"
                 " AND (event_xid, event_seq) OPERATOR(pg_catalog.>) ($3, $4) LIMIT 1",
                 log->events_name),
        {int4_value(position.lane), xid8_value(range.end), xid8_value(start.xid), int8_value(start.seq)});
    return SPI_processed > 0;
}

bool window_has_events(const EventLog *log, const LanePosition &position, const Window &window)
{
    for (size_t i = 0; i < window.count; ++i)
        if (window.ranges[i].end > position.read_xid && range_has_events(log, position, window.ranges[i]))
            return true;
    return false;
}

enum class Look : unsigned char {
    nothing,
    moving, // no events, but the lane's position is worth moving
    events,
};

// Transaction ids start anew in another cluster: what is appended there would be taken for settled.
void check_cluster(const EventLog *log, const LanePosition &position, const char *now)
{
    const char *newest = position.reading != nullptr ? position.reading : position.settled;
    if (parse_snapshot(newest).xmax > parse_snapshot(now).xmax)
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("event log %s was restored from another cluster", log->events_name),
             errdetail("Its positions are ahead of the transaction ids of this one."),
             errhint(
                 "Set event_xid of its events to pg_current_xact_id(), and delete its rows in call_claims: "
                 "all of them are processed once more.")));
}

Look look_at(const EventLog *log, LanePosition position, const char *now)
{
    bool moving = false;
    check_cluster(log, position, now);
    if (position.reading != nullptr) {
        const Window begun = window_between(position.settled, position.reading);
        if (window_has_events(log, position, begun))
            return Look::events;
        moving = is_worth_moving(begun);
        start_next_window(&position);
    }
    const Window window = window_between(position.settled, now);
    if (window_has_events(log, position, window))
        return Look::events;
    return moving || is_worth_moving(window) ? Look::moving : Look::nothing;
}

bool lock_lane(const EventLog *log, int lane)
{
    static KeptPlans plans;
    run_statement(&plans,
                  psprintf("SELECT FROM %s.call_lanes WHERE log_id OPERATOR(pg_catalog.=) $1"
                           " AND lane OPERATOR(pg_catalog.=) $2 FOR NO KEY UPDATE SKIP LOCKED",
                           log->extension),
                  {int4_value(log->log_id), int4_value(lane)});
    return SPI_processed > 0;
}

// Lanes of which this transaction holds the lock.
struct LockedLanes {
    int count;
    int lanes[max_lanes];
    int moving_count;
    int moving[max_lanes];
};

// Locks up to an eighth of the lanes. A lane is looked at before it is locked: who locks first to look keeps
// everybody else out of lanes in which there is nothing.
void lock_pending_lanes(const EventLog *log, LockedLanes *locked)
{
    locked->count = locked->moving_count = 0;
    select_positions(log, null_argument(INT4OID));
    const auto lanes = static_cast<int>(SPI_processed);
    if (lanes == 0)
        return;
    auto *positions = static_cast<LanePosition *>(palloc(sizeof(LanePosition) * lanes));
    for (int i = 0; i < lanes; ++i)
        positions[i] = position_in_row(i);

    const char *now = current_snapshot();
    const int most = Min(max_lanes, Max(1, lanes / 8));
    const auto start = static_cast<int>(pg_prng_uint64_range(&pg_global_prng_state, 0, lanes - 1));
    for (int i = 0; i < lanes && locked->count < most; ++i) {
        CHECK_FOR_INTERRUPTS();
        const LanePosition &position = positions[(start + i) % lanes];
        const Look look = look_at(log, position, now);
        if (look == Look::events && lock_lane(log, position.lane))
            locked->lanes[locked->count++] = position.lane;
        else if (look == Look::moving && locked->moving_count < most && lock_lane(log, position.lane))
            locked->moving[locked->moving_count++] = position.lane;
    }
}

// -- reading -------------------------------------------------------------------------------------

ClaimedEvent *add_event(Claim *claim)
{
    if (claim->event_count == claim->event_room) {
        claim->event_room *= 2;
        claim->events =
            static_cast<ClaimedEvent *>(repalloc(claim->events, sizeof(ClaimedEvent) * claim->event_room));
    }
    return &claim->events[claim->event_count++];
}

enum : int {
    xid_result = 1,
    seq_result,
    call_id_result,
    event_type_result,
    received_at_result,
    payload_result
};

// The log is its owner's table: he may have altered it, or its rows.
void check_stamps(const EventLog *log, uint64 row)
{
    const TupleDesc columns = SPI_tuptable->tupdesc;
    if (SPI_gettypeid(columns, xid_result) == XID8OID && SPI_gettypeid(columns, seq_result) == INT8OID &&
        SPI_gettypeid(columns, received_at_result) == TIMESTAMPTZOID &&
        SPI_gettypeid(columns, payload_result) == JSONBOID && !spi_is_null(row, call_id_result) &&
        !spi_is_null(row, received_at_result) && !spi_is_null(row, payload_result))
        return;
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("event %s of event log %s is not as it was stamped", spi_cstring(row, seq_result),
                           log->events_name),
                    errdetail("A column of the log, or this row, was altered."),
                    errhint("Copy the bodies to a new event log.")));
}

// Adds the events of one range that come after the position, in the order of the log.
void read_range(const EventLog *log, const LanePosition &position, const XidRange &range, int limit,
                Claim *claim)
{
    static KeptPlans plans;
    const RangeStart start = start_of(position, range);
    run_statement(
        &plans,
        psprintf("SELECT event_xid, event_seq, call_id, event_type, received_at, payload FROM %s"
                 " WHERE event_lane OPERATOR(pg_catalog.=) $1 AND event_xid OPERATOR(pg_catalog.<) $2"
                 " AND (event_xid, event_seq) OPERATOR(pg_catalog.>) ($3, $4)"
                 " ORDER BY event_xid, event_seq LIMIT $5",
                 log->events_name),
        {int4_value(position.lane), xid8_value(range.end), xid8_value(start.xid), int8_value(start.seq),
         int8_value(limit)});
    bool is_null;
    for (uint64 row = 0; row < SPI_processed; ++row) {
        check_stamps(log, row);
        ClaimedEvent *event = add_event(claim);
        event->lane = position.lane;
        event->xid = DatumGetUInt64(spi_datum(row, xid_result, &is_null));
        event->seq = spi_int8(row, seq_result);
        event->call_id = spi_cstring(row, call_id_result);
        event->event_type = spi_cstring(row, event_type_result);
        event->received_at =
            unix_microseconds(DatumGetTimestampTz(spi_datum(row, received_at_result, &is_null)));
        event->payload = spi_datum(row, payload_result, &is_null);
    }
}

// Reads on in the window; true where its end was reached.
bool read_window(const EventLog *log, LanePosition *position, const Window &window, int limit, Claim *claim)
{
    const int until = claim->event_count + limit;
    for (size_t i = 0; i < window.count; ++i) {
        if (window.ranges[i].end <= position->read_xid)
            continue;
        CHECK_FOR_INTERRUPTS();
        read_range(log, *position, window.ranges[i], until - claim->event_count, claim);
        if (claim->event_count == until)
            return false;
    }
    return true;
}

void advance_to_last_event(LanePosition *position, const Claim *claim)
{
    const ClaimedEvent &last = claim->events[claim->event_count - 1];
    position->read_xid = last.xid;
    position->read_seq = last.seq;
}

// Adds up to `limit` events of a lane that is locked. Before the lock somebody else may have read them, so
// the newest record is looked up again, and the snapshot up to which the lane is read is taken after that.
void claim_lane(const EventLog *log, int lane, int limit, Claim *claim)
{
    select_positions(log, int4_value(lane));
    LanePosition position = position_in_row(0);
    const int before = claim->event_count;
    bool moved = false;
    for (bool at_end = false; !at_end;) {
        at_end = position.reading == nullptr;
        if (at_end)
            position.reading = current_snapshot();
        const Window window = window_between(position.settled, position.reading);
        const int left = limit - (claim->event_count - before);
        if (!read_window(log, &position, window, left, claim)) {
            advance_to_last_event(&position, claim);
            break;
        }
        moved = moved || !at_end || is_worth_moving(window);
        start_next_window(&position);
    }
    position.events = claim->event_count - before;
    if (position.events > 0 || moved)
        claim->lanes[claim->lane_count++] = position;
}

void claim_locked_lanes(const EventLog *log, const LockedLanes &locked, int max_events, Claim *claim)
{
    for (int i = 0; i < locked.count && claim->event_count < max_events; ++i) {
        const int lanes_left = locked.count - i, events_left = max_events - claim->event_count;
        claim_lane(log, locked.lanes[i], (events_left + lanes_left - 1) / lanes_left, claim);
    }
    for (int i = 0; i < locked.moving_count && claim->event_count < max_events; ++i)
        claim_lane(log, locked.moving[i], max_events - claim->event_count, claim);
}

} // namespace

void claim_events(const EventLog *log, int max_events, Claim *claim)
{
    constexpr int first_room = 64;
    auto *locked = static_cast<LockedLanes *>(palloc(sizeof(LockedLanes)));

    *claim = {};
    claim->event_room = first_room;
    claim->events = static_cast<ClaimedEvent *>(palloc(sizeof(ClaimedEvent) * first_room));
    // Between the look and the lock others may have emptied these lanes, and not all the others.
    do {
        lock_pending_lanes(log, locked);
        claim->lanes = static_cast<LanePosition *>(
            palloc(sizeof(LanePosition) * (locked->count + locked->moving_count + 1)));
        claim->lane_count = 0;
        claim_locked_lanes(log, *locked, max_events, claim);
    } while (claim->event_count == 0 && locked->count > 0);
}

namespace
{

// -- settling ------------------------------------------------------------------------------------

void append_record(const EventLog *log, const LanePosition &position)
{
    static KeptPlans plans;
    const bool between = position.reading == nullptr;
    run_statement(
        &plans,
        psprintf("INSERT INTO %s.call_claims (log_id, lane, n, settled, reading, read_xid, read_seq, events)"
                 " VALUES ($1, $2, $3, $4::pg_catalog.pg_snapshot, $5::pg_catalog.pg_snapshot, $6, $7, $8)",
                 log->extension),
        {int4_value(log->log_id), int4_value(position.lane), int8_value(position.n + 1),
         text_value(position.settled), between ? null_argument(TEXTOID) : text_value(position.reading),
         between ? null_argument(XID8OID) : xid8_value(position.read_xid),
         between ? null_argument(INT8OID) : int8_value(position.read_seq), int4_value(position.events)});
}

// Records pile up at one end and are read at the other; the old ones go one by one, by their exact key, since
// a range would walk over all that an old snapshot keeps alive.
void drop_old_record(const EventLog *log, const LanePosition &position)
{
    constexpr int64 kept_records = 16;
    static KeptPlans plans;
    if (position.n <= kept_records)
        return;
    run_statement(
        &plans,
        psprintf("DELETE FROM %s.call_claims WHERE log_id OPERATOR(pg_catalog.=) $1"
                 " AND lane OPERATOR(pg_catalog.=) $2 AND n OPERATOR(pg_catalog.=) $3",
                 log->extension),
        {int4_value(log->log_id), int4_value(position.lane), int8_value(position.n - kept_records)});
}

} // namespace

void settle_claim(const EventLog *log, const Claim *claim)
{
    for (int i = 0; i < claim->lane_count; ++i) {
        append_record(log, claim->lanes[i]);
        drop_old_record(log, claim->lanes[i]);
    }
}

} // namespace callhardening
