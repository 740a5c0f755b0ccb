// Memory that a session keeps from call to call.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace callhardening
{

// glibc gives more than 128 kB at the top of the heap back to the system as soon as it is freed, and takes it
// again, page by page and each of them a fault, in the next call: a fifth of the price of a claim.
struct KeptMemory {
    const char *name;
    MemoryContext context;
    TimestampTz transaction; // that used it last
};

// The first 256 kB stay. What an error leaves behind goes with the next transaction that asks.
MemoryContext kept_memory(KeptMemory *memory);

} // namespace callhardening
