// The registry of event logs.
#pragma once

#include "core/lanes/position.hpp"

#include "pg/base/catalog_table.hpp"
#include "pg/log/shape_cache.hpp"
#include "pg/shared/counters.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"
#include "utils/uuid.h"
}

namespace callhardening
{

extern const CatalogLayout logs_layout, lanes_layout, detached_logs_layout;

struct TextList {
    const char **texts;
    int count;
};

// The provider of all logs of changes. No sender of webhooks has this name.
inline constexpr std::string_view changes_provider = "call_changes";

struct EventLog {
    int32 log_id;
    int32 consumer_id;    // the number of the log: its default consumer
    const char *consumer; // nullptr: the default one
    Oid events;
    Oid calls;
    bool is_of_changes; // its events are the changes of `calls`, and not webhooks
    char *provider;
    int lanes;
    int first_lane;      // the first of `lanes` lanes; those before are old lanes
    bool is_restored;    // the log is from another cluster, and not adopted yet
    bool has_old_lanes;  // lanes before first_lane may still have events
    XidSnapshot adopted; // transactions that may still append to old lanes; only with has_old_lanes
    std::span<const uint64> settled_marks; // settled restore marks, in ascending order
    bool notifies;
    int max_attempts;
    int64 retry_base, retry_cap; // in microseconds
    int max_retrying;            // waiting events in a lane; with more, no new range is taken
    int64 shard_id;              // of Citus; 0: the log is no shard
    bool is_signed;              // takes signed bodies only
    const char *payload_column;
    const char *event_type_column; // NULL: the log has no such column, like the two below
    const char *received_at_column;
    const char *processed_at_column; // set by any processor of the event, also an old one
    const char *route_column; // bigint: says where the event of a distributed log lies; NULL: no such log
    const char **carry;       // columns copied from an event to its new call
    int carry_count;
    std::span<const int32> other_consumers;  // beside the default one
    TextList ignored_types, ignored_members; // types and members of events without a call
    Oid sequence; // numbers the events of a table older than the log; InvalidOid: the column has a default
    const Shape *own_shape;     // nullptr: none, or not compiled yet
    Datum shape_document;       // its jsonb; 0: the log has the shape of its provider, or own_shape is set
    ShapeVersion shape_version; // of either
    const char *events_name;    // qualified and quoted, ready for a statement
};

inline CountedConsumer counted(const EventLog &log)
{
    return {log.events, log.consumer_id};
}

// What happens to the log itself, for all of its consumers.
inline CountedConsumer counted_log(const EventLog &log)
{
    return {log.events, log.log_id};
}

// For a claim without events: in a quiet time no other transaction saves the numbers.
inline void flush_counts_of(const EventLog &log)
{
    flush_counts_if_due(counted(log));
    flush_counts_if_due(counted_log(log));
}

// The present lane for the calls of `lane`, an old lane or a present one. Waiting events of `lane` are kept
// there. Numbers of no_lane stay the same.
inline int home_lane(const EventLog &log, int lane)
{
    return IsLane(lane) ? log.first_lane + lane % log.lanes : lane;
}

struct EventInLane {
    int lane;
    LogPosition position;
    const char *call_id;
};

// Finds the log named by `log`, or the default log; its strings live in the current memory context. Raises an
// error if there is no such log, no log at all, or no default among several.
// 0A000 if Citus has distributed the log: then its events are not here.
void find_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log);

// The same for what needs only the settings of a log, such as appending to it: Citus may have distributed it.
void find_any_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log);

// What find_event_log adds to it: 0A000 as there, 55000 if the log is a shard that Citus has moved away.
void require_log_here(const EventLog &log);

// The log of this table; false if the table is no log.
bool find_event_log_of(Oid events, EventLog *log);

struct DetachedLog {
    Oid sequence; // of a table older than the log; InvalidOid: none
    pg_uuid_t state_id;
};

// Was this table a log until detach_call_event_log, and is it none since?
bool find_detached_log(Oid events, DetachedLog *detached);
// False before the update from a version without that table.
bool has_detached_logs();

// Raises 55000 for a log of changes, if `function` needs webhooks.
void require_log_of_webhooks(const EventLog &log, const char *function);

// The log with this number; false if there is none.
bool find_event_log_by_id(int32 log_id, EventLog *log);

// The oids of the tables that are registered as shards, in the current memory context.
List *registered_shards();

// Was the log created or configured by the present transaction?
bool is_event_log_uncommitted(const EventLog &log);

// The channel for notifications of new events, in the current memory context.
char *event_log_channel(int32 log_id);

// Locks the log until the end of the transaction, for work by one session at a time. False if another session
// has the lock.
bool try_lock_event_log(const EventLog &log);

// The locked row of a log in the registry, in its present version. The lock lasts until the end of the
// transaction.
struct LockedLog {
    CatalogTable logs;
    KeyScan scan;
};

LockedLog lock_event_log(const EventLog &log);
void read_locked_log(const LockedLog &locked, EventLog *log);
// Writes the first lane, the adopted snapshot, and the identity of this cluster.
void write_adoption(const LockedLog &locked, const EventLog &log);
// Writes the consumers beside the default one.
void write_consumers(const LockedLog &locked, const EventLog &log);
// Writes that the old lanes are finished, and the settled marks.
void write_end_of_old_lanes(const LockedLog &locked, const EventLog &log);
void close_locked_log(const LockedLog &locked);

} // namespace callhardening
