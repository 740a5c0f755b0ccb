// Possible numbers: groups of digits with one separator between them, and the signs at both ends. Phone
// numbers, cards and social security numbers are written like this.
#pragma once

#include "core/base/core.hpp"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string_view>

namespace callhardening
{

inline constexpr std::size_t most_groups = 8;

// Of a phone number. E.164 has the upper bound.
inline constexpr std::size_t fewest_digits = 7, most_digits = 15;

struct Group {
    std::size_t begin;
    std::size_t end;
    char separator; // before it: ' ' - . / )
    bool open;      // it is in a parenthesis

    std::size_t size() const noexcept { return end - begin; }
};

// A possible number: groups of digits with one separator between them.
struct Groups {
    std::string_view text;
    Group group[most_groups];
    std::size_t count;

    char digit(std::size_t g, std::size_t i) const noexcept { return text[group[g].begin + i]; }
    bool HasSizes(std::size_t first, std::initializer_list<std::size_t> sizes) const noexcept
    {
        if (first + sizes.size() > count)
            return false;
        return std::equal(sizes.begin(), sizes.end(), group + first,
                          [](std::size_t size, const Group &g) { return size == g.size(); });
    }
};

// The size of the separator at `i`. 0: none. `separator` is what it counts as: space, hyphen, dot or slash.
std::size_t OneSeparator(std::string_view text, std::size_t i, char &separator) noexcept;

// The groups from the digit at `begin` on. `open`: it is in a parenthesis.
Groups ReadGroups(std::string_view text, std::size_t begin, bool open) noexcept;

// What stands before the first digit.
struct NumberStart {
    std::size_t begin; // with sign and scheme
    bool plus;
    bool uri;  // with a scheme, or the user of an address
    bool open; // in a parenthesis
};

// The start of the digits in [digit, digits_end), not before `from`.
NumberStart FindStart(std::string_view text, std::size_t digit, std::size_t digits_end,
                      std::size_t from) noexcept;

// A number ends if no letter follows and no further group is joined to it. This excludes parts of dates and
// versions. 555-0100x12 has an extension.
bool EndsNumber(std::string_view text, std::size_t end) noexcept;

} // namespace callhardening
