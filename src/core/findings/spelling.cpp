#include "core/findings/spelling.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace callhardening
{

namespace
{

// An escape and the letters that it spells.
struct Escape {
    std::size_t size; // in the text; 0: no escape
    std::size_t letters;
    char letter[4];
};

constexpr Escape none{0, 0, {}};

constexpr int HexValue(char c) noexcept
{
    const char lower = LowerAscii(c);
    return IsAsciiDigit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The value of `digits` hexadecimal digits at `i`, or -1.
int ReadHex(std::string_view text, std::size_t i, std::size_t digits) noexcept
{
    if (text.size() < i + digits)
        return -1;
    int value = 0;
    for (std::size_t k = i; k < i + digits; ++k) {
        const int digit = HexValue(text[k]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

constexpr Escape OneLetter(std::size_t size, char letter) noexcept
{
    return {size, 1, {letter}};
}

// As UTF-8. No text of a database contains NUL, and a lone surrogate is no letter.
Escape CodePoint(std::size_t size, std::uint32_t point) noexcept
{
    const auto tail = [point](unsigned shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
    if (point == 0 || (point >= 0xD800 && point <= 0xDFFF) || point > 0x10FFFF)
        return none;
    if (point < 0x80)
        return OneLetter(size, static_cast<char>(point));
    if (point < 0x800)
        return {size, 2, {static_cast<char>(0xC0 | point >> 6), tail(0)}};
    if (point < 0x10000)
        return {size, 3, {static_cast<char>(0xE0 | point >> 12), tail(6), tail(0)}};
    return {size, 4, {static_cast<char>(0xF0 | point >> 18), tail(12), tail(6), tail(0)}};
}

// The four digits of \u at `i`, and those of the other half of a pair.
Escape UnicodeEscape(std::string_view text, std::size_t i) noexcept
{
    constexpr std::size_t size = 6;
    const int first = ReadHex(text, i + 2, 4);
    if (first < 0)
        return none;
    const bool is_pair = (first & 0xFC00) == 0xD800 && text.substr(i + size).starts_with("\\u");
    const int second = is_pair ? ReadHex(text, i + size + 2, 4) : -1;
    if (second >= 0 && (second & 0xFC00) == 0xDC00)
        return CodePoint(2 * size, 0x10000u + ((first & 0x3FFu) << 10) + (second & 0x3FFu));
    return CodePoint(size, static_cast<std::uint32_t>(first));
}

// \" and its kin, of JSON, JavaScript, Python and PHP.
Escape BackslashEscape(std::string_view text, std::size_t i) noexcept
{
    constexpr std::string_view names = "\"\\/'`bfnrt", letters = "\"\\/'`\b\f\n\r\t";
    if (i + 1 == text.size())
        return none;
    if (text[i + 1] == 'u')
        return UnicodeEscape(text, i);
    if (text[i + 1] == 'x') {
        const int value = ReadHex(text, i + 2, 2);
        return value > 0 ? OneLetter(4, static_cast<char>(value)) : none;
    }
    const std::size_t which = names.find(text[i + 1]);
    return which == names.npos ? none : OneLetter(2, letters[which]);
}

Escape PercentEscape(std::string_view text, std::size_t i) noexcept
{
    const int value = ReadHex(text, i + 1, 2);
    return value > 0 ? OneLetter(3, static_cast<char>(value)) : none;
}

struct Entity {
    std::string_view name;
    char letter;
};

constexpr Entity entities[] = {{"quot", '"'},   {"amp", '&'},   {"apos", '\''}, {"lt", '<'},    {"gt", '>'},
                               {"equals", '='}, {"colon", ':'}, {"nbsp", ' '},  {"comma", ','}, {"sol", '/'},
                               {"lowbar", '_'}, {"num", '#'},   {"plus", '+'},  {"percnt", '%'}};

Escape NumericEntity(std::string_view name, std::size_t size) noexcept
{
    const bool hex = name.size() > 1 && LowerAscii(name[1]) == 'x';
    std::uint32_t point = 0;
    for (const char c : name.substr(hex ? 2 : 1)) {
        const int digit = HexValue(c);
        if (digit < 0 || (!hex && digit > 9))
            return none;
        point = point * (hex ? 16 : 10) + static_cast<std::uint32_t>(digit);
    }
    return CodePoint(size, point);
}

Escape EntityEscape(std::string_view text, std::size_t i) noexcept
{
    constexpr std::size_t longest = 9;
    const std::size_t end = text.substr(0, i + longest).find(';', i);
    if (end == std::string_view::npos)
        return none;
    const std::string_view name = text.substr(i + 1, end - i - 1);
    const std::size_t size = end + 1 - i;
    if (name.size() > 1 && name[0] == '#')
        return NumericEntity(name, size);
    for (const Entity &entity : entities)
        if (entity.name == name)
            return OneLetter(size, entity.letter);
    return none;
}

Escape ReadEscape(std::string_view text, std::size_t i) noexcept
{
    switch (text[i]) {
    case '\\':
        return BackslashEscape(text, i);
    case '%':
        return PercentEscape(text, i);
    case '&':
        return EntityEscape(text, i);
    default:
        return none;
    }
}

// A text with a percent escape is a form: there a plus is a space.
bool HasPercentEscape(std::string_view text) noexcept
{
    for (std::size_t i = text.find('%'); i != text.npos; i = text.find('%', i + 1))
        if (PercentEscape(text, i).size > 0)
            return true;
    return false;
}

constexpr auto begins_escape = [] {
    std::array<bool, 256> table{};
    table['\\'] = table['%'] = table['&'] = true;
    return table;
}();

// A letter, or the escape that spells one. A plus is a space in forms.
Escape ReadLetter(std::string_view text, std::size_t i, bool form) noexcept
{
    if (begins_escape[static_cast<unsigned char>(text[i])])
        if (const Escape escape = ReadEscape(text, i); escape.size > 0)
            return escape;
    return OneLetter(1, form && text[i] == '+' ? ' ' : text[i]);
}

// True if there is a whole escape, not only its first sign.
bool Spells(std::string_view text) noexcept
{
    for (std::size_t i = 0; i < text.size(); ++i)
        if (begins_escape[static_cast<unsigned char>(text[i])] && ReadEscape(text, i).size > 0)
            return true;
    return false;
}

} // namespace

bool MaySpell(std::string_view text) noexcept
{
    constexpr std::size_t searched_faster = 32;
    if (text.size() >= searched_faster)
        return text.find('\\') != text.npos || text.find('%') != text.npos || text.find('&') != text.npos;
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return begins_escape[static_cast<unsigned char>(c)]; });
}

void Spellings::Read(std::string_view text, std::size_t window) noexcept
{
    levels_[0].text = text;
    levels_[0].origins = nullptr;
    count_ = 1;
    if (text.size() > std::numeric_limits<std::uint32_t>::max())
        return;
    std::string_view spelling = text.substr(0, window);
    while (count_ < most_levels && Resolve(count_, spelling)) {
        spelling = levels_[count_].text;
        ++count_;
    }
}

bool Spellings::Resolve(std::size_t level, std::string_view spelling) noexcept
{
    if (!Spells(spelling))
        return false;
    Level &here = levels_[level];
    char *letters = here.letters_memory.Reserve<char>(arena_, spelling.size());
    auto *origins = here.origins_memory.Reserve<std::uint32_t>(arena_, spelling.size() + 1);
    if (letters == nullptr || origins == nullptr)
        return false;
    const bool form = HasPercentEscape(spelling);
    std::size_t size = 0;
    for (std::size_t i = 0; i < spelling.size();) {
        const Escape next = ReadLetter(spelling, i, form);
        for (std::size_t k = 0; k < next.letters; ++k) {
            origins[size] = static_cast<std::uint32_t>(Origin(level - 1, i));
            letters[size++] = next.letter[k];
        }
        i += next.size;
    }
    origins[size] = static_cast<std::uint32_t>(levels_[0].text.size());
    here.text = {letters, size};
    here.origins = origins;
    return true;
}

std::size_t Spellings::Origin(std::size_t level, std::size_t i) const noexcept
{
    return levels_[level].origins == nullptr ? i : levels_[level].origins[i];
}

std::size_t Spellings::Position(std::size_t level, std::size_t origin) const noexcept
{
    const Level &here = levels_[level];
    if (here.origins == nullptr)
        return std::min(origin, here.text.size());
    const std::uint32_t *end = here.origins + here.text.size();
    return static_cast<std::size_t>(std::lower_bound(here.origins, end, origin) - here.origins);
}

} // namespace callhardening
