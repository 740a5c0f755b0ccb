// Aircall's traffic.
#pragma once

#include "core/traffic/traffic_provider.hpp"

namespace callhardening
{

extern const TrafficProvider aircall_traffic;

} // namespace callhardening
