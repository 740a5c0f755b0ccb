#include "pg/sanitizer/jsonb_parser.hpp"
#include "pg/base/versions.hpp"

extern "C" {
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonfuncs.h"
}

namespace callhardening
{

namespace
{

struct Building {
    JsonbParseState *open; // begun and not ended containers
    JsonbValue *result;
};

void push(void *state, JsonbIteratorToken token, JsonbValue *value)
{
    auto *building = static_cast<Building *>(state);
    CHECK_FOR_INTERRUPTS();
    building->result = pushJsonbValue(&building->open, token, value);
}

JsonActionResult begin_object(void *state)
{
    push(state, WJB_BEGIN_OBJECT, nullptr);
    return json_action_done();
}

JsonActionResult end_object(void *state)
{
    push(state, WJB_END_OBJECT, nullptr);
    return json_action_done();
}

JsonActionResult begin_array(void *state)
{
    push(state, WJB_BEGIN_ARRAY, nullptr);
    return json_action_done();
}

JsonActionResult end_array(void *state)
{
    push(state, WJB_END_ARRAY, nullptr);
    return json_action_done();
}

JsonbValue string_value(char *text)
{
    const size_t length = strlen(text);
    if (length > JENTRY_OFFLENMASK)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                 errmsg("string too long to represent as jsonb string"),
                 errdetail("Due to an implementation restriction, jsonb strings cannot exceed %d bytes.",
                           JENTRY_OFFLENMASK)));
    JsonbValue value;
    value.type = jbvString;
    value.val.string.len = static_cast<int>(length);
    value.val.string.val = text;
    return value;
}

JsonbValue scalar_value(char *token, JsonTokenType type)
{
    JsonbValue value;
    switch (type) {
    case JSON_TOKEN_STRING:
        return string_value(token);
    case JSON_TOKEN_NUMBER:
        value.type = jbvNumeric;
        value.val.numeric = DatumGetNumeric(DirectFunctionCall3(
            numeric_in, CStringGetDatum(token), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
        return value;
    case JSON_TOKEN_TRUE:
    case JSON_TOKEN_FALSE:
        value.type = jbvBool;
        value.val.boolean = type == JSON_TOKEN_TRUE;
        return value;
    default:
        value.type = jbvNull;
        return value;
    }
}

JsonActionResult add_key(void *state, char *name, bool)
{
    JsonbValue key = string_value(name);
    push(state, WJB_KEY, &key);
    return json_action_done();
}

// A document of one scalar is an array with a mark.
void push_alone(void *state, JsonbValue *value)
{
    JsonbValue array;
    array.type = jbvArray;
    array.val.array.rawScalar = true;
    array.val.array.nElems = 1;
    push(state, WJB_BEGIN_ARRAY, &array);
    push(state, WJB_ELEM, value);
    push(state, WJB_END_ARRAY, nullptr);
}

JsonActionResult add_scalar(void *state, char *token, JsonTokenType type)
{
    const JsonbParseState *open = static_cast<Building *>(state)->open;
    JsonbValue value = scalar_value(token, type);
    if (open == nullptr)
        push_alone(state, &value);
    else
        push(state, open->contVal.type == jbvArray ? WJB_ELEM : WJB_VALUE, &value);
    return json_action_done();
}

} // namespace

Jsonb *parse_jsonb(std::string_view text)
{
    Building building = {};
    JsonSemAction actions = {};
    actions.semstate = &building;
    actions.object_start = begin_object;
    actions.object_end = end_object;
    actions.array_start = begin_array;
    actions.array_end = end_array;
    actions.object_field_start = add_key;
    actions.scalar = add_scalar;
    pg_parse_json_or_ereport(make_json_lexer(text), &actions);
    return JsonbValueToJsonb(building.result);
}

} // namespace callhardening
