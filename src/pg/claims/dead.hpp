// Events for which there is no more waiting: those that failed as often as their log allows.
#pragma once

#include "pg/base/catalog_table.hpp"
#include "pg/claims/failure.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

extern const CatalogLayout dead_events_layout;

// As sql/log/event_log.sql creates call_dead_events.
enum DeadColumn {
    dead_log = 1,
    dead_seq,
    dead_lane,
    dead_call_id,
    dead_attempts,
    dead_sqlstate,
    dead_error,
    dead_errors,
    dead_since,
    dead_columns = dead_since
};

CatalogTable open_dead(LOCKMODE lock);

// `errors` is the list of them all, `failure` the last one. An issue is noted as well.
void bury(const EventLog &log, const EventInLane &event, int attempts, Datum errors, const Failure &failure);

bool is_dead(const EventLog &log, Snapshot snapshot, int64 seq);
bool has_any_dead(const EventLog &log, Snapshot snapshot);
int64 newest_dead(const EventLog &log,
                  Snapshot snapshot); // the highest number of a dead event; 0: there is none

// The event is not dead any more.
void exhume(const EventLog &log, int64 seq);

} // namespace callhardening
