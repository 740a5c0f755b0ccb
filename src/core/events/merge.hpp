// Merges events into a call.
#pragma once

#include "core/events/event.hpp"
#include "core/words/direction.hpp"
#include "core/words/transition.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace callhardening
{

// The columns of a calls table that events fill, besides call id, status, direction and payload. A table may
// have any of them. Columns of another type stay unchanged.
enum class CallColumn : unsigned char {
    from_number,
    to_number,
    dialpad_user_id,
    user_id,
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

// The type of a column's values. FieldValue says how they are represented.
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

// The columns of a calls table, and the kinds of ids that they can hold.
struct CallColumns {
    bool present[call_column_count];
    KeyKind id_kind[call_column_count]; // of ColumnKind::id
};

inline constexpr int unset_status = -1;

// The fields to merge. The id of the event only identifies it.
inline constexpr FieldSet merged_fields = ~SetOfFields(Field::event_id);

// An event after reading. It is trivially destructible. The reader owns the texts.
struct CallEvent {
    int status = unset_status; // a status of the graph; unset_status: the event has none
    Direction direction = Direction::unknown;
    bool has_time = false;     // false: it is newer than all earlier events in the log
    bool has_own_time = false; // the event has a time itself; false: the time is that of its receipt
    std::int64_t time = 0;     // microseconds since the epoch
    bool has_sequence = false; // the provider numbers the events of a call
    std::int64_t sequence = 0;
    FieldValue fields[field_count];

    const FieldValue &operator[](Field field) const noexcept
    {
        return fields[static_cast<std::size_t>(field)];
    }
};

// The state of a call between two events, besides its other columns.
struct MergeState {
    bool has_newest_event = false; // false: the times of the events merged so far are unknown
    std::int64_t newest_event = 0; // microseconds since the epoch
    bool has_sequence = false;     // an event with a sequence number was merged
    std::int64_t sequence = 0;     // the highest one
    bool has_talk_time = false;    // duration_seconds comes from a talk time
    bool has_end = false;          // an event with a time of its own has set the status `ended`
    std::int64_t end = 0;          // that time
    int status_before_end = unset_status;

    bool operator==(const MergeState &) const noexcept = default;
};

// True if the status says how a call has ended. `ended` only says that the call is over.
bool IsKindOfEnd(const TransitionGraph &graph, int status) noexcept;

// A call between two events.
struct Call {
    int status =
        unset_status; // unset_status also if the row's status is not in the graph: any status may be set
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
    unchanged, // all facts of the event were known
    applied,
    refused, // the graph does not allow its status; all its other values were merged
};

struct MergeResult {
    Merge merge;
    bool takes_payload;   // the event's payload is to be kept: it is newer than all before, or the first
    bool refines_the_end; // the status of an earlier event has replaced `ended`
};

// A whole number from 0. Unknown for any other text.
std::optional<std::int64_t> ParseSequence(std::string_view text) noexcept;

// Merges one event. The status follows the graph in the order of merging, and that is the order of the log.
// Of the other values, a newer event replaces the known ones, and a late event only fills empty ones. An
// event with a sequence number is newer than those with lower ones. Otherwise its time decides. So merging an
// event a second time changes nothing. Only the call and its state decide, so the call may be written and
// read again between events.
MergeResult MergeEvent(const TransitionGraph &graph, const CallColumns &columns, const CallEvent &event,
                       Call &call) noexcept;

} // namespace callhardening
