// Pseudonyms: a token in the place of a value, equal for equal values, so that a number can be followed
// without being stored.
//
//     pn_KKKKKK_BBBBBBBBBBBBBBBBBBBB_CCCCCCCC        letters a to p, four bits each
//
// K is the key's id, B the value's HMAC-SHA256 under the key, C an HMAC over B by which the token is known
// again as one of ours: without it, whoever sends a payload could have any text passed through as a token.
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

// The keys of a database, by what can be done with them; the secrets stay on the caller's side.
struct Pseudonyms {
    void *state = nullptr;
    SignFunction sign = nullptr;
    std::span<const KeyId> keys; // the newest first: it is the one that new tokens are made with

    bool has_key() const noexcept { return !keys.empty(); }
};

enum class PseudonymKind : unsigned char { phone, address, text };

inline constexpr std::size_t longest_address = 320;
inline constexpr std::size_t most_phone_digits = 15;

// What is signed: the digits of a phone number however they were written, an e-mail or SIP address without
// scheme, port and parameters in lower case, any other text without the white space around it.
struct NormalizedValue {
    PseudonymKind kind;
    std::string_view text; // of the value itself, or of the buffer
};

NormalizedValue NormalizeForPseudonym(std::string_view value, char (&buffer)[longest_address]) noexcept;

// The id that a key has by its secret alone, so that it is the same wherever the key is brought to. `sign` is
// given key 0.
bool DeriveKeyId(SignFunction sign, void *state, KeyId &id) noexcept;

// The token of a value, with the current key or with any; false: no such key, or it could not sign.
bool WriteToken(const Pseudonyms &pseudonyms, std::size_t key, std::string_view value,
                char (&out)[token_size]) noexcept;
inline bool WriteToken(const Pseudonyms &pseudonyms, std::string_view value, char (&out)[token_size]) noexcept
{
    return WriteToken(pseudonyms, 0, value, out);
}

// True where the text is a token that one of these keys has made.
bool IsToken(const Pseudonyms &pseudonyms, std::string_view text) noexcept;

// True where a text has the form of the id of a key, or of a token, whoever made it.
bool IsKeyId(std::string_view text) noexcept;
bool HasTokenForm(std::string_view text) noexcept;

// Where the next text of that form begins, at or after `from`; npos: nowhere. It is token_size bytes long.
std::size_t FindTokenForm(std::string_view text, std::size_t from) noexcept;

} // namespace callhardening
