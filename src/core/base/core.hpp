// Included first by every header of the core: the rules of callhardening, in plain C++20.
//
// The core never sees PostgreSQL. A PostgreSQL error is a longjmp, which skips destructors, and an
// exception that reaches PostgreSQL ends the server, so the two meet in src/pg only, in the order
// take (glue reads the arguments), think (core, noexcept), give (glue, no C++ object left alive).
#pragma once

#ifdef POSTGRES_H
#error "src/core is compiled without PostgreSQL: include its headers before postgres.h"
#endif

#include <optional>
#include <string_view>

namespace callhardening
{

// A text of SQL, which may be NULL. A std::string_view is never NULL: where that makes no difference, NULL is
// the empty text.
using OptionalText = std::optional<std::string_view>;

} // namespace callhardening
