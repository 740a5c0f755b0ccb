// Memory kept by a session between calls.
#pragma once

#include "pg/base/postgres.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace callhardening
{

// glibc returns freed memory above 128 kB to the system at once, if it is at the top of the heap. The next
// call takes it again with one page fault per page. This was a fifth of a claim's cost.
struct KeptMemory {
    const char *name;
    MemoryContext context;
    TimestampTz transaction; // the last user
};

// Keeps the first 256 kB. After an error, the next transaction here frees the rest.
MemoryContext kept_memory(KeptMemory *memory);

} // namespace callhardening
