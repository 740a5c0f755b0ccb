// Counts what happens to the events of each consumer of a log. The numbers only grow. A rollback counts
// nothing.
//
// A transaction keeps its numbers for itself. Its commit adds them to memory of all sessions. Once a minute,
// a transaction that counts also adds to the table what the table does not have yet. So do workers and
// claims that find nothing. The launcher of a preloaded library starts a process that does it, if nobody else
// has done it for a minute. So a crash then loses a minute at most. Without the launcher and without claims,
// it loses all since the last save. The total is the table and the rest in memory.
#pragma once

#include "core/lanes/lag.hpp"

#include "pg/base/catalog_table.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace callhardening
{

extern const CatalogLayout counts_layout;

// The order of the array in the table, and of total_counts in SQL. The numbers of the histogram follow.
enum class Counter : unsigned char {
    received,
    redelivered,
    purged,
    claimed,
    completed,
    applied,
    unchanged,
    refused,
    failed,
    dead,
    lag_sum, // microseconds
    first_bucket,
};

inline constexpr int counter_numbers = static_cast<int>(Counter::first_bucket) + lag_buckets;

// What is counted: a consumer of a log. What happens to the log itself counts under the log's number.
struct CountedConsumer {
    Oid events;
    int32 consumer_id;
};

void count_events(const CountedConsumer &consumer, Counter counter, int64 events = 1);
void count_lag(const CountedConsumer &consumer, int64 microseconds);

// If the table lacks numbers of more than a minute, the commit of this transaction adds them. For claims that
// find no events.
void flush_counts_if_due(const CountedConsumer &consumer);

// -- for the launcher ----------------------------------------------------------------------------

// A commit sets the latch of this process when it leaves the first numbers that are not saved. In a
// transaction.
void watch_counts();

// The next database with numbers that nobody has saved in time. InvalidOid: there is none.
struct UnsavedCounts {
    Oid database;
    TimestampTz due;
};
UnsavedCounts next_unsaved_counts(TimestampTz now);

// A try that fails is repeated after a minute.
void note_try_to_save(Oid database, TimestampTz now);

// The database was dropped.
void forget_counts_of(Oid database);

// The commit of this transaction saves all numbers of the database that are due.
void save_counts();

// ------------------------------------------------------------------------------------------------

// Forgets the numbers of a dropped consumer.
void drop_counts(const CountedConsumer &consumer);

} // namespace callhardening
