// Folding events into a call.
#pragma once

#include "core/direction.hpp"
#include "core/event.hpp"
#include "core/transition.hpp"

#include <cstdint>
#include <string_view>

namespace callhardening
{

// The columns of a calls table that events fill, besides call id, status, direction and payload. A table has
// any of them; those that it does not have, or has with another type, are left alone.
enum class CallColumn : unsigned char {
    from_number,
    to_number,
    dialpad_user_id,
    started_at,
    connected_at,
    ended_at,
    duration_seconds,
    recording_url,
    voicemail_url,
    is_voicemail,
    was_recorded,
    is_transferred,
    master_call_id,
    entry_point_call_id,
    operator_call_id,
    last_event_at,
};
inline constexpr int call_column_count = static_cast<int>(CallColumn::last_event_at) + 1;

// What a column holds; see FieldValue for how it is represented.
enum class ColumnKind : unsigned char {
    text,
    id,
    time,
    seconds,
    flag,
};

struct CallColumnFacts {
    std::string_view name;
    ColumnKind kind;
};
const CallColumnFacts &FactsOf(CallColumn column) noexcept;

inline constexpr int unset_status = -1;

// An event, read. Trivially destructible; texts belong to whoever read it.
struct CallEvent {
    int status = unset_status; // a status of the graph; unset_status: says nothing about it
    Direction direction = Direction::unknown;
    std::int64_t time = 0; // microseconds since the epoch
    FieldValue fields[field_count];

    const FieldValue &operator[](Field field) const noexcept
    {
        return fields[static_cast<std::size_t>(field)];
    }
};

// A call between two events.
struct Call {
    int status = unset_status; // also for a row whose status is no word of the graph: any may be set
    Direction direction = Direction::unknown;
    bool has_payload = false;
    bool has_talk_time = false;    // duration_seconds comes from a talk time
    bool has_newest_event = false; // false: nothing is known of the events merged so far
    std::int64_t newest_event = 0; // microseconds since the epoch
    FieldValue columns[call_column_count];
    bool changed[call_column_count] = {};
    bool status_changed = false;
    bool direction_changed = false;

    FieldValue &operator[](CallColumn column) noexcept { return columns[static_cast<int>(column)]; }
};

enum class Merge : unsigned char {
    unchanged, // everything the event says was known
    applied,
    refused, // the graph does not allow its status; whatever else it says was merged
};

struct MergeResult {
    Merge merge;
    bool takes_payload; // the event's payload is the one to keep: it is newer than all before, or the first
};

// Merges one event. Events newer than all before replace what they know; late ones only fill what is empty,
// so that merging an event a second time changes nothing.
MergeResult MergeEvent(const TransitionGraph &graph, const CallEvent &event, Call &call) noexcept;

} // namespace callhardening
