// The key of a calls table: the column of the call id, and the unique index on it.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "utils/rel.h"
}

namespace callhardening
{

// Whether a column alone is unique in all rows, whoever made the index. The best of its indexes counts.
enum class KeyState : unsigned char {
    missing,
    deferrable, // repeated ids would be seen at the end of a transaction
    invalid,    // as a CREATE INDEX CONCURRENTLY leaves it that failed
    unique,
};

struct CallKey {
    KeyState state;
    Oid index; // InvalidOid where the state is not unique
};

CallKey find_call_key(Relation calls, AttrNumber call_id);

// Why no event can be applied to a table with this call id, as a sentence; nullptr: nothing stands in the
// way. What a key takes for one call has to be one call in the log as well: not so in citext, and in
// collations that ignore case.
const char *key_obstacle(const FormData_pg_attribute &call_id);

} // namespace callhardening
