// What a webhook body says about a call: its fields, and how a value of each is read.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace callhardening
{

// What is taken from an event. The first ones decide what happens to it, the others are columns of a call.
enum class Field : unsigned char {
    call_id,
    state, // the provider's word for what happened
    event_time,
    direction, // the provider's word
    external_number,
    internal_number,
    from_number,
    to_number,
    user_id,
    user_type,
    started_at,
    connected_at,
    ended_at,
    talk_time, // the duration that is to be trusted, where the provider has one
    duration,
    recording_url,
    recording_type, // the provider's word for what the link leads to
    voicemail_url,
    was_recorded,
    is_transferred,
    master_call_id,
    entry_point_call_id,
    operator_call_id,
    event_id, // the provider's own id of the event
    sequence, // the provider's number of the event within its call
};
inline constexpr std::size_t field_count = static_cast<std::size_t>(Field::sequence) + 1;

// A set of fields: most callers want a few, and each one that is looked for costs a search in the document.
using FieldSet = std::uint32_t;
static_assert(field_count <= 32);

template <typename... Fields>
constexpr FieldSet SetOfFields(Fields... fields) noexcept
{
    return (FieldSet{0} | ... | (FieldSet{1} << static_cast<unsigned>(fields)));
}

// How a JSON value at a place is to be understood.
enum class Reading : unsigned char {
    text,
    id,           // a number or a string; kept as text, since ids go beyond 2^53 and some are no numbers
    reference,    // an id of something else than the call; zero is none
    time,         // milliseconds or seconds since the epoch, ISO 8601 or RFC 2822; zero is none
    microseconds, // a time: microseconds since the epoch; zero is none
    milliseconds, // a duration
    seconds,      // a duration
    flag,         // true, false, "TRUE", "FALSE"
};

struct FieldFacts {
    std::string_view name; // as a shape writes it
    Reading reading;       // where a shape names no other
};
const FieldFacts &FactsOf(Field field) noexcept;

constexpr bool IsTime(Reading reading) noexcept
{
    return reading == Reading::time || reading == Reading::microseconds;
}

constexpr bool IsDuration(Reading reading) noexcept
{
    return reading == Reading::milliseconds || reading == Reading::seconds;
}

// A JSON value as the glue found it. Numbers as their text.
struct JsonScalar {
    enum class Kind : unsigned char { absent, boolean, number, string } kind = Kind::absent;
    bool boolean = false;
    std::string_view text;
};

// A value of a field: text and id in `text`, time in `number` as microseconds since the epoch (UTC),
// durations in `number` as whole seconds, flags in `number` as 0 and 1.
struct FieldValue {
    bool known = false;
    std::int64_t number = 0;
    std::string_view text;
};

// Unknown where the value is no such thing: a blank string, a time that is none.
FieldValue ReadField(Reading reading, const JsonScalar &value) noexcept;

// A time as it is written.
struct WrittenTime {
    std::int64_t time; // microseconds since the epoch; of the clock on the wall, if there is no zone
    bool has_zone;
};

// Numbers above 10^11 are milliseconds, others seconds. Empty where the text is no time, or lies outside the
// years 1 to 9999. Also empty for zero and for the first moment of the year 1: senders write them for a time
// that is not known.
std::optional<WrittenTime> ReadWrittenTime(std::string_view text) noexcept;

// The same in UTC, which is the zone of a time that has none.
std::optional<std::int64_t> ParseTime(std::string_view text) noexcept;

// Seconds east of Greenwich, of "+05:30", "-0800" or "Z"; empty where the text is no offset.
std::optional<std::int64_t> ParseOffset(std::string_view text) noexcept;

// What the calls table's key can hold.
enum class KeyKind : unsigned char {
    text,
    integer2,
    integer4,
    integer8,
};

// By the type's SQL name: smallint, integer and bigint are what they are, any other holds text.
KeyKind KeyKindOf(std::string_view type_name) noexcept;

inline constexpr std::size_t max_call_id_bytes = 255;

// The one spelling of a call id, so that 7, "7" and " 007 " are one call in a table keyed by an integer. A
// part of `id`, or empty where the key cannot hold it.
std::string_view CanonicalCallId(std::string_view id, KeyKind key) noexcept;

} // namespace callhardening
