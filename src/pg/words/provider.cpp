#include "core/words/provider.hpp"
#include "core/base/text.hpp"
#include "core/providers/provider_support.hpp"

#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"
#include "pg/words/provider.hpp"

extern "C" {
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/tuplestore.h"
}

namespace callhardening
{

namespace
{

// The last checked provider: most statements have the same one for all rows.
struct JudgedProvider {
    static constexpr size_t longest = 63;
    size_t size; // 0: the name was longer
    char name[longest];

    bool is(std::string_view provider) const { return std::string_view(name, size) == provider; }
};

bool was_judged(FmgrInfo *function, std::string_view provider)
{
    auto *judged = static_cast<JudgedProvider *>(function->fn_extra);
    if (judged != nullptr && judged->is(provider))
        return true;
    if (judged == nullptr)
        function->fn_extra = judged =
            static_cast<JudgedProvider *>(MemoryContextAllocZero(function->fn_mcxt, sizeof(JudgedProvider)));
    judged->size = provider.size() <= JudgedProvider::longest ? provider.size() : 0;
    memcpy(judged->name, provider.data(), judged->size);
    return false;
}

void warn_unknown_provider(std::string_view provider)
{
    ErrorContextCallback *context = hide_error_context();
    ereport(WARNING,
            (errmsg("Unknown call provider: %s", printable_word(provider)),
             errdetail("Words have the same meaning as without a provider."), hint_at_provider(provider)));
    error_context_stack = context;
}

} // namespace

std::string_view provider_of_words(FunctionCallInfo fcinfo, int n)
{
    const std::string_view provider = text_argument(fcinfo, n);
    if (!IsBlank(provider) && provider != several_providers && !was_judged(fcinfo->flinfo, provider) &&
        !IsKnownProvider(provider))
        warn_unknown_provider(provider);
    return provider;
}

int hint_at_provider(std::string_view provider)
{
    const std::string_view nearest = NearestProvider(provider);
    return nearest.empty() ? errhint("call_providers() lists the providers.")
                           : errhint("Did you mean \"%s\"?", to_cstring(nearest));
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(is_known_call_provider)
{
    PG_RETURN_BOOL(IsKnownProvider(text_argument(fcinfo, 0)));
}

CALLHARDENING_FUNCTION(known_provider)
{
    const std::string_view known = KnownProvider(text_argument(fcinfo, 0));
    if (known.empty())
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(to_text(known));
}

CALLHARDENING_FUNCTION(nearest_provider)
{
    const std::string_view nearest = NearestProvider(text_argument(fcinfo, 0));
    if (nearest.empty())
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(to_text(nearest));
}

CALLHARDENING_FUNCTION(call_providers)
{
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    for (size_t number = 0; number < ProviderCount(); ++number) {
        const ProviderSupport support = SupportOfProvider(number);
        Datum values[] = {PointerGetDatum(to_text(support.provider)), BoolGetDatum(support.words),
                          BoolGetDatum(support.shape), BoolGetDatum(support.signature),
                          CStringGetTextDatum(support.integer_ids ? "bigint" : "text")};
        bool nulls[] = {false, false, false, false, false};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    PG_RETURN_NULL();
}

CALLHARDENING_FUNCTION(has_event_shape)
{
    PG_RETURN_BOOL(HasEventShape(text_argument(fcinfo, 0)));
}
