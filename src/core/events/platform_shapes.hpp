// The bodies of voice platforms and of telephone exchanges, which programs control.
#pragma once

#include <string_view>

namespace callhardening
{

extern const std::string_view amazon_connect_shape, asterisk_shape, bandwidth_shape, exotel_shape,
    freeswitch_shape, signalwire_shape, telnyx_shape, vonage_shape;

} // namespace callhardening
