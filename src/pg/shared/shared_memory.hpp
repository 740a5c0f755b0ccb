// Memory that all sessions of the server share. It needs no preloading. A crash of the server empties it.
#pragma once

#include "pg/base/versions.hpp"

extern "C" {
#include "datatype/timestamp.h"
}

namespace callhardening
{

struct SharedMemory {
    const char *name; // other content needs another name: old and new libraries can run side by side
    Size size;
    InitializeSegment initialize;
    void *address;         // nullptr: not attached
    TimestampTz failed_at; // the last try of this session
};

// The memory, made by the first session that asks for it. nullptr: the server has no room for it. Then a
// session tries again after a minute. Only inside a transaction, never in its callbacks.
void *attach_shared_memory(SharedMemory *memory);

// For shared_preload_libraries: asks the server for some room at its start.
void request_shared_memory();

} // namespace callhardening
