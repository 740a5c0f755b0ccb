// The names of call providers.
#pragma once

#include "core/base/core.hpp"

#include <string_view>

namespace callhardening
{

// True where the vocabulary has words of this provider ("Zoom Phone" and "zoom_phone" are one).
bool IsKnownProvider(std::string_view provider) noexcept;

// The provider that a name was probably meant to be, as the vocabulary spells it; empty where none is near.
std::string_view NearestProvider(std::string_view name) noexcept;

} // namespace callhardening
