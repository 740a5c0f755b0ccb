// Dialpad's traffic: its events are those of the story.
#pragma once

#include "core/traffic/traffic_provider.hpp"

namespace callhardening
{

extern const TrafficProvider dialpad_traffic;

} // namespace callhardening
