#include "core/events/ignored_event.hpp"
#include "core/lanes/position.hpp"

#include "pg/base/text.hpp"
#include "pg/log/ignored_event.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/numeric.h"
}

namespace callhardening
{

namespace
{

JsonbValue *find_member(JsonbValue *object, std::string_view name)
{
    if (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
        return nullptr;
    return getKeyJsonValueFromContainer(object->val.binary.data, name.data(), static_cast<int>(name.size()),
                                        nullptr);
}

JsonbValue root_of(Jsonb *body)
{
    JsonbValue root;
    root.type = jbvBinary;
    root.val.binary.data = &body->root;
    root.val.binary.len = VARSIZE(body) - VARHDRSZ;
    return root;
}

std::string_view text_of(const JsonbValue &value)
{
    switch (value.type) {
    case jbvString:
        return {value.val.string.val, static_cast<size_t>(value.val.string.len)};
    case jbvNumeric:
        return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
    case jbvBool:
        return value.val.boolean ? "true" : "false";
    default:
        return {};
    }
}

bool has_member(Jsonb *body, const char *setting)
{
    IgnoredMember member(setting);
    JsonbValue root = root_of(body), *value = &root;
    for (std::string_view name; value != nullptr && member.NextName(name);)
        value = find_member(value, name);
    if (value == nullptr || value->type == jbvNull)
        return false;
    return !member.HasValue() || member.MatchesValue(text_of(*value));
}

bool has_type(const EventLog &log, std::string_view event_type)
{
    for (int i = 0; i < log.ignored_types.count && !event_type.empty(); ++i)
        if (MatchesEventType(log.ignored_types.texts[i], event_type))
            return true;
    return false;
}

// Without a call, the type in the body was not read before.
std::string_view type_in_body(Jsonb *body)
{
    JsonbValue root = root_of(body);
    const JsonbValue *value = find_member(&root, "event_type");
    return value == nullptr ? std::string_view{} : text_of(*value);
}

} // namespace

bool ignores_events(const EventLog &log)
{
    return log.ignored_types.count > 0 || log.ignored_members.count > 0;
}

bool is_ignored(const EventLog &log, std::string_view event_type, std::string_view state, Jsonb *body)
{
    if (has_type(log, event_type) || has_type(log, state))
        return true;
    if (!JB_ROOT_IS_OBJECT(body))
        return false;
    if (log.ignored_types.count > 0 && has_type(log, type_in_body(body)))
        return true;
    for (int i = 0; i < log.ignored_members.count; ++i)
        if (has_member(body, log.ignored_members.texts[i]))
            return true;
    return false;
}

namespace
{

using IsSetting = bool (*)(std::string_view setting);

bool are_settings(ArrayType *settings, IsSetting is_setting)
{
    constexpr int most = 100;
    Datum *texts;
    bool *nulls;
    int count;
    deconstruct_array(settings, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &count);
    for (int i = 0; i < count; ++i)
        if (nulls[i] || !is_setting(TextDatumGetCString(texts[i])))
            return false;
    return count <= most && ARR_NDIM(settings) <= 1;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(are_ignored_events)
{
    PG_RETURN_BOOL(are_settings(PG_GETARG_ARRAYTYPE_P(0), IsIgnoredEventType) &&
                   are_settings(PG_GETARG_ARRAYTYPE_P(1), IsIgnoredMember));
}
