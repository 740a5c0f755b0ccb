#include "pg/shared/shared_memory.hpp"
#include "pg/base/subtransaction.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

void attach(void *state)
{
    auto *memory = static_cast<SharedMemory *>(state);
    memory->address = named_segment(memory->name, memory->size, memory->initialize);
}

shmem_request_hook_type earlier_request = nullptr;

// For the handles of the segments and their entries in the server's index.
void request_room()
{
    constexpr Size room = 4096;
    if (earlier_request != nullptr)
        earlier_request();
    RequestAddinShmemSpace(room);
}

} // namespace

void *attach_shared_memory(SharedMemory *memory)
{
    constexpr int64 pause = 60 * USECS_PER_SEC;
    if (memory->address != nullptr)
        return memory->address;
    const TimestampTz now = GetCurrentTimestamp();
    if (memory->failed_at != 0 && now - memory->failed_at < pause)
        return nullptr;
    memory->failed_at = now;
    const ErrorData *error = catch_in_subtransaction(attach, memory);
    if (error != nullptr && ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION) {
        memory->failed_at = 0; // a cancel says nothing about the memory
        ReThrowError(const_cast<ErrorData *>(error));
    }
    return memory->address;
}

void request_shared_memory()
{
    if (!process_shared_preload_libraries_in_progress)
        return;
    earlier_request = shmem_request_hook;
    shmem_request_hook = request_room;
}

} // namespace callhardening
