#include "core/providers/built_in_shapes.hpp"

#include "pg/log/event.hpp"

namespace callhardening
{

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
