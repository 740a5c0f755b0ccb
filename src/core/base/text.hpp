// Words as telephony providers spell them. They differ only in case, `-`, `_` and white space.
//
// These functions stand behind IMMUTABLE SQL functions, so they know ASCII only and no locale. Their answer
// must not depend on the database's collation or on the server's settings. A Turkish dotless i or a
// full-width letter is simply another letter.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>

namespace callhardening
{

constexpr bool IsAsciiSpace(char c) noexcept
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

constexpr bool IsAsciiDigit(char c) noexcept
{
    return c >= '0' && c <= '9';
}

constexpr char LowerAscii(char c) noexcept
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool IsAsciiUpper(char c) noexcept
{
    return c >= 'A' && c <= 'Z';
}

constexpr bool IsAsciiLetter(char c) noexcept
{
    return LowerAscii(c) >= 'a' && LowerAscii(c) <= 'z';
}

constexpr bool IsAsciiAlnum(char c) noexcept
{
    return IsAsciiLetter(c) || IsAsciiDigit(c);
}

// The end of the run of letters from `i` with a true `inside`.
template <std::predicate<char> Predicate>
constexpr std::size_t RunEnd(std::string_view text, std::size_t i, Predicate inside) noexcept
{
    while (i < text.size() && inside(text[i]))
        ++i;
    return i;
}

// The classes of each letter, as bits.
using LetterClasses = std::array<unsigned char, 256>;

constexpr unsigned ClassesOf(char c, const LetterClasses &classes) noexcept
{
    return classes[static_cast<unsigned char>(c)];
}

// The first letter in [from, until) in one of the `wanted` classes, else `until`. Most texts have few such
// letters, so one decision reads eight letters. This takes 2.5 instructions a letter instead of 6.
constexpr std::size_t FindLetter(std::string_view text, std::size_t from, std::size_t until,
                                 const LetterClasses &classes, unsigned wanted) noexcept
{
    const auto classes_at = [&](std::size_t i) { return ClassesOf(text[i], classes); };
    std::size_t i = from;
    for (; i + 8 <= until; i += 8)
        if (((classes_at(i) | classes_at(i + 1) | classes_at(i + 2) | classes_at(i + 3) | classes_at(i + 4) |
              classes_at(i + 5) | classes_at(i + 6) | classes_at(i + 7)) &
             wanted) != 0)
            break;
    while (i < until && (classes_at(i) & wanted) == 0)
        ++i;
    return i;
}

constexpr bool IsSeparator(char c) noexcept
{
    return IsAsciiSpace(c) || c == '-' || c == '_';
}

// The letters of a word in the form for comparing: lower case, without separators, then 0. They are read one
// by one: a megabyte of input needs no buffer, and the first difference ends the comparison.
class FoldedLetters
{
public:
    explicit constexpr FoldedLetters(std::string_view word) noexcept : word_(word) {}

    // 0 is the end. A NUL inside the word is returned as 1, since 0 would end it. No word has either of them.
    constexpr unsigned char Next() noexcept
    {
        while (position_ < word_.size() && IsSeparator(word_[position_]))
            ++position_;
        if (position_ == word_.size())
            return 0;
        const auto letter = static_cast<unsigned char>(LowerAscii(word_[position_++]));
        return letter == 0 ? 1 : letter;
    }

private:
    std::string_view word_;
    std::size_t position_ = 0;
};

// Negative, 0 or positive, as `a` sorts before, with or after `b` when both are folded.
constexpr int CompareFolded(std::string_view a, std::string_view b) noexcept
{
    FoldedLetters left(a), right(b);
    for (;;) {
        const unsigned char x = left.Next(), y = right.Next();
        if (x != y)
            return x < y ? -1 : 1;
        if (x == 0)
            return 0;
    }
}

constexpr bool EqualFolded(std::string_view a, std::string_view b) noexcept
{
    return CompareFolded(a, b) == 0;
}

// True if the name ends with `word`. `word` is folded already. The comparison starts at the end and folds on
// the way, so a long name costs no more than the word.
constexpr bool EndsWithFolded(std::string_view name, std::string_view word) noexcept
{
    std::size_t left = word.size();
    for (std::size_t i = name.size(); i > 0 && left > 0; --i) {
        const char c = name[i - 1];
        if (IsSeparator(c))
            continue;
        if (LowerAscii(c) != word[left - 1])
            return false;
        --left;
    }
    return left == 0;
}

// True if folding leaves nothing of the text. Such a word counts as NULL.
constexpr bool IsBlank(std::string_view text) noexcept
{
    return FoldedLetters(text).Next() == 0;
}

// True if a message may show `text`: at most 40 of [A-Za-z0-9 ._-]. A log thus never quotes an address, a
// formatted number or a payload given instead of a word.
constexpr bool LooksLikeWord(std::string_view text) noexcept
{
    constexpr std::size_t longest_word = 40;
    if (text.size() > longest_word)
        return false;
    for (char c : text) {
        const char lower = LowerAscii(c);
        if (!(lower >= 'a' && lower <= 'z') && !IsAsciiDigit(c) && c != ' ' && c != '.' && c != '_' &&
            c != '-')
            return false;
    }
    return true;
}

} // namespace callhardening
