#include "core/ingest/partition.hpp"
#include "core/base/text.hpp"
#include "core/json/json_scan.hpp"
#include "core/lanes/position.hpp"
#include "core/words/provider.hpp"

#include "pg/base/text.hpp"
#include "pg/log/event.hpp"
#include "pg/log/shape.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/memutils.h"
}

namespace callhardening
{

namespace
{

void *allocate(size_t size)
{
    return MemoryContextAllocExtended(CurrentMemoryContext, size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

int require_partitions(int partitions)
{
    if (partitions < 1 || partitions > max_partitions)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("partitions must be between 1 and %d", max_partitions)));
    return partitions;
}

const Shape *require_shape(std::string_view provider)
{
    const Shape *shape = shape_of_provider(provider);
    if (shape == nullptr && !IsKnownProvider(provider))
        refuse_unknown_provider(provider);
    if (shape == nullptr)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("events of call provider \"%s\" cannot be read", to_cstring(provider)),
                        errhint("call_providers() lists the providers with a shape.")));
    return shape;
}

KeyKind require_key_kind(std::string_view key_type)
{
    if (key_type != "bigint" && key_type != "text")
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("key_type must be bigint or text"),
                        errhint("Give bigint if the key of the calls tables is a whole number, else text.")));
    return KeyKindOf(key_type);
}

// After an interrupt the result means nothing. If the interrupt does not end the query, the body is read
// again. The last try ignores interrupts: cancels may be held off.
int partition_of(std::string_view body, const Routing &routing)
{
    constexpr int most_restarts = 8;
    for (int i = 0;; ++i) {
        const volatile sig_atomic_t *interrupt = i < most_restarts ? &InterruptPending : &no_interrupt;
        Arena arena(allocate);
        const int partition = PartitionOfBody(body, routing, arena, *interrupt);
        if (arena.failed())
            ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                            errdetail("A body of %zu bytes could not be read.", body.size())));
        if (*interrupt == 0)
            return partition;
        CHECK_FOR_INTERRUPTS();
    }
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(call_event_partition)
{
    enum { body, partitions, provider, key_type };
    const Routing routing = {require_shape(text_argument(fcinfo, provider)),
                             require_key_kind(text_argument(fcinfo, key_type)),
                             require_partitions(PG_GETARG_INT32(partitions))};
    PG_RETURN_INT32(partition_of(text_argument(fcinfo, body), routing));
}
