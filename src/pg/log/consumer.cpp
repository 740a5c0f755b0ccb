#include "core/lanes/claim.hpp"

#include "pg/base/time.hpp"
#include "pg/log/consumer.hpp"

#include <algorithm>

extern "C" {
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// The columns of consumers, created in sql/log/consumer.sql.
enum ConsumerColumn {
    consumer_number = 1,
    consumer_log,
    consumer_name,
    consumer_created_at,
    consumer_max_attempts,
    consumer_retry_base,
    consumer_retry_cap,
    consumer_max_retrying,
    consumer_columns = consumer_max_retrying
};
constexpr CatalogColumn columns_of_consumers[] = {{"consumer_id", INT4OID},   {"log_id", INT4OID},
                                                  {"name", NAMEOID},          {"created_at", TIMESTAMPTZOID},
                                                  {"max_attempts", INT4OID},  {"retry_base", INTERVALOID},
                                                  {"retry_cap", INTERVALOID}, {"max_retrying", INT4OID}};
static_assert(lengthof(columns_of_consumers) == consumer_columns, "each column is here");

CatalogTable open_consumers(const char *index, LOCKMODE lock)
{
    return open_catalog_table(consumers_layout, index, lock);
}

void read_int4(TupleTableSlot *slot, int column, int *limit)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    if (!is_null)
        *limit = DatumGetInt32(value);
}

void read_interval(TupleTableSlot *slot, int column, int64 *limit)
{
    bool is_null;
    const Datum value = row_value(slot, column, &is_null);
    if (!is_null)
        *limit = interval_microseconds(DatumGetIntervalP(value));
}

// An event processed by another client is settled for the default consumer alone.
void read_consumer(TupleTableSlot *slot, EventLog *log)
{
    bool is_null;
    log->consumer_id = row_int4(slot, consumer_number);
    if (log->consumer_id == log->log_id)
        return;
    log->consumer = pstrdup(NameStr(*DatumGetName(row_value(slot, consumer_name, &is_null))));
    log->processed_at_column = nullptr;
    read_int4(slot, consumer_max_attempts, &log->max_attempts);
    read_interval(slot, consumer_retry_base, &log->retry_base);
    read_interval(slot, consumer_retry_cap, &log->retry_cap);
    read_int4(slot, consumer_max_retrying, &log->max_retrying);
}

[[noreturn]] void raise_no_consumer(const EventLog &log, const char *name)
{
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("event log %s has no consumer \"%s\"", log.events_name, name),
                    errhint("The view call_consumers lists the consumers.")));
    pg_unreachable();
}

void require_default_consumer(const EventLog &log)
{
    if (log.is_of_changes)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("event log %s has no default consumer", log.events_name),
                        errdetail("Its events are the changes of a calls table."),
                        log.other_consumers.empty()
                            ? errhint("Add a consumer with create_call_consumer, and name it.")
                            : errhint("Name one of its consumers. The view call_consumers lists them.")));
}

} // namespace

constinit const CatalogLayout consumers_layout = {"consumers", columns_of_consumers};

