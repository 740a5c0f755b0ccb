#include "core/json/number.hpp"

#include <algorithm>
#include <charconv>

namespace callhardening
{

namespace
{

// The digits of a number. `point` is the position of the decimal point among them.
struct Digits {
    std::string_view whole;
    std::string_view fraction;
    long long point;

    long long count() const noexcept { return static_cast<long long>(whole.size() + fraction.size()); }
    char at(long long i) const noexcept
    {
        const auto index = static_cast<std::size_t>(i);
        if (i < 0 || i >= count())
            return '0';
        return index < whole.size() ? whole[index] : fraction[index - whole.size()];
    }
    // count() if all are 0.
    long long first() const noexcept
    {
        const std::size_t in_whole = whole.find_first_not_of('0');
        if (in_whole != std::string_view::npos)
            return static_cast<long long>(in_whole);
        return static_cast<long long>(whole.size() +
                                      std::min(fraction.find_first_not_of('0'), fraction.size()));
    }
};

Digits ReadDigits(std::string_view number, std::size_t e) noexcept
{
    const std::size_t dot = std::min(number.find('.'), e);
    const std::size_t sign = e + 1 < number.size() && number[e + 1] == '+' ? 1 : 0;
    int exponent = 0;
    if (e < number.size())
        std::from_chars(number.data() + e + 1 + sign, number.data() + number.size(), exponent);
    return {number.substr(0, dot), dot < e ? number.substr(dot + 1, e - dot - 1) : std::string_view{},
            static_cast<long long>(dot) + exponent};
}

PrintedNumber Clip(std::string_view text, std::span<char> room) noexcept
{
    return {text.size() > room.size() ? std::string_view{} : text, text.size()};
}

void WriteDigits(const Digits &digits, long long begin, long long end, char *out) noexcept
{
    for (long long i = begin; i < end; ++i) {
        if (i == digits.point)
            *out++ = '.';
        *out++ = digits.at(i);
    }
}

std::size_t ExponentAt(std::string_view number) noexcept
{
    const auto *const sign =
        std::find_if(number.begin(), number.end(), [](char c) { return c == 'e' || c == 'E'; });
    return static_cast<std::size_t>(sign - number.begin());
}

} // namespace

PrintedNumber PrintNumber(std::string_view number, std::span<char> room) noexcept
{
    const bool negative = number.starts_with('-');
    const std::string_view plain = number.substr(negative ? 1 : 0);
    const std::size_t e = ExponentAt(plain);
    if (e == plain.size() && plain.front() != '0') // as nearly all numbers are
        return Clip(number, room);
    const Digits digits = ReadDigits(plain, e);
    const bool zero = digits.first() == digits.count();
    if (e == plain.size())
        return Clip(zero ? plain : number, room);
    const long long whole = zero ? 1 : std::max(1LL, digits.point - digits.first());
    const long long fraction = std::max(0LL, digits.count() - digits.point);
    const bool minus = negative && !zero;
    const auto length = static_cast<std::size_t>((minus ? 1 : 0) + whole + (fraction > 0 ? fraction + 1 : 0));
    if (length > room.size())
        return {{}, length};
    room[0] = '-';
    WriteDigits(digits, digits.point - whole, digits.point + fraction, room.data() + (minus ? 1 : 0));
    return {{room.data(), length}, length};
}

} // namespace callhardening
