// The words of call providers for direction and status, and the meaning of each.
//
// The tables are sorted by folded word, then by provider. A row without a provider holds for every provider
// that has no row of its own. A word whose rows all agree has no such row: the rows share the meaning. The
// compiler checks both properties in vocabulary.cpp.
#pragma once

#include "core/words/direction.hpp"
#include "core/words/status.hpp"

#include <span>
#include <string_view>

namespace callhardening
{

template <typename Meaning>
struct VocabularyRow {
    std::string_view word;     // in the provider's spelling
    std::string_view provider; // as in the documentation: "dialpad", "zoom_phone"; "" is any other
    Meaning meaning;
};

extern const std::span<const VocabularyRow<Direction>> direction_vocabulary;
extern const std::span<const VocabularyRow<Status>> status_vocabulary;

// The providers of the rows, each once, sorted by folded name.
extern const std::span<const std::string_view> vocabulary_providers;

} // namespace callhardening
