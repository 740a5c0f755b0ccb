#include "core/events/event.hpp"

#include "pg/log/event.hpp"

extern "C" {
#include "utils/numeric.h"
}

namespace callhardening
{

namespace
{

// The value itself, or the first element where it is an array; NULL where there is none.
JsonbValue *first_of(JsonbValue *value)
{
    if (value == nullptr || value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
        return value;
    return getIthJsonbValueFromContainer(value->val.binary.data, 0);
}

JsonbValue *find_member(JsonbValue *object, std::string_view name)
{
    if (object == nullptr || object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
        return nullptr;
    return first_of(getKeyJsonValueFromContainer(object->val.binary.data, name.data(),
                                                 static_cast<int>(name.size()), nullptr));
}

JsonbValue *find_path(JsonbValue *object, const std::string_view (&path)[2])
{
    for (const std::string_view name : path)
        if (!name.empty())
            object = find_member(object, name);
    return object;
}

JsonScalar scalar_of(const JsonbValue *value)
{
    if (value == nullptr)
        return {};
    switch (value->type) {
    case jbvBool:
        return {JsonScalar::Kind::boolean, value->val.boolean, {}};
    case jbvString:
        return {JsonScalar::Kind::string,
                false,
                {value->val.string.val, static_cast<size_t>(value->val.string.len)}};
    case jbvNumeric:
        return {JsonScalar::Kind::number, false,
                DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)))};
    default:
        return {};
    }
}

bool has_member(JsonbValue *object, std::span<const std::string_view> names)
{
    for (const std::string_view name : names)
        if (find_member(object, name) != nullptr)
            return true;
    return false;
}

bool has_shape(JsonbValue *call, const Shape &shape)
{
    return shape.has_one_of.empty() || has_member(call, shape.has_one_of);
}

// Where the values of a shape are looked for, in the order of Origin.
struct Origins {
    JsonbValue *objects[3];
};

Origins find_origins(JsonbValue *root, const Shape &shape)
{
    JsonbValue *beside_call = shape.call[1].empty() ? root : find_member(root, shape.call[0]);
    return {{find_path(root, shape.call), beside_call, root}};
}

// The first place that has a value for a field settles it.
void read_places(const Origins &origins, const Shape &shape, uint32 wanted, EventFields *fields)
{
    for (const Place &place : shape.places) {
        FieldValue &value = (*fields)[place.field];
        JsonbValue *object = origins.objects[static_cast<size_t>(place.origin)];
        if (!value.known && (wanted & fields_of({place.field})) != 0)
            value = ReadField(place.reading, scalar_of(find_path(object, place.path)));
    }
}

bool read_shape(JsonbValue *root, const Shape &shape, uint32 wanted, EventFields *fields)
{
    const Origins origins = find_origins(root, shape);
    *fields = {};
    read_places(origins, shape, fields_of({Field::call_id}), fields);
    if (!(*fields)[Field::call_id].known || !has_shape(origins.objects[0], shape))
        return false;
    read_places(origins, shape, wanted, fields);
    return true;
}

} // namespace

bool read_event(Jsonb *body, std::string_view provider, uint32 wanted, EventFields *fields)
{
    JsonbValue root;
    root.type = jbvBinary;
    root.val.binary.data = &body->root;
    root.val.binary.len = VARSIZE(body) - VARHDRSZ;
    for (const Shape &shape : EventShapes(provider))
        if (read_shape(&root, shape, wanted, fields))
            return true;
    *fields = {};
    return false;
}

} // namespace callhardening
