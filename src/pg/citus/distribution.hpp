// Tables that Citus has distributed. Their rows are in shards: other tables, mostly on other nodes.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// How Citus keeps a table: schema (one shard, with the other tables of its schema), hash, append, range,
// reference or local. nullptr: Citus does not know the table. Without Citus this costs one look into a cache.
const char *distribution_of(Oid table);

// Raises 0A000 for an event log that Citus has distributed: here it has no event.
void refuse_distributed_log(Oid events, const char *name, bool is_by_call);

} // namespace callhardening
