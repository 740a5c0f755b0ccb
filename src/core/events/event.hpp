// The fields of a call in a webhook body, and the readings of their values.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace callhardening
{

// The fields of an event. The first ones decide about the event, the others fill columns of a call.
enum class Field : unsigned char {
    call_id,
    state, // the provider's word for the event
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
    talk_time, // the reliable duration, if the provider has one
    duration,
    recording_url,
    recording_type, // the provider's word for the target of the link
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

// A set of fields. Most callers want a few, and each wanted field costs a search in the document.
using FieldSet = std::uint32_t;
static_assert(field_count <= 32);

template <typename... Fields>
constexpr FieldSet SetOfFields(Fields... fields) noexcept
{
    return (FieldSet{0} | ... | (FieldSet{1} << static_cast<unsigned>(fields)));
}

// The meaning of a JSON value.
enum class Reading : unsigned char {
    text,
    id,           // a number or a string; kept as text, since ids go beyond 2^53 and some are no numbers
    reference,    // an id of something else than the call; zero means none
    time,         // milliseconds or seconds since the epoch, ISO 8601 or RFC 2822; zero means none
    microseconds, // a time: microseconds since the epoch; zero means none
    milliseconds, // a duration
    seconds,      // a duration
    flag,         // true, false, "TRUE", "FALSE"
};

struct FieldFacts {
    std::string_view name; // its name in a shape
    Reading reading;       // unless a shape names another
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

// A JSON value from the glue. Numbers are their text.
struct JsonScalar {
    enum class Kind : unsigned char { absent, boolean, number, string } kind = Kind::absent;
    bool boolean = false;
    std::string_view text;
};

// A value of a field. Text and id are in `text`. Time is in `number` as microseconds since the epoch (UTC), a
// duration as whole seconds, a flag as 0 or 1.
struct FieldValue {
    bool known = false;
    std::int64_t number = 0;
    std::string_view text;
};

// Unknown if the value does not fit the reading: a blank string, or not a time.
FieldValue ReadField(Reading reading, const JsonScalar &value) noexcept;

// A time in the form of its text.
struct WrittenTime {
    std::int64_t time; // microseconds since the epoch; without a zone: of the clock on the wall
    bool has_zone;
};

// Numbers above 10^11 are milliseconds, others seconds. nullopt: the text is no time, or lies outside the
// years 1 to 9999. Also nullopt for zero and for the first moment of the year 1: senders write these for an
// unknown time.
std::optional<WrittenTime> ReadWrittenTime(std::string_view text) noexcept;

// The same in UTC. A time without a zone is in UTC.
std::optional<std::int64_t> ParseTime(std::string_view text) noexcept;

// Seconds east of Greenwich, of "+05:30", "-0800" or "Z". nullopt: the text is no offset.
std::optional<std::int64_t> ParseOffset(std::string_view text) noexcept;

// The kinds of ids that a calls table's key can hold.
enum class KeyKind : unsigned char {
    text,
    integer2,
    integer4,
    integer8,
};

// By the SQL name of the type: smallint, integer and bigint are integers, every other type holds text.
KeyKind KeyKindOf(std::string_view type_name) noexcept;

inline constexpr std::size_t max_call_id_bytes = 255;

// The only spelling of a call id: 7, "7" and " 007 " are one call in a table with an integer key. Returns a
// part of `id`. Empty: the key cannot hold the id.
std::string_view CanonicalCallId(std::string_view id, KeyKind key) noexcept;

} // namespace callhardening
