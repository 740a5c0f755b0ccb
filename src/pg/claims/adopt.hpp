// Taking over a log that comes from another cluster, and events that no worker looks for.
#pragma once

#include "pg/log/lane.hpp"
#include "pg/log/log_table.hpp"

namespace callhardening
{

// Gives the log fresh lanes. The old ones go before them until nothing is left in them. Needed where the
// transaction ids of the old lanes mean nothing here, or where events are in lanes that no worker looks into:
// these become old lanes. Waits for others who adopt the log.
void adopt_event_log(EventLog *log, const LogTable &table);

// No old lane has anything to do.
void forget_old_lanes(const EventLog &log, const LogTable &table);

// The transaction ids whose events in the lane no worker looks for. Lives in the current memory context.
std::span<const XidRange> stray_window(const EventLog &log, const LaneTables &tables, Snapshot snapshot,
                                       int lane);

// The next lane above `lane` in which `snapshot` sees events; false where there is none. `scan` comes from
// begin_lane_numbers. The first lane is above before_all_lanes, or above before_worker_lanes if it shall be a
// worker's.
inline constexpr int before_worker_lanes = -1;
inline constexpr int before_all_lanes = no_lane::not_stamped - 1;
KeyScan begin_lane_numbers(const LogTable &table, Snapshot snapshot);
bool next_lane_number(const KeyScan &scan, Snapshot snapshot, int *lane);

// Are there events that no worker looks for, and that adopting the log would bring back?
bool has_stray_events(const EventLog &log, const LaneTables &tables, const LogTable &table);

} // namespace callhardening
