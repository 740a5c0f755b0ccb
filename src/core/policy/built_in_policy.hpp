// The policies that callhardening brings along, as documents in the language that everybody writes.
#pragma once

#include "core/policy/policy.hpp"

#include <string_view>

namespace callhardening
{

// The document of a built-in policy; empty where there is none of that name.
std::string_view BuiltInPolicy(std::string_view name) noexcept;

// Their names, for a message.
inline constexpr std::string_view built_in_policies = "default, size_only, strict";

// The policy `default`, compiled at the first call and kept for the life of the process. nullptr: no memory.
const Policy *DefaultPolicy() noexcept;

} // namespace callhardening
