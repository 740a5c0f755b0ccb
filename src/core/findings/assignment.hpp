// The name of a secret and its value, in the syntaxes of texts:
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
// A value ends only at the end of its syntax, not at the first odd letter: half a password is worse than
// none.
#pragma once

#include "core/findings/spelling.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

// Names of credentials besides the usual ones: true if `name` is one. None by default.
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

// The value after the `,` at `i`, if a quoted name stands before the comma.
ValueSpan FindListedValue(std::string_view text, std::size_t i, SecretNames names) noexcept;

// The text of an element. The `>` at `i` ends its tag.
ValueSpan FindElementText(std::string_view text, std::size_t i, SecretNames names) noexcept;

// The value of an option. The `-` at `i` begins the option.
ValueSpan FindOptionValue(std::string_view text, std::size_t i, SecretNames names) noexcept;

// The value of the name before `->` at `i`, with spaces around: password -> V
ValueSpan FindPointedValue(const SpelledText &spelled, std::size_t i, SecretNames names) noexcept;

// The value in a statement of SQL. `i` is at the A of PASSWORD 'V' or at the B of IDENTIFIED BY 'V'.
ValueSpan FindStatementValue(std::string_view text, std::size_t i) noexcept;

// True for a date and a time of day: no secret under any name.
bool IsTime(std::string_view value) noexcept;

// The roles of two members in a pair: {"name": "X-Api-Key", "value": "V"}. Their case does not matter.
enum class PairWord : unsigned char { none, name, value };
inline constexpr std::size_t longest_pair_name = 6, longest_pair_word = 7;
PairWord ToPairWord(std::string_view member) noexcept;
inline bool IsPairName(std::string_view member) noexcept
{
    return ToPairWord(member) == PairWord::name;
}

// True if a text may be the name in a pair or before a value in a list.
bool LooksLikeLabel(std::string_view text) noexcept;

// True if the text after a name in a list looks like a value. It may also be the next name: ["password",
// "first_name"]. No text from the sanitizer looks like a value there.
bool LooksLikeListedValue(std::string_view text) noexcept;

// `bearer of news` is prose: a token has a digit, a sign or a capital, or is long.
bool LooksLikeToken(std::string_view text) noexcept;

} // namespace callhardening
