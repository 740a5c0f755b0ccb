#include "core/json/number.hpp"

#include "pg/sanitizer/numeric.hpp"

#include <algorithm>
#include <cstring>

namespace callhardening
{

namespace
{

// A number consists of groups of four decimal digits, each below 10000: the sum of group[i] * 10000 ^ (weight
// - i). Groups of zeros are missing at both ends. `scale` is the number of printed digits after the point.
struct Parts {
    const int16 *groups;
    const int16 *end;
    int weight;
    int scale;
    bool negative;
};

constexpr int digits_per_group = 4;
constexpr int powers_of_ten[digits_per_group] = {1, 10, 100, 1000};

constexpr uint16 short_format = 0x8000;
constexpr uint16 long_negative = 0x4000;
constexpr uint16 short_negative = 0x2000;
constexpr int short_scale_shift = 7;
constexpr uint16 short_scale = 0x1F80;
constexpr uint16 long_scale = 0x3FFF;
constexpr uint16 short_weight = 0x3F;
constexpr uint16 short_weight_sign = 0x40;

Parts take_apart(Numeric number) noexcept
{
    const auto *words = reinterpret_cast<const int16 *>(VARDATA(number));
    const auto *end =
        reinterpret_cast<const int16 *>(reinterpret_cast<const char *>(number) + VARSIZE(number));
    const auto header = static_cast<uint16>(words[0]);
    if ((header & short_format) != 0)
        return {words + 1, end, (header & short_weight) - (header & short_weight_sign),
                (header & short_scale) >> short_scale_shift, (header & short_negative) != 0};
    return {words + 2, end, words + 1 < end ? words[1] : 0, header & long_scale,
            (header & long_negative) != 0};
}

int digits_of(int group) noexcept
{
    return 1 + (group >= 10 ? 1 : 0) + (group >= 100 ? 1 : 0) + (group >= 1000 ? 1 : 0);
}

} // namespace

size_t printed_length(Numeric number) noexcept
{
    const Parts parts = take_apart(number);
    int whole = 1;
    if (parts.groups < parts.end && parts.weight >= 0)
        whole = parts.weight * digits_per_group + digits_of(parts.groups[0]);
    return static_cast<size_t>((parts.negative ? 1 : 0) + whole + (parts.scale > 0 ? parts.scale + 1 : 0));
}

void print_number(Numeric number, char *out) noexcept
{
    const Parts parts = take_apart(number);
    const int count = static_cast<int>(parts.end - parts.groups);
    // The digit for 10 ^ exponent.
    const auto digit = [&parts, count](int exponent) {
        const int power = exponent & (digits_per_group - 1);
        const int group = parts.weight - (exponent - power) / digits_per_group;
        const int value = group >= 0 && group < count ? parts.groups[group] : 0;
        return static_cast<char>('0' + value / powers_of_ten[power] % 10);
    };
    if (parts.negative)
        *out++ = '-';
    int exponent = 0;
    if (count > 0 && parts.weight >= 0)
        exponent = parts.weight * digits_per_group + digits_of(parts.groups[0]) - 1;
    for (; exponent >= 0; --exponent)
        *out++ = digit(exponent);
    if (parts.scale > 0)
        *out++ = '.';
    for (; exponent >= -parts.scale; --exponent)
        *out++ = digit(exponent);
}

namespace
{

constexpr size_t most_groups = longest_number / digits_per_group + 2;

// Splits `digits` into groups; `whole` of the digits are before the point. Returns the groups' end.
int16 *read_groups(std::string_view digits, int whole, int16 *groups) noexcept
{
    int group = 0;
    int exponent = whole - 1;
    for (const char c : digits) {
        if (c == '.')
            continue;
        group = group * 10 + (c - '0');
        if (exponent % digits_per_group == 0) {
            *groups++ = static_cast<int16>(group);
            group = 0;
        }
        --exponent;
    }
    const int missing = (exponent + 1) & (digits_per_group - 1);
    if (missing > 0)
        *groups++ = static_cast<int16>(group * powers_of_ten[missing]);
    return groups;
}

} // namespace

size_t written_size(size_t printed) noexcept
{
    constexpr size_t headers = VARHDRSZ + 2 * sizeof(int16), partial_groups = 2;
    return headers + sizeof(int16) * (printed / digits_per_group + partial_groups);
}

char *write_number(std::string_view text, char *out) noexcept
{
    Assert(text.size() <= longest_number);
    const bool minus = text.starts_with('-');
    const std::string_view digits = text.substr(minus ? 1 : 0);
    const size_t whole = std::min(digits.find('.'), digits.size());
    const size_t scale = digits.size() - std::min(whole + 1, digits.size());
    int16 groups[most_groups];
    const int16 *end = read_groups(digits, static_cast<int>(whole), groups);
    const int16 *first = groups;
    int weight = (static_cast<int>(whole) - 1) / digits_per_group;
    for (; first < end && *first == 0; ++first)
        --weight;
    while (first < end && end[-1] == 0)
        --end;
    const bool zero = first == end;
    const unsigned header = short_format | (minus && !zero ? short_negative : 0u) |
                            static_cast<unsigned>(scale) << short_scale_shift |
                            (zero ? 0u : static_cast<unsigned>(weight) & (short_weight | short_weight_sign));
    const auto header_word = static_cast<uint16>(header);
    const size_t size = static_cast<size_t>(end - first) * sizeof(int16);
    std::memcpy(out + VARHDRSZ, &header_word, sizeof(header_word));
    std::memcpy(out + VARHDRSZ + sizeof(header_word), first, size);
    SET_VARSIZE(out, VARHDRSZ + sizeof(header_word) + size);
    return out + VARHDRSZ + sizeof(header_word) + size;
}

} // namespace callhardening
