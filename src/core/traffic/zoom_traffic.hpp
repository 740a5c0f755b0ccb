// Zoom's traffic.
#pragma once

#include "core/traffic/traffic_provider.hpp"

namespace callhardening
{

extern const TrafficProvider zoom_traffic;

} // namespace callhardening
