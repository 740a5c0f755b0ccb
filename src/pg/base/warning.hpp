// What operators find in their logs.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// "word" in quotes; where the value does not look like a word (see LooksLikeWord), its length instead.
const char *printable_word(OptionalText word);

// The same for a column that is to hold the value or what there is to say of it: without quotes, the length
// in parentheses, which no word has. NULL stays NULL.
char *shown_word(OptionalText word);

// Leaves CONTEXT out of what is reported next: it quotes the line of a COPY or the text of a statement, and a
// payload with it. A warning returns, and then what this function returned becomes error_context_stack again.
ErrorContextCallback *hide_error_context();

// CONTEXT without the lines of our own functions in PL/pgSQL, from the innermost one to the last one. What a
// user has called is below them. nullptr where nothing is left.
char *context_of_caller(const char *context);

// WARNING:  Unknown call <what>: "word"
void warn_unknown_word(const char *what, std::string_view word);

} // namespace callhardening
