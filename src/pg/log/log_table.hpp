// The table of an event log: opening it, and reading a lane.
#pragma once

#include "core/lanes/position.hpp"

#include "pg/base/catalog_table.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "fmgr.h"
}

namespace callhardening
{

struct LogTable {
    CatalogTable by_lane; // with the index (event_lane, event_xid, event_seq)
    IndexScanDesc scan;   // of it, for one reader at a time
    TupleTableSlot *slot;
    MemoryContext memory;                                                 // of the scan
    AttrNumber lane, xid, seq, call_id, event_type, received_at, payload; // columns; 0: there is none
    AttrNumber processed_at;
    FmgrInfo event_type_output;
    bool is_local_time, is_local_processed_at; // without a time zone: the session's
};

// Opens the log for reading. Errors: 42501 the caller may not read it, 55000 row-level security hides events
// from him, or the table is not as create_call_tables makes it.
void open_log_table(const EventLog &log, LogTable *table);
void close_log_table(const LogTable &table);

struct LogEvent {
    int lane; // as stamped
    LogPosition place;
    char *call_id;
    char *event_type;  // what the provider said beside the body, or else in it; NULL: nothing
    int64 received_at; // microseconds since the epoch; where it is not known, of processed_at, or else 0
    bool has_received_at;
    bool is_done;  // processed_at is set
    Datum payload; // as stored: perhaps a pointer into the log's TOAST table
};

// Reads the events of a lane that are in a window and behind a position, in order.
struct LaneReader {
    const LogTable *table;
    int lane;
    std::span<const XidRange> window;
    size_t range;    // of the window, that the present event is in
    bool in_one_xid; // the scan ends with the events of `place.xid`
    bool at_end;
    LogPosition place; // of the present event
};

LaneReader begin_reading(const LogTable &table, Snapshot snapshot, int lane, std::span<const XidRange> window,
                         const LogPosition &behind);
bool next_event(LaneReader *reader);
// The present event, in the current memory context.
LogEvent present_event(const EventLog &log, const LaneReader &reader);
// Has somebody else set processed_at of the present event? He has settled it.
bool is_done(const LaneReader &reader);
void end_reading(const LaneReader &reader);

// The highest number that `snapshot` sees; 0: none.
int64 newest_event(const EventLog &log, const LogTable &table, Snapshot snapshot);

// The event of that number, wherever it is; false where there is none, or `snapshot` does not see it.
bool find_event(const EventLog &log, const LogTable &table, Snapshot snapshot, int64 seq, LogEvent *event);

} // namespace callhardening
