// The bodies of voice platforms and telephone exchanges under the control of programs.
#pragma once

#include <string_view>

namespace callhardening
{

extern const std::string_view amazon_connect_shape, asterisk_shape, bandwidth_shape, freeswitch_shape,
    telnyx_shape, vonage_shape;

} // namespace callhardening
