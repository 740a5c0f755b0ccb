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

// Opens a table. If it is dropped while this waits for the lock, the error is 42P01 and no internal one.
Relation open_table(Oid table, LOCKMODE lock);

// schema.name, quoted if needed, for a statement or a message; in the current memory context. NULL if the
// relation does not exist.
char *relation_name(Oid relation);

// The table that users know. pg/citus sets the function: for a shard it returns its distributed table.
extern Oid (*distributed_table_of)(Oid table);
Oid known_table(Oid table);

// Its name alone, for a message.
const char *known_name(Relation table);

// Is it this table, or a partition of it?
bool is_part_of(Relation relation, Oid table);

// The number of a column; 0 if the relation has no such column.
AttrNumber find_column(Relation relation, const char *name);

// Does an INSERT without this column fail?
bool needs_value(Form_pg_attribute column);

// text, varchar, citext and similar types, but not an enum.
bool is_string_type(Oid type);

// Hints for a missing column expected by the extension's trigger.
inline constexpr const char *calls_column_hint =
    "Rename the column back, or call harden_calls again with the present name.";
inline constexpr const char *log_column_hint = "Rename the column back.";
// For a log made by harden_call_events.
inline constexpr const char *hardened_log_column_hint =
    "Rename the column back, or call unharden_call_events and then harden_call_events with the present "
    "names.";

// The number of a required column. Raises 55000 with the hint if it is missing.
AttrNumber require_column(Relation relation, const char *name, const char *hint);

// The same, but the column must have this type or a domain over it. Reading another type as jsonb would crash
// the server.
AttrNumber require_typed_column(Relation relation, const char *name, Oid type, const char *hint);

} // namespace callhardening
