// The errors of an event's failed attempts. The list is bounded and keeps the newest ones.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

struct Failure {
    const char *worker;
    const char *sqlstate; // NULL: the worker was a client, or was lost
    const char *error;
};

// The error of an event after its worker was lost.
inline constexpr const char *lost_worker = "the lease expired before the claim was completed";

// Cuts an error to the stored length, between two characters.
const char *cut_error(const char *error);

// Appends the failure, if there is one, to the old list. Returns a jsonb array, or NULL if both are empty.
Datum add_failure(Datum old, bool had_none, const Failure *failure, bool *is_null);

} // namespace callhardening
