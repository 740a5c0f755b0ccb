// The words that call providers send for direction and status, and what each means here.
//
// The tables are sorted by folded word, then by provider; an empty provider is the meaning for every
// provider that has no row of its own for the word. Where all rows of a word agree there is no such row:
// the meaning is the one they share. Both properties are checked when vocabulary.cpp is compiled.
#pragma once

#include "core/words/direction.hpp"
#include "core/words/status.hpp"

#include <span>
#include <string_view>

namespace callhardening
{

template <typename Meaning>
struct VocabularyRow {
    std::string_view word;     // as the provider spells it
    std::string_view provider; // as in the documentation: "dialpad", "zoom_phone"; "" is any other
    Meaning meaning;
};

extern const std::span<const VocabularyRow<Direction>> direction_vocabulary;
extern const std::span<const VocabularyRow<Status>> status_vocabulary;

// Those that the tables have rows of, each once, sorted by folded name.
extern const std::span<const std::string_view> vocabulary_providers;

} // namespace callhardening
