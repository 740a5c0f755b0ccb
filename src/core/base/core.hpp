// Every header of the core includes this one first. The core holds the rules of callhardening in plain C++20.
//
// The core never sees PostgreSQL. A PostgreSQL error is a longjmp and skips destructors. An exception in
// PostgreSQL's code ends the server. So the two meet in src/pg only, in this order:
// take (glue reads the arguments), think (core, noexcept), give (glue, no C++ object left alive).
#pragma once

#ifdef POSTGRES_H
#error "src/core is compiled without PostgreSQL: include its headers before postgres.h"
#endif

#include <optional>
#include <string_view>

namespace callhardening
{

// A text of SQL, or NULL. Functions that treat NULL as the empty text take a std::string_view.
using OptionalText = std::optional<std::string_view>;

} // namespace callhardening
