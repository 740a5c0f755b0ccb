// Workers for all shards of this server. One process goes from shard to shard: a server can have many.
#pragma once

#include "pg/workers/worker.hpp"

namespace callhardening
{

// In the place of a consumer's number, and of a log's.
inline constexpr int32 all_shards = 0;

// What the locks and names of workers take from a log.
EventLog shards_of_server();

inline bool is_for_shards(const WorkerOrder &order)
{
    return order.consumer_id == all_shards;
}

// A batch of each shard.
Outcome work_on_shards(Worker *worker);

} // namespace callhardening
