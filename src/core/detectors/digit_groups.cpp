#include "core/detectors/digit_groups.hpp"

#include "core/base/text.hpp"
#include "core/detectors/email_address.hpp"
#include "core/detectors/ip_address.hpp"
#include "core/detectors/letters.hpp"

namespace callhardening
{

namespace
{

// Skips from a group's end to the next group: `)`, a separator, `(`. At least one of them has to be there.
std::size_t NextGroup(std::string_view text, std::size_t i, Group &next, bool open) noexcept
{
    const std::size_t begin = i;
    if (open && i < text.size() && text[i] == ')') {
        next.separator = ')';
        open = false;
        ++i;
    }
    i += OneSeparator(text, i, next.separator);
    if (!open && i < text.size() && text[i] == '(') {
        if (i == begin)
            next.separator = ' ';
        open = true;
        ++i;
    }
    next.open = open;
    return i > begin && i < text.size() && IsAsciiDigit(text[i]) ? i : text.size();
}

void TakeParenthesis(std::string_view text, std::size_t from, NumberStart &start) noexcept
{
    if (start.begin == from || text[start.begin - 1] != '(')
        return;
    start.open = true;
    if (MayBegin(text, start.begin - 1))
        --start.begin;
}

// The sign may be encoded as in forms.
void TakePlus(std::string_view text, std::size_t from, NumberStart &start) noexcept
{
    const std::size_t size = Precedes(text, from, start.begin, "+")     ? 1
                             : Precedes(text, from, start.begin, "%2b") ? 3
                                                                        : 0;
    start.begin -= size;
    start.plus = size > 0;
}

std::size_t PhoneSchemeBegin(std::string_view text, std::size_t from, std::size_t i) noexcept
{
    if (i == from || text[i - 1] != ':')
        return i;
    for (const std::string_view scheme : {"tel:", "sip:", "sips:", "callto:", "sms:", "fax:"})
        if (const std::size_t begin = SchemeBegin(text, from, i, scheme); begin < i)
            return begin;
    return i;
}

// 4155550100@10.0.0.1 is the user of a SIP address without its scheme.
bool IsSipUser(std::string_view text, std::size_t digit, std::size_t digits_end) noexcept
{
    const std::size_t size = digits_end - digit, host = digits_end + 1;
    return size >= fewest_digits && size <= most_digits && host < text.size() && text[digits_end] == '@' &&
           Ipv4End(text, host) > host;
}

} // namespace

// A no-break space counts as a space. The hyphens and dashes U+2010 to U+2015 count as a hyphen.
std::size_t OneSeparator(std::string_view text, std::size_t i, char &separator) noexcept
{
    const char c = i < text.size() ? text[i] : 'x';
    if (c == ' ' || c == '-' || c == '.' || c == '/') {
        separator = c;
        return 1;
    }
    const std::string_view rest = text.substr(std::min(i, text.size()));
    if (rest.starts_with("\xC2\xA0")) {
        separator = ' ';
        return 2;
    }
    if (rest.size() >= 3 && rest.starts_with("\xE2\x80") && rest[2] >= '\x90' && rest[2] <= '\x95') {
        separator = '-';
        return 3;
    }
    return 0;
}

Groups ReadGroups(std::string_view text, std::size_t begin, bool open) noexcept
{
    constexpr std::size_t longest_group = 20; // longer groups do not matter
    Groups groups{text, {}, 0};
    Group next{begin, begin, ' ', open};
    while (groups.count < most_groups && begin < text.size()) {
        next.begin = begin;
        next.end = RunEnd(text.substr(0, begin + longest_group), begin, digit_letter);
        groups.group[groups.count++] = next;
        begin = NextGroup(text, next.end, next, next.open);
    }
    return groups;
}

NumberStart FindStart(std::string_view text, std::size_t digit, std::size_t digits_end,
                      std::size_t from) noexcept
{
    NumberStart start{digit, false, false, false};
    const bool closed = digits_end < text.size() && text[digits_end] == ')';
    if (closed)
        TakeParenthesis(text, from, start);
    TakePlus(text, from, start);
    if (closed && start.plus && !start.open)
        TakeParenthesis(text, from, start);
    const std::size_t scheme = PhoneSchemeBegin(text, from, start.begin);
    start.uri = scheme < start.begin || IsSipUser(text, digit, digits_end);
    start.begin = scheme;
    return start;
}

bool EndsNumber(std::string_view text, std::size_t end) noexcept
{
    if (end == text.size())
        return true;
    const char c = text[end];
    const bool digit_follows = end + 1 < text.size() && IsAsciiDigit(text[end + 1]);
    if (LowerAscii(c) == 'x' ? !digit_follows : HasClass(c, alpha_letter | digit_letter) || c == '_')
        return false;
    if (digit_follows && (c == '-' || c == '.'))
        return false;
    return AddressEnd(text, end) == end;
}

} // namespace callhardening
