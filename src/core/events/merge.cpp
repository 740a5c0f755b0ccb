#include "core/events/merge.hpp"

#include "core/base/text.hpp"
#include "core/words/status.hpp"

#include <algorithm>
#include <charconv>

namespace callhardening
{

namespace
{

// In the order of CallColumn.
constexpr CallColumnFacts column_facts[call_column_count] = {
    {"from_number", ColumnKind::text},       {"to_number", ColumnKind::text},
    {"dialpad_user_id", ColumnKind::id},     {"user_id", ColumnKind::id},
    {"started_at", ColumnKind::time},        {"connected_at", ColumnKind::time},
    {"ended_at", ColumnKind::time},          {"duration_seconds", ColumnKind::seconds},
    {"recording_url", ColumnKind::text},     {"voicemail_url", ColumnKind::text},
    {"is_voicemail", ColumnKind::flag},      {"was_recorded", ColumnKind::flag},
    {"is_transferred", ColumnKind::flag},    {"master_call_id", ColumnKind::id},
    {"entry_point_call_id", ColumnKind::id}, {"operator_call_id", ColumnKind::id},
    {"last_event_at", ColumnKind::time},
};

// Columns with an unchanged field.
constexpr struct {
    Field field;
    CallColumn column;
} copied_fields[] = {
    {Field::from_number, CallColumn::from_number},
    {Field::to_number, CallColumn::to_number},
    {Field::started_at, CallColumn::started_at},
    {Field::connected_at, CallColumn::connected_at},
    {Field::ended_at, CallColumn::ended_at},
    {Field::was_recorded, CallColumn::was_recorded},
    {Field::is_transferred, CallColumn::is_transferred},
    {Field::master_call_id, CallColumn::master_call_id},
    {Field::entry_point_call_id, CallColumn::entry_point_call_id},
    {Field::operator_call_id, CallColumn::operator_call_id},
};

bool SameValue(const FieldValue &a, const FieldValue &b) noexcept
{
    return a.known == b.known && a.number == b.number && a.text == b.text;
}

// Times can be equal or wrong, so the sequence decides if both have one.
bool IsNewest(const CallEvent &event, const MergeState &state) noexcept
{
    if (event.has_sequence && state.has_sequence)
        return event.sequence > state.sequence;
    return !event.has_time || !state.has_newest_event || event.time > state.newest_event;
}

// Merges one event into a call.
class Merger
{
public:
    Merger(const TransitionGraph &graph, const CallColumns &columns, const CallEvent &event,
           Call &call) noexcept
        : graph_(graph), columns_(columns), event_(event), call_(call), before_(call.state),
          is_newest_(IsNewest(event, call.state))
    {
    }

    MergeResult Run() noexcept
    {
        const bool refused = !MergeStatus();
        MergeDirection();
        MergeParties();
        MergeUser();
        for (const auto &copied : copied_fields)
            Set(copied.column, event_[copied.field]);
        MergeDuration();
        MergeLinks();
        MergeTime();
        const bool takes_payload = is_newest_ || !call_.has_payload;
        call_.has_payload = true;
        const bool state_changed = call_.state != before_;
        call_.state_changed = call_.state_changed || state_changed;
        const bool applied = changed_ || state_changed || takes_payload;
        return {refused   ? Merge::refused
                : applied ? Merge::applied
                          : Merge::unchanged,
                takes_payload, refines_the_end_};
    }

private:
    // False if the graph does not allow the status.
    bool MergeStatus() noexcept
    {
        if (event_.status == unset_status || event_.status == call_.status)
            return true;
        if (call_.status != unset_status && !graph_.Allows(call_.status, event_.status)) {
            if (!RefinesTheEnd())
                return EndsWhatIsOver();
            refines_the_end_ = true;
        }
        if (IsEnd(event_.status))
            RememberTheEnd();
        call_.status = event_.status;
        call_.status_changed = changed_ = true;
        return true;
    }

    bool IsEnd(int status) const noexcept { return graph_.Facts(status).is_bare_end; }

    void RememberTheEnd() noexcept
    {
        call_.state.has_end = event_.has_own_time;
        call_.state.end = event_.has_own_time ? event_.time : 0;
        call_.state.status_before_end = event_.has_own_time ? call_.status : unset_status;
    }

    // `ended` says that a call is over, but not how. An event with more detail can come later in the log,
    // although it happened earlier. It counts if the call's status before the end allowed this step.
    bool RefinesTheEnd() const noexcept
    {
        const MergeState &state = call_.state;
        return state.has_end && IsEnd(call_.status) && IsKindOfEnd(graph_, event_.status) &&
               event_.has_own_time && event_.time <= state.end &&
               (state.status_before_end == unset_status ||
                graph_.Allows(state.status_before_end, event_.status));
    }

    // A provider ends every call with a hangup, also a missed call or one with a voicemail. This is ordinary
    // traffic and brings the end time, so `ended` is not an invalid status here.
    bool EndsWhatIsOver() const noexcept { return graph_.IsTerminal(call_.status) && IsEnd(event_.status); }

    void MergeDirection() noexcept
    {
        if (DirectionName(event_.direction).empty() || event_.direction == call_.direction)
            return;
        if (!is_newest_ && !DirectionName(call_.direction).empty())
            return;
        call_.direction = event_.direction;
        call_.direction_changed = changed_ = true;
    }

