// The names of call providers, as arguments of functions.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Argument `n` of a function of words; empty for NULL. Warns about an unknown provider, once until the name
// changes at this place of the statement. Uses fn_extra.
std::string_view provider_of_words(FunctionCallInfo fcinfo, int n);

// Adds a hint to the error at hand: the nearest name, or how to list the names.
int hint_at_provider(std::string_view provider);

} // namespace callhardening
