// What the launcher has to keep running, in the memory of the server. It exists only with
// shared_preload_libraries = 'callhardening': the functions below need `is_preloaded`, unless they say
// otherwise.
#pragma once

#include "pg/workers/call_worker.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace callhardening
{

// Why a kept worker does not run.
enum class Obstacle : int32 {
    none,
    ended,
    no_process,
    limit,
    no_role,
    no_login,
    no_connect,
    closed_database,
    locked_database,
};
const char *text_of(Obstacle obstacle);

// The workers of one consumer.
struct KeptOrder {
    WorkerOrder worker;
    int32 consumer_id;
    int32 wanted; // number of workers
    char log_name[BGW_MAXLEN];
    char database_name[NAMEDATALEN];
    // What the launcher has met:
    int32 failures;       // in a row
    TimestampTz next_try; // 0: nothing has failed
    Obstacle obstacle;    // the last one
    TimestampTz failed_at;
};

inline bool is_same_order(const KeptOrder &a, const KeptOrder &b)
{
    return a.worker.database == b.worker.database && a.consumer_id == b.consumer_id;
}

// As many consumers as there can be workers.
inline constexpr int most_orders = most_max_workers;

// Reserves the memory. Call it while the library is preloaded.
void reserve_order_memory();
bool is_preloaded();

// -- sessions and workers -----------------------------------------------------------------------

// These three neither allocate nor raise. They do nothing if the library is not preloaded.
void request_scan(Oid database);
void wake_launcher();
void report_worker_end();

// Nothing is started for the consumer until the end of the transaction.
void hold_order(Oid database, int32 consumer_id);
void let_orders_go();

bool is_launcher_running();
// The orders of a database, in the current memory context. Returns their number.
int read_orders(Oid database, KeptOrder **orders);

// -- the launcher and its scanners ----------------------------------------------------------------

void announce_launcher();
// The next requested scan. InvalidOid: there is none.
Oid take_scan_request();
bool take_request_for_all();
bool take_worker_end();

// The order in a slot. False if the slot is free.
bool read_order(int slot, KeptOrder *order, bool *is_held);
// Writes what the launcher has met back to the order.
void update_order(const KeptOrder &order);
bool find_order(Oid database, int32 consumer_id, KeptOrder *order);
// Makes these the orders of the database. Returns how many had no room.
int replace_orders(Oid database, const KeptOrder *orders, int count);

// How a scan of a database ended. A scanner that fails says nothing.
enum class ScanResult : uint32 { failed, done, other_version };
void begin_scan_result();
void set_scan_result(ScanResult result);
ScanResult scan_result();

// Why a database could not be read, for the view. `done`: it was read.
void set_scan_fault(Oid database, ScanResult fault);
ScanResult scan_fault(Oid database);

} // namespace callhardening
