// The names of call providers, as arguments of functions.
#pragma once

#include "pg/base/postgres.hpp"

namespace callhardening
{

// Argument `n` of a function of words; empty where it is NULL. A name that no provider has is a WARNING, once for
// each name that follows another at one place of a statement. Uses fn_extra.
std::string_view provider_of_words(FunctionCallInfo fcinfo, int n);

} // namespace callhardening
