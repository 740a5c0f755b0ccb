#include "core/json_text.hpp"
#include "core/policy_default.hpp"

#include "pg/jsonb.hpp"
#include "pg/payload.hpp"
#include "pg/text.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/memutils.h"
}

namespace callhardening
{

namespace
{

// nullptr where the text was not read to its end, or jsonb has to decide.
Jsonb *feed_and_build(std::string_view text, const Policy *policy, MemoryContext result,
                      const volatile sig_atomic_t *interrupt)
{
    Sanitizer sanitizer(*policy, allocate_payload_memory, false);
    const TextVerdict verdict = FeedText(text, sanitizer, interrupt);
    if (verdict == TextVerdict::out_of_memory)
        payload_out_of_memory();
    if (verdict != TextVerdict::done)
        return nullptr;
    if (!sanitizer.Finish())
        payload_out_of_memory();
    return build_jsonb(sanitizer.tokens(), result);
}

// No error may leave the core, so it comes back where an interrupt waits. One that does not end the query is
// dealt with here, and the next pass is the last.
Jsonb *sanitize_text(std::string_view text, const Policy *policy, MemoryContext result)
{
    Jsonb *sanitized = feed_and_build(text, policy, result, &InterruptPending);
    if (sanitized == nullptr && InterruptPending) {
        CHECK_FOR_INTERRUPTS();
        MemoryContextReset(CurrentMemoryContext);
        sanitized = feed_and_build(text, policy, result, nullptr);
    }
    return sanitized;
}

} // namespace

Jsonb *sanitize_payload(std::string_view text)
{
    const Policy *policy = DefaultPolicy();
    if (policy == nullptr)
        payload_out_of_memory();
    const MemoryContext result = CurrentMemoryContext;
    const MemoryContext scratch =
        AllocSetContextCreate(result, "callhardening payload", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(scratch);
    Jsonb *sanitized = sanitize_text(text, policy, result);
    MemoryContextSwitchTo(result);
    MemoryContextDelete(scratch);
    if (sanitized == nullptr)
        sanitized = sanitize_payload(
            DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(to_cstring(text)))));
    return sanitized;
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(sanitize_call_payload_text)
{
    PG_RETURN_JSONB_P(sanitize_payload(text_argument(fcinfo, 0)));
}
