// The bodies of providers that send forms. All members of a form are texts.
#pragma once

#include <string_view>

namespace callhardening
{

extern const std::string_view exotel_shape, plivo_shape, signalwire_shape, twilio_shape;

} // namespace callhardening
