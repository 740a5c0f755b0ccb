#include "core/detectors/iban.hpp"

#include "core/base/text.hpp"
#include "core/detectors/digit_groups.hpp"
#include "core/detectors/letters.hpp"

#include <algorithm>
#include <iterator>

namespace callhardening
{

namespace
{

struct IbanRow {
    char country[3];
    unsigned char size;
};

// The registry of ISO 13616, as of 2024.
constexpr IbanRow iban_rows[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BI", 27}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24},
    {"DE", 22}, {"DJ", 27}, {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18},
    {"FK", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27},
    {"GT", 28}, {"HN", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
    {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20},
    {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MN", 20},
    {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18}, {"NO", 15}, {"OM", 23}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"RU", 33}, {"SA", 24},
    {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"SO", 23}, {"ST", 25},
    {"SV", 28}, {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
    {"YE", 30},
};

std::size_t IbanSize(std::string_view country) noexcept
{
    const auto *row = std::find_if(std::begin(iban_rows), std::end(iban_rows),
                                   [country](const IbanRow &each) { return country == each.country; });
    return row == std::end(iban_rows) ? 0 : row->size;
}

constexpr bool IsIbanLetter(char c) noexcept
{
    return IsAsciiDigit(c) || (c >= 'A' && c <= 'Z');
}

// The remainder of the number with its first four letters moved to the end. The check digits make it 1.
unsigned IbanRemainder(std::string_view letters) noexcept
{
    constexpr std::size_t moved = 4;
    unsigned rest = 0;
    for (std::size_t i = 0; i < letters.size(); ++i) {
        const char c = letters[(i + moved) % letters.size()];
        rest = IsAsciiDigit(c) ? rest * 10 + static_cast<unsigned>(c - '0')
                               : rest * 100 + static_cast<unsigned>(c - 'A') + 10;
        rest %= 97;
    }
    return rest;
}

} // namespace

Detection FindIban(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    constexpr std::size_t longest = 34, group = 4;
    const std::size_t begin = i - 2;
    if (i < from + 2 || !IsAsciiUpper(text[i - 1]) || !MayBegin(text, begin))
        return no_detection;
    const std::size_t size = IbanSize(text.substr(begin, 2));
    char letters[longest];
    std::size_t at = begin;
    const bool spaced = size > 0 && begin + group < text.size() && text[begin + group] == ' ';
    for (std::size_t k = 0; k < size; ++k) {
        if (spaced && k > 0 && k % group == 0 && at < text.size() && text[at] == ' ')
            ++at;
        if (at == text.size() || !IsIbanLetter(text[at]))
            return no_detection;
        letters[k] = text[at++];
    }
    const bool found =
        size > 0 && IsAsciiDigit(letters[3]) && IbanRemainder({letters, size}) == 1 && EndsNumber(text, at);
    return found ? Detection{begin, at, Detector::iban} : no_detection;
}

} // namespace callhardening
