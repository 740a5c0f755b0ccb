// What is remembered of the attempts at an event that failed: a list of the last ones, and bounded.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

struct Failure {
    const char *worker;
    const char *sqlstate; // NULL: the worker was a client, or was lost
    const char *error;
};

// The error of an event whose worker was lost.
inline constexpr const char *lost_worker = "the lease expired before the claim was completed";

// As much of an error as is kept, whole characters of it.
const char *cut_error(const char *error);

// The list with the failure behind what it had, if there is one: a jsonb array, or NULL where there is
// nothing to remember.
Datum add_failure(Datum old, bool had_none, const Failure *failure, bool *is_null);

} // namespace callhardening
