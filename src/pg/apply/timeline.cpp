#include "core/lanes/claim.hpp"

#include "pg/base/text.hpp"
#include "pg/base/time.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/lane.hpp"
#include "pg/log/log_table.hpp"
#include "pg/log/snapshot.hpp"

extern "C" {
#include "funcapi.h"
#include "utils/snapmgr.h"
}

namespace callhardening
{

namespace
{

// The state of an event as its lane has it. Retrying and dead events are in tables of their own, and go
// before.
struct EventState {
    const char *name;
    int attempts; // 0: unknown
    const KeptRecord *claim;
    TimestampTz settled_at; // 0: unknown
};

struct Timeline {
    EventLog log;
    LogTable table;
    LaneTables lanes;
    Snapshot snapshot;
    int lane; // of `kept`
    KeptRecords kept;
};

// A call's events are in one lane, or in old lanes too.
const KeptRecords &records_of(Timeline *timeline, int lane)
{
    if (timeline->lane != lane)
        timeline->kept = kept_records(timeline->log, timeline->lanes, timeline->snapshot, lane);
    timeline->lane = lane;
    return timeline->kept;
}

LanePosition position_of(const Timeline &timeline, const LaneRecord &record)
{
    return timeline.log.is_restored ? WithoutMarks(record.position) : record.position;
}

bool is_retried_since(const KeptRecords &kept, int first)
{
    for (int i = first; i < kept.count; ++i)
        if (kept.records[i].record.is_retry)
            return true;
    return false;
}

// The record that says who had the claim of the closing record `end`.
const KeptRecord *claim_of(const KeptRecords &kept, int end)
{
    int first = end;
    while (first > 0 && kept.records[first - 1].record.claim_id == kept.records[end].record.claim_id)
        --first;
    return &kept.records[first];
}

// Finds the claim that has settled the event: the first record with the event behind it. It is unknown if the
// record may be an older one, and if the event may have failed and been retried.
EventState settled_by(const Timeline &timeline, const KeptRecords &kept, const LogPosition &event)
{
    int end = kept.count - 1;
    while (end > 0 && IsSettled(position_of(timeline, kept.records[end - 1].record), event))
        --end;
    const LaneRecord &record = kept.records[end].record;
    const bool is_oldest = end == 0 && record.record_no > 1;
    if (is_oldest || record.state != RecordState::completed || is_retried_since(kept, end))
        return {"done", 0, nullptr, 0};
    const int attempts = end == 0 ? 1 : kept.records[end - 1].record.position.NextAttempt();
    return {"done", attempts, claim_of(kept, end), record.lease_end};
}

bool is_in_claim(const LaneRecord &record, const LogPosition &event)
{
    return record.IsOpen() && !record.is_retry && record.position.window_snapshot.Sees(event.xid) &&
           event <= record.to;
}

EventState state_in_lane(Timeline *timeline, const LogEvent &event)
{
    const KeptRecords &kept = records_of(timeline, event.lane);
    if (kept.count == 0) // an old lane is dropped when its events are settled
        return {event.lane < timeline->log.first_lane ? "done" : "pending", 0, nullptr, 0};
    const KeptRecord &newest = kept.records[kept.count - 1];
    if (IsSettled(position_of(*timeline, newest.record), event.position))
        return settled_by(*timeline, kept, event.position);
    if (is_in_claim(newest.record, event.position))
        return {"claimed", newest.record.position.NextAttempt(), claim_of(kept, kept.count - 1), 0};
    return {"pending", 0, nullptr, 0};
}

EventState state_of(Timeline *timeline, const LogEvent &event)
{
    if (!IsLane(event.lane))
        return {event.lane == no_lane::ignored ? "ignored" : "dead", 0, nullptr, 0};
    EventState state = state_in_lane(timeline, event);
    if (event.is_done) {
        state.name = "done";
        state.settled_at = postgres_time(event.done_at);
    }
    return state;
}

void return_event(FunctionCallInfo fcinfo, Timeline *timeline, const LogEvent &event)
{
    const auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    const EventState state = state_of(timeline, event);
    const bool no_claim = state.claim == nullptr;
    bool nulls[11] = {};
    nulls[4] = !event.has_received_at;
    nulls[7] = state.attempts == 0;
    nulls[8] = no_claim;
    nulls[10] = state.settled_at == 0;
    // A body can be the source of the type.
    const Datum type = text_or_null(may_read_events(timeline->log) ? event.event_type : nullptr, &nulls[3]);
    const Datum worker = text_or_null(no_claim ? nullptr : state.claim->worker, &nulls[9]);
    const Datum values[] = {ObjectIdGetDatum(timeline->log.events),
                            Int32GetDatum(home_lane(timeline->log, event.lane)),
                            Int64GetDatum(event.position.seq),
                            type,
                            TimestampTzGetDatum(postgres_time(event.received_at)),
                            Int32GetDatum(event.lane),
                            CStringGetTextDatum(state.name),
                            Int32GetDatum(state.attempts),
                            TimestampTzGetDatum(no_claim ? 0 : state.claim->record.claimed_at),
                            worker,
                            TimestampTzGetDatum(state.settled_at)};
    tuplestore_putvalues(result->setResult, result->setDesc, const_cast<Datum *>(values), nulls);
}

void open_timeline(FunctionCallInfo fcinfo, Timeline *timeline)
{
    *timeline = {};
    find_event_log(fcinfo, 1, &timeline->log);
    choose_consumer(fcinfo, 2, &timeline->log);
    timeline->lanes = open_lanes(timeline->log, AccessShareLock);
    open_log_positions(timeline->log, &timeline->table);
    // The statement's own snapshot: it reads retries and dead events too.
    timeline->snapshot = RegisterSnapshot(GetActiveSnapshot());
    timeline->lane = -1;
}

void close_timeline(const Timeline &timeline)
{
    UnregisterSnapshot(timeline.snapshot);
    close_log_table(timeline.table);
    close_lanes(timeline.lanes, AccessShareLock);
}

void say_index_is_missing(const EventLog &log)
{
    ereport(NOTICE,
            (errmsg("event log %s has no index on call_id: all of its events were read", log.events_name),
             errhint("CREATE INDEX CONCURRENTLY ON %s (call_id, event_seq) WHERE call_id IS NOT NULL;",
                     log.events_name)));
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(events_of_call)
{
    Timeline timeline;
    bool has_index;
    InitMaterializedSRF(fcinfo, 0);
    open_timeline(fcinfo, &timeline);
    const LogEvents call =
        events_of_call(timeline.log, timeline.table, timeline.snapshot,
                       PG_ARGISNULL(0) ? "" : to_cstring(text_argument(fcinfo, 0)), &has_index);
    for (int i = 0; i < call.count; ++i)
        return_event(fcinfo, &timeline, call.events[i]);
    close_timeline(timeline);
    if (!has_index)
        say_index_is_missing(timeline.log);
    return Datum{0};
}
