// HMAC-SHA256 as the core calls it. The secrets and the cryptography stay on the caller's side.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

inline constexpr std::size_t mac_size = 32;

// HMAC-SHA256 with the key at `key` over `first` followed by `second`. false: no memory. Must not raise a
// PostgreSQL error.
using SignFunction = bool (*)(void *state, std::size_t key, std::string_view first, std::string_view second,
                              unsigned char (&mac)[mac_size]) noexcept;

} // namespace callhardening
