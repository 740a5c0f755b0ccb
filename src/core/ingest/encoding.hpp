// Bytes as texts: how signatures and secrets are written. And comparing them.
#pragma once

#include "core/ingest/scheme.hpp"

#include <string>
#include <string_view>

namespace callhardening
{

// All of these may throw bad_alloc.
std::string ToHex(std::string_view bytes);
std::string ToBase64(std::string_view bytes);
std::string EncodeText(std::string_view bytes, TextEncoding encoding);

// Strict, as for base64url: no two texts are the same bytes, but for the padding at the end. false: it is no
// base64.
bool FromBase64(std::string_view text, std::string &bytes);

// The key of a secret in the form in which the provider shows it; a decoded one is in `room`. false: it has
// another form.
bool DecodeSecret(const Scheme &scheme, std::string_view secret, std::string &room, std::string_view &key);

// The time depends on the length of `wanted` only.
bool EqualInConstantTime(std::string_view wanted, std::string_view sent) noexcept;

} // namespace callhardening
