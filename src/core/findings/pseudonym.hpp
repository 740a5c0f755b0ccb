// Pseudonyms: a token replaces a value. Equal values have equal tokens, so a number can be followed without
// storing it.
//
//     pn_KKKKKK_BBBBBBBBBBBBBBBBBBBB_CCCCCCCC        letters a to p, four bits each
//
// K is the key's id. B is the value's HMAC-SHA256 under the key. C is an HMAC over B and shows that one of
// our keys made the token. Without C, the sender of a payload could pass any text off as a token.
#pragma once

#include "core/base/keyed_hash.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace callhardening
{

inline constexpr std::size_t key_id_size = 6;
inline constexpr std::size_t token_size = 3 + key_id_size + 1 + 20 + 1 + 8;

struct KeyId {
    char letters[key_id_size];

    std::string_view text() const noexcept { return {letters, key_id_size}; }
};

// A database's keys and the use of them. The secrets stay on the caller's side.
struct Pseudonyms {
    void *state = nullptr;
    SignFunction sign = nullptr;
    std::span<const KeyId> keys; // the newest first: it makes the new tokens

    bool has_key() const noexcept { return !keys.empty(); }
};

enum class PseudonymKind : unsigned char { phone, address, text };

inline constexpr std::size_t longest_address = 320;
inline constexpr std::size_t most_phone_digits = 15;

// The signed form of a value. For a phone number: its digits, in any notation. For an e-mail or SIP address:
// lower case, without scheme, port and parameters. For any other text: without the white space around it.
struct NormalizedValue {
    PseudonymKind kind;
    std::string_view text; // of the value itself, or of the buffer
};

NormalizedValue NormalizeForPseudonym(std::string_view value, char (&buffer)[longest_address]) noexcept;

// Derives the id of a key from its secret alone, so it is the same on every server. `sign` is called with key
// 0.
bool DeriveKeyId(SignFunction sign, void *state, KeyId &id) noexcept;

// The token of a value, with the current key or a given one. false: no such key, or the signature failed.
bool WriteToken(const Pseudonyms &pseudonyms, std::size_t key, std::string_view value,
                char (&out)[token_size]) noexcept;
inline bool WriteToken(const Pseudonyms &pseudonyms, std::string_view value, char (&out)[token_size]) noexcept
{
    return WriteToken(pseudonyms, 0, value, out);
}

// True if one of these keys made the text as a token.
bool IsToken(const Pseudonyms &pseudonyms, std::string_view text) noexcept;

// True if a text has the form of a key's id, or of a token of any key.
bool IsKeyId(std::string_view text) noexcept;
bool HasTokenForm(std::string_view text) noexcept;

// The start of the next text of that form, at or after `from`. npos: none. It is token_size bytes long.
std::size_t FindTokenForm(std::string_view text, std::size_t from) noexcept;

} // namespace callhardening
