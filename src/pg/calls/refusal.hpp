// Reports invalid values: as an error, or as a bounded number of warnings in a statement.
#pragma once

#include <string_view>

#include "pg/calls/call_settings.hpp"

namespace callhardening
{

// The end of the rule's name for the status, after the table's name.
inline constexpr const char *status_constraint = "status_transition";

// The invalid value and its place.
struct Refusal {
    Relation calls;
    const char *column;
    const char *constraint; // the end of the rule's name, after the table's name
    const char *call_id;    // printable
    const char *message;
    const char *hint; // or null
};

// "Invalid status transition" with the two words. Operators search their logs for this text.
const char *invalid_transition_message(const TransitionGraph *graph, OptionalText current, OptionalText next);

// Logs the first ten of a statement one by one, and the number of the rest at its end. Otherwise a statement
// over a million rows would write a million lines. `statement` is a memory context with the statement's
// lifetime, like flinfo->fn_mcxt of a trigger function.
void warn_refusal(const Refusal &refusal, MemoryContext statement);

// Raises 23514 with schema, table, column and the name of the rule.
[[noreturn]] void raise_refusal(const Refusal &refusal);

} // namespace callhardening
