// The signature schemes of known providers.
#pragma once

#include "core/ingest/scheme.hpp"

#include <span>
#include <string_view>

namespace callhardening
{

struct BuiltInScheme {
    std::string_view name;
    std::string_view provider; // empty: of no single provider
    std::string_view json;

    // The first scheme of a provider is named like it. A log uses it if it names no other one.
    bool IsDefault() const noexcept { return name == provider; }
};

std::span<const BuiltInScheme> BuiltInSchemes() noexcept;

// nullptr: there is no scheme with this name. "Zoom Phone" is "zoom_phone".
const BuiltInScheme *FindBuiltInScheme(std::string_view name) noexcept;

// The scheme, compiled at the first call and kept until the process ends. nullptr: no memory.
const Scheme *CompiledScheme(const BuiltInScheme &scheme) noexcept;

} // namespace callhardening
