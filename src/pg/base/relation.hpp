// Relations and their columns, by name.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "access/tupdesc.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
}

namespace callhardening
{

// Opens a table that may be dropped while its lock is waited for: 42P01 then, and no internal error.
Relation open_table(Oid table, LOCKMODE lock);

// schema.name, quoted where needed, ready for a statement or a message; in the current memory context. NULL
// where there is no such relation (any more).
char *relation_name(Oid relation);

// The position of a column; 0 where the relation has no such column.
AttrNumber find_column(Relation relation, const char *name);

// Whether an INSERT that leaves the column out fails.
bool needs_value(Form_pg_attribute column);

// text, varchar, citext and the like; an enum is none.
bool is_string_type(Oid type);

// What to do where a table has a column no longer that a trigger of ours was told of.
inline constexpr const char *calls_column_hint =
    "Rename the column back, or call harden_calls again with the present name.";
inline constexpr const char *log_column_hint = "Rename the column back.";
// Of a log that harden_call_events has made.
inline constexpr const char *hardened_log_column_hint =
    "Rename the column back, or call unharden_call_events and then harden_call_events with the present "
    "names.";

// The same for such a column; 55000 and the hint where it is gone.
AttrNumber require_column(Relation relation, const char *name, const char *hint);

// The same, of exactly this type or a domain over it: what is read as jsonb and is none crashes the server.
AttrNumber require_typed_column(Relation relation, const char *name, Oid type, const char *hint);

} // namespace callhardening
