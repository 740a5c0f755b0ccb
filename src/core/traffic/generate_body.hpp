// The body of one Dialpad event.
#pragma once

#include "core/traffic/generate_call.hpp"

#include <string>

namespace callhardening
{

// Appends the body that Dialpad sends when `leg` comes to `state` at the time `at`. The arguments decide
// every byte, so a redelivery needs no copy of the first body. May throw bad_alloc.
void WriteCallEvent(const Leg &leg, CallState state, std::int64_t at, std::string &out);

} // namespace callhardening
