// The key of a calls table: the column of the call id, and the unique index on it.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/rel.h"
}

namespace callhardening
{

// Is a column alone unique in all rows? The best of its indexes counts, even one made by the user.
enum class KeyState : unsigned char {
    missing,
    deferrable, // a repeated id would raise its error only at the end of a transaction
    invalid,    // left by a failed CREATE INDEX CONCURRENTLY
    unique,
};

struct CallKey {
    KeyState state;
    Oid index; // InvalidOid if the state is not unique
};

CallKey find_call_key(Relation calls, AttrNumber call_id);

// The reason why events cannot be applied to a table with this call id, as a sentence; nullptr: none. Two
// call ids are different calls in the log. With citext, or a collation that ignores case, the key would hold
// both in one row.
const char *key_obstacle(const FormData_pg_attribute &call_id);

} // namespace callhardening
