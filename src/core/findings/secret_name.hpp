// Names that say that their value is a secret: of members, URL parameters, headers, options of a command.
//
// A grammar of names, not a list. A name is read from its end: a listed word, behind it any number of
// modifiers
// (`_value`, `_confirmation`, `_v2`, a number), before it any owner (`db_`, `sip_`, `user[`). `password`,
// `userPassword2` and `user[old_password_confirmation]` are one name. `has_password` asks, and has no secret.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

enum class MemberClass : unsigned char {
    plain,
    credential, // the value is a secret: password, api_key, x-signature
    link,       // a link that opens what it points to: whoever has it can listen
    media,      // a recording, a voicemail: an address in it is such a link
    address,    // url, href: a link inside of media, else nothing special
};

// What a member is by its name, in any case and with any separators. Never by a substring: `author` and
// `tokenizer` are plain.
MemberClass ClassifyMember(std::string_view name) noexcept;

// The same for a parameter of a URL, where a few short words are secrets too: `key`, `sig`, `code`.
bool IsSecretParameter(std::string_view name) noexcept;

// True where the value goes to the end of its line: `Cookie: a=1; b=2`.
bool IsSecretHeader(std::string_view name) noexcept;

} // namespace callhardening
