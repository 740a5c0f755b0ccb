#include "core/payload.hpp"
#include "core/policy_default.hpp"
#include "core/text.hpp"

#include "pg/jsonb.hpp"
#include "pg/payload.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/memutils.h"
}

namespace callhardening
{

[[noreturn]] void payload_out_of_memory()
{
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("A call payload could not be sanitized.")));
    pg_unreachable();
}

void *allocate_payload_memory(size_t size)
{
    return palloc_extended(size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

namespace
{

Jsonb *sanitize(Jsonb *payload, const Policy *policy, MemoryContext result)
{
    Sanitizer sanitizer(*policy, allocate_payload_memory, has_record(&payload->root));
    feed_jsonb(&payload->root, &sanitizer);
    if (!sanitizer.Finish())
        payload_out_of_memory();
    return sanitizer.changed() ? build_jsonb(sanitizer.tokens(), result) : payload;
}

} // namespace

Jsonb *sanitize_payload(Jsonb *payload)
{
    const Policy *policy = DefaultPolicy();
    if (policy == nullptr)
        payload_out_of_memory();
    const MemoryContext result = CurrentMemoryContext;
    const MemoryContext scratch =
        AllocSetContextCreate(result, "callhardening payload", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(scratch);
    Jsonb *sanitized = sanitize(payload, policy, result);
    MemoryContextSwitchTo(result);
    MemoryContextDelete(scratch);
    return sanitized;
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(sanitize_call_payload)
{
    PG_RETURN_JSONB_P(sanitize_payload(PG_GETARG_JSONB_P(0)));
}

CALLHARDENING_FUNCTION(call_payload_policy)
{
    const std::string_view name = text_argument(fcinfo, 0);
    const std::string_view policy = BuiltInPolicy(name);
    if (policy.empty())
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        LooksLikeWord(name) ? errmsg("unknown payload policy \"%s\"", to_cstring(name))
                                            : errmsg("unknown payload policy of %zu bytes", name.size()),
                        errhint("Built-in policies: %s.", to_cstring(built_in_policies))));
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(to_cstring(policy)));
}
