#include "core/event.hpp"

#include "pg/event.hpp"

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

// The first place that has a value for a field settles it.
bool read_shape(JsonbValue *root, const Shape &shape, uint32 wanted, EventFields *fields)
{
    JsonbValue *call = find_path(root, shape.call);
    if (call == nullptr)
        return false;
    *fields = {};
    for (const Place &place : shape.places) {
        FieldValue &value = (*fields)[place.field];
        if (!value.known && (wanted & fields_of({place.field})) != 0)
            value = ReadField(place.reading, scalar_of(find_path(place.from_root ? root : call, place.path)));
    }
    return (*fields)[Field::call_id].known;
}

} // namespace

bool read_event(Jsonb *body, std::string_view provider, uint32 wanted, EventFields *fields)
{
    JsonbValue root;
    root.type = jbvBinary;
    root.val.binary.data = &body->root;
    root.val.binary.len = VARSIZE(body) - VARHDRSZ;
    for (const Shape &shape : EventShapes(provider))
        if (read_shape(&root, shape, wanted | fields_of({Field::call_id}), fields))
            return true;
    *fields = {};
    return false;
}

} // namespace callhardening