    // Inbound calls come from the external number, outbound calls go to it. Without a direction, both columns
    // are unknown.
    void MergeParties() noexcept
    {
        if (call_.direction == Direction::inbound) {
            Set(CallColumn::from_number, event_[Field::external_number]);
            Set(CallColumn::to_number, event_[Field::internal_number]);
        } else if (call_.direction == Direction::outbound) {
            Set(CallColumn::from_number, event_[Field::internal_number]);
            Set(CallColumn::to_number, event_[Field::external_number]);
        }
    }

    // The target of a call is a user, an office, a department, ... Only the first is a user.
    void MergeUser() noexcept
    {
        const FieldValue &type = event_[Field::user_type];
        if (type.known && !EqualFolded(type.text, "user"))
            return;
        Set(CallColumn::dialpad_user_id, event_[Field::user_id]);
        Set(CallColumn::user_id, event_[Field::user_id]);
    }

    // A duration does not replace a talk time: it includes the time in menus and queues. Events before the
    // end send zero for no duration. So zero only fills an empty column, and any duration replaces it.
    void MergeDuration() noexcept
    {
        const FieldValue &talk_time = event_[Field::talk_time];
        const FieldValue &value = talk_time.known ? talk_time : event_[Field::duration];
        const bool is_talk_time = talk_time.known && talk_time.number > 0;
        const FieldValue &current = call_[CallColumn::duration_seconds];
        const bool has_talk_time = call_.state.has_talk_time && current.known;
        const bool fills = !current.known || (current.number == 0 && value.number > 0);
        if (fills || (is_talk_time && !has_talk_time))
            Replace(CallColumn::duration_seconds, value);
        else if (value.number > 0 && (is_talk_time || !has_talk_time))
            Set(CallColumn::duration_seconds, value);
        call_.state.has_talk_time = has_talk_time || (is_talk_time && current.known);
    }

    bool IsVoicemail() const noexcept
    {
        return event_.status != unset_status && graph_.Facts(event_.status).has_voicemail;
    }

    // An event about a voicemail has only the voicemail's link, under any name.
    void MergeLinks() noexcept
    {
        FieldValue recording = event_[Field::recording_url], voicemail = event_[Field::voicemail_url];
        if (EqualFolded(event_[Field::recording_type].text, "voicemail") ||
            (IsVoicemail() && !voicemail.known)) {
            if (!voicemail.known)
                voicemail = recording;
            recording = {};
        }
        Set(CallColumn::recording_url, recording);
        Set(CallColumn::voicemail_url, voicemail);
        if (IsVoicemail() || voicemail.known)
            Replace(CallColumn::is_voicemail, {true, 1, {}}); // false was a default or a guess
    }

    // Both only rise. So a second merging of the event changes nothing.
    void MergeTime() noexcept
    {
        MergeState &state = call_.state;
        if (event_.has_sequence) {
            state.sequence = state.has_sequence ? std::max(state.sequence, event_.sequence) : event_.sequence;
            state.has_sequence = true;
        }
        const bool is_latest = !state.has_newest_event || event_.time > state.newest_event;
        if (!is_newest_ || !event_.has_time || !is_latest)
            return;
        state.has_newest_event = true;
        state.newest_event = event_.time;
        Set(CallColumn::last_event_at, {true, event_.time, {}});
    }

    // Only the newest event replaces known values.
    void Set(CallColumn column, const FieldValue &value) noexcept
    {
        if (is_newest_ || !call_[column].known)
            Replace(column, value);
    }

    void Replace(CallColumn column, const FieldValue &value) noexcept
    {
        FieldValue &current = call_[column];
        const FieldValue held = Held(column, value);
        if (!held.known || SameValue(current, held))
            return;
        current = held;
        call_.changed[static_cast<int>(column)] = changed_ = true;
    }

    // The value as it will be read back. Unknown if the table has no such column, or if an integer column
    // cannot hold the id.
    FieldValue Held(CallColumn column, const FieldValue &value) const noexcept
    {
        const int i = static_cast<int>(column);
        if (!columns_.present[i])
            return {};
        if (FactsOf(column).kind != ColumnKind::id || columns_.id_kind[i] == KeyKind::text)
            return value;
        const std::string_view id = CanonicalCallId(value.text, columns_.id_kind[i]);
        return id.empty() ? FieldValue{} : FieldValue{true, 0, id};
    }

    const TransitionGraph &graph_;
    const CallColumns &columns_;
    const CallEvent &event_;
    Call &call_;
    const MergeState before_;
    const bool is_newest_;
    bool changed_ = false;
    bool refines_the_end_ = false;
};

} // namespace

std::optional<std::int64_t> ParseSequence(std::string_view text) noexcept
{
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || number < 0)
        return std::nullopt;
    return number;
}

bool IsKindOfEnd(const TransitionGraph &graph, int status) noexcept
{
    return graph.Facts(status).says_how_it_ended && graph.IsTerminal(status);
}

const CallColumnFacts &FactsOf(CallColumn column) noexcept
{
    return column_facts[static_cast<int>(column)];
}

MergeResult MergeEvent(const TransitionGraph &graph, const CallColumns &columns, const CallEvent &event,
                       Call &call) noexcept
{
    return Merger(graph, columns, event, call).Run();
}

} // namespace callhardening
