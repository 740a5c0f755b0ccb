// What operators find in their logs.
#pragma once

#include <string_view>

namespace callhardening
{

// "word" in quotes; where the value does not look like a word (see LooksLikeWord), its length instead. NULL
// is `data() == nullptr`.
const char *printable_word(std::string_view word);

// WARNING:  Unknown call <what>: "word"
void warn_unknown_word(const char *what, std::string_view word);

} // namespace callhardening
