// Texts for the operators' logs.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// "word" in quotes. If the value does not look like a word (see LooksLikeWord), its length.
const char *printable_word(OptionalText word);

// The same for a column: without quotes, and the length in parentheses, so no word looks the same. NULL stays
// NULL.
char *shown_word(OptionalText word);

// Hides CONTEXT of the next report: it would show the line of a COPY or the text of a statement, with the
// payload. After a warning, the caller sets error_context_stack to the returned value.
ErrorContextCallback *hide_error_context();

// In PG_CATCH: raises the error again. CONTEXT loses what a reader can do nothing about: the given statement
// of the library, or with nullptr the PL/pgSQL functions of the extension, in which the error was raised.
[[noreturn]] void rethrow_for_caller(MemoryContext context, const char *statement);

// WARNING:  Unknown call <what>: "word"
void warn_unknown_word(const char *what, std::string_view word);

} // namespace callhardening
