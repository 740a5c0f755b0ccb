// Doing something that may fail without losing the transaction.
#pragma once

#include "pg/postgres.hpp"

namespace callhardening
{

// Runs `work(state)` in a subtransaction. NULL: it succeeded, and its changes stay. Otherwise they are rolled
// back, and the error is returned, in the caller's memory context, where it is one of the data: a value that does
// not fit, a constraint, an exception of a user's trigger. All others (a cancel, a deadlock, no memory, a
// missing privilege) are not the event's fault and are raised again.
ErrorData *try_in_subtransaction(void (*work)(void *state), void *state);

} // namespace callhardening
