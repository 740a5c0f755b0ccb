#include "core/traffic/generate.hpp"

#include "core/traffic/generate_body.hpp"

#include <algorithm>
#include <new>

namespace callhardening
{

namespace
{

// A network's delay: mostly short, sometimes long enough to swap two events of one second.
std::int64_t Latency(Random &random)
{
    return random.Chance(500) ? random.Between(300, 2500) : random.Between(60, 250);
}

} // namespace

CallTraffic *CallTraffic::Start(std::int32_t calls, std::int32_t seed) noexcept
{
    return new (std::nothrow) CallTraffic(calls, seed);
}

CallTraffic::CallTraffic(std::int32_t calls, std::int32_t seed) noexcept
    : calls_(calls), ids_(DeriveSeed(static_cast<std::uint64_t>(seed), 1)), days_(calls),
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
        return Step::body;
    } catch (...) {
        return Step::out_of_memory;
    }
}

void CallTraffic::PlanNextCall()
{
    PlanCall(next_start_, calls_ - planned_, random_, ids_, call_);
    std::uint32_t slot_of[max_legs_of_call];
    bool is_end_lost[max_legs_of_call];
    for (std::size_t i = 0; i < call_.legs.size(); ++i) {
        slot_of[i] = TakeSlot(call_.legs[i]);
        // A blocked call has only its end as an event.
        is_end_lost[i] = random_.Chance(50) && (call_.legs[i].rang != 0 || call_.legs[i].connected != 0);
    }
    for (const PlannedEvent &event : call_.events)
        Schedule(event, slot_of[event.leg], is_end_lost[event.leg]);

    planned_ += static_cast<std::int32_t>(call_.legs.size());
    FindNextStart();
}

void CallTraffic::FindNextStart()
{
    constexpr auto share = WorkingDays::positions_per_call;
    if (planned_ < calls_)
        next_start_ = days_.StartOf(planned_ * share + random_.Below(share));
}

// The network's faults: events come late, twice or never.
void CallTraffic::Schedule(const PlannedEvent &event, std::uint32_t slot, bool is_end_lost)
{
    if (is_end_lost && IsEnd(event.state))
        return;
    std::int64_t at = event.at + Latency(random_);
    if (event.state < CallState::missed && random_.Chance(150))
        at = std::max(at, slots_[slot].leg.ended + random_.Between(1000, 60000));
    else if (random_.Chance(150))
        at += random_.Between(5000, 180000);
    Deliver(event, slot, at);

    // The provider tries again after 2, 4 or 8 seconds when an answer was slow. Rarely it tries much later.
    if (random_.Chance(200))
        Deliver(event, slot,
                at + (random_.Chance(1000) ? random_.Between(60000, 600000) : 2000 << random_.Below(3)));
}

void CallTraffic::Deliver(const PlannedEvent &event, std::uint32_t slot, std::int64_t delivered_at)
{
    heap_.push_back({delivered_at, deliveries_++, event.at, slot, event.state});
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
    WriteCallEvent(slot.leg, delivery.state, delivery.event_at, body_);
    if (--slot.pending == 0)
        free_slots_.push_back(delivery.slot);
}

} // namespace callhardening
