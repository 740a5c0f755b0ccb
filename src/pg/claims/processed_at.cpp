#include "pg/claims/processed_at.hpp"
#include "pg/base/spi.hpp"
#include "pg/claims/dead.hpp"
#include "pg/log/snapshot.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
}

namespace callhardening
{

namespace
{

struct Numbers {
    int64 *seqs;
    int count, room;
};

void add_number(Numbers *numbers, int64 seq)
{
    if (numbers->count == numbers->room) {
        numbers->room = Max(64, numbers->room * 2);
        const size_t size = sizeof(int64) * numbers->room;
        numbers->seqs =
            static_cast<int64 *>(numbers->seqs == nullptr ? palloc(size) : repalloc(numbers->seqs, size));
    }
    numbers->seqs[numbers->count++] = seq;
}

SpiArgument array_value(const int64 *seqs, int count)
{
    auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * Max(1, count)));
    for (int i = 0; i < count; ++i)
        elements[i] = Int64GetDatum(seqs[i]);
    ArrayType *array =
        construct_array(elements, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
    return {INT8ARRAYOID, PointerGetDatum(array), false};
}

int compare_numbers(const void *left, const void *right)
{
    const int64 a = *static_cast<const int64 *>(left), b = *static_cast<const int64 *>(right);
    return a < b ? -1 : a > b;
}

bool has_number(const Numbers &sorted, int64 seq)
{
    return sorted.count > 0 && // bsearch takes no null pointer
           bsearch(&seq, sorted.seqs, sorted.count, sizeof(int64), compare_numbers) != nullptr;
}

// The log belongs to its owner: the caller needs the right to update the column, and its triggers fire. The
// update waits for row locks of other sessions, and keeps the values set by them.
void set_processed(const EventLog &log, const int64 *seqs, int count, Numbers *set)
{
    static KeptPlans plans;
    const char *column = quote_identifier(log.processed_at_column);
    run_statement(
        &plans,
        psprintf("UPDATE %s SET %s = pg_catalog.now()"
                 " WHERE event_seq OPERATOR(pg_catalog.=) ANY ($1) AND %s IS NULL RETURNING event_seq",
                 log.events_name, column, column),
        {array_value(seqs, count)});
    for (uint64 i = 0; i < SPI_processed; ++i)
        add_number(set, spi_int8(i, 1));
    SPI_freetuptable(SPI_tuptable);
    qsort(set->seqs, set->count, sizeof(int64), compare_numbers);
}

// An event without an update, and still unprocessed, would be lost.
void require_no_suppressed_update(const EventLog &log, const Numbers &missing)
{
    static KeptPlans plans;
    if (missing.count == 0)
        return;
    run_statement(
        &plans,
        psprintf("SELECT event_seq FROM %s WHERE event_seq OPERATOR(pg_catalog.=) ANY ($1) AND %s IS NULL",
                 log.events_name, quote_identifier(log.processed_at_column)),
        {array_value(missing.seqs, missing.count)});
    const bool is_suppressed = SPI_processed > 0;
    SPI_freetuptable(SPI_tuptable);
    if (is_suppressed)
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
                        errmsg("column \"%s\" of event log %s was not set", log.processed_at_column,
                               log.events_name),
                        errhint("A trigger or a rule of that table suppresses the update.")));
}

Numbers take_numbers(const EventLog &log, const Numbers &wanted)
{
    Numbers taken = {}, missing = {};
    if (wanted.count == 0)
        return taken;
    set_processed(log, wanted.seqs, wanted.count, &taken);
    for (int i = 0; i < wanted.count; ++i)
        if (!has_number(taken, wanted.seqs[i]))
            add_number(&missing, wanted.seqs[i]);
    require_no_suppressed_update(log, missing);
    return taken;
}

} // namespace

