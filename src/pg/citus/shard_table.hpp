// Which distributed table a shard belongs to. Messages and issues have its name: a client does not know shards.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// The number of a shard; 0: the table is none.
int64 shard_of(Oid relation);

// Is the table a shard that Citus has on another server now?
bool is_moved_away(Oid relation);

// Call it when the library is loaded.
void know_shards_by_their_table();

} // namespace callhardening
