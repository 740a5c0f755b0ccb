#include "core/base/text.hpp"
#include "core/events/built_in_shapes.hpp"
#include "core/words/provider.hpp"

#include "pg/base/text.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace callhardening
{

namespace
{

[[noreturn]] void refuse_unknown_provider(std::string_view provider)
{
    const std::string_view nearest = NearestProvider(provider);
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    LooksLikeWord(provider) ? errmsg("unknown call provider \"%s\"", to_cstring(provider))
                                            : errmsg("unknown call provider of %zu bytes", provider.size()),
                    nearest.empty() ? errhint("call_providers() lists the providers.")
                                    : errhint("Did you mean \"%s\"?", to_cstring(nearest))));
    pg_unreachable();
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(call_event_shape)
{
    const std::string_view provider = text_argument(fcinfo, 0);
    const std::string_view shape = BuiltInShapeText(provider);
    if (shape.empty() && !IsKnownProvider(provider))
        refuse_unknown_provider(provider);
    if (shape.empty())
        PG_RETURN_NULL();
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(to_cstring(shape)));
}
