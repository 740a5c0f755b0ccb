// Relations and their columns, by name.
#pragma once

#include "pg/postgres.hpp"

extern "C" {
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

// The same for a column that a trigger of ours was told of; 55000 where the table has it no longer.
AttrNumber require_column(Relation relation, const char *name);

// The same, of exactly this type or a domain over it: what is read as jsonb and is none crashes the server.
AttrNumber require_typed_column(Relation relation, const char *name, Oid type);

} // namespace callhardening
