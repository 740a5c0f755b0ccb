#include "core/sanitizer/sanitizer.hpp"
#include "core/base/text.hpp"
#include "core/policy/built_in_policy.hpp"
#include "core/sanitizer/json_text.hpp"

#include "pg/base/text.hpp"
#include "pg/sanitizer/jsonb_parser.hpp"
#include "pg/sanitizer/jsonb_reader.hpp"
#include "pg/sanitizer/jsonb_writer.hpp"
#include "pg/sanitizer/policy.hpp"
#include "pg/sanitizer/pseudonym.hpp"
#include "pg/sanitizer/sanitizer.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/memutils.h"
}

namespace callhardening
{

namespace
{

constexpr Pseudonyms no_keys;

} // namespace

void out_of_payload_memory()
{
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                    errdetail("A call payload could not be sanitized.")));
    pg_unreachable();
}

void *allocate_for_payload(size_t size)
{
    return palloc_extended(size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

PayloadPass begin_pass(const Policy *policy)
{
    PayloadPass pass{policy, &no_keys, CurrentMemoryContext, nullptr};
    if (policy->hashes())
        pass.pseudonyms = open_pseudonyms(); // must outlive a reset of the scratch memory
    pass.scratch = AllocSetContextCreate(pass.result, "callhardening payload", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(pass.scratch);
    return pass;
}

void end_pass(const PayloadPass *pass)
{
    if (pass->policy->hashes())
        close_pseudonyms(pass->pseudonyms);
    MemoryContextSwitchTo(pass->result);
    MemoryContextDelete(pass->scratch);
}

namespace
{

Jsonb *sanitize_jsonb(Jsonb *payload, const PayloadPass *pass)
{
    Sanitizer sanitizer(*pass->policy, *pass->pseudonyms, allocate_for_payload, MemberOrder::jsonb);
    feed_jsonb(payload, &sanitizer);
    if (!sanitizer.Finish())
        out_of_payload_memory();
    return sanitizer.changed() ? build_jsonb(sanitizer.tokens(), pass->result) : payload;
}

// nullptr if an interrupt stopped the reading, or jsonb must decide.
Jsonb *sanitize_text(std::string_view text, const PayloadPass *pass, const volatile sig_atomic_t *interrupt)
{
    Sanitizer sanitizer(*pass->policy, *pass->pseudonyms, allocate_for_payload, MemberOrder::document);
    const TextVerdict verdict = FeedText(text, sanitizer, interrupt);
    const bool decided = verdict == TextVerdict::done && !sanitizer.doubtful();
    if (decided && !sanitizer.Finish())
        out_of_payload_memory();
    return decided ? build_jsonb(sanitizer.tokens(), pass->result) : nullptr;
}

// The core must not raise an error, so it returns at an interrupt. If the interrupt does not end the query,
// the loop starts again. After some restarts only a cancel counts. The last try ignores even a cancel: while
// cancels are held off, the loop would never end.
Jsonb *sanitize_text(std::string_view text, const PayloadPass *pass)
{
    constexpr int most_restarts = 8;
    for (int i = 0; i < most_restarts; ++i) {
        const volatile sig_atomic_t *interrupt =
            i < most_restarts - 1 ? &InterruptPending : &QueryCancelPending;
        Jsonb *sanitized = sanitize_text(text, pass, interrupt);
        if (sanitized != nullptr || *interrupt == 0)
            return sanitized;
        CHECK_FOR_INTERRUPTS();
        MemoryContextReset(CurrentMemoryContext);
    }
    return sanitize_text(text, pass, nullptr);
}

const char *message_of(int sqlstate)
{
    switch (sqlstate) {
    case ERRCODE_INVALID_TEXT_REPRESENTATION:
        return "invalid input syntax for type json";
    case ERRCODE_UNTRANSLATABLE_CHARACTER:
        return "unsupported Unicode escape sequence";
    case ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE:
        return "value overflows numeric format";
    default:
        return "invalid call payload";
    }
}

// jsonb's message would print a part of the payload. The SQLSTATE stays the same.
[[noreturn]] void raise_unparsable(int sqlstate)
{
    ereport(ERROR, (errcode(sqlstate), errmsg("%s", message_of(sqlstate)),
                    errdetail("The call payload cannot be read as jsonb."),
                    errhint("A cast to jsonb shows the place of the mistake, but also prints the payload.")));
    pg_unreachable();
}

Jsonb *parse_or_raise(std::string_view text)
{
    const MemoryContext context = CurrentMemoryContext;
    Jsonb *volatile parsed = nullptr;
    PG_TRY();
    {
        parsed = parse_jsonb(text);
    }
    PG_CATCH();
    {
        if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
            PG_RE_THROW();
        const int sqlstate = geterrcode();
        MemoryContextSwitchTo(context);
        FlushErrorState();
        raise_unparsable(sqlstate);
    }
    PG_END_TRY();
    return parsed;
}

// An unchanged document is the parsed one. It must be copied, because the scratch memory is deleted.
Jsonb *sanitize_parsed(std::string_view text, const PayloadPass *pass)
{
    Jsonb *parsed = parse_or_raise(text);
    Jsonb *sanitized = sanitize_jsonb(parsed, pass);
    if (sanitized != parsed)
        return sanitized;
    void *copy = MemoryContextAlloc(pass->result, VARSIZE(parsed));
    return static_cast<Jsonb *>(memcpy(copy, parsed, VARSIZE(parsed)));
}

} // namespace

Jsonb *sanitize_payload(Jsonb *payload, const Policy *policy)
{
    const PayloadPass pass = begin_pass(policy);
    Jsonb *sanitized = sanitize_jsonb(payload, &pass);
    end_pass(&pass);
    return sanitized;
}

Jsonb *sanitize_payload(std::string_view text, const Policy *policy)
{
    const PayloadPass pass = begin_pass(policy);
    Jsonb *sanitized = sanitize_text(text, &pass);
    if (sanitized == nullptr) {
        MemoryContextReset(pass.scratch);
        sanitized = sanitize_parsed(text, &pass);
    }
    end_pass(&pass);
    return sanitized;
}

} // namespace callhardening

using namespace callhardening;

const Policy *callhardening::callers_policy(FunctionCallInfo fcinfo)
{
    const Policy *policy = policy_argument(fcinfo, 1);
    if (policy->hashes())
        require_pseudonym_privilege();
    return policy;
}

CALLHARDENING_FUNCTION(sanitize_call_payload)
{
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const Policy *policy = callers_policy(fcinfo);
    PG_RETURN_JSONB_P(sanitize_payload(PG_GETARG_JSONB_P(0), policy));
}

CALLHARDENING_FUNCTION(sanitize_call_payload_text)
{
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    const Policy *policy = callers_policy(fcinfo);
    PG_RETURN_JSONB_P(sanitize_payload(text_argument(fcinfo, 0), policy));
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
