// The registry of event logs.
#pragma once

#include "core/lanes/position.hpp"

#include "pg/base/catalog_table.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"
}

namespace callhardening
{

extern const CatalogLayout logs_layout, lanes_layout;

struct TextList {
    const char **texts;
    int count;
};

struct EventLog {
    int32 log_id;
    Oid events;
    Oid calls;
    char *provider;
    int lanes;
    int first_lane;      // of `lanes` lanes; those before are of clusters that the log has left
    bool is_restored;    // comes from another cluster, and no lane was claimed in this one yet
    bool has_old_lanes;  // lanes before first_lane may still have something to do
    XidSnapshot adopted; // what may still be appended to them; with has_old_lanes
    std::span<const uint64> settled_marks; // restore marks that are done with, in ascending order
    bool notifies;
    int max_attempts;
    int64 retry_base, retry_cap; // microseconds
    int max_retrying;            // in a lane: above, no new range is taken
    bool is_signed;              // takes signed bodies only
    const char *payload_column;
    const char *event_type_column; // NULL: the log has none, as for the two below
    const char *received_at_column;
    const char *processed_at_column; // set by whoever has processed an event, us or others
    const char **carry;              // columns that a new call takes over from its event
    int carry_count;
    TextList ignored_types, ignored_members; // events that are no calls
    Oid sequence; // numbers the events of a table that was there before the log; InvalidOid: its column does
    const char *events_name; // qualified and quoted, ready for a statement
};

// The lane of this cluster that has the calls of `lane`, which may be one of a cluster that the log has left.
// What waits of `lane` is kept there. Numbers of no_lane stay as they are.
inline int home_lane(const EventLog &log, int lane)
{
    return IsLane(lane) ? log.first_lane + lane % log.lanes : lane;
}

struct EventInLane {
    int lane;
    LogPosition place;
    const char *call_id;
};

// The log that `log` names, or the default log; strings live in the current memory context. Errors: no such
// log, none at all, or several of which none is the default.
void find_event_log(FunctionCallInfo fcinfo, int log_argument, EventLog *log);

// The log that this table is; false where it is none.
bool find_event_log_of(Oid events, EventLog *log);

// The log of that number; false where there is none.
bool find_event_log_by_id(int32 log_id, EventLog *log);

// Made or configured by the present transaction.
bool is_event_log_uncommitted(const EventLog &log);

// What is notified when events come in; in the current memory context.
char *event_log_channel(int32 log_id);

// Keeps others from what is for one at a time in the whole log, until the transaction ends; false where
// another has it.
bool try_lock_event_log(const EventLog &log);

// The registry's row of a log, locked until the end of the transaction and as it is now.
struct LockedLog {
    CatalogTable logs;
    KeyScan scan;
};

LockedLog lock_event_log(const EventLog &log);
void read_locked_log(const LockedLog &locked, EventLog *log);
// Writes where the log's lanes begin, what has ended when it was adopted, and that it is of this cluster.
void write_adoption(const LockedLog &locked, const EventLog &log);
// Writes that no lane before first_lane has anything to do, and which marks are done with.
void write_end_of_old_lanes(const LockedLog &locked, const EventLog &log);
void close_locked_log(const LockedLog &locked);

} // namespace callhardening
