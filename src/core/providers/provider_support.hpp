// The support for each call provider.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

struct ProviderSupport {
    std::string_view provider;
    bool words = false;       // the meanings of its words for directions and statuses
    bool shape = false;       // the paths of values in its events
    bool signature = false;   // the scheme of its signatures
    bool integer_ids = false; // the ids of its calls and users always are integers below 2^63
};

std::size_t ProviderCount() noexcept;

// By number, in the order of names.
ProviderSupport SupportOfProvider(std::size_t number) noexcept;

// True if the ids of its calls and users are documented as integers below 2^63.
bool HasIntegerIds(std::string_view provider) noexcept;

// True if events of this provider can be read.
bool HasEventShape(std::string_view provider) noexcept;

} // namespace callhardening
