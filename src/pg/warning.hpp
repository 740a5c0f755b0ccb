// What operators find in their logs.
#pragma once

#include <string_view>

namespace callhardening
{

// WARNING:  Unknown call <what>: "word"
// A value that does not look like a word (see LooksLikeWord) is not quoted, its length stands there instead.
void warn_unknown_word(const char *what, std::string_view word);

} // namespace callhardening
