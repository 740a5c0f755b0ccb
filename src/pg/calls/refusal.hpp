// Telling that something was refused: as an error, or as warnings of which a statement gives a bounded
// number.
#pragma once

#include <string_view>

#include "pg/calls/call_settings.hpp"

namespace callhardening
{

// What follows the table's name in the name of the rule about its status.
inline constexpr const char *status_constraint = "status_transition";

// What was refused, and where.
struct Refusal {
    Relation calls;
    const char *column;
    const char *constraint; // what follows the table's name in the name of the rule
    const char *call_id;    // printable
    const char *message;
    const char *hint; // or null
};

// "Invalid status transition" with the two words: what operators search their logs for.
const char *invalid_transition_message(const TransitionGraph *graph, OptionalText current, OptionalText next);

// The first ten of a statement are logged one by one, the others as one number at its end: a statement over a
// million rows must not write a million lines. `statement` is a memory context that ends with the statement,
// as flinfo->fn_mcxt of a trigger function does.
void warn_refusal(const Refusal &refusal, MemoryContext statement);

// 23514, with schema, table, column and the name of the rule.
[[noreturn]] void raise_refusal(const Refusal &refusal);

} // namespace callhardening
