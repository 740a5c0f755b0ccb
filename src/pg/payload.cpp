#include "core/payload.hpp"
#include "core/built_in_policy.hpp"
#include "core/text.hpp"

#include "pg/jsonb_reader.hpp"
#include "pg/jsonb_writer.hpp"
#include "pg/payload.hpp"
#include "pg/policy.hpp"
#include "pg/text.hpp"

extern "C" {
#include "utils/memutils.h"
}

namespace callhardening
{

namespace
{

[[noreturn]] void out_of_memory()
{
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("A call payload could not be sanitized.")));
    pg_unreachable();
}

// For the core, which must not be left by a longjmp.
void *allocate(size_t size)
{
    return palloc_extended(size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

Jsonb *sanitize(Jsonb *payload, const Policy *policy, MemoryContext result)
{
    Sanitizer sanitizer(*policy, allocate, has_record(&payload->root));
    feed_jsonb(payload, &sanitizer);
    if (!sanitizer.Finish())
        out_of_memory();
    return sanitizer.changed() ? build_jsonb(sanitizer.tokens(), result) : payload;
}

} // namespace

Jsonb *sanitize_payload(Jsonb *payload, const Policy *policy)
{
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
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const Policy *policy = policy_argument(fcinfo, 1);
    PG_RETURN_JSONB_P(sanitize_payload(PG_GETARG_JSONB_P(0), policy));
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
