// Generates webhook traffic: the bodies of a company's calls, in the order of delivery.
#pragma once

#include "core/traffic/traffic_provider.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace callhardening
{

// The same calls, seed and provider give the same bytes on every build. Memory holds only the calls in
// progress at one moment of the day.
class CallTraffic
{
public:
    static constexpr std::int32_t max_calls = 10000000;

    enum class Step : unsigned char { item, end, out_of_memory };

    // nullptr: no memory. `calls` is the number of call ids, 0 .. max_calls.
    static CallTraffic *Start(std::int32_t calls, std::int32_t seed,
                              const TrafficProvider &provider) noexcept;

    // Step::item: the next delivery, valid until the next call. After out_of_memory the object can only be
    // deleted.
    Step Next(std::string_view &body) noexcept;

    // The same for the next call: its receiver must see these facts in the end. One object gives either
    // bodies or facts.
    Step NextFacts(const CallFacts *&facts) noexcept;

private:
    // A leg with undelivered events.
    struct Slot {
        Leg leg;
        std::uint32_t pending;
    };
    struct Delivery {
        std::int64_t delivered_at;
        std::int64_t number; // in the order of planning: breaks ties alike everywhere
        std::int64_t event_at;
        std::uint32_t slot;
        EventKind kind;

        // std::push_heap keeps the greatest in front. This order makes the earliest the greatest.
        bool operator<(const Delivery &other) const noexcept
        {
            return delivered_at != other.delivered_at ? delivered_at > other.delivered_at
                                                      : number > other.number;
        }
    };

    CallTraffic(std::int32_t calls, std::int32_t seed, const TrafficProvider &provider) noexcept;

    void PlanNextCall();
    void FindNextStart();
    void Schedule(const PlannedEvent &event, std::uint32_t slot);
    void Deliver(const PlannedEvent &event, std::uint32_t slot, std::int64_t delivered_at);
    std::uint32_t TakeSlot(const Leg &leg);
    void WriteNextBody();
    void DescribeNextCall();

    const TrafficProvider &provider_;
    std::int32_t calls_;
    std::int32_t planned_ = 0;
    CallIds ids_;
    WorkingDays days_;
    Random random_;
    std::int64_t next_start_ = 0;
    std::int64_t deliveries_ = 0;
    PlannedCall call_;
    bool is_end_lost_[max_legs_of_call] = {};
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::vector<Delivery> heap_;
    std::vector<CallFacts> facts_;
    std::size_t described_ = 0; // of facts_
    std::string body_;
};

} // namespace callhardening
