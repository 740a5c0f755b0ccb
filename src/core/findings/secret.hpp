// Finds secrets in a text under any policy: precedence 1 of the sanitizer.
#pragma once

#include "core/findings/assignment.hpp"
#include "core/findings/secret_name.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// Replaces a secret. It is no secret itself, so a second pass leaves it alone.
inline constexpr std::string_view secret_marker = "[secret]";

// Ends a cut text (U+2026).
inline constexpr std::string_view cut_marker = "\xE2\x80\xA6";

// The bytes [begin, end) of a text to remove, and their replacement.
struct SecretSpan {
    std::size_t begin;
    std::size_t end;
    std::string_view replacement; // may be a part of the text

    bool Found() const noexcept { return begin < end; }
};

// False for most texts: no letter hints at a secret or an escape.
bool MayHaveSecret(std::string_view text) noexcept;

// The next secret of `spelled` at or after `from`. It has to show itself before `until`, and is found to its
// end. `only_hosts` leaves only scheme and host of a URL. With `escape`, the search ends at a possible escape
// and sets the flag: most texts have none and are read once.
SecretSpan FindSecret(const SpelledText &spelled, std::size_t from, std::size_t until, bool only_hosts,
                      SecretNames names = {}, bool *escape = nullptr) noexcept;

} // namespace callhardening
