// Dialpad's bodies, and those in which integrations carry Dialpad's calls.
#pragma once

#include <string_view>

namespace callhardening
{

extern const std::string_view dialpad_shape;

} // namespace callhardening
