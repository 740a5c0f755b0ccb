// Patterns with `*` in policies and shapes.
#pragma once

#include <cstddef>
#include <string_view>

namespace callhardening
{

// `*` stands for any number of characters. Greedy with one step back: linear for one star, quadratic at
// worst.
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
