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
    IndexScanDesc scan;   // a scan of it, for one reader at a time
    TupleTableSlot *slot;
    MemoryContext memory;                                                 // of the scan
    AttrNumber lane, xid, seq, call_id, event_type, received_at, payload; // columns; 0: none
    AttrNumber processed_at;
    FmgrInfo event_type_output;
    bool is_local_time, is_local_processed_at; // no time zone: the session's is used
};

// Opens the log for reading. Errors: 42501 if the caller may not read it. 55000 if row-level security hides
// events from the caller, or the table was altered.
void open_log_table(const EventLog &log, LogTable *table);
// The same for figures, which show no body and no text: the caller may be a role with SELECT only on the
// columns of positions and times.
void open_log_positions(const EventLog &log, LogTable *table);
bool may_read_events(const EventLog &log);
void close_log_table(const LogTable &table);

struct LogEvent {
    int lane; // as stamped
    LogPosition position;
    char *call_id;
    char *event_type;  // from beside the body, else from the body; NULL: none
    int64 received_at; // microseconds since the epoch; if unknown, processed_at, else 0
    bool has_received_at;
    bool is_done;  // processed_at is set
    int64 done_at; // its value, only if is_done
    Datum payload; // as stored; may point into the log's TOAST table
};

// Reads a lane's events in a window, behind a position, in order.
struct LaneReader {
    const LogTable *table;
    int lane;
    std::span<const XidRange> window;
    size_t range;    // the present event's range of the window
    bool in_one_xid; // the scan ends with the events of `position.xid`
    bool at_end;
    LogPosition position; // of the present event
};

LaneReader begin_reading(const LogTable &table, Snapshot snapshot, int lane, std::span<const XidRange> window,
                         const LogPosition &behind);
bool next_event(LaneReader *reader);
// The present event, in the current memory context.
LogEvent present_event(const EventLog &log, const LaneReader &reader);
// Is processed_at of the present event set? Then another processor has settled it.
bool is_done(const LaneReader &reader);
void end_reading(const LaneReader &reader);

// The highest event number in `snapshot`; 0: none.
int64 newest_event(const EventLog &log, const LogTable &table, Snapshot snapshot);

// The event with this number, in any lane; false if `snapshot` does not see it.
bool find_event(const EventLog &log, const LogTable &table, Snapshot snapshot, int64 seq, LogEvent *event);

struct LogEvents {
    LogEvent *events;
    int count;
};

// The events of a call by number, without their bodies. Without an index on call_id it reads the whole table,
// and `has_index` is false.
LogEvents events_of_call(const EventLog &log, const LogTable &table, Snapshot snapshot, const char *call_id,
                         bool *has_index);

} // namespace callhardening
