#include "core/ingest/partition.hpp"
#include "core/base/text.hpp"
#include "core/json/json_scan.hpp"
#include "core/lanes/position.hpp"
#include "core/words/provider.hpp"

#include "pg/base/text.hpp"
#include "pg/log/event.hpp"
#include "pg/log/shape.hpp"

extern "C" {
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
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

const Shape *shape_argument(FunctionCallInfo fcinfo, int provider)
{
    return require_shape(text_argument(fcinfo, provider),
                         "call_providers() lists the providers with a shape.");
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
template <typename Read>
auto read_body(std::string_view body, Read read)
{
    constexpr int most_restarts = 8;
    for (int i = 0;; ++i) {
        const volatile sig_atomic_t *interrupt = i < most_restarts ? &InterruptPending : &no_interrupt;
        Arena arena(allocate);
        const auto result = read(arena, *interrupt);
        if (arena.failed())
            ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                            errdetail("A body of %zu bytes could not be read.", body.size())));
        if (*interrupt == 0)
            return result;
        CHECK_FOR_INTERRUPTS();
    }
}

void put_part(const ReturnSetInfo *result, int number, std::string_view part)
{
    Datum values[] = {Int32GetDatum(number), PointerGetDatum(to_text(part))}; // bytea is stored like text
    bool nulls[] = {false, false};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(call_event_partition)
{
    enum { body_argument, partitions, provider, key_type };
    const Routing routing = {shape_argument(fcinfo, provider),
                             require_key_kind(text_argument(fcinfo, key_type)),
                             require_partitions(PG_GETARG_INT32(partitions))};
    const std::string_view body = text_argument(fcinfo, body_argument);
    PG_RETURN_INT32(read_body(body, [&](Arena &arena, const volatile sig_atomic_t &interrupt) {
        return PartitionOfBody(body, routing, arena, interrupt);
    }));
}

CALLHARDENING_FUNCTION(divide_call_event)
{
    enum { body_argument, provider };
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    if (PG_ARGISNULL(body_argument) || PG_ARGISNULL(provider))
        PG_RETURN_NULL();
    const Shape &shape = *shape_argument(fcinfo, provider);
    const std::string_view body = text_argument(fcinfo, body_argument);
    const auto parts = read_body(body, [&](Arena &arena, const volatile sig_atomic_t &interrupt) {
        return DivideBody(body, shape, arena, interrupt);
    });
    int number = 0;
    for (const std::string_view part : parts)
        put_part(result, ++number, part);
    if (parts.empty())
        put_part(result, 1, body);
    PG_RETURN_NULL();
}
