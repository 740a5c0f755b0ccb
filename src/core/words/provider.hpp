// The names of call providers.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

// In the place of a provider: a calls table with the calls of several providers. Words have their general
// meaning there, and each call id begins with its provider.
inline constexpr std::string_view several_providers = "*";

// True if the vocabulary has words of this provider ("Zoom Phone" and "zoom_phone" are one).
bool IsKnownProvider(std::string_view provider) noexcept;

// The provider in the vocabulary's spelling. Empty if it has none of its words.
std::string_view KnownProvider(std::string_view provider) noexcept;

// The provider probably meant by a name, in the vocabulary's spelling. Empty if no name is near.
std::string_view NearestProvider(std::string_view name) noexcept;

} // namespace callhardening
