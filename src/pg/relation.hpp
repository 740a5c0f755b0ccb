// Relations and their columns, by name.
#pragma once

#include "pg/postgres.hpp"

extern "C" {
#include "utils/relcache.h"
}

namespace callhardening
{

// schema.name, quoted where needed, ready for a statement or a message; in the current memory context.
char *relation_name(Oid relation);

// The attribute number of a column; 0 where the relation has no such column.
int find_column(Relation relation, const char *name);

// The same for a column that has to be there. Error 55000: it was renamed or dropped.
int column_number(Relation relation, const char *name);

} // namespace callhardening
