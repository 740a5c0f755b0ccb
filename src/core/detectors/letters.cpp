#include "core/detectors/letters.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

constexpr std::string_view number_words[] = {"no", "nr", "num", "number"};

// The word that ends at `i` or before a few signs there: `"callId": "`, `call_id=(`. Nothing before `from`
// counts: a finding ends there, and a text has to read the same after its replacement.
std::string_view WordBefore(std::string_view text, std::size_t from, std::size_t i) noexcept
{
    constexpr std::string_view signs = " \t\"'(<[#:=\\";
    constexpr std::size_t most_signs = 6, longest_word = 10;
    std::size_t end = i;
    while (end > from && i - end < most_signs && signs.find(text[end - 1]) != signs.npos)
        --end;
    const std::size_t begin = WordBegin(text, std::max(from, end - std::min(end, longest_word + 1)), end);
    return text.substr(begin, end - begin);
}

} // namespace

std::size_t SchemeBegin(std::string_view text, std::size_t from, std::size_t i,
                        std::string_view lower_scheme) noexcept
{
    if (!Precedes(text, from, i, lower_scheme))
        return i;
    const std::size_t begin = i - lower_scheme.size();
    return MayBegin(text, begin) ? begin : i;
}

bool IsOneOf(std::string_view word, Words words) noexcept
{
    return std::any_of(words.begin(), words.end(), [word](std::string_view each) {
        return word.size() == each.size() && Precedes(word, 0, word.size(), each);
    });
}

std::size_t WordBegin(std::string_view text, std::size_t from, std::size_t end) noexcept
{
    std::size_t begin = end;
    while (begin > from && HasClass(text[begin - 1], alpha_letter) &&
           !(begin < end && IsAsciiUpper(text[begin]) && !IsAsciiUpper(text[begin - 1])))
        --begin;
    return begin;
}

bool FollowsWord(std::string_view text, std::size_t from, std::size_t i, Words words) noexcept
{
    std::string_view word = WordBefore(text, from, i);
    if (IsOneOf(word, number_words))
        word = WordBefore(text, from, static_cast<std::size_t>(word.data() - text.data()));
    return IsOneOf(word, words);
}

bool PrecedesWord(std::string_view text, std::size_t i, Words words) noexcept
{
    constexpr std::string_view signs = " ,;.(";
    const std::size_t begin = std::min(text.find_first_not_of(signs, i), text.size());
    return IsOneOf(text.substr(begin, RunEnd(text, begin, alpha_letter) - begin), words);
}

} // namespace callhardening
