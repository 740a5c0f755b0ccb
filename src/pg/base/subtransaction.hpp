// Runs work without losing the transaction at an error.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Runs `work(state)` in a subtransaction. On success it returns NULL, and the changes stay. Otherwise the
// changes are rolled back, and the error is returned in the caller's memory context.
//
// Errors not caused by the data are raised again: SQLSTATE classes 08, 0A, 25, 40, 42, 53, 55, 57, 58, F0 and
// XX. Examples are a cancel, a deadlock, a missing privilege, no memory. Two kinds are returned all the same:
// a row forbidden by a policy (42501), and a lock held by another session (see is_lock_error).
ErrorData *try_in_subtransaction(void (*work)(void *state), void *state);

// Another session holds a required lock (55P03), or both wait for each other (40P01).
bool is_lock_error(const ErrorData *error);

// The same, but every error is returned.
ErrorData *catch_in_subtransaction(void (*work)(void *state), void *state);

} // namespace callhardening
