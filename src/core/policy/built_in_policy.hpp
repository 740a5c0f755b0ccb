// The built-in policies, as documents in the language of all policies.
#pragma once

#include "core/policy/policy.hpp"

#include <string_view>

namespace callhardening
{

// The document of a built-in policy. Empty if none has this name.
std::string_view BuiltInPolicy(std::string_view name) noexcept;

// Their names, for a message.
inline constexpr std::string_view built_in_policies = "default, size_only, strict";

// The policy `default`. The first call compiles it, and it stays until the process ends. nullptr: no memory.
const Policy *DefaultPolicy() noexcept;

} // namespace callhardening
