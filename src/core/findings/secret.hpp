// What is a secret in a text, whatever a policy says: precedence 1 of the sanitizer.
#pragma once

#include "core/findings/assignment.hpp"
#include "core/findings/secret_name.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// Stands where a secret stood. Never a secret itself, so that a second pass leaves it alone.
inline constexpr std::string_view secret_marker = "[secret]";

// Ends a text that was cut (U+2026).
inline constexpr std::string_view cut_marker = "\xE2\x80\xA6";

// Bytes [begin, end) of a text that have to go, and what takes their place.
struct SecretSpan {
    std::size_t begin;
    std::size_t end;
    std::string_view replacement; // may be a part of the text

    bool Found() const noexcept { return begin < end; }
};

// False for most texts: no letter shows that a secret or an escape may be there.
bool MayHaveSecret(std::string_view text) noexcept;

// The next secret of `spelled` at or after `from`. A secret that shows itself at `until` or later is not
// looked for; one that begins before is found to its end. `only_hosts` leaves nothing of a URL but scheme and
// host. With `escape`, the search ends where an escape may begin, and says so: most texts have none, and are
// read once.
SecretSpan FindSecret(const SpelledText &spelled, std::size_t from, std::size_t until, bool only_hosts,
                      SecretNames names = {}, bool *escape = nullptr) noexcept;

} // namespace callhardening