namespace
{

// False if there is no such row.
bool find_row(const char *index, std::initializer_list<Key> keys, EventLog *log)
{
    const CatalogTable consumers = open_consumers(index, AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(consumers, snapshot, keys);
    const bool found = next_row(scan);
    if (found)
        read_consumer(scan.slot, log);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(consumers, AccessShareLock);
    return found;
}

} // namespace

bool find_consumer(const char *name, EventLog *log)
{
    NameData padded;
    namestrcpy(&padded, name);
    return find_row("consumers_name_key", {int4_key(1, log->log_id), name_key(2, &padded)}, log);
}

void choose_consumer(FunctionCallInfo fcinfo, int consumer_argument, EventLog *log)
{
    if (PG_ARGISNULL(consumer_argument)) {
        require_default_consumer(*log);
        return;
    }
    const char *name = NameStr(*PG_GETARG_NAME(consumer_argument));
    if (!find_consumer(name, log))
        raise_no_consumer(*log, name);
}

bool has_consumer(const EventLog &log, int32 consumer_id)
{
    const std::span<const int32> others = log.other_consumers;
    return consumer_id == log.log_id || std::ranges::find(others, consumer_id) != others.end();
}

bool find_log_of_consumer(int32 consumer_id, EventLog *log)
{
    if (find_event_log_by_id(consumer_id, log))
        return true;
    const CatalogTable consumers = open_consumers("consumers_pkey", AccessShareLock);
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(consumers, snapshot, {int4_key(1, consumer_id)});
    const bool found = next_row(scan) && find_event_log_by_id(row_int4(scan.slot, consumer_log), log);
    if (found)
        read_consumer(scan.slot, log);
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    close_catalog_table(consumers, AccessShareLock);
    return found;
}

bool see_as_consumer(int32 consumer_id, EventLog *log)
{
    Assert(log->consumer == nullptr);
    log->consumer_id = consumer_id;
    return consumer_id == log->log_id || find_row("consumers_pkey", {int4_key(1, consumer_id)}, log);
}

std::span<const EventLog> consumers_of(const EventLog &log)
{
    const size_t own = log.is_of_changes ? 0 : 1, count = own + log.other_consumers.size();
    auto *all = static_cast<EventLog *>(palloc(sizeof(EventLog) * Max(1, count)));
    std::fill_n(all, count, log);
    for (size_t i = 0; i < count; ++i)
        see_as_consumer(i < own ? log.log_id : log.other_consumers[i - own], &all[i]);
    return {all, count};
}

// -- adding and dropping -------------------------------------------------------------------------

namespace
{

// Claim ids have room for so many numbers, those of logs and of consumers together.
int32 next_consumer_id()
{
    const int64 number = nextval_internal(get_relname_relid("logs_log_id_seq", own_schema()), false);
    if (number > max_consumer_id)
        ereport(ERROR, (errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
                        errmsg("the numbers of event logs and consumers are used up"),
                        errdetail("The last one is %d.", max_consumer_id)));
    return static_cast<int32>(number);
}

} // namespace

void add_consumer(const LockedLog &locked, const char *name, EventLog *log)
{
    NameData padded;
    namestrcpy(&padded, name);
    log->consumer_id = next_consumer_id();
    const Datum values[consumer_columns] = {Int32GetDatum(log->consumer_id), Int32GetDatum(log->log_id),
                                            NameGetDatum(&padded),
                                            TimestampTzGetDatum(GetCurrentTimestamp())};
    const bool nulls[consumer_columns] = {false, false, false, false, true, true, true, true};
    const CatalogTable consumers = open_consumers("consumers_pkey", RowExclusiveLock);
    insert_row(consumers, values, nulls);
    close_catalog_table(consumers, NoLock);
    auto *ids = static_cast<int32 *>(palloc(sizeof(int32) * (log->other_consumers.size() + 1)));
    int32 *end = std::ranges::copy(log->other_consumers, ids).out;
    *end++ = log->consumer_id;
    log->other_consumers = {ids, end};
    write_consumers(locked, *log);
    log->consumer = pstrdup(name);
    log->processed_at_column = nullptr;
}

void drop_consumer(const LockedLog &locked, int32 consumer_id)
{
    EventLog log;
    read_locked_log(locked, &log);
    auto *ids = static_cast<int32 *>(palloc(sizeof(int32) * (log.other_consumers.size() + 1)));
    log.other_consumers = {ids, std::ranges::remove_copy(log.other_consumers, ids, consumer_id).out};
    write_consumers(locked, log);
    const CatalogTable consumers = open_consumers("consumers_pkey", RowExclusiveLock);
    delete_rows(consumers, {int4_key(1, consumer_id)});
    close_catalog_table(consumers, NoLock);
    forget_workers_of_dropped(consumer_id);
    drop_counts({log.events, consumer_id});
}

constinit ConsumerAction forget_workers_of_dropped = nullptr;

} // namespace callhardening
