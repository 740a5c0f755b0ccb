#include "pg/claims/failure.hpp"
#include "pg/base/text.hpp"

extern "C" {
#include "utils/jsonb.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

constexpr int most_errors = 10; // kept of an event
constexpr int longest_error = 1000;

} // namespace

const char *cut_error(const char *error)
{
    return cut_text(error, longest_error);
}

namespace
{

void push_string(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
    JsonbValue value;
    value.type = jbvString;
    value.val.string.val = const_cast<char *>(text);
    value.val.string.len = static_cast<int>(strlen(text));
    pushJsonbValue(state, token, &value);
}

void push_member(JsonbParseState **state, const char *name, const char *value)
{
    if (value == nullptr)
        return;
    push_string(state, WJB_KEY, name);
    push_string(state, WJB_VALUE, value);
}

void push_failure(JsonbParseState **state, const Failure &failure)
{
    pushJsonbValue(state, WJB_BEGIN_OBJECT, nullptr);
    push_member(state, "at", timestamptz_to_str(GetCurrentTimestamp()));
    push_member(state, "worker", failure.worker);
    push_member(state, "sqlstate", failure.sqlstate);
    push_member(state, "error", cut_error(failure.error));
    pushJsonbValue(state, WJB_END_OBJECT, nullptr);
}

// Keeps only the newest errors of the old list, with room for one more.
void push_old_errors(JsonbParseState **state, Jsonb *old)
{
    JsonbValue item;
    JsonbIterator *iterator = JsonbIteratorInit(&old->root);
    int skipped = static_cast<int>(JB_ROOT_COUNT(old)) - (most_errors - 1);
    for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE;)
        if (token == WJB_ELEM && skipped-- <= 0)
            pushJsonbValue(state, WJB_ELEM, &item);
}

} // namespace

Datum add_failure(Datum old, bool had_none, const Failure *failure, bool *is_null)
{
    *is_null = had_none && failure == nullptr;
    if (failure == nullptr)
        return old;
    JsonbParseState *state = nullptr;
    pushJsonbValue(&state, WJB_BEGIN_ARRAY, nullptr);
    if (!had_none)
        push_old_errors(&state, DatumGetJsonbP(old));
    push_failure(&state, *failure);
    return PointerGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, nullptr)));
}

} // namespace callhardening
