// Statements on tables of other owners. Functions of the table's types, indexes, triggers and policies may be
// the owner's. They run with the owner's rights, never with those of an administrator. ANALYZE does the same.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "tcop/dest.h"
}

namespace callhardening
{

// The caller's state before.
struct CallerRights {
    bool are_kept; // the caller is the owner: nothing has changed
    Oid role;
    int security;
    int settings;
};

// Makes the table's owner the current user, in a security-restricted operation and with only pg_catalog in
// the search path. An error also gives the caller's rights back.
CallerRights take_owner_rights(Oid table);
void give_back_rights(const CallerRights &caller);

// Runs one statement as the owner of `table`. Its names are resolved as the caller, and its rights are
// checked as the caller too. $1 is an array of texts. Raises 42501 if row-level security hides rows of the
// table from the caller. Returns the number of rows.
uint64 run_as_owner(Oid table, const char *statement, Datum arguments, DestReceiver *receiver);

// The same, into the result of a set-returning function.
void return_as_owner(FunctionCallInfo fcinfo, Oid table, const char *statement, Datum arguments);

} // namespace callhardening
