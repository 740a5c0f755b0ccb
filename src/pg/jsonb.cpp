#include "pg/jsonb.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
}

namespace callhardening
{

namespace
{

// Bytes that a finite number takes when printed, read off its header: printing 1e131071 to find out takes 128
// kB. The format is that of the heap, which pg_upgrade keeps.
size_t printed_length(Numeric number)
{
    constexpr uint16 short_format = 0x8000, long_negative = 0x4000, short_negative = 0x2000;
    constexpr int digits_per_group = 4;
    const auto *words = reinterpret_cast<const int16 *>(VARDATA(number));
    const auto header = static_cast<uint16>(words[0]);
    const bool is_short = (header & short_format) != 0;
    const int16 *groups = words + (is_short ? 1 : 2);
    const auto *end =
        reinterpret_cast<const int16 *>(reinterpret_cast<const char *>(number) + VARSIZE(number));
    const bool negative = (header & (is_short ? short_negative : long_negative)) != 0;
    const int scale = is_short ? (header & 0x1F80) >> 7 : header & 0x3FFF;
    const int weight = is_short ? (header & 0x3F) - (header & 0x40) : words[1];

    int whole = 1;
    if (groups < end && weight >= 0) {
        whole = weight * digits_per_group;
        for (int first = groups[0]; first > 0; first /= 10)
            ++whole;
    }
    return static_cast<size_t>((negative ? 1 : 0) + whole + (scale > 0 ? scale + 1 : 0));
}

std::string_view print_number(Numeric number)
{
    return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
}

void feed_number(Numeric number, Sanitizer *sanitizer)
{
    const size_t length = printed_length(number);
    if (length > longest_number)
        sanitizer->LongNumber(length);
    else if (sanitizer->NeedsNumberText())
        sanitizer->Number(print_number(number));
    else
        sanitizer->Number(number);
}

void feed_scalar(const JsonbValue &value, Sanitizer *sanitizer)
{
    switch (value.type) {
    case jbvString:
        sanitizer->String({value.val.string.val, static_cast<size_t>(value.val.string.len)});
        break;
    case jbvNumeric:
        feed_number(value.val.numeric, sanitizer);
        break;
    case jbvBool:
        sanitizer->Boolean(value.val.boolean);
        break;
    default:
        sanitizer->Null();
    }
}

Walk begin(JsonbContainer *container, Sanitizer *sanitizer)
{
    return JsonContainerIsArray(container) ? sanitizer->BeginArray(JsonContainerSize(container))
                                           : sanitizer->BeginObject(JsonContainerSize(container));
}

} // namespace

// The iterator is asked to go into nothing by itself: the sanitizer decides for each container, and never
// enters more than its depth limit allows, so the stack has a fixed size.
void feed_jsonb(JsonbContainer *root, Sanitizer *sanitizer)
{
    JsonbIterator *stack[max_depth + 1];
    int depth = 0;
    if (!JsonContainerIsScalar(root) && begin(root, sanitizer) == Walk::skip)
        return;
    stack[depth++] = JsonbIteratorInit(root);
    while (depth > 0) {
        JsonbValue value;
        CHECK_FOR_INTERRUPTS();
        switch (JsonbIteratorNext(&stack[depth - 1], &value, true)) {
        case WJB_KEY:
            sanitizer->Key({value.val.string.val, static_cast<size_t>(value.val.string.len)});
            break;
        case WJB_VALUE:
        case WJB_ELEM:
            if (value.type != jbvBinary)
                feed_scalar(value, sanitizer);
            else if (begin(value.val.binary.data, sanitizer) == Walk::enter)
                stack[depth++] = JsonbIteratorInit(value.val.binary.data);
            break;
        case WJB_END_OBJECT:
            sanitizer->EndObject();
            --depth;
            break;
        case WJB_END_ARRAY:
            if (!JsonContainerIsScalar(root))
                sanitizer->EndArray();
            --depth;
            break;
        default: // the beginning, which `begin` has reported
            break;
        }
    }
}

namespace
{

bool is_count(JsonbContainer *counts, uint32 i)
{
    const JsonbValue *count = getIthJsonbValueFromContainer(counts, i);
    constexpr size_t most_digits = 4;
    if (count->type != jbvNumeric || printed_length(count->val.numeric) > most_digits)
        return false;
    const std::string_view digits = print_number(count->val.numeric);
    return digits.find_first_not_of("0123456789") == std::string_view::npos;
}

} // namespace

bool has_record(JsonbContainer *root)
{
    JsonbValue record, counts, policy;
    if (!JsonContainerIsObject(root) ||
        getKeyJsonValueFromContainer(root, record_member.data(), record_member.size(), &record) == nullptr)
        return false;
    if (record.type != jbvBinary || !JsonContainerIsObject(record.val.binary.data) ||
        JsonContainerSize(record.val.binary.data) != 2)
        return false;
    if (getKeyJsonValueFromContainer(record.val.binary.data, "n", 1, &counts) == nullptr ||
        getKeyJsonValueFromContainer(record.val.binary.data, "p", 1, &policy) == nullptr)
        return false;
    if (counts.type != jbvBinary || !JsonContainerIsArray(counts.val.binary.data) ||
        JsonContainerSize(counts.val.binary.data) != record_counts)
        return false;
    for (uint32 i = 0; i < record_counts; ++i)
        if (!is_count(counts.val.binary.data, i))
            return false;
    return policy.type == jbvString &&
           IsRecordedPolicy({policy.val.string.val, static_cast<size_t>(policy.val.string.len)});
}

namespace
{

Numeric parse_number(std::string_view text)
{
    char *copy = pnstrdup(text.data(), text.size());
    return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(copy),
                                               ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

JsonbValue to_value(const Token &token)
{
    JsonbValue value;
    switch (token.kind) {
    case TokenKind::key:
    case TokenKind::string:
        value.type = jbvString;
        value.val.string.val = const_cast<char *>(token.data);
        value.val.string.len = static_cast<int>(token.size);
        break;
    case TokenKind::number_text:
        value.type = jbvNumeric;
        value.val.numeric = parse_number(token.text());
        break;
    case TokenKind::number:
        value.type = jbvNumeric;
        value.val.numeric = reinterpret_cast<Numeric>(const_cast<char *>(token.data));
        break;
    case TokenKind::boolean:
        value.type = jbvBool;
        value.val.boolean = token.size != 0;
        break;
    default:
        value.type = jbvNull;
    }
    return value;
}

JsonbIteratorToken step(TokenKind kind, bool in_array)
{
    switch (kind) {
    case TokenKind::object_begin:
        return WJB_BEGIN_OBJECT;
    case TokenKind::object_end:
        return WJB_END_OBJECT;
    case TokenKind::array_begin:
        return WJB_BEGIN_ARRAY;
    case TokenKind::array_end:
        return WJB_END_ARRAY;
    case TokenKind::key:
        return WJB_KEY;
    default:
        return in_array ? WJB_ELEM : WJB_VALUE;
    }
}

JsonbValue *push_tokens(std::span<const Token> tokens)
{
    JsonbParseState *state = nullptr;
    JsonbValue *root = nullptr;
    for (const Token &token : tokens) {
        CHECK_FOR_INTERRUPTS();
        const JsonbIteratorToken next = step(token.kind, state != nullptr && state->contVal.type == jbvArray);
        if (next == WJB_KEY || next == WJB_VALUE || next == WJB_ELEM) {
            JsonbValue value = to_value(token);
            root = pushJsonbValue(&state, next, &value);
        } else {
            root = pushJsonbValue(&state, next, nullptr);
        }
    }
    return root;
}

} // namespace

Jsonb *build_jsonb(std::span<const Token> tokens, MemoryContext result)
{
    JsonbValue scalar;
    JsonbValue *root = &scalar;
    if (tokens.size() == 1)
        scalar = to_value(tokens[0]);
    else
        root = push_tokens(tokens);
    const MemoryContext before = MemoryContextSwitchTo(result);
    Jsonb *document = JsonbValueToJsonb(root);
    MemoryContextSwitchTo(before);
    return document;
}

} // namespace callhardening
