#include "pg/log/parts.hpp"

extern "C" {
#include "miscadmin.h"
}

namespace callhardening
{

namespace
{

using Steps = std::span<const PartStep>;

void push_reduced(JsonbParseState **state, JsonbContainer *container, Steps steps, JsonbValue **end);

bool is_container(const JsonbValue &value)
{
    return value.type == jbvBinary;
}

// The value on the way to the part is reduced. All others are copied.
void push_value(JsonbParseState **state, JsonbIteratorToken token, JsonbValue *value, bool is_on_way,
                Steps steps)
{
    JsonbValue *end;
    if (is_on_way && !steps.empty() && is_container(*value))
        push_reduced(state, value->val.binary.data, steps, &end);
    else
        pushJsonbValue(state, token, value);
}

void push_object(JsonbParseState **state, JsonbContainer *object, Steps steps)
{
    JsonbIterator *iterator = JsonbIteratorInit(object);
    JsonbValue key, value;
    JsonbIteratorNext(&iterator, &key, true); // the begin of the object
    while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY) {
        const std::string_view name(key.val.string.val, static_cast<size_t>(key.val.string.len));
        pushJsonbValue(state, WJB_KEY, &key);
        JsonbIteratorNext(&iterator, &value, true);
        push_value(state, WJB_VALUE, &value, name == steps.front().member, steps.subspan(1));
    }
}

void push_array(JsonbParseState **state, JsonbContainer *array, Steps steps)
{
    const PartStep &step = steps.front();
    JsonbIterator *iterator = JsonbIteratorInit(array);
    JsonbValue value;
    JsonbIteratorNext(&iterator, &value, true);
    for (size_t i = 0; JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM; ++i)
        if (i == step.element || !step.is_chosen)
            push_value(state, WJB_ELEM, &value, i == step.element, steps.subspan(1));
}

// The steps fit the container: the finder has walked them.
void push_reduced(JsonbParseState **state, JsonbContainer *container, Steps steps, JsonbValue **end)
{
    const bool is_object = JsonContainerIsObject(container);
    pushJsonbValue(state, is_object ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY, nullptr);
    if (is_object)
        push_object(state, container, steps);
    else
        push_array(state, container, steps);
    *end = pushJsonbValue(state, is_object ? WJB_END_OBJECT : WJB_END_ARRAY, nullptr);
}

Jsonb *reduced(JsonbContainer *container, Steps steps)
{
    JsonbParseState *state = nullptr;
    JsonbValue *root;
    push_reduced(&state, container, steps, &root);
    return JsonbValueToJsonb(root);
}

Jsonb *part_of(Jsonb *body, Steps steps)
{
    if (!steps.front().is_chosen || !steps.front().member.empty())
        return reduced(&body->root, steps);
    JsonbValue *element =
        getIthJsonbValueFromContainer(&body->root, static_cast<uint32>(steps.front().element));
    if (!is_container(*element) || !JsonContainerIsObject(element->val.binary.data))
        return reduced(&body->root, steps);
    return steps.size() == 1 ? JsonbValueToJsonb(element)
                             : reduced(element->val.binary.data, steps.subspan(1));
}

} // namespace

bool can_hold_calls(Jsonb *body, const Shape *shape)
{
    const bool is_array = !JB_ROOT_IS_OBJECT(body) && !JB_ROOT_IS_SCALAR(body) && JB_ROOT_COUNT(body) > 0;
    return JB_ROOT_IS_OBJECT(body) || (is_array && shape != nullptr && shape->reads_arrays());
}

PartsOfBody find_parts(Jsonb *body, const Shape *shape)
{
    if (shape == nullptr || !shape->has_parts() || !can_hold_calls(body, shape))
        return {};
    JsonbBody document(body);
    return PartFinder(document).Find(*shape);
}

bool can_divide(Jsonb *body, const PartsOfBody &parts)
{
    size_t chosen = 0;
    if (parts.count > max_parts)
        return false;
    JsonbBody document(body);
    PartFinder(document).Visit(*parts.form, [&](Steps, const JsonbBody::Node &element) {
        chosen += is_container(element.value) ? static_cast<size_t>(element.value.val.binary.len) : 0;
        return true;
    });
    const size_t size = VARSIZE(body), around = size - Min(size, chosen);
    return parts.count * around + chosen <= max_bytes_of_parts;
}

void for_each_part(Jsonb *body, const PartsOfBody &parts, TakePart take, void *state)
{
    JsonbBody document(body);
    PartFinder(document).Visit(*parts.form, [&](Steps steps, const JsonbBody::Node &) {
        CHECK_FOR_INTERRUPTS();
        take(state, part_of(body, steps));
        return true;
    });
}

} // namespace callhardening
