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

// Locks a lane for the rest of the transaction. For an old lane, the present lane of its calls is locked too.
// False if the lane does not exist, or if `wait` is LockWaitSkip and another session holds the lock.
bool lock_lane(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane,
               LockWaitPolicy wait);

// Does another transaction hold the lane's lock? Takes no lock and no transaction id.
bool is_lane_locked(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane);

// The last record of the lane. If there is none, its number is 0 and nothing is settled. Lives in the current
// memory context.
LaneRecord newest_record(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane);

// Does the lane still have a record of this claim?
bool has_record(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane, int64 record_no,
                int64 claim_id);

// The worker of the lane's newest record; NULL: none.
char *newest_worker(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane);

// A record of a lane, with its worker; NULL: none.
struct KeptRecord {
    LaneRecord record;
    char *worker;
};

struct KeptRecords {
    KeptRecord *records; // the oldest first
    int count;
};

// The kept records of a lane. They live in the current memory context.
KeptRecords kept_records(const EventLog &log, const LaneTables &tables, Snapshot snapshot, int lane);

// Appends `record` and deletes an old one. The caller holds the lane's lock. `worker` may be NULL.
void append_record(const EventLog &log, const LaneTables &tables, const LaneRecord &record,
                   const char *worker);

// Moves a locked lane to another position. An open claim of it becomes stale.
void append_position(const EventLog &log, const LaneTables &tables, const LaneRecord &newest,
                     const LanePosition &position);

void create_lane(const EventLog &log, const LaneTables &tables, int lane);

// Deletes an empty old lane with its records.
void drop_lane(const EventLog &log, const LaneTables &tables, int lane);

// Ends the leases of workers in another cluster, so no session waits for them. Such a worker can still
// complete its claim if no other worker has taken it over.
void end_leases_of_old_lanes(const EventLog &log);

// Is the lane's position ahead of the transaction ids of this cluster?
bool is_ahead_of_cluster(const EventLog &log, int lane);

} // namespace callhardening
