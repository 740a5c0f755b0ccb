// Looks a word up in a table of the vocabulary.
#pragma once

#include "core/base/text.hpp"
#include "core/words/vocabulary.hpp"

#include <algorithm>
#include <span>
#include <string_view>

namespace callhardening
{

struct FoldedOrder {
    template <typename Meaning>
    constexpr bool operator()(const VocabularyRow<Meaning> &row, std::string_view word) const noexcept
    {
        return CompareFolded(row.word, word) < 0;
    }
    template <typename Meaning>
    constexpr bool operator()(std::string_view word, const VocabularyRow<Meaning> &row) const noexcept
    {
        return CompareFolded(word, row.word) < 0;
    }
};

// The row of the provider, else the first row of the word. A row without a provider sorts first. Without such
// a row all rows of the word agree.
template <typename Meaning>
constexpr Meaning LookUp(std::span<const VocabularyRow<Meaning>> table, std::string_view word,
                         std::string_view provider, Meaning unknown) noexcept
{
    const auto [first, last] = std::equal_range(table.begin(), table.end(), word, FoldedOrder{});
    if (first == last)
        return unknown;
    const auto own = std::find_if(first, last, [provider](const VocabularyRow<Meaning> &row) {
        return !row.provider.empty() && EqualFolded(row.provider, provider);
    });
    return own != last ? own->meaning : first->meaning;
}

} // namespace callhardening
