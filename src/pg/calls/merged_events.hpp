// The events merged into one write of a row. process_call_events hands them to the trigger that logs the
// changes of calls: the row shows only the last status, but the call went through all of them.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/rel.h"
}

namespace callhardening
{

// An event, and the status that the call has after it.
struct MergedEvent {
    std::string_view status;
    int64 event_seq;
    bool has_happened_at;
    TimestampTz happened_at;
};

struct MergedEvents {
    Oid calls; // the table, or the partitioned table
    const char *call_id;
    const char *events_name;
    MergedEvent last;
    const MergedEvent *steps; // the events that have changed the status
    int count;
};

// Holds for the next write of this call; nullptr: none. The caller must withdraw it, even after an error.
void hand_over_merged_events(const MergedEvents *merged);

// The events behind a row that was written with this status, only once. nullptr: another statement has written
// it, or a trigger has changed its status.
const MergedEvents *take_merged_events(Relation calls, std::string_view call_id, OptionalText status);

} // namespace callhardening
