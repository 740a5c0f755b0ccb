// Doing something that may fail without losing the transaction.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Runs `work(state)` in a subtransaction. NULL: it succeeded, and its changes stay. Otherwise they are rolled
// back, and the error is returned, in the caller's memory context. Errors that are not the data's fault are
// raised again: SQLSTATE classes 08, 0A, 25, 40, 42, 53, 55, 57, 58, F0 and XX, such as a cancel, a deadlock,
// a missing privilege, no memory; but not a row that a policy of row-level security forbids, though it is
// 42501; and not a lock that was not to be had, which is_lock_error tells.
ErrorData *try_in_subtransaction(void (*work)(void *state), void *state);

// Another session has locked what the work needed (55P03), or was waiting for what this one has (40P01).
bool is_lock_error(const ErrorData *error);

// The same, but every error is returned.
ErrorData *catch_in_subtransaction(void (*work)(void *state), void *state);

} // namespace callhardening
