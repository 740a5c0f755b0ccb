// Snapshots of the server as the core sees them, and as pg_snapshot in a table.
#pragma once

#include "core/lanes/position.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/snapshot.h"
}

namespace callhardening
{

// What lists in-progress ids lives in the current memory context.

// The top-level transactions that `snapshot` sees; our own counts as in progress.
XidSnapshot xids_of(Snapshot snapshot);

XidSnapshot read_snapshot(Datum stored);
Datum snapshot_datum(const XidSnapshot &snapshot);

// The ids that one sees and the other does not (see WindowRanges).
std::span<const XidRange> window_between(const XidSnapshot &done, const XidSnapshot &current);

} // namespace callhardening
