// Statements on the tables of others. A table's owner may have written functions of its types, indexes,
// triggers and policies. They run with his rights and never with those of an administrator who looks after
// his table, as in ANALYZE.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "tcop/dest.h"
}

namespace callhardening
{

// What the caller was before.
struct CallerRights {
    bool are_kept; // the caller is the owner: nothing has changed
    Oid role;
    int security;
    int settings;
};

// From here on the current user is the owner of the table, in a security-restricted operation and with a
// search path of nothing but pg_catalog. An error gives the caller's rights back as well.
CallerRights take_owner_rights(Oid table);
void give_back_rights(const CallerRights &caller);

// Runs one statement. Its names are resolved and the rights that it needs are checked as the caller; it is
// planned and run as the owner of `table`. $1 is an array of texts. Error: 42501 where row-level security
// would hide rows of the table from the caller. Returns the number of rows.
uint64 run_as_owner(Oid table, const char *statement, Datum arguments, DestReceiver *receiver);

// The same into the result of a set-returning function.
void return_as_owner(FunctionCallInfo fcinfo, Oid table, const char *statement, Datum arguments);

} // namespace callhardening
