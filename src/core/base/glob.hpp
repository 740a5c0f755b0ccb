// Patterns with `*`, as policies and shapes have them.
#pragma once

#include <cstddef>
#include <string_view>

namespace callhardening
{

// `*` is any number of characters. Greedy with one step back, so linear for one star and quadratic at worst.
constexpr bool MatchesGlob(std::string_view text, std::string_view pattern) noexcept
{
    std::size_t n = 0, p = 0, star = std::string_view::npos, retry = 0;
    while (n < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            retry = n;
        } else if (p < pattern.size() && pattern[p] == text[n]) {
            ++p;
            ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++retry;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

} // namespace callhardening
