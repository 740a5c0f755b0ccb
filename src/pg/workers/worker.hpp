// A background worker from the inside: its transactions, and what it does from batch to batch.
#pragma once

#include "pg/claims/claim.hpp"
#include "pg/workers/call_worker.hpp"

namespace callhardening
{

struct Worker {
    WorkerOrder order;
    EventLog log;
    Claim claim;
    Outlook outlook; // of the last claim without events
    MemoryContext batch;
    int slot;        // of max_workers
    const char *end; // the reason for its end
};

// The reasons for a worker's end.
inline constexpr const char *told_to_stop = "it was stopped", *no_log = "its log was dropped",
                            *no_consumer = "its consumer was dropped",
                            *no_extension = "the extension was dropped",
                            *no_slot = "the limit callhardening.max_workers is reached",
                            *no_rights = "its role was dropped, or may not log in or connect to the database";

enum class Outcome : unsigned char { worked, idle, failed, ended };

// A session stays connected without these rights. A worker would stay for ever.
bool has_rights(const Worker &worker);

// Blocks DROP EXTENSION until the end of the transaction. Returns false if the extension was dropped, with
// its tables and functions.
bool hold_extension(const Worker &worker);

// Sets read committed and read-write, against other defaults of the database and the role.
void begin_worker_transaction(const char *activity, const Worker &worker);
void end_worker_transaction();

// Writes the error of a batch to the server log. The worker continues.
void survive_error();

// Works on one batch. If it fails for another reason than its events, its events are released and the attempt
// does not count.
Outcome try_to_work(Worker *worker);

} // namespace callhardening
