// Background workers that process the events of a log.
#pragma once

#include "pg/log/event_log.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace callhardening
{

// callhardening.max_workers, for all databases together.
extern int max_workers;
inline constexpr int most_max_workers = 1024;

// Defines the settings of workers.
void define_worker_settings();

// The worker's parameters, passed through shared memory.
struct WorkerOrder {
    Oid database;
    Oid role; // the worker has its rights
    Oid extension;
    Oid events; // the log
    int32 consumer_id;
    int32 max_events;
    int32 poll;   // in milliseconds
    bool is_kept; // the launcher starts it again
};
static_assert(sizeof(WorkerOrder) <= BGW_EXTRALEN);

// The log, and its consumer unless it is the default one.
const char *name_for_workers(const EventLog &log);

BackgroundWorker describe_worker(const char *log_name, const WorkerOrder &order);

// -- starting workers -----------------------------------------------------------------------------

void require_primary_server();
void require_connection_rights(Oid role);
int workers_argument(FunctionCallInfo fcinfo, int argument);
int poll_argument(FunctionCallInfo fcinfo, int argument);
WorkerOrder order_of_caller(const EventLog &log, int max_events, int poll);

// Makes so many workers run, now or by the launcher. Returns how many were missing.
int start_workers(const EventLog &log, const WorkerOrder &order, int wanted, bool keep);

// -- running workers ------------------------------------------------------------------------------

int count_workers(const EventLog &log);
void put_worker_pids(FunctionCallInfo fcinfo, const EventLog &log);

// A worker that is up, in any database.
struct RunningWorker {
    Oid database;
    int32 consumer_id;
    int pid;
};

struct RunningWorkers {
    RunningWorker *workers;
    int count;
};

RunningWorkers find_running_workers();

// Of the worker that calls them. It holds a slot, one of max_workers, until it ends: if two sessions start
// the last allowed worker at the same time, only one worker gets it. -1: none is free.
int take_worker_slot();
// From now on find_running_workers() sees it.
void show_worker(const EventLog &log);

// The log in the first argument, as the consumer in the second one sees it, or as all of its consumers do.
std::span<const EventLog> consumers_argument(FunctionCallInfo fcinfo, EventLog *log);

bool role_exists(Oid role);
bool can_log_in(Oid role); // false if it was dropped

} // namespace callhardening
