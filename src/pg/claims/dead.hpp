// Dead events: their attempts are used up.
#pragma once

#include "pg/base/catalog_table.hpp"
#include "pg/claims/failure.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

extern const CatalogLayout dead_events_layout;

// The columns of call_dead_events, created in sql/log/event_log.sql.
enum DeadColumn {
    dead_consumer = 1,
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

// `errors` is the list of all errors, `failure` the last one. The function notes an issue too.
void bury(const EventLog &log, const EventInLane &event, int attempts, Datum errors, const Failure &failure);

bool is_dead(const EventLog &log, Snapshot snapshot, int64 seq);
bool has_any_dead(const EventLog &log, Snapshot snapshot);
int64 newest_dead(const EventLog &log,
                  Snapshot snapshot); // the highest number of a dead event; 0: none

// Deletes the dead events of a consumer.
void forget_dead(const EventLog &consumer);

// 42501 if the caller is neither the owner of the log nor has SELECT and DELETE on it: matches the rights
// granted by `operate`, and the view operated_logs.
void require_operate_rights(const EventLog &log);

// Removes the event from the dead events.
void exhume(const EventLog &log, int64 seq);

} // namespace callhardening
