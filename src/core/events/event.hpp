// What a webhook body says about a call: where each value is found, and how it is read.
//
// Where is data (see event.cpp), like the vocabulary: a provider is a list of shapes, a shape a list of
// places. The glue walks the document; the core says where to look and what a value means.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
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
};
inline constexpr std::size_t field_count = static_cast<std::size_t>(Field::operator_call_id) + 1;

// How a JSON value at a place is to be understood.
enum class Reading : unsigned char {
    text,
    id,           // a number or a string; kept as text, since ids go beyond 2^53 and some are no numbers
    reference,    // an id of something else than the call; zero is none
    time,         // milliseconds or seconds since the epoch, as number or string, or ISO 8601; zero is none
    milliseconds, // a duration
    seconds,      // a duration
    flag,         // true, false, "TRUE", "FALSE"
};

// Where a path begins.
enum class Origin : unsigned char {
    call,
    beside_call, // the object that has the call as a member
    root,
};

struct Place {
    Field field;
    Reading reading;
    Origin origin;
    std::string_view path[2]; // member names; arrays on the way stand for their first element
};

// One way to send a call: where the call is in the document and where its values are in the call. A
// document has the first shape under which it has a call id.
struct Shape {
    std::string_view call[2]; // path to the call; empty: the document itself
    std::span<const Place> places;
    std::span<const std::string_view> has_one_of = {}; // members of the call; empty: none is asked for
};

// Empty where it is not known yet how the provider sends a call.
std::span<const Shape> EventShapes(std::string_view provider) noexcept;

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

// Microseconds since the epoch (UTC). Numbers above 10^11 are milliseconds, others seconds; a date and time
// without a zone is UTC. Empty where the text is neither, or lies outside the years 1 to 9999. Also empty for
// zero and for the first moment of the year 1: senders write them for a time that is not known.
std::optional<std::int64_t> ParseTime(std::string_view text) noexcept;

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
