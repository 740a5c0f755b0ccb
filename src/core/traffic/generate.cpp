#include "core/traffic/generate.hpp"

#include <algorithm>
#include <new>

namespace callhardening
{

CallTraffic *CallTraffic::Start(std::int32_t calls, std::int32_t seed,
                                const TrafficProvider &provider) noexcept
{
    return new (std::nothrow) CallTraffic(calls, seed, provider);
}

CallTraffic::CallTraffic(std::int32_t calls, std::int32_t seed, const TrafficProvider &provider) noexcept
    : provider_(provider), calls_(calls), ids_(DeriveSeed(static_cast<std::uint64_t>(seed), 1)), days_(calls),
      random_(DeriveSeed(static_cast<std::uint64_t>(seed), 2))
{
    FindNextStart();
}

CallTraffic::Step CallTraffic::Next(std::string_view &body) noexcept
{
    try {
        // No event is delivered before its call begins, so calls with a later start can wait.
        while (planned_ < calls_ && (heap_.empty() || next_start_ <= heap_.front().delivered_at))
            PlanNextCall();
        if (heap_.empty())
            return Step::end;
        WriteNextBody();
        body = body_;
        return Step::item;
    } catch (...) {
        return Step::out_of_memory;
    }
}

CallTraffic::Step CallTraffic::NextFacts(const CallFacts *&facts) noexcept
{
    try {
        if (described_ == facts_.size() && planned_ < calls_)
            DescribeNextCall();
        if (described_ == facts_.size())
            return Step::end;
        facts = &facts_[described_++];
        return Step::item;
    } catch (...) {
        return Step::out_of_memory;
    }
}

// Bodies and facts are of the same calls: planning takes the same random numbers for both.
void CallTraffic::DescribeNextCall()
{
    facts_.clear();
    described_ = 0;
    slots_.clear();
    free_slots_.clear();
    heap_.clear();
    PlanNextCall();
    provider_.describe(call_, is_end_lost_, facts_);
}

void CallTraffic::PlanNextCall()
{
    const std::int32_t most_legs = provider_.has_id_per_leg ? calls_ - planned_ : max_legs_of_call;
    PlanCall(next_start_, most_legs, random_, ids_, call_);
    if (provider_.tell != nullptr)
        provider_.tell(call_, random_);
    std::uint32_t slot_of[max_legs_of_call];
    for (std::size_t i = 0; i < call_.legs.size(); ++i) {
        slot_of[i] = TakeSlot(call_.legs[i]);
        // A blocked call has only its end as an event.
        is_end_lost_[i] =
            random_.Chance(provider_.lost_ends) && (call_.legs[i].rang != 0 || call_.legs[i].connected != 0);
    }
    for (const PlannedEvent &event : call_.events)
        if (!is_end_lost_[event.leg] || !provider_.is_end(event.kind))
            Schedule(event, slot_of[event.leg]);

    planned_ += provider_.has_id_per_leg ? static_cast<std::int32_t>(call_.legs.size()) : 1;
    FindNextStart();
}

void CallTraffic::FindNextStart()
{
    constexpr auto share = WorkingDays::positions_per_call;
    if (planned_ < calls_)
        next_start_ = days_.StartOf(planned_ * share + random_.Below(share));
}

// The faults of the network and the provider: events come late, twice or never.
void CallTraffic::Schedule(const PlannedEvent &event, std::uint32_t slot)
{
    const DeliveryTimes times = provider_.deliver(slots_[slot].leg, event, random_);
    for (int i = 0; i < times.count; ++i)
        Deliver(event, slot, times.at[i]);
}

void CallTraffic::Deliver(const PlannedEvent &event, std::uint32_t slot, std::int64_t delivered_at)
{
    heap_.push_back({delivered_at, deliveries_++, event.at, slot, event.kind});
    std::push_heap(heap_.begin(), heap_.end());
    ++slots_[slot].pending;
}

std::uint32_t CallTraffic::TakeSlot(const Leg &leg)
{
    if (free_slots_.empty()) {
        slots_.push_back({leg, 0});
        return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = {leg, 0};
    return slot;
}

void CallTraffic::WriteNextBody()
{
    std::pop_heap(heap_.begin(), heap_.end());
    const Delivery delivery = heap_.back();
    heap_.pop_back();
    Slot &slot = slots_[delivery.slot];
    body_.clear();
    provider_.write(slot.leg, delivery.kind, delivery.event_at, body_);
    if (--slot.pending == 0)
        free_slots_.push_back(delivery.slot);
}

} // namespace callhardening
