// Adopting a log from another cluster, and finding stray events: those outside the workers' reach.
#pragma once

#include "pg/log/lane.hpp"
#include "pg/log/log_table.hpp"

namespace callhardening
{

// Gives the log fresh lanes, and makes the present ones old lanes. Workers empty an old lane before its
// successor. A log needs this in two cases:
// - The transaction ids in its lanes are from another cluster.
// - Events are in lanes outside the workers' reach. These become old lanes too.
// The function waits for other sessions in it.
// Events of a restore get marks, and the positions of its dump can have the same marks: so these are forgotten.
// `keeps_marks` if no new event has one of them.
void adopt_event_log(EventLog *log, const LogTable &table, bool keeps_marks = false);

// Called when the old lanes have nothing left to do.
void forget_old_lanes(const EventLog &log, const LogTable &table);

// The transaction ids of the lane's events outside the workers' reach. Lives in the current memory context.
std::span<const XidRange> stray_window(const EventLog &log, const LaneTables &tables, Snapshot snapshot,
                                       int lane);

// Finds the next lane above `lane` with events in `snapshot`; false if there is none. `scan` comes from
// begin_lane_numbers. Start with before_worker_lanes for workers' lanes only, else with before_all_lanes.
inline constexpr int before_worker_lanes = -1;
inline constexpr int before_all_lanes = no_lane::not_stamped - 1;
KeyScan begin_lane_numbers(const LogTable &table, Snapshot snapshot);
bool next_lane_number(const KeyScan &scan, Snapshot snapshot, int *lane);

// Would adopting the log bring back events to the workers? One adoption is enough for them all.
bool needs_adoption(const EventLog &log, const LaneTables &tables, const LogTable &table);

} // namespace callhardening
