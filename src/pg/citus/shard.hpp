// Shards of distributed logs. Citus can move a shard to another server. Its old table then stays here for a while.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Is the shard on this server now? 0 stands for a log that is no shard: it is always here.
bool is_shard_here(int64 shard_id);

// The same, and keeps Citus from moving the shard until the end of the transaction.
bool hold_shard(int64 shard_id);

// Both raise 55000 if the shard is on another server. The second one holds it.
void require_shard_here(int64 shard_id, const char *log);
void require_shard(int64 shard_id, const char *log);

} // namespace callhardening
