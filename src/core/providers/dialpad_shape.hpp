// The shape of Dialpad's bodies, and of integrations' bodies with Dialpad's calls.
#pragma once

#include <string_view>

namespace callhardening
{

extern const std::string_view dialpad_shape;

} // namespace callhardening
