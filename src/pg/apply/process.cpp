#include "core/base/text.hpp"
#include "core/events/merge.hpp"
#include "core/words/verdict.hpp"

#include "pg/apply/call_event.hpp"
#include "pg/apply/calls_table.hpp"
#include "pg/apply/process.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/spi.hpp"
#include "pg/base/subtransaction.hpp"
#include "pg/base/text.hpp"
#include "pg/base/time.hpp"
#include "pg/base/warning.hpp"
#include "pg/calls/issue.hpp"
#include "pg/calls/merged_events.hpp"
#include "pg/calls/refusal.hpp"
#include "pg/citus/shard.hpp"
#include "pg/claims/claim.hpp"
#include "pg/claims/processed_at.hpp"
#include "pg/log/consumer.hpp"
#include "pg/log/event.hpp"
#include "pg/log/event_log.hpp"
#include "pg/log/form.hpp"

extern "C" {
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}

namespace callhardening
{

namespace
{

// -- a batch -------------------------------------------------------------------------------------

struct BatchEvent {
    const LogEvent *claimed;
    CallEvent parsed;
    Merge outcome;
    int status_before; // of the call
    bool refines_the_end;
    UnknownWords unknown;
    const LaneRecord *claim;
    const ErrorData *error; // set: this event failed, or an earlier one of its call
    bool failed_itself;
    bool is_locked; // another session holds a lock on a row needed by its call
    bool is_held;   // another session holds a lock on the event, so its processed_at is not set back
};

// Limits the waits for other sessions' row locks. During a wait, the batch's other events wait too, and so do
// sessions that need its rows.
struct Patience {
    int callers;  // lock_timeout of the caller in milliseconds; 0: none
    int limit;    // of one wait, in milliseconds
    int64 waited; // by the whole batch until now, in microseconds
};

struct Batch {
    const EventLog *log;
    CallsTable table;
    Claim *claim;
    void (*complete)(const EventLog &log, const LaneTables &tables, const LaneRecord &record);
    BatchEvent *events; // by call, then in the order of the log
    int count;
    int present; // first event of the present call
    Patience patience;
    MemoryContext scratch; // for one event, or one call
};

// The events of one call in a batch: from events[first] up to, not including, events[end].
struct BatchCall {
    Batch *batch;
    int first;
    int end;
};

// -- reading events ------------------------------------------------------------------------------

std::string_view copy_text(std::string_view text)
{
    return {to_cstring(text), text.size()};
}

void copy_texts(CallEvent *event)
{
    for (FieldValue &value : event->fields)
        if (!value.text.empty())
            value.text = copy_text(value.text);
}

// A body may have megabytes, so its memory is freed after each event.
void read_batch_event(const CallsTable &table, BatchEvent *event, MemoryContext scratch)
{
    const MemoryContext batch = MemoryContextSwitchTo(scratch);
    EventFields fields;
    Jsonb *body = open_body(DatumGetJsonbP(event->claimed->payload)).document;
    read_event(body, table.shape, merged_fields, &fields);
    MemoryContextSwitchTo(batch);

    memcpy(event->parsed.fields, fields.values, sizeof(fields.values));
    copy_texts(&event->parsed);
    MemoryContextReset(scratch);
    const LogEvent &claimed = *event->claimed;
    event->unknown = read_meaning(table, {claimed.event_type, claimed.has_received_at, claimed.received_at},
                                  &event->parsed);
}

// Sorts by call, then in the order of the claim and so of the log.
int compare_events(const void *left, const void *right)
{
    const auto *a = static_cast<const BatchEvent *>(left), *b = static_cast<const BatchEvent *>(right);
    if (const int order = strcmp(a->claimed->call_id, b->claimed->call_id); order != 0)
        return order;
    return a->claimed < b->claimed ? -1 : 1;
}

void read_lane(Batch *batch, const LaneClaim &lane)
{
    for (int i = lane.first; i < lane.end; ++i) {
        CHECK_FOR_INTERRUPTS();
        const ClaimedEvent &claimed = batch->claim->events[i];
        if (claimed.event.is_done) // another processor has done it since the claim
            continue;
        BatchEvent *event = &batch->events[batch->count++];
        *event = {};
        event->claimed = &claimed.event;
        event->claim = &lane.record;
        event->is_locked = event->is_held = claimed.is_held;
        read_batch_event(batch->table, event, batch->scratch);
    }
}

void read_events(Batch *batch)
{
    batch->scratch =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening call", ALLOCSET_DEFAULT_SIZES);
    batch->count = 0;
    batch->events = static_cast<BatchEvent *>(
        palloc_extended(sizeof(BatchEvent) * Max(1, batch->claim->event_count), MCXT_ALLOC_HUGE));
    for (int lane = 0; lane < batch->claim->lane_count; ++lane)
        read_lane(batch, batch->claim->lanes[lane]);
    qsort(batch->events, batch->count, sizeof(BatchEvent), compare_events);
}

// -- waiting -------------------------------------------------------------------------------------

constexpr int longest_waits = 1000; // of a batch, in milliseconds

bool is_patient(const Patience &patience)
{
    return patience.waited < longest_waits * int64{1000};
}

// Sets lock_timeout for a subtransaction. The end of the subtransaction restores the caller's value. The
// least is a millisecond, because 0 means no limit.
void limit_waits(Patience *patience)
{
    constexpr int longest = 100; // in milliseconds
    const int left = Max(1, longest_waits - static_cast<int>(patience->waited / 1000));
    patience->limit = Min(longest, left);
    if (patience->callers > 0)
        patience->limit = Min(patience->limit, patience->callers);
    set_config_option("lock_timeout", psprintf("%d", patience->limit), PGC_USERSET, PGC_S_SESSION,
                      GUC_ACTION_SAVE, true, 0, false);
}

// A call that takes longer than usual has waited.
void count_wait(Patience *patience, TimestampTz begin)
{
    constexpr int64 shortest = 10000; // in microseconds
    const int64 spent = GetCurrentTimestamp() - begin;
    if (spent < shortest)
        return;
    patience->waited += spent;
    limit_waits(patience);
}

void mark_locked(const BatchCall &call)
{
    for (int i = call.first; i < call.end; ++i)
        call.batch->events[i].is_locked = true;
}

void give_up_waiting(const BatchCall &call)
{
    Patience &patience = call.batch->patience;
    patience.waited += patience.limit * int64{1000};
    mark_locked(call);
}

// -- applying a call -----------------------------------------------------------------------------

// A call with merged events, and its changes still to be written.
struct MergedCall {
    Call call;
    bool exists;    // it has a row
    int row_status; // in the row
    bool refines_the_end;
    const Datum *payload; // NULL: the row keeps its own
    int first, end;       // the events merged since the last write, in the batch
};

bool has_changed(const Call &call)
{
    bool changed = call.status_changed || call.direction_changed || call.state_changed;
    for (const bool column : call.changed)
        changed = changed || column;
    return changed;
}

void forget_changes(MergedCall *merged)
{
    Call &call = merged->call;
    call.status_changed = call.direction_changed = call.state_changed = false;
    memset(call.changed, 0, sizeof(call.changed));
    merged->exists = true;
    merged->row_status = call.status;
    merged->refines_the_end = false;
    merged->payload = nullptr;
    merged->first = merged->end;
}

// The status of the call after event `i`.
int status_after(const Batch &batch, const MergedCall &merged, int i)
{
    return i + 1 < merged.end ? batch.events[i + 1].status_before : merged.call.status;
}

MergedEvent merged_event(const Batch &batch, const MergedCall &merged, int i)
{
    const BatchEvent &event = batch.events[i];
    const int status = status_after(batch, merged, i);
    return {status == unset_status ? std::string_view{} : batch.table.settings.graph->Name(status),
            event.claimed->position.seq, event.parsed.has_time,
            event.parsed.has_time ? postgres_time(event.parsed.time) : 0};
}

// For a log of the changes: the row has only the last status.
MergedEvents merged_events(const BatchCall &of, const MergedCall &merged)
{
    const Batch &batch = *of.batch;
    auto *steps = static_cast<MergedEvent *>(palloc(sizeof(MergedEvent) * Max(1, merged.end - merged.first)));
    int count = 0;
    for (int i = merged.first; i < merged.end; ++i)
        if (status_after(batch, merged, i) != batch.events[i].status_before)
            steps[count++] = merged_event(batch, merged, i);
    return {RelationGetRelid(batch.table.relation),
            batch.events[of.first].claimed->call_id,
            batch.log->events_name,
            merged_event(batch, merged, merged.end - 1),
            steps,
            count};
}

bool write_row(const BatchCall &of, const MergedCall &merged)
{
    const CallsTable &table = of.batch->table;
    const LogEvent &first = *of.batch->events[of.first].claimed;
    const Datum payload = merged.payload == nullptr ? Datum{0} : open_payload(*merged.payload);
    if (!merged.exists) // the first event of a new call always sets its payload
        return insert_call(table, first.call_id, merged.call, payload, first.position.seq);
    return update_call(table, first.call_id, merged.call, merged.payload == nullptr ? nullptr : &payload,
                       merged.refines_the_end);
}

// False if another session inserted the call in the meantime, or a trigger suppressed the write.
bool write_merged(const BatchCall &of, MergedCall *merged)
{
    volatile bool written = true;
    if (!merged->exists || merged->payload != nullptr || has_changed(merged->call)) {
        const MergedEvents events = merged_events(of, *merged);
        hand_over_merged_events(&events);
        PG_TRY();
        {
            written = write_row(of, *merged);
        }
        PG_FINALLY();
        {
            hand_over_merged_events(nullptr);
        }
        PG_END_TRY();
    }
    forget_changes(merged);
    return written;
}

// Does the trigger of the calls table allow the row to change to the call's status? It allows one step of the
// graph.
bool is_one_step(const TransitionGraph &graph, const MergedCall &merged)
{
    const int from = merged.row_status, to = merged.call.status;
    return !merged.exists || from == unset_status || from == to || merged.refines_the_end ||
           graph.Allows(from, to);
}

void merge_into(const CallsTable &table, BatchEvent *event, MergedCall *merged)
{
    event->status_before = merged->call.status;
    const MergeResult result = MergeEvent(*table.settings.graph, table.columns, event->parsed, merged->call);
    event->outcome = result.merge;
    event->refines_the_end = result.refines_the_end;
    if (result.refines_the_end)
        merged->refines_the_end = merged->row_status == event->status_before;
    if (result.takes_payload)
        merged->payload = &event->claimed->payload;
    ++merged->end;
}

// If the event's status is a second step, the merged changes are written first.
bool merge_event(const BatchCall &of, BatchEvent *event, MergedCall *merged)
{
    const MergedCall before = *merged;
    merge_into(of.batch->table, event, merged);
    if (is_one_step(*of.batch->table.settings.graph, *merged))
        return true;
    *merged = before;
    if (!write_merged(of, merged))
        return false;
    merge_into(of.batch->table, event, merged);
    return true;
}

void read_merged(const BatchCall &of, int next, MergedCall *merged)
{
    const Batch &batch = *of.batch;
    *merged = {};
    merged->first = merged->end = next;
    // If another client has locked thousands of rows, even a millisecond for each would take seconds.
    merged->exists = read_call(batch.table, batch.events[of.first].claimed->call_id,
                               is_patient(batch.patience), &merged->call);
    merged->row_status = merged->call.status;
}

bool write_call(const BatchCall &of)
{
    MergedCall merged;
    read_merged(of, of.first, &merged);
    const bool reads_again = !merged.exists && of.batch->table.fills_new_rows;
    for (int i = of.first; i < of.end; ++i) {
        if (!merge_event(of, &of.batch->events[i], &merged))
            return false;
        if (i > of.first || i + 1 == of.end || !reads_again)
            continue;
        if (!write_merged(of, &merged))
            return false;
        read_merged(of, i + 1, &merged);
    }
    return write_merged(of, &merged);
}

void apply_call(void *state)
{
    // The second attempt sees a row inserted by another session.
    constexpr int attempts = 3;
    const auto *of = static_cast<const BatchCall *>(state);
    const TimestampTz begin = GetCurrentTimestamp();
    CHECK_FOR_INTERRUPTS();
    bool written = false;
    of->batch->present = of->first;
    const MemoryContext caller = MemoryContextSwitchTo(of->batch->scratch);
    for (int i = 0; i < attempts && !written; ++i)
        written = write_call(*of);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(of->batch->scratch);
    count_wait(&of->batch->patience, begin);
    if (written)
        return;
    ereport(ERROR, (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
                    errmsg("the call was not written to table \"%s\"", known_name(of->batch->table.relation)),
                    errhint("A trigger or a row-level security policy of that table suppresses the row.")));
}

bool is_same_call(const BatchEvent &left, const BatchEvent &right)
{
    return strcmp(left.claimed->call_id, right.claimed->call_id) == 0;
}

BatchCall next_call(Batch *batch, int first)
{
    int end = first + 1;
    while (end < batch->count && is_same_call(batch->events[end], batch->events[first]))
        ++end;
    return {batch, first, end};
}

void apply_all(void *state)
{
    auto *batch = static_cast<Batch *>(state);
    limit_waits(&batch->patience);
    for (int first = 0; first < batch->count;) {
        BatchCall call = next_call(batch, first);
        if (!batch->events[first].is_locked)
            apply_call(&call);
        first = call.end;
    }
    CHECK_FOR_INTERRUPTS(); // raises a late lock_timeout while it still counts for this batch
}

void apply_one(void *state)
{
    limit_waits(&static_cast<const BatchCall *>(state)->batch->patience);
    apply_call(state);
    CHECK_FOR_INTERRUPTS(); // as above
}

// If the calls table rejects an event, the event has failed, and later events of its call are blocked.
// Earlier events of the call and all other calls are applied.
void apply_until_failure(const BatchCall &call)
{
    for (int i = call.first; i < call.end; ++i) {
        BatchCall event = {call.batch, i, i + 1};
        const ErrorData *error = try_in_subtransaction(apply_one, &event);
        if (error == nullptr)
            continue;
        if (is_lock_error(error))
            return give_up_waiting({call.batch, i, call.end});
        call.batch->events[i].failed_itself = true;
        for (int later = i; later < call.end; ++later)
            call.batch->events[later].error = error;
        return;
    }
}

void try_call(BatchCall call)
{
    const ErrorData *error = try_in_subtransaction(apply_one, &call);
    if (error != nullptr && is_lock_error(error))
        give_up_waiting(call);
    else if (error != nullptr)
        apply_until_failure(call);
}

// The events of a call are applied in order. If another session has locked one of them, all wait.
void lock_calls_of_held(Batch *batch)
{
    for (int first = 0; first < batch->count;) {
        const BatchCall call = next_call(batch, first);
        for (int i = call.first; i < call.end; ++i)
            if (batch->events[i].is_held)
                mark_locked(call);
        first = call.end;
    }
}

// Failures are rare, so all calls share one subtransaction. After a failure, each call gets its own. A locked
// row is not waited for twice.
void apply_batch(Batch *batch)
{
    if (batch->count == 0)
        return;
    lock_calls_of_held(batch);
    const ErrorData *error = try_in_subtransaction(apply_all, batch);
    if (error == nullptr)
        return;
    if (is_lock_error(error))
        give_up_waiting(next_call(batch, batch->present));
    for (int first = 0; first < batch->count;) {
        const BatchCall call = next_call(batch, first);
        if (!batch->events[first].is_locked)
            try_call(call);
        first = call.end;
    }
}

// -- failures ------------------------------------------------------------------------------------

void record_failure(const EventLog &log, const BatchEvent &event)
{
    const Failure failure = {"process_call_events", unpack_sql_state(event.error->sqlerrcode),
                             event.error->message == nullptr ? "" : event.error->message};
    fail_claimed_event(log, *event.claim, *event.claimed, nullptr, failure);
}

// Is it the first locked event of its call? Locked events are the last ones of a call.
bool is_first_locked(const Batch &batch, int locked)
{
    const BatchEvent *events = batch.events;
    return locked == 0 || !events[locked - 1].is_locked || !is_same_call(events[locked - 1], events[locked]);
}

// Events blocked behind a failed one are recorded too.
void record_failures(const Batch &batch)
{
    for (int i = 0; i < batch.count; ++i) {
        const BatchEvent &event = batch.events[i];
        if (event.is_locked)
            retry_locked_event(*batch.log, *event.claim, *event.claimed, is_first_locked(batch, i));
        else if (event.error != nullptr && event.failed_itself)
            record_failure(*batch.log, event);
        else if (event.error != nullptr)
            block_event(*batch.log, *event.claim, *event.claimed);
    }
}

// These events are not processed, so processed_at is reset.
void give_failed_back(const Batch &batch)
{
    auto *seqs = static_cast<int64 *>(palloc(sizeof(int64) * Max(1, batch.count)));
    int count = 0;
    for (int i = 0; i < batch.count; ++i)
        if (batch.events[i].error != nullptr || (batch.events[i].is_locked && !batch.events[i].is_held))
            seqs[count++] = batch.events[i].claimed->position.seq;
    give_back(*batch.log, seqs, count);
}

void complete_claims(const Batch &batch)
{
    const LaneTables tables = open_lanes(*batch.log, RowExclusiveLock);
    for (int i = 0; i < batch.claim->lane_count; ++i)
        batch.complete(*batch.log, tables, batch.claim->lanes[i].record);
    close_lanes(tables, NoLock);
}

// -- warnings in the server log, and call_issues --------------------------------------------------

void note_words(const Batch &batch, const BatchEvent &event, IssueKind kind, OptionalText old_word,
                OptionalText new_word)
{
    note_issue({kind, RelationGetRelid(batch.table.relation), event.claimed->call_id, old_word, new_word,
                event.claimed->position.seq, nullptr});
}

void warn_refused_status(const Batch &batch, const BatchEvent &event, MemoryContext statement)
{
    const TransitionGraph *graph = batch.table.settings.graph;
    const Refusal refusal = {
        batch.table.relation,
        batch.table.settings.status_column,
        status_constraint,
        printable_word(event.claimed->call_id),
        invalid_transition_message(graph, graph->Name(event.status_before), graph->Name(event.parsed.status)),
        nullptr,
    };
    warn_refusal(refusal, statement);
    note_words(batch, event, IssueKind::refused_status, graph->Name(event.status_before),
               graph->Name(event.parsed.status));
}

void warn_unknown_words(const Batch &batch, const BatchEvent &event)
{
    if (!event.unknown.direction.empty()) {
        warn_unknown_word("direction", event.unknown.direction);
        note_words(batch, event, IssueKind::unknown_direction, {}, event.unknown.direction);
    }
    if (!event.unknown.state.empty()) {
        warn_unknown_word("status", event.unknown.state);
        note_words(batch, event, IssueKind::unknown_status, {}, event.unknown.state);
    }
}

void warn_of_batch(const Batch &batch, MemoryContext statement)
{
    for (int i = 0; i < batch.count; ++i) {
        const BatchEvent &event = batch.events[i];
        if (event.error != nullptr || event.is_locked)
            continue;
        warn_unknown_words(batch, event);
        if (event.outcome == Merge::refused)
            warn_refused_status(batch, event, statement);
        if (event.refines_the_end)
            note_words(batch, event, IssueKind::refined_status,
                       batch.table.settings.graph->Name(event.status_before),
                       batch.table.settings.graph->Name(event.parsed.status));
    }
}

// -- the function --------------------------------------------------------------------------------

ApplyCounts count_outcomes(const Batch &batch)
{
    ApplyCounts counts = {};
    for (int i = 0; i < batch.count; ++i) {
        const BatchEvent &event = batch.events[i];
        if (event.is_locked) { // the event returns, and counts then
            ++counts.locked;
            continue;
        }
        ++counts.claimed;
        int64 &count = event.error != nullptr            ? counts.failed
                       : event.outcome == Merge::refused ? counts.refused
                       : event.outcome == Merge::applied ? counts.applied
                                                         : counts.unchanged;
        ++count;
    }
    return counts;
}

void open_calls_of(const EventLog &log, CallsTable *table)
{
    if (get_rel_name(log.calls) == nullptr)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the calls table of event log %s no longer exists", log.events_name)));
    open_calls_table(log, RowExclusiveLock, table);
}

void count_batch(const Batch &batch, const ApplyCounts &counts)
{
    const CountedConsumer consumer = counted(*batch.log);
    const TimestampTz now = GetCurrentTimestamp();
    count_events(consumer, Counter::applied, counts.applied);
    count_events(consumer, Counter::unchanged, counts.unchanged);
    count_events(consumer, Counter::refused, counts.refused);
    for (int i = 0; i < batch.count; ++i) {
        const BatchEvent &event = batch.events[i];
        if (!event.is_locked && event.error == nullptr && event.claimed->has_received_at)
            count_lag(consumer, now - postgres_time(event.claimed->received_at));
    }
}

ApplyCounts apply_claim(Batch *batch, MemoryContext statement)
{
    // Before any call, because other processors lock in the same order.
    take_claimed(*batch->log, batch->claim);
    read_events(batch);
    apply_batch(batch);
    record_failures(*batch);
    give_failed_back(*batch);
    warn_of_batch(*batch, statement); // before the claims end: so call_timeline finds the batch of an issue
    complete_claims(*batch);
    const ApplyCounts counts = count_outcomes(*batch);
    count_batch(*batch, counts);
    return counts;
}

int compare_lanes(const void *left, const void *right)
{
    return static_cast<const LaneClaim *>(left)->record.lane -
           static_cast<const LaneClaim *>(right)->record.lane;
}

// Drops claims taken over by another worker. The others keep their lanes locked until the end of the
// transaction.
void drop_stale_claims(const EventLog &log, Claim *claim)
{
    const LaneTables tables = open_lanes(log, RowExclusiveLock);
    int current = 0;
    qsort(claim->lanes, claim->lane_count, sizeof(LaneClaim),
          compare_lanes); // all sessions lock lanes in this order
    for (int i = 0; i < claim->lane_count; ++i) {
        const LaneClaim lane = claim->lanes[i];
        const Snapshot before = take_snapshot();
        const bool locked = lock_lane(log, tables, before, lane.record.lane, LockWaitBlock);
        UnregisterSnapshot(before);
        const Snapshot after = take_snapshot();
        const LaneRecord newest = newest_record(log, tables, after, lane.record.lane);
        UnregisterSnapshot(after);
        if (locked && newest.IsOpen() && newest.claim_id == lane.record.claim_id)
            claim->lanes[current++] = lane;
    }
    claim->lane_count = current;
    close_lanes(tables, NoLock);
}

Datum to_row(FunctionCallInfo fcinfo, const ApplyCounts &counts)
{
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "process_call_events must return a row");
    Datum values[] = {Int64GetDatum(counts.claimed), Int64GetDatum(counts.applied),
                      Int64GetDatum(counts.unchanged), Int64GetDatum(counts.refused),
                      Int64GetDatum(counts.failed)};
    bool nulls[lengthof(values)] = {};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

} // namespace

namespace
{

void add_counts(ApplyCounts *sum, const ApplyCounts &counts)
{
    sum->claimed += counts.claimed;
    sum->applied += counts.applied;
    sum->unchanged += counts.unchanged;
    sum->refused += counts.refused;
    sum->failed += counts.failed;
    sum->locked += counts.locked;
}

// A lane gives either retries or a range, so another claim may find the rest. With processed_at this could
// deadlock: other processors lock an event before its call, and this transaction has locked calls already.
bool has_left_some(const EventLog &log, const Claim &claim)
{
    for (int i = 0; i < claim.lane_count && log.processed_at_column == nullptr; ++i)
        if (!claim.lanes[i].is_emptied)
            return true;
    return false;
}

// Events failed or locked here are not retried in the same run, even if they are due.
ApplyCounts apply_pending(Batch *batch, EventLog *log, int max_events, MemoryContext statement)
{
    ApplyCounts sum = {};
    ClaimOptions options = {max_events, false, 0, default_worker(), true, false};
    do {
        CHECK_FOR_INTERRUPTS();
        claim_events(log, options, batch->claim);
        add_counts(&sum, apply_claim(batch, statement));
        options.max_events -= batch->claim->event_count;
        options.skips_retries = sum.failed > 0 || sum.locked > 0;
    } while (options.max_events > 0 && has_left_some(*log, *batch->claim));
    return sum;
}

} // namespace

ApplyCounts apply_events(EventLog *log, int max_events, MemoryContext statement)
{
    return without_reentrance([=] {
        Batch batch = {};
        Claim claim;
        batch.log = log;
        batch.claim = &claim;
        batch.complete = complete_own_claim;
        batch.patience.callers = LockTimeout;
        require_shard(log->shard_id, log->events_name);
        open_calls_of(*log, &batch.table);
        const ApplyCounts counts = apply_pending(&batch, log, max_events, statement);
        table_close(batch.table.relation, NoLock);
        return counts;
    });
}

ApplyCounts apply_claimed_events(const EventLog &log, Claim *claim, MemoryContext statement)
{
    return without_reentrance([&log, claim, statement] {
        Batch batch = {};
        batch.log = &log;
        batch.claim = claim;
        batch.complete = complete_claim;
        batch.patience.callers = LockTimeout;
        require_shard(log.shard_id, log.events_name);
        open_calls_of(log, &batch.table);
        drop_stale_claims(log, claim);
        const ApplyCounts counts = apply_claim(&batch, statement);
        table_close(batch.table.relation, NoLock);
        return counts;
    });
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(process_call_events)
{
    enum { max_events_argument, log_argument, consumer_argument };
    const int max_events = max_events_argument_of(fcinfo, max_events_argument);
    require_claim_conditions("process_call_events");
    EventLog log;
    SPI_connect();
    find_event_log(fcinfo, log_argument, &log);
    require_log_of_webhooks(log, "process_call_events");
    choose_consumer(fcinfo, consumer_argument, &log);
    const ApplyCounts counts = apply_events(&log, max_events, fcinfo->flinfo->fn_mcxt);
    SPI_finish();
    return to_row(fcinfo, counts);
}
