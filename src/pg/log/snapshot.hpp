// Snapshots of the server in the form of the core, and as pg_snapshot in a table.
#pragma once

#include "core/lanes/position.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/snapshot.h"
}

namespace callhardening
{

// Lists of ids live in the current memory context.

// The top-level transactions visible in `snapshot`. The present transaction counts as in progress.
XidSnapshot xids_of(Snapshot snapshot);

XidSnapshot read_snapshot(Datum stored);
Datum snapshot_datum(const XidSnapshot &snapshot);

// The ids visible in `current` but not in `done` (see WindowRanges).
std::span<const XidRange> window_between(const XidSnapshot &done, const XidSnapshot &current);

} // namespace callhardening
