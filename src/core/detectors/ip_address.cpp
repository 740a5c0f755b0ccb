#include "core/detectors/ip_address.hpp"

#include "core/detectors/letters.hpp"

namespace callhardening
{

namespace
{

constexpr std::string_view version_words[] = {"firmware", "release", "ver", "version"};

constexpr bool IsHexDigit(char c) noexcept
{
    return IsAsciiDigit(c) || (LowerAscii(c) >= 'a' && LowerAscii(c) <= 'f');
}

// The size of the colons between two groups of an address. 0: no group follows.
std::size_t ColonsSize(std::string_view text, std::size_t i) noexcept
{
    if (i + 1 >= text.size() || text[i] != ':')
        return 0;
    return text[i + 1] == ':' ? 2 : IsHexDigit(text[i + 1]) ? 1 : 0;
}

// The end of eight groups of up to four hexadecimal digits, or of fewer with one `::`. `begin`: none. At
// least one digit is no letter, so a::b in a program is no address.
std::size_t Ipv6End(std::string_view text, std::size_t begin) noexcept
{
    constexpr int all_groups = 8;
    constexpr std::size_t longest = 4;
    int groups = 0;
    bool skipped = text.substr(begin).starts_with("::"), digit = false;
    std::size_t i = begin + (skipped ? 2 : 0);
    while (groups < all_groups) {
        const std::size_t group = i;
        for (; i < text.size() && i - group <= longest && IsHexDigit(text[i]); ++i)
            digit = digit || IsAsciiDigit(text[i]);
        if (i - group > longest)
            return begin;
        if (i == group)
            break;
        ++groups;
        const std::size_t colons = ColonsSize(text, i);
        if (colons == 0)
            break;
        if (colons == 2 && skipped)
            return begin;
        skipped = skipped || colons == 2;
        i += colons;
    }
    return digit && groups > 0 && (groups == all_groups) != skipped ? i : begin;
}

constexpr bool IsIpv6Letter(char c) noexcept
{
    return IsHexDigit(c) || c == ':';
}

// False for most digits: they stand beside other letters.
bool MayBelongToIp(std::string_view text, std::size_t i, std::size_t digits_end, std::size_t from) noexcept
{
    return (digits_end < text.size() && (text[digits_end] == '.' || IsIpv6Letter(text[digits_end]))) ||
           (i > from && IsIpv6Letter(text[i - 1]));
}

// The begin of the hexadecimal digits and colons around `i`, without a single colon before them.
std::size_t Ipv6Begin(std::string_view text, std::size_t i, std::size_t from) noexcept
{
    constexpr std::size_t longest = 39;
    std::size_t begin = i;
    while (begin > from && i - begin < longest && IsIpv6Letter(text[begin - 1]))
        --begin;
    const bool is_single = begin < i && text[begin] == ':' && (begin + 1 == i || text[begin + 1] != ':');
    return begin + is_single;
}

// The letter after an address begins nothing by itself, so the asterisks of the mask do not make it a number.
// After an address with colons no other colon follows. If its last letter is a colon, no asterisk follows: it
// may be a mask.
bool EndsIp(std::string_view text, std::size_t end, bool colons) noexcept
{
    if (end == text.size())
        return true;
    const char c = text[end], next = end + 1 < text.size() ? text[end + 1] : ' ';
    if (c == '.')
        return !HasClass(next, alpha_letter | digit_letter);
    if (c == ':')
        return colons ? next == ' ' : next != ':';
    const bool may_go_on = c == '*' && text[end - 1] == ':';
    return !may_go_on && c != '(' && c != '@' && c != '\\' && !HasClass(c, joint_letter | label_letter);
}

} // namespace

std::size_t Ipv4End(std::string_view text, std::size_t begin) noexcept
{
    std::size_t i = begin;
    for (int part = 0; part < 4; ++part) {
        if (part > 0 && (i == text.size() || text[i++] != '.'))
            return begin;
        const std::size_t end = RunEnd(text.substr(0, i + 4), i, digit_letter), size = end - i;
        unsigned value = 0;
        for (std::size_t k = i; k < end; ++k)
            value = value * 10 + static_cast<unsigned>(text[k] - '0');
        if (size == 0 || size > 3 || value > 255 || (size > 1 && text[i] == '0'))
            return begin;
        i = end;
    }
    return i;
}

Detection FindIp(std::string_view text, std::size_t i, std::size_t digits_end, std::size_t from) noexcept
{
    if (!MayBelongToIp(text, i, digits_end, from))
        return no_detection;
    std::size_t begin = i, end = Ipv4End(text, i);
    const bool colons = end == i;
    if (colons) {
        begin = Ipv6Begin(text, i, from);
        end = Ipv6End(text, begin);
        // The rest of a masked number is no part of an address.
        if (end <= i || (begin > 0 && text[begin - 1] == '*'))
            return no_detection;
    }
    const bool found = MayBegin(text, begin) && EndsIp(text, end, colons) &&
                       (colons || !FollowsWord(text, from, begin, version_words));
    return found ? Detection{begin, end, Detector::ip} : no_detection;
}

} // namespace callhardening
