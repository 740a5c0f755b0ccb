// What is a secret in a payload, whatever a policy says: precedence 1 of the sanitizer.
#pragma once

#include "core/core.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// Stands where a secret stood. Never a secret itself, so that a second pass leaves it alone.
inline constexpr std::string_view secret_marker = "[secret]";

// Ends a text that was cut (U+2026).
inline constexpr std::string_view cut_marker = "\xE2\x80\xA6";

enum class MemberClass : unsigned char {
    plain,
    credential, // the value is a secret: password, api_key, x-signature
    link,       // a link that opens what it points to: whoever has it can listen
    media,      // a recording, a voicemail: an address in it is such a link
    address,    // url, href: a link inside of media, else nothing special
};

// What a member is by its name: exactly or by its end, after lower-casing and without `_`, `-` and space.
// Never by a substring, so that `author` and `tokenizer` are plain.
MemberClass ClassifyMember(std::string_view name) noexcept;

// Bytes [begin, end) of a text that have to go, and what takes their place.
struct SecretSpan {
    std::size_t begin;
    std::size_t end;
    std::string_view replacement; // may be a part of the text

    bool Found() const noexcept { return begin < end; }
};

// Names of credentials beyond those that everybody uses: true where `name` is one. None by default.
struct SecretNames {
    bool (*is_secret)(const void *state, std::string_view name) noexcept = nullptr;
    const void *state = nullptr;

    bool Has(std::string_view name) const noexcept { return is_secret != nullptr && is_secret(state, name); }
};

// The next secret of `text` at or after `from`. A secret that shows itself at `until` or later is not looked
// for; one that begins before is found to its end. `only_hosts` leaves nothing of a URL but scheme and host.
SecretSpan FindSecret(std::string_view text, std::size_t from, std::size_t until, bool only_hosts,
                      SecretNames names = {}) noexcept;

} // namespace callhardening
