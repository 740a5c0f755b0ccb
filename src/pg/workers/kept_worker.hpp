// Workers that start with the server: what start_call_worker(keep => true) has written down.
#pragma once

#include "pg/log/event_log.hpp"
#include "pg/workers/call_worker.hpp"

namespace callhardening
{

extern const CatalogLayout kept_workers_layout;

// Workers of dropped consumers are kept no longer. Call it when the library is loaded.
void follow_dropped_consumers();

// Writes down that so many workers of the consumer run, as the caller. The launcher starts them after the
// commit.
void keep_workers(const EventLog &log, const WorkerOrder &order, int wanted);

// No worker of the consumer is kept from now on. Until the end of the transaction the launcher starts none.
void forget_kept_workers(const EventLog &log);

} // namespace callhardening
