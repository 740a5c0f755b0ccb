// What differs between the providers of made-up traffic: a call's events, their delivery, and their bodies.
#pragma once

#include "core/traffic/generate_call.hpp"
#include "core/words/status.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace callhardening
{

// A call as its receiver must see it in the end. It comes from the story of the call, never from a body.
struct CallFacts {
    std::string call_id;
    Status status = Status::none;
    Direction direction = Direction::unknown; // unknown: the provider does not tell
    std::int64_t started = 0;                 // milliseconds since the epoch, 0: never, or nobody tells
    std::int64_t connected = 0;
    std::int64_t ended = 0;
    std::int64_t duration = -1; // seconds, as the provider counts them; -1: nobody tells
};

// The deliveries of one event: none, one or two.
struct DeliveryTimes {
    std::int64_t at[2];
    int count = 0;

    void Add(std::int64_t time) noexcept { at[count++] = time; }
};

struct TrafficProvider {
    std::string_view name;
    bool has_id_per_leg;     // false: all legs of a call have one call id
    std::uint32_t lost_ends; // of 10,000 legs
    bool (*is_end)(EventKind);
    // Puts the legs and the events of the story into the provider's terms.
    void (*tell)(PlannedCall &call, Random &random);
    DeliveryTimes (*deliver)(const Leg &leg, const PlannedEvent &event, Random &random);
    // Appends the body. The arguments decide every byte, so a redelivery needs no copy of the first body.
    void (*write)(const Leg &leg, EventKind kind, std::int64_t at, std::string &out);
    // Appends the facts of a told call. `is_end_lost` has an element for each leg.
    void (*describe)(const PlannedCall &call, const bool *is_end_lost, std::vector<CallFacts> &facts);
};

// nullptr: there is no made-up traffic of this provider. "Zoom Phone" is "zoom_phone".
const TrafficProvider *FindTrafficProvider(std::string_view name) noexcept;

// "dialpad, twilio, ...", for an error message.
std::string_view TrafficProviderNames() noexcept;

// A network's delay: mostly short, sometimes long enough to swap two events of one second.
inline std::int64_t Latency(Random &random) noexcept
{
    return random.Chance(500) ? random.Between(300, 2500) : random.Between(60, 250);
}

} // namespace callhardening
