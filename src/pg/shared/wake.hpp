// Wakes the processes that wait for events of a log, when a transaction commits. Other than NOTIFY, it takes
// no lock and writes nothing. If nobody waits, a commit reads one number.
//
// A waiter registers, then looks for events, then sleeps. A transaction commits, then reads who has
// registered. So either the waiter sees the events, or the transaction sees the waiter. A commit by another
// process (COMMIT PREPARED) wakes nobody: waiters look again from time to time.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace callhardening
{

// -- for transactions that make work --------------------------------------------------------------

inline constexpr int32 all_consumers = 0;

// New events of the log, or other work on it: the commit of the transaction wakes one waiting worker and one
// waiting client of the consumer, or of each consumer. A rollback wakes nobody.
void wake_at_commit(int32 log_id, int32 consumer_id);

// The transaction holds a lane of the consumer. Its end, also by a rollback, wakes waiters with work behind
// such a lane.
void wake_at_end(int32 log_id, int32 consumer_id);

// -- for waiters ---------------------------------------------------------------------------------

// For a waiter for all logs of the database.
inline constexpr int32 every_log = -1;

enum class WaiterKind : unsigned char { worker, client };

struct Waiter {
    int32 log_id;
    int32 consumer_id;
    WaiterKind kind;
};

// Attaches to the shared memory, and takes a place in it until the end of the session. False if there is
// none: then the session has to look from time to time. Only inside a transaction.
bool take_waiting_place();

// Registers; a waiter looks for events after this. If it has a place.
void start_waiting(const Waiter &waiter);

// Set after the look: does work wait for the end of another transaction or claim? At first it counts as true.
void set_blocked(bool is_blocked);

// True if a transaction has woken this waiter since it registered.
bool is_woken();

// Sleeps until `until`, or until the session's latch is set, by a wake or for another reason. Handles
// interrupts.
void sleep_until(TimestampTz until);

// A waiter that leaves after it was woken wakes another one in its place, since it has not looked.
void stop_waiting();

} // namespace callhardening
