#include "core/detectors/phone_number.hpp"

#include "core/base/text.hpp"
#include "core/detectors/email_address.hpp"
#include "core/detectors/letters.hpp"

#include <algorithm>
#include <iterator>

namespace callhardening
{

namespace
{

// sip:+14155550100@host;user=phone: the number's finding extends to the end of its URI.
std::size_t UriEnd(std::string_view text, std::size_t end, const NumberStart &start) noexcept
{
    const char c = end < text.size() ? text[end] : ' ';
    // After other letters of an address, the number is a part of that address.
    const bool is_user = start.plus && (start.begin == 0 || !HasClass(text[start.begin - 1], local_letter));
    if (!(start.uri && (c == '@' || c == ';' || c == ':')) && !(is_user && c == '@'))
        return end;
    const std::size_t number_end = end;
    end = RunEnd(text, end, uri_letter);
    while (end > number_end && !HasClass(text[end - 1], alpha_letter | digit_letter) && text[end - 1] != ']')
        --end;
    return end > number_end ? LastAddressEnd(text, end) : end;
}

bool EndsInternational(std::string_view text, std::size_t end, const NumberStart &start) noexcept
{
    return UriEnd(text, end, start) > end || EndsNumber(text, end);
}

bool BeginsNational(const Groups &g) noexcept;

// True for text between two numbers of one line.
bool Joins(std::string_view between) noexcept
{
    constexpr std::string_view joints[] = {" ", ",", ";", "/", "|", "&", "or", "and"};
    constexpr std::size_t longest = 5;
    if (between.empty() || between.size() > longest)
        return false;
    if (between.size() > 1 && between.front() == ' ')
        between.remove_prefix(1);
    if (between.size() > 1 && between.back() == ' ')
        between.remove_suffix(1);
    return std::find(std::begin(joints), std::end(joints), between) != std::end(joints);
}

// True if both texts have digits at the same positions and the same signs between them.
bool HasSameForm(std::string_view text, std::size_t end, std::size_t other_end, std::size_t size) noexcept
{
    const std::string_view left = text.substr(end - size, size), right = text.substr(other_end - size, size);
    return std::equal(left.begin(), left.end(), right.begin(),
                      [](char a, char b) { return a == b || (IsAsciiDigit(a) && IsAsciiDigit(b)); });
}

// A group begins at `i`, and another one stands before it.
bool IsInsideNumber(std::string_view text, std::size_t i) noexcept
{
    if (i < 2 || HasClass(text[i - 1], alpha_letter | digit_letter))
        return false;
    const char before = text[i - 2];
    return IsAsciiDigit(before) || before == ')' || static_cast<unsigned char>(before) >= 0x80;
}

// A number begins at `i`, and a digit stands before the text that joins it to another one.
bool IsJoined(std::string_view text, std::size_t i) noexcept
{
    constexpr std::size_t longest = 5;
    for (std::size_t size = 1; size <= longest && size < i; ++size)
        if (IsAsciiDigit(text[i - size - 1]))
            return Joins(text.substr(i - size, size));
    return false;
}

// The end of a number that begins with `g` and omits the part that it shares with the number before. That one
// ends at `before`: 415-555-0100/555-0101. Both have the same form after the country or the area. If the
// number before `is_found`, it may omit that part too. 0: none.
std::size_t SharingEnd(const Groups &g, std::size_t before, bool is_found) noexcept
{
    constexpr std::size_t fewest = 6, most_of_local = 11;
    const std::size_t begin = g.group[0].begin;
    if (!Joins(g.text.substr(before, begin - before)))
        return 0;
    std::size_t digits = 0, found = 0;
    for (std::size_t k = 0; k < g.count && g.group[k].end - begin < before && digits < most_digits; ++k) {
        const std::size_t end = g.group[k].end, other = before - (end - begin);
        digits += g.group[k].size();
        const bool is_rest = IsInsideNumber(g.text, other) || (k > 0 && g.text[other - 1] == '+') ||
                             (is_found && digits <= most_of_local && IsJoined(g.text, other));
        if (digits >= fewest && is_rest && HasSameForm(g.text, before, end, end - begin) &&
            EndsNumber(g.text, end))
            found = end;
    }
    return found;
}

// True if another number begins after `count` groups: +49 30 1230100 030 1230101.
bool AnotherFollows(const Groups &g, std::size_t count) noexcept
{
    if (count >= g.count || g.group[count].open)
        return false;
    const Groups next = ReadGroups(g.text, g.group[count].begin, false);
    return BeginsNational(next) || SharingEnd(next, g.group[count - 1].end, false) > 0;
}

// After 00: only the countries 1 and 7 have one digit.
bool HasShortCountry(const Groups &g) noexcept
{
    const char first = g.group[0].size() > 2 ? g.digit(0, 2) : g.count > 1 ? g.digit(1, 0) : '0';
    return first == '1' || first == '7';
}

// The number of groups of a number that begins with its country, after `skipped` zeros. +1, 001 and 007 have
// eleven digits. Elsewhere a number in one piece is complete. A number in groups extends as far as possible,
// but not into another number.
std::size_t InternationalGroups(const Groups &g, const NumberStart &start, std::size_t skipped) noexcept
{
    constexpr std::size_t complete = 9, fewest = 8, fewest_of_uri = 7;
    const bool eleven = skipped > 0 ? HasShortCountry(g) : g.digit(0, 0) == '1' && start.plus;
    std::size_t total = 0, found = 0, split = 0;
    for (std::size_t k = 0; k < g.count && total <= most_digits + skipped; ++k) {
        const Group &group = g.group[k];
        total += group.size();
        const bool enough =
            total >= skipped + (start.uri ? fewest_of_uri : fewest) && total <= most_digits + skipped;
        const bool fits = !eleven || total == 11 + skipped || k == 0;
        if (enough && fits && EndsInternational(g.text, group.end, start)) {
            found = k + 1;
            split = AnotherFollows(g, found) ? found : split;
        }
        if (k == 0 && total >= complete + skipped)
            break;
    }
    return split > 0 ? split : found;
}

// 0049 30 123456. A number of only pairs is hexadecimal.
std::size_t DoubleZeroGroups(const Groups &g, const NumberStart &start) noexcept
{
    const std::size_t area = g.group[0].size();
    if (area < 2 || g.digit(0, 0) != '0' || g.digit(0, 1) != '0' || g.count < 2 ||
        (area == 2 ? g.digit(1, 0) : g.digit(0, 2)) == '0' || (area == 3 && !HasShortCountry(g)))
        return 0;
    const std::size_t found = InternationalGroups(g, start, 2);
    const bool pairs =
        std::all_of(g.group, g.group + found, [](const Group &group) { return group.size() == 2; });
    return found < 2 || pairs ? 0 : found;
}

// Area and exchange: neither begins with 0 or 1 or is 911 and the like.
bool IsNanpCode(const Groups &g, std::size_t group, std::size_t i) noexcept
{
    return g.digit(group, i) >= '2' && !(g.digit(group, i + 1) == '1' && g.digit(group, i + 2) == '1');
}

// `count` if a number may end after so many groups, else 0.
std::size_t IfEnds(const Groups &g, std::size_t count) noexcept
{
    return EndsNumber(g.text, g.group[count - 1].end) ? count : 0;
}

std::size_t NanpGroups(const Groups &g) noexcept
{
    const std::size_t first = g.HasSizes(0, {1}) && g.digit(0, 0) == '1' ? 1 : 0;
    const bool in_three = g.HasSizes(first, {3, 3, 4});
    const bool in_two = g.HasSizes(first, {3, 7}) && g.group[first].open;
    if ((!in_three && !in_two) || !IsNanpCode(g, first, 0) || g.digit(first, 1) == '9' ||
        !IsNanpCode(g, first + 1, 0))
        return 0;
    return IfEnds(g, first + (in_three ? 3 : 2));
}

// With an area of one digit: 01 42 68 53 00, 03 1234 5678, 02 12345678.
std::size_t ShortAreaGroups(const Groups &g) noexcept
{
    const char separator = g.count > 1 ? g.group[1].separator : '-';
    if (g.HasSizes(0, {2, 2, 2, 2, 2}))
        return separator == ' ' || separator == '.' ? IfEnds(g, 5) : 0;
    if (separator == '.')
        return 0;
    if (g.HasSizes(0, {2, 4, 4}))
        return IfEnds(g, 3);
    return g.HasSizes(0, {2, 8}) ? IfEnds(g, 2) : 0;
}

// The notation of countries with a leading zero: 030 123456, 020 7946 0958. Takes the shortest or the longest
// such number.
template <bool shortest>
std::size_t NationalGroups(const Groups &g) noexcept
{
    const std::size_t area = g.group[0].size();
    if (area < 2 || area > 6 || g.digit(0, 0) != '0' || g.digit(0, 1) == '0')
        return 0;
    if (area == 2)
        return ShortAreaGroups(g);
    constexpr std::size_t fewest = 9, most = 12;
    std::size_t total = area, found = 0;
    for (std::size_t k = 1; k < g.count && k < 5; ++k) {
        const Group &group = g.group[k];
        total += group.size();
        if (group.size() < 2 || group.separator == '.' || (k > 1 && group.separator == '/') || total > most)
            break;
        if (total >= fewest && IfEnds(g, k + 1) > 0)
            found = k + 1;
        if (found > 0 && (shortest || AnotherFollows(g, found)))
            break;
    }
    return found;
}

bool BeginsNational(const Groups &g) noexcept
{
    return g.digit(0, 0) == '0' ? NationalGroups<true>(g) > 0 : NanpGroups(g) > 0;
}

// 8924 0483 1899 6206, 0483 1899 6206 1111: groups of four before or after mark an id. A finding beside it
// could change more groups after it or an address, so these may not decide.
bool IsInFours(const Groups &g, const NumberStart &start, std::size_t from) noexcept
{
    constexpr std::size_t size = 4;
    if (!g.HasSizes(0, {size, size}))
        return false;
    const char separator = g.group[1].separator;
    if (g.count == 4 && g.HasSizes(2, {size, size}) && g.group[2].separator == separator &&
        g.group[3].separator == separator && EndsNumber(g.text, g.group[3].end) &&
        !g.text.substr(g.group[3].end).starts_with(':'))
        return true;
    const std::size_t before = start.begin - std::min(start.begin, size + 1);
    return before >= from && start.begin - before == size + 1 && g.text[start.begin - 1] == separator &&
           RunEnd(g.text, before, digit_letter) == start.begin - 1;
}

} // namespace

Detection FindPhone(const Groups &g, const NumberStart &start, std::size_t from) noexcept
{
    const bool zero = g.digit(0, 0) == '0';
    std::size_t count = 0;
    if (start.uri || (start.plus && !zero))
        count = InternationalGroups(g, start, 0);
    else if (!start.plus && !zero)
        count = NanpGroups(g);
    else if (!start.plus && (count = DoubleZeroGroups(g, start)) == 0 && !IsInFours(g, start, from))
        count = NationalGroups<false>(g);
    if (count == 0)
        return no_detection;
    // In (+14155550100) the parenthesis is around the number and not in it.
    const Group &last = g.group[count - 1];
    const std::size_t begin = start.begin + (last.open && g.text[start.begin] == '(');
    return {begin, UriEnd(g.text, last.end, start), Detector::phone};
}

Detection FindSharing(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    if (from == 0 || !IsAsciiDigit(text[from - 1]) || !MayBegin(text, i))
        return no_detection;
    const std::size_t end = SharingEnd(ReadGroups(text, i, false), from, true);
    return end > 0 ? Detection{i, end, Detector::phone} : no_detection;
}

} // namespace callhardening
