// The lanes of a log: their locks and their records.
#pragma once

#include "core/lanes/claim.hpp"

#include "pg/base/catalog_table.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

extern const CatalogLayout claims_layout;

struct LaneTables {
    CatalogTable lanes;
    CatalogTable claims;
    KeyScan newest; // of claims, by log and lane
};

LaneTables open_lanes(const EventLog &log, LOCKMODE lock);
void close_lanes(const LaneTables &tables, LOCKMODE lock);

bool has_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane);

// Takes the lane for the rest of the transaction, and with a lane of another cluster the one that has its
// calls now. False where another has it and `wait` is LockWaitSkip, or where there is no such lane (any
// more).
bool lock_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane,
               LockWaitPolicy wait);

// What is known about the lane: one step back from the end of the key. Without a record, its number is 0
// and nothing is settled. Lives in the current memory context.
LaneRecord newest_record(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane);

// Was there such a claim in the lane, and is it still remembered?
bool has_record(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane, int64 record_no,
                int64 claim_id);

// The worker of the lane's newest record; NULL: none.
char *newest_worker(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane);

// Appends `record`, which the lane's lock is held for, and drops one that is old. `worker` may be NULL.
void append_record(const EventLog &log, const LaneTables &tables, const LaneRecord &record,
                   const char *worker);

// Drops a lane that has left its cluster and has nothing left to do, with its records.
void drop_lane(const EventLog &log, const LaneTables &tables, int lane);

// The workers of the cluster that the log has left are not waited for any more. One that comes back can still
// complete what nobody has taken over.
void end_leases_of_old_lanes(const EventLog &log);

// The lane's position lies ahead of the transaction ids of this cluster.
bool is_ahead_of_cluster(const EventLog &log, int lane);

} // namespace callhardening
