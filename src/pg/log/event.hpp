// Reading an event out of jsonb.
#pragma once

#include "core/events/shape_reader.hpp"

#include "pg/base/postgres.hpp"

extern "C" {
#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

// The values of an event in the provider's form. Texts live in `body` or in the current memory context.
struct EventFields {
    FieldValue values[field_count];

    FieldValue &operator[](Field field) { return values[static_cast<size_t>(field)]; }
};

// A jsonb body for the reader of shapes. Its results live in the current memory context.
class JsonbBody
{
public:
    struct Node {
        JsonbValue value;
        bool exists = false;
    };

    explicit JsonbBody(Jsonb *body) : body_(body) {}

    Node Root() const
    {
        Node root;
        root.exists = true;
        root.value.type = jbvBinary;
        root.value.val.binary.data = &body_->root;
        root.value.val.binary.len = static_cast<int>(VARSIZE(body_) - VARHDRSZ);
        return root;
    }

    static bool Exists(const Node &node) { return node.exists; }

    static bool IsArray(const Node &node)
    {
        return node.exists && node.value.type == jbvBinary &&
               JsonContainerIsArray(node.value.val.binary.data);
    }

    static bool IsObject(const Node &node)
    {
        return node.exists && node.value.type == jbvBinary &&
               JsonContainerIsObject(node.value.val.binary.data);
    }

    static bool IsFilled(const Node &node)
    {
        return (IsArray(node) || IsObject(node)) && JsonContainerSize(node.value.val.binary.data) > 0;
    }

    static Node Member(const Node &object, std::string_view name)
    {
        Node member;
        if (IsObject(object))
            member.exists =
                getKeyJsonValueFromContainer(object.value.val.binary.data, name.data(),
                                             static_cast<int>(name.size()), &member.value) != nullptr;
        return member;
    }

    static Node Element(const Node &array, size_t n)
    {
        Node element;
        const JsonbValue *found =
            IsArray(array) && n < JsonContainerSize(array.value.val.binary.data)
                ? getIthJsonbValueFromContainer(array.value.val.binary.data, static_cast<uint32>(n))
                : nullptr;
        element.exists = found != nullptr;
        if (found != nullptr)
            element.value = *found;
        return element;
    }

    static JsonScalar Scalar(const Node &node)
    {
        if (!node.exists)
            return {};
        switch (node.value.type) {
        case jbvBool:
            return {JsonScalar::Kind::boolean, node.value.val.boolean, {}};
        case jbvString:
            return {JsonScalar::Kind::string,
                    false,
                    {node.value.val.string.val, static_cast<size_t>(node.value.val.string.len)}};
        case jbvNumeric:
            return {
                JsonScalar::Kind::number, false,
                DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(node.value.val.numeric)))};
        default:
            return {};
        }
    }

    static std::string_view Join(std::span<const std::string_view> texts)
    {
        size_t size = 0;
        for (const std::string_view text : texts)
            size += text.size() + 1;
        auto *joined = static_cast<char *>(palloc(size + 1));
        char *end = joined;
        for (const std::string_view text : texts) {
            memcpy(end, text.data(), text.size());
            end += text.size();
            *end++ = ' ';
        }
        return {joined, size == 0 ? 0 : size - 1};
    }

    // When clocks are put back, an hour comes twice: the first one is taken. When clocks are put forward, an
    // hour is missing: it is read with the zone's offset from before the change.
    static std::optional<int64> InZone(const std::string &name, int64 time)
    {
        pg_tz *zone = pg_tzset(name.c_str());
        const Timestamp timestamp = time - epoch_of_timestamps;
        pg_tm clock;
        fsec_t fraction;
        if (zone == nullptr || timestamp2tm(timestamp, nullptr, &clock, &fraction, nullptr, nullptr) != 0)
            return std::nullopt;
        return time + DetermineTimeZoneOffset(&clock, zone) * INT64CONST(1000000);
    }

private:
    static constexpr int64 epoch_of_timestamps =
        (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * INT64CONST(1000000);

    Jsonb *body_;
};

// The begin of the call ids of a provider, "zoom_phone:", in a calls table of several providers.
std::string_view key_prefix_of(std::string_view provider);

// The call id behind its prefix, in its canonical spelling. Empty if the id is blank.
std::string_view prefixed_call_id(std::string_view prefix, std::string_view id);

// The shape of a provider's bodies; nullptr if the extension has none.
const Shape *shape_of_provider(std::string_view provider);

// Reads the call id and the wanted fields into `fields`, which come empty; the others stay unknown. False if
// no form of the shape finds a call id. Then no field is known.
bool read_event(Jsonb *body, const Shape *shape, FieldSet wanted, EventFields *fields);

} // namespace callhardening
