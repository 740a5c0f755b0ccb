#include "core/base/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace callhardening
{

namespace
{

constexpr char32_t zero_width_joiner = 0x200D;

constexpr bool IsContinuation(char c) noexcept
{
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The code point that starts at `i`. A byte that starts none stands for itself.
char32_t Decode(std::string_view text, std::size_t i) noexcept
{
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (more == 0 || text.size() - i <= more)
        return lead;
    char32_t code = lead & (0x3Fu >> more);
    for (std::size_t k = 1; k <= more; ++k)
        code = code << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3Fu);
    return code;
}

std::size_t Previous(std::string_view text, std::size_t i) noexcept
{
    do
        --i;
    while (i > 0 && IsContinuation(text[i]));
    return i;
}

struct Range {
    char32_t first, last;
};

// Code points that extend the letter before them: combining marks of the scripts in use, Hangul vowels and
// finals, variation selectors, skin colours and tags.
constexpr Range extenders[] = {
    {0x0300, 0x036F},   {0x0483, 0x0489},   {0x0591, 0x05BD},   {0x05BF, 0x05BF}, {0x05C1, 0x05C7},
    {0x0610, 0x061A},   {0x064B, 0x065F},   {0x0670, 0x0670},   {0x06D6, 0x06ED}, {0x0711, 0x0711},
    {0x0730, 0x074A},   {0x07A6, 0x07B0},   {0x0816, 0x082D},   {0x08D3, 0x0903}, {0x093A, 0x094F},
    {0x0951, 0x0957},   {0x0962, 0x0963},   {0x0981, 0x0983},   {0x09BC, 0x09CD}, {0x0A01, 0x0A03},
    {0x0A3C, 0x0A51},   {0x0A70, 0x0A71},   {0x0A81, 0x0A83},   {0x0ABC, 0x0ACD}, {0x0B01, 0x0B03},
    {0x0B3C, 0x0B57},   {0x0BBE, 0x0BCD},   {0x0C00, 0x0C04},   {0x0C3E, 0x0C56}, {0x0C81, 0x0C83},
    {0x0CBC, 0x0CD6},   {0x0D00, 0x0D03},   {0x0D3B, 0x0D4D},   {0x0DCA, 0x0DDF}, {0x0E31, 0x0E31},
    {0x0E34, 0x0E3A},   {0x0E47, 0x0E4E},   {0x0EB1, 0x0EB1},   {0x0EB4, 0x0EBC}, {0x0EC8, 0x0ECD},
    {0x0F71, 0x0F87},   {0x102B, 0x103E},   {0x1160, 0x11FF},   {0x135D, 0x135F}, {0x17B4, 0x17D3},
    {0x1AB0, 0x1AFF},   {0x1DC0, 0x1DFF},   {0x200D, 0x200D},   {0x20D0, 0x20FF}, {0x302A, 0x302F},
    {0x3099, 0x309A},   {0xA66F, 0xA672},   {0xFE00, 0xFE0F},   {0xFE20, 0xFE2F}, {0xFF9E, 0xFF9F},
    {0x1F3FB, 0x1F3FF}, {0xE0020, 0xE007F}, {0xE0100, 0xE01EF},
};

bool IsExtender(char32_t code) noexcept
{
    if (code < extenders[0].first)
        return false;
    const Range *range = std::upper_bound(std::begin(extenders), std::end(extenders), code,
                                          [](char32_t value, const Range &r) { return value < r.first; });
    return code <= std::prev(range)->last;
}

bool IsRegionalIndicator(char32_t code) noexcept
{
    return code >= 0x1F1E6 && code <= 0x1F1FF;
}

// Two regional indicators are a flag. An odd number of them before `i` means that `i` is inside a flag.
bool IsInsideFlag(std::string_view text, std::size_t i) noexcept
{
    if (!IsRegionalIndicator(Decode(text, i)))
        return false;
    bool odd = false;
    while (i > 0 && IsRegionalIndicator(Decode(text, i = Previous(text, i))))
        odd = !odd;
    return odd;
}

bool IsInsideUnit(std::string_view text, std::size_t i) noexcept
{
    return IsContinuation(text[i]) || IsExtender(Decode(text, i)) ||
           Decode(text, Previous(text, i)) == zero_width_joiner || IsInsideFlag(text, i);
}

constexpr std::size_t word_size = sizeof(std::uint64_t);

// Continuation bytes among the eight bytes at `i`.
std::size_t CountContinuations(std::string_view text, std::size_t i) noexcept
{
    constexpr std::uint64_t each_byte = 0x0101010101010101;
    std::uint64_t bytes;
    std::memcpy(&bytes, text.data() + i, sizeof bytes);
    // 1 for each 10xxxxxx. The highest byte of the product is their sum.
    const std::uint64_t marks = bytes >> 7 & ~bytes >> 6 & each_byte;
    return static_cast<std::size_t>(marks * each_byte >> 56);
}

// The size of the character at `i`. 0: no character begins there.
std::size_t CharacterBytes(std::string_view text, std::size_t i) noexcept
{
    constexpr char32_t first_of_size[] = {0, 0, 0x80, 0x800, 0x10000};
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80)
        return 1;
    const std::size_t size = lead >= 0xF8 ? 0 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 0;
    if (size == 0 || text.size() - i < size)
        return 0;
    for (std::size_t k = 1; k < size; ++k)
        if (!IsContinuation(text[i + k]))
            return 0;
    const char32_t code = Decode(text, i);
    const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < first_of_size[size] || code > 0x10FFFF || is_surrogate ? 0 : size;
}

} // namespace

bool IsUtf8(std::string_view text) noexcept
{
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t size = CharacterBytes(text, i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

std::size_t CountCharacters(std::string_view text) noexcept
{
    std::size_t continuations = 0, i = 0;
    for (; text.size() - i >= word_size; i += word_size)
        continuations += CountContinuations(text, i);
    for (; i < text.size(); ++i)
        continuations += IsContinuation(text[i]) ? 1 : 0;
    return text.size() - continuations;
}

std::size_t HeadBytes(std::string_view text, std::size_t characters) noexcept
{
    if (text.size() <= characters)
        return text.size();
    std::size_t i = 0;
    for (; text.size() - i >= word_size && characters >= word_size; i += word_size)
        characters -= word_size - CountContinuations(text, i);
    for (; i < text.size(); ++i)
        if (!IsContinuation(text[i]) && characters-- == 0)
            break;
    return i;
}

std::size_t CutPosition(std::string_view text, std::size_t position) noexcept
{
    while (position > 0 && position < text.size() && IsInsideUnit(text, position))
        position = Previous(text, position);
    return position;
}

std::size_t TailPosition(std::string_view text, std::size_t characters) noexcept
{
    std::size_t position = text.size();
    for (; position > 0 && characters > 0; --characters)
        position = Previous(text, position);
    while (position > 0 && position < text.size() && IsInsideUnit(text, position))
        ++position;
    return position;
}

} // namespace callhardening
