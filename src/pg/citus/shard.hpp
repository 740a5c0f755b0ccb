// Shards of distributed logs. Citus can move a shard to another server. Its old table then stays here for a while.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Keeps Citus from moving the shard until the end of the transaction. False if it is on another server. 0 stands
// for a log that is no shard: it is always here.
bool hold_shard(int64 shard_id);

// The same, but raises 55000 if the shard is on another server.
void require_shard(int64 shard_id, const char *log);

} // namespace callhardening
