// Counts what happens to the events of each consumer of a log. The numbers only grow. A rollback counts
// nothing.
//
// A transaction keeps its numbers for itself. Its commit adds them to memory of all sessions. Once a minute,
// a transaction that counts also adds to the table what the table does not have yet. So a crash loses a
// minute at most. The total is the table and the rest in memory.
#pragma once

#include "core/lanes/lag.hpp"

#include "pg/base/catalog_table.hpp"

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

// If the table lacks numbers of more than a minute, the commit of this transaction adds them. For workers
// that find no events.
void flush_counts_if_due(const CountedConsumer &consumer);

// Forgets the numbers of a dropped consumer.
void drop_counts(const CountedConsumer &consumer);

} // namespace callhardening
