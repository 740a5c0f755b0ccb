#include "pg/base/memory.hpp"

extern "C" {
#include "access/xact.h"
#include "utils/memutils.h"
}

namespace callhardening
{

MemoryContext kept_memory(KeptMemory *memory)
{
    constexpr Size room = 256 * 1024;
    const TimestampTz transaction = GetCurrentTransactionStartTimestamp();
    if (memory->context == nullptr)
        memory->context = GenerationContextCreate(TopMemoryContext, memory->name, room, room, 8 * room);
    if (memory->transaction != transaction)
        MemoryContextReset(memory->context);
    memory->transaction = transaction;
    return memory->context;
}

} // namespace callhardening
