// Finds out by a name whether its value is a secret: names of members, URL parameters, headers, options of a
// command.
//
// A grammar of names, not a list. It reads a name from its end: a listed word, any number of modifiers after
// it (`_value`, `_confirmation`, `_v2`, a number) and any owner before it (`db_`, `sip_`, `user[`). So
// `password`, `userPassword2` and `user[old_password_confirmation]` are one name. `has_password` asks a
// question and has no secret.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

enum class MemberClass : unsigned char {
    plain,
    credential, // the value is a secret: password, api_key, x-signature
    link,       // anybody with this link can listen to a recording
    media,      // a recording, a voicemail: an address in it is such a link
    address,    // url, href: a link inside media, else nothing special
};

// The class of a member by its name, in any case and with any separators. A substring alone does not count:
// `author` and `tokenizer` are plain.
MemberClass ClassifyMember(std::string_view name) noexcept;

// The same for a parameter of a URL. There a few short words are secrets too: `key`, `sig`, `code`.
bool IsSecretParameter(std::string_view name) noexcept;

// True if the value extends to the end of its line: `Cookie: a=1; b=2`.
bool IsSecretHeader(std::string_view name) noexcept;

} // namespace callhardening
