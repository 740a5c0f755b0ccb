// Finds e-mail addresses, and the addresses of SIP users: they have the same form.
#pragma once

#include "core/detectors/detector.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

inline constexpr std::size_t longest_local = 64; // the part before the @

// The size of the sign between user and host, also encoded as in forms. 0: none.
std::size_t AtSize(std::string_view text, std::size_t i) noexcept;

// The end of the address, with any host, around the letters from `i` on. `i`: they belong to no address.
std::size_t AddressEnd(std::string_view text, std::size_t i) noexcept;

// The same for a@b.com@c.com: the next search would find the rest after the first address.
std::size_t LastAddressEnd(std::string_view text, std::size_t end) noexcept;

// The address around the `@` at `at`. It does not begin before `from`.
Detection FindAddress(std::string_view text, std::size_t at, std::size_t from) noexcept;

} // namespace callhardening