namespace
{

Numbers read_numbers(KeptPlans *plans, const char *query, const Numbers &wanted)
{
    Numbers result = {};
    run_statement(plans, query, {array_value(wanted.seqs, wanted.count)});
    for (uint64 i = 0; i < SPI_processed; ++i)
        add_number(&result, spi_int8(i, 1));
    SPI_freetuptable(SPI_tuptable);
    qsort(result.seqs, result.count, sizeof(int64), compare_numbers);
    return result;
}

const char *select_pending(const EventLog &log, const char *lock)
{
    return psprintf(
        "SELECT event_seq FROM %s WHERE event_seq OPERATOR(pg_catalog.=) ANY ($1) AND %s IS NULL%s",
        log.events_name, quote_identifier(log.processed_at_column), lock);
}

// An old processor locks an event while it processes it. Waiting for that could take long.
Numbers lock_free(const EventLog &log, const Numbers &wanted)
{
    static KeptPlans plans;
    return read_numbers(&plans, select_pending(log, " FOR NO KEY UPDATE SKIP LOCKED"), wanted);
}

// Events of `wanted` still unprocessed in a new snapshot.
Numbers find_pending(const EventLog &log, const Numbers &wanted)
{
    static KeptPlans plans;
    return read_numbers(&plans, select_pending(log, ""), wanted);
}

Numbers numbers_of(const Claim &claim)
{
    Numbers numbers = {};
    for (int i = 0; i < claim.event_count; ++i)
        add_number(&numbers, claim.events[i].event.position.seq);
    return numbers;
}

} // namespace

void take_claimed(const EventLog &log, Claim *claim)
{
    if (log.processed_at_column == nullptr || claim->event_count == 0)
        return;
    const Numbers wanted = numbers_of(*claim), free = lock_free(log, wanted);
    const Numbers pending = free.count == wanted.count ? Numbers{} : find_pending(log, wanted);
    const Numbers taken = take_numbers(log, free);
    for (int i = 0; i < claim->event_count; ++i) {
        ClaimedEvent &claimed = claim->events[i];
        const int64 seq = claimed.event.position.seq;
        claimed.is_held = !has_number(free, seq) && has_number(pending, seq);
        claimed.event.is_done = !claimed.is_held && !has_number(taken, seq);
    }
}

void give_back(const EventLog &log, const int64 *seqs, int count)
{
    static KeptPlans plans;
    if (log.processed_at_column == nullptr || count == 0)
        return;
    run_statement(&plans,
                  psprintf("UPDATE %s SET %s = NULL WHERE event_seq OPERATOR(pg_catalog.=) ANY ($1)",
                           log.events_name, quote_identifier(log.processed_at_column)),
                  {array_value(seqs, count)});
}

namespace
{

void add_retried(const LaneRecord &record, const WaitingEvents &waiting, Numbers *numbers)
{
    for (int i = 0; i < waiting.count; ++i)
        if (waiting.events[i].claim_id == record.claim_id)
            add_number(numbers, waiting.events[i].position.seq);
}

void add_range(const EventLog &log, const LaneRecord &record, Snapshot snapshot, const WaitingEvents &waiting,
               Numbers *numbers)
{
    LogTable table;
    const LanePosition &position = record.position;
    open_log_table(log, &table);
    const bool any_dead = has_any_dead(log, snapshot);
    const MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "callhardening event", ALLOCSET_DEFAULT_SIZES);
    LaneReader reader =
        begin_reading(table, snapshot, record.lane,
                      window_between(position.done_snapshot, position.window_snapshot), position.read);
    while (next_event(&reader) && reader.position <= record.to) {
        if (is_done(reader))
            continue;
        const MemoryContext caller = MemoryContextSwitchTo(scratch);
        const LogEvent event = present_event(log, reader);
        const bool has_failed = find_waiting(waiting, event.call_id, event.position.seq) != nullptr ||
                                (any_dead && is_dead(log, snapshot, event.position.seq));
        MemoryContextSwitchTo(caller);
        MemoryContextReset(scratch);
        if (!has_failed)
            add_number(numbers, reader.position.seq);
    }
    end_reading(reader);
    close_log_table(table);
}

} // namespace

void mark_claim(const EventLog &log, const LaneRecord &record)
{
    if (log.processed_at_column == nullptr || log.events_name == nullptr)
        return;
    Numbers numbers = {};
    SPI_connect();
    const Snapshot snapshot = take_snapshot();
    const CatalogTable table = open_waiting(AccessShareLock);
    const WaitingEvents waiting = read_waiting(log, table, snapshot, record.lane);
    if (record.is_retry)
        add_retried(record, waiting, &numbers);
    else
        add_range(log, record, snapshot, waiting, &numbers);
    close_catalog_table(table, AccessShareLock);
    UnregisterSnapshot(snapshot);
    take_numbers(log, numbers);
    SPI_finish();
}

} // namespace callhardening
