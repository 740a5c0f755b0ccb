// Twilio's traffic.
#pragma once

#include "core/traffic/traffic_provider.hpp"

namespace callhardening
{

extern const TrafficProvider twilio_traffic;

} // namespace callhardening
