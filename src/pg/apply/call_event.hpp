// The meaning of an event for a calls table.
#pragma once

#include "pg/apply/calls_table.hpp"

namespace callhardening
{

// What comes with an event from beside its body.
struct EventBeside {
    const char *event_type; // counts if the body has no state; NULL: none
    bool has_received_at;
    int64 received_at; // microseconds since the epoch
};

// Words outside the vocabulary.
struct UnknownWords {
    std::string_view state, direction;
};

// Reads the words, the time and the number of an event from its fields. Texts live in the current memory
// context.
UnknownWords read_meaning(const CallsTable &table, const EventBeside &beside, CallEvent *event);

} // namespace callhardening
