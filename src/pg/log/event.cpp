#include "core/providers/built_in_shapes.hpp"
#include "core/words/provider.hpp"

#include "pg/base/text.hpp"
#include "pg/log/event.hpp"

namespace callhardening
{

std::string_view key_prefix_of(std::string_view provider)
{
    const std::string_view known = KnownProvider(provider);
    return psprintf("%s:", to_cstring(known.empty() ? provider : known));
}

std::string_view prefixed_call_id(std::string_view prefix, std::string_view id)
{
    id = CanonicalCallId(id, KeyKind::text);
    if (id.empty())
        return {};
    const size_t size = prefix.size() + id.size();
    auto *joined = static_cast<char *>(palloc(size + 1));
    memcpy(joined, prefix.data(), prefix.size());
    memcpy(joined + prefix.size(), id.data(), id.size());
    joined[size] = '\0';
    return {joined, size};
}

const Shape *shape_of_provider(std::string_view provider)
{
    const Shape *shape = BuiltInShape(provider);
    if (shape == nullptr && !BuiltInShapeText(provider).empty())
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
                        errdetail("The shape of a provider could not be compiled.")));
    return shape;
}

bool read_event(Jsonb *body, const Shape *shape, FieldSet wanted, EventFields *fields)
{
    JsonbBody document(body);
    return shape != nullptr && ShapeReader(document).Read(*shape, wanted, fields->values) != nullptr;
}

} // namespace callhardening
