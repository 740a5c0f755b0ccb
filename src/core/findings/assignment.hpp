// A name that says secret, and its value, in the syntaxes in which texts have them:
//
//   password=V  password: V  "password": "V"  password => 'V'  u'V'  `V`  <V>     assignments
//   Cookie: a=1; b=2                                                              header lines
//   {"name": "X-Api-Key", "value": "V"}  <param name="password" value="V"/>       pairs
//   ["X-Api-Key", "V"]                                                            lists of pairs
//   <password>V</password>  <name>password</name><value>V</value>                 elements of XML
//   password: |  and indented lines                                               blocks of YAML
//   --token V  -u user:V                                                          options of a command
//   s:8:"password";s:1:"V"  ["password"]=> string(1) "V"                          what PHP writes
//   form-data; name="password"  an empty line, V                                  parts of a form
//   a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:V                                   keys of calls
//
// A value ends where its syntax ends, and not at the first odd letter: half a password is worse than none.
#pragma once

#include "core/findings/spelling.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// Names of credentials beyond those that everybody uses: true where `name` is one. None by default.
struct SecretNames {
    bool (*is_secret)(const void *state, std::string_view name) noexcept = nullptr;
    const void *state = nullptr;

    bool Has(std::string_view name) const noexcept { return is_secret != nullptr && is_secret(state, name); }
};

constexpr bool IsQuote(char c) noexcept
{
    return c == '"' || c == '\'' || c == '`';
}

struct ValueSpan {
    std::size_t begin;
    std::size_t end;

    bool Found() const noexcept { return begin < end; }
};

// The value of the name before the `:` or `=` at `i`.
ValueSpan FindAssignedValue(const SpelledText &spelled, std::size_t i, SecretNames names) noexcept;

// The value behind the `,` at `i`, where a quoted name stands before it.
ValueSpan FindListedValue(std::string_view text, std::size_t i, SecretNames names) noexcept;

// The text of the element whose tag ends with the `>` at `i`.
ValueSpan FindElementText(std::string_view text, std::size_t i, SecretNames names) noexcept;

// The value of the option that the `-` at `i` begins.
ValueSpan FindOptionValue(std::string_view text, std::size_t i, SecretNames names) noexcept;

// True for a date and a time of day: no secret, whatever its name says.
bool IsTime(std::string_view value) noexcept;

// Members of which one names what the other holds: {"name": "X-Api-Key", "value": "V"}. In any case.
enum class PairWord : unsigned char { none, name, value };
inline constexpr std::size_t longest_pair_name = 6, longest_pair_word = 7;
PairWord ToPairWord(std::string_view member) noexcept;
inline bool IsPairName(std::string_view member) noexcept
{
    return ToPairWord(member) == PairWord::name;
}

// True where a text may be a name, as the one of a pair or the one before a value in a list.
bool LooksLikeLabel(std::string_view text) noexcept;

// In a list, what stands behind a name may be the next name: ["password", "first_name"]. Nothing that the
// sanitizer writes looks like a value there.
bool LooksLikeListedValue(std::string_view text) noexcept;

// `bearer of news` is prose: a token has a digit, a sign or a capital in it, or is long.
bool LooksLikeToken(std::string_view text) noexcept;

} // namespace callhardening
