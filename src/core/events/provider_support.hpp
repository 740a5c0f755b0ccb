// What is known of each call provider.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <string_view>

namespace callhardening
{

struct ProviderSupport {
    std::string_view provider;
    bool words = false;     // what its words for directions and statuses mean
    bool shape = false;     // where its events have each value
    bool signature = false; // how it signs them
};

std::size_t ProviderCount() noexcept;

// By number, in the order of names.
ProviderSupport SupportOfProvider(std::size_t number) noexcept;

// True where events of this provider can be read.
bool HasEventShape(std::string_view provider) noexcept;

} // namespace callhardening
