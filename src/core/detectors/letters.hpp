// The letters around a finding. They decide where a number or an address begins and ends, and the word beside
// it tells its meaning.
#pragma once

#include "core/base/core.hpp"
#include "core/base/text.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

namespace callhardening
{

enum LetterClass : unsigned char {
    digit_letter = 1,
    alpha_letter = 2,
    label_letter = 4,  // of a host's name
    local_letter = 8,  // of the part before the @
    uri_letter = 16,   // of a host, its port and parameters
    joint_letter = 32, // no number begins after it
    trigger_letter = 64,
};

inline constexpr auto detector_letters = [] {
    LetterClasses table{};
    for (int c = 'a'; c <= 'z'; ++c)
        table[c] = table[c - 'a' + 'A'] =
            alpha_letter | label_letter | local_letter | uri_letter | joint_letter;
    for (int c = '0'; c <= '9'; ++c)
        table[c] = digit_letter | label_letter | local_letter | uri_letter | joint_letter | trigger_letter;
    for (int c = 0x80; c <= 0xFF; ++c)
        table[c] = label_letter | local_letter;
    for (const char c : {'.', '_', '%', '+', '-'})
        table[static_cast<unsigned char>(c)] |= local_letter | uri_letter | joint_letter;
    for (const char c : {';', '=', ':', '@', '~', '[', ']'})
        table[static_cast<unsigned char>(c)] |= uri_letter;
    table['-'] |= label_letter;
    table['@'] |= joint_letter | trigger_letter;
    table['%'] |= trigger_letter;
    return table;
}();

constexpr bool HasClass(char c, unsigned char wanted) noexcept
{
    return (ClassesOf(c, detector_letters) & wanted) != 0;
}

// The end of the run of letters of the wanted classes.
constexpr std::size_t RunEnd(std::string_view text, std::size_t i, unsigned char wanted) noexcept
{
    while (i < text.size() && HasClass(text[i], wanted))
        ++i;
    return i;
}

// True if `lower_word` stands directly before `i`, in any case, and not before `from`.
constexpr bool Precedes(std::string_view text, std::size_t from, std::size_t i,
                        std::string_view lower_word) noexcept
{
    if (i - from < lower_word.size())
        return false;
    return std::equal(lower_word.begin(), lower_word.end(),
                      text.begin() + static_cast<std::ptrdiff_t>(i - lower_word.size()),
                      [](char word, char c) { return word == LowerAscii(c); });
}

// True if no letter, digit or sign of an address stands before `begin`. An escaped line break may stand
// there: \n415-555-0100.
constexpr bool MayBegin(std::string_view text, std::size_t begin) noexcept
{
    if (begin == 0)
        return true;
    const char before = text[begin - 1];
    if (begin > 1 && text[begin - 2] == '\\' && (before == 'n' || before == 'r' || before == 't'))
        return true;
    return !HasClass(before, joint_letter);
}

// The begin of `tel:` and the like if it stands directly before `i` and may begin there, else `i`.
std::size_t SchemeBegin(std::string_view text, std::size_t from, std::size_t i,
                        std::string_view lower_scheme) noexcept;

using Words = std::span<const std::string_view>;

// The words are in lower case, `word` in any case.
bool IsOneOf(std::string_view word, Words words) noexcept;

// The begin of the word of letters that ends at `end`, not before `from`. The word of callId is Id.
std::size_t WordBegin(std::string_view text, std::size_t from, std::size_t end) noexcept;

// True after one of the words, also with the word `number` after it.
bool FollowsWord(std::string_view text, std::size_t from, std::size_t i, Words words) noexcept;

// True before one of the words. Only the next word counts. Signs before it may not belong to a replacement.
bool PrecedesWord(std::string_view text, std::size_t i, Words words) noexcept;

} // namespace callhardening
