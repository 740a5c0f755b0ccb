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

// In PG_CATCH: raises the error again. CONTEXT loses the lines of the extension's PL/pgSQL functions, and a
// statement of the library, if one is given. A reader can do nothing about these lines. The lines of the
// user's own code stay.
[[noreturn]] void rethrow_for_caller(MemoryContext context, const char *statement);

// WARNING:  Unknown call <what>: "word"
void warn_unknown_word(const char *what, std::string_view word);

} // namespace callhardening
