// Folding events into a call.
#pragma once

#include "core/events/event.hpp"
#include "core/words/direction.hpp"
#include "core/words/transition.hpp"

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

// The columns that a calls table has, and what they can hold.
struct CallColumns {
    bool present[call_column_count];
    KeyKind id_kind[call_column_count]; // of ColumnKind::id
};

inline constexpr int unset_status = -1;

// What is merged: the other fields say which event it is, and in what order it came.
inline constexpr FieldSet merged_fields = ~SetOfFields(Field::event_id, Field::sequence);

// An event, read. Trivially destructible; texts belong to whoever read it.
struct CallEvent {
    int status = unset_status; // a status of the graph; unset_status: says nothing about it
    Direction direction = Direction::unknown;
    bool has_time = false;     // false: it is newer than all events before it in the log
    bool has_own_time = false; // the event says when it happened; false: the time is that of its receipt
    std::int64_t time = 0;     // microseconds since the epoch
    FieldValue fields[field_count];

    const FieldValue &operator[](Field field) const noexcept
    {
        return fields[static_cast<std::size_t>(field)];
    }
};

// What has to be remembered of a call between two events, besides what its other columns show.
struct MergeState {
    bool has_newest_event = false; // false: nothing is known of the times of the events merged so far
    std::int64_t newest_event = 0; // microseconds since the epoch
    bool has_talk_time = false;    // duration_seconds comes from a talk time
    bool has_end = false;          // an event with a time of its own has set the status `ended`
    std::int64_t end = 0;          // that time
    int status_before_end = unset_status;

    bool operator==(const MergeState &) const noexcept = default;
};

// Does the status say how a call has ended, where `ended` says no more than that it is over?
bool IsKindOfEnd(const TransitionGraph &graph, int status) noexcept;

// A call between two events.
struct Call {
    int status = unset_status; // also for a row whose status is no word of the graph: any may be set
    Direction direction = Direction::unknown;
    bool has_payload = false;
    MergeState state;
    FieldValue columns[call_column_count];
    bool changed[call_column_count] = {};
    bool status_changed = false;
    bool direction_changed = false;
    bool state_changed = false;

    FieldValue &operator[](CallColumn column) noexcept { return columns[static_cast<int>(column)]; }
};

enum class Merge : unsigned char {
    unchanged, // everything the event says was known
    applied,
    refused, // the graph does not allow its status; whatever else it says was merged
};

struct MergeResult {
    Merge merge;
    bool takes_payload;   // the event's payload is the one to keep: it is newer than all before, or the first
    bool refines_the_end; // `ended` has become the status of an event that happened before
};

// Merges one event. Status follows the graph in the order in which events are merged, which is that of the
// log. Of the other values, events newer than all before replace what they know; late ones only fill what is
// empty, so that merging an event a second time changes nothing. A call and its state are all that decides,
// so it makes no difference where the call was written and read again in between.
MergeResult MergeEvent(const TransitionGraph &graph, const CallColumns &columns, const CallEvent &event,
                       Call &call) noexcept;

} // namespace callhardening
