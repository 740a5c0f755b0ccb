#include "core/base/text.hpp"
#include "core/events/merge.hpp"
#include "core/words/direction.hpp"
#include "core/words/verdict.hpp"

#include "pg/apply/call_event.hpp"
#include "pg/base/text.hpp"
#include "pg/log/event.hpp"

namespace callhardening
{

namespace
{

// References are call ids, so they begin with the provider where the ids do.
void prefix_references(const CallsTable &table, CallEvent *event)
{
    constexpr Field references[] = {Field::master_call_id, Field::entry_point_call_id,
                                    Field::operator_call_id};
    if (table.key_prefix.empty())
        return;
    for (const Field reference : references) {
        FieldValue &value = event->fields[static_cast<size_t>(reference)];
        if (value.known)
            value.text = prefixed_call_id(table.key_prefix, value.text);
    }
}

// Returns a word outside the vocabulary, or nothing.
std::string_view read_status(const CallsTable &table, const char *event_type, CallEvent *event)
{
    std::string_view word = (*event)[Field::state].text;
    if (IsBlank(word) && event_type != nullptr)
        word = event_type;
    const StatusDecision decision = DecideStatus(*table.settings.graph, {}, word, table.provider);
    event->status = decision.next < 0 ? unset_status : decision.next;
    const bool is_unknown = decision.verdict == StatusVerdict::unknown_word;
    return is_unknown ? std::string_view{to_cstring(word), word.size()} : std::string_view{};
}

// The same.
std::string_view read_direction(const CallsTable &table, CallEvent *event)
{
    const std::string_view word = (*event)[Field::direction].text;
    if (IsBlank(word))
        return {};
    event->direction = NormalizeDirection(word, table.provider);
    return event->direction == Direction::unknown ? word : std::string_view{};
}

void read_time(const EventBeside &beside, CallEvent *event)
{
    const FieldValue &time = (*event)[Field::event_time];
    event->has_own_time = time.known;
    event->has_time = time.known || beside.has_received_at;
    event->time = time.known ? time.number : beside.received_at;
}

void read_sequence(CallEvent *event)
{
    const auto sequence = ParseSequence((*event)[Field::sequence].text);
    event->has_sequence = sequence.has_value();
    event->sequence = sequence.value_or(0);
}

} // namespace

UnknownWords read_meaning(const CallsTable &table, const EventBeside &beside, CallEvent *event)
{
    prefix_references(table, event);
    read_time(beside, event);
    read_sequence(event);
    return {read_status(table, beside.event_type, event), read_direction(table, event)};
}

} // namespace callhardening
