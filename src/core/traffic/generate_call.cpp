#include "core/traffic/generate_call.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

constexpr std::string_view state_names[] = {
    "calling",
    "preanswer",
    "queued",
    "ringing",
    "connected",
    "hold",
    "parked",
    "merged",
    "monitor",
    "eavesdrop",
    "barge",
    "takeover",
    "missed",
    "blocked",
    "voicemail",
    "hangup",
    "recording",
    "admin_recording",
    "admin",
    "call_transcription",
    "voicemail_uploaded",
    "transcription",
    "recap_summary",
    "recap_action_items",
    "recap_outcome",
    "recap_purposes",
    "csat",
    "pcsat",
    "dispositions",
    "postcall",
    "ai_playbook",
};

constexpr std::int64_t second = 1000;
constexpr std::int64_t minute = 60 * second;
constexpr std::int64_t hour = 60 * minute;

constexpr std::int64_t first_monday = 1767571200000; // 2026-01-05 00:00 UTC
constexpr std::int64_t calls_per_day = 2000;
constexpr std::int64_t most_days = 20;

// The number of calls that begin in each hour, in proportion. A working day has two peaks and a lunch.
constexpr std::int64_t workday_hours[24] = {1,  1,  1,   1,  1,  2,  6,  20, 55, 95, 110, 100,
                                            70, 80, 100, 95, 80, 50, 22, 12, 8,  5,  3,   2};
constexpr std::int64_t weekend_hours[24] = {1, 1, 0, 0, 0, 0, 1, 2, 4, 7, 9, 9,
                                            8, 7, 6, 5, 5, 4, 3, 2, 2, 1, 1, 1};

constexpr std::int64_t WeightOfHour(std::int64_t hour_since_monday) noexcept
{
    const bool is_weekend = hour_since_monday / 24 % 7 >= 5;
    return is_weekend ? weekend_hours[hour_since_monday % 24] : workday_hours[hour_since_monday % 24];
}

// Plans one call. The legs and events go to the PlannedCall, and nothing else is kept. No expression takes
// two random numbers in an order that C++ leaves open, like the arguments of a function: g++ and clang++
// would generate different traffic.
class CallPlanner
{
public:
    CallPlanner(std::int64_t start, Random &random, CallIds &ids, PlannedCall &call)
        : start_(start), random_(random), ids_(ids), call_(call), contact_(PickContact())
    {
    }

    void PlanDirectInbound();
    void PlanBlocked();
    void PlanOutbound();
    void PlanInternal();
    void PlanCallcenter(std::size_t max_legs);

private:
    std::uint32_t PickContact();
    Party PickParty(PartyKind kind) { return {kind, random_.Below(party_count[static_cast<int>(kind)])}; }

    std::size_t AddLeg(std::int64_t started, Direction direction, Party target);
    void AddEvent(std::size_t leg, CallState state, std::int64_t at)
    {
        call_.events.push_back({at, static_cast<std::uint32_t>(leg), static_cast<EventKind>(state)});
    }
    Leg &At(std::size_t leg) { return call_.legs[leg]; }

    void Ring(std::size_t leg, std::int64_t at);
    void Talk(std::size_t leg, std::int64_t at);
    void Supervise(std::size_t leg);
    void Hang(std::size_t leg, std::int64_t at);
    void Miss(std::size_t leg, std::int64_t at);
    void CancelRing(std::size_t leg, std::int64_t at);
    void LeaveVoicemail(std::size_t leg, std::int64_t at);
    void Follow(std::size_t leg, bool is_callcenter);
    void Transcribe(std::size_t leg);
    void Survey(std::size_t leg);

    std::size_t Greet();
    std::size_t RingOperator(std::size_t entry, std::int64_t at);
    std::size_t RingOperators(std::size_t entry, std::size_t most, bool is_answered, std::int64_t &at);
    void Transfer(std::size_t entry, std::size_t from);
    void AskRouter(std::size_t entry);

    std::int64_t TalkTime() { return random_.LongTail(25 * second, 110 * second, 6); }

    std::int64_t start_;
    Random &random_;
    CallIds &ids_;
    PlannedCall &call_;
    std::uint32_t contact_;
};

// Half of all calls are with the company's 200 most frequent contacts.
std::uint32_t CallPlanner::PickContact()
{
    return random_.Below(random_.Chance(5000) ? 200 : contact_count);
}

std::size_t CallPlanner::AddLeg(std::int64_t started, Direction direction, Party target)
{
    Leg leg;
    leg.seed = random_.Next();
    leg.call_id = ids_.Next();
    leg.started = started;
    leg.direction = random_.Chance(50) ? Direction::unknown : direction;
    leg.is_outbound = direction == Direction::outbound;
    leg.target = target;
    leg.contact = contact_;
    leg.is_old_shape = random_.Chance(300);
    if (random_.Chance(250))
        leg.integration_bytes = static_cast<std::uint32_t>(random_.LongTail(600, 2500, 2));
    call_.legs.push_back(leg);
    return call_.legs.size() - 1;
}

void CallPlanner::Ring(std::size_t leg, std::int64_t at)
{
    if (At(leg).direction != Direction::outbound && random_.Chance(2000))
        AddEvent(leg, CallState::preanswer, at - 200);
    At(leg).rang = at;
    AddEvent(leg, CallState::ringing, at + random_.Between(40, 200));
}

// Plans from the answer until just before the end. The end is At(leg).ended: the caller decides it.
void CallPlanner::Talk(std::size_t leg, std::int64_t at)
{
    At(leg).connected = At(leg).answered = at;
    AddEvent(leg, CallState::connected, at + random_.Between(40, 200));
    At(leg).ended = at + TalkTime();
    const std::int64_t length = At(leg).ended - at;
    if (length > 40 * second && random_.Chance(1500)) {
        const std::int64_t held = At(leg).held = at + length / 4;
        At(leg).hold_time = random_.Between(5 * second, length / 2);
        AddEvent(leg, random_.Chance(600) ? CallState::parked : CallState::hold, held);
        AddEvent(leg, CallState::connected, held + At(leg).hold_time);
    }
    if (length > 40 * second && random_.Chance(60))
        AddEvent(leg, CallState::merged, at + length * 4 / 5);
}

// A supervisor listens to the operator, speaks to both, or takes the call.
void CallPlanner::Supervise(std::size_t leg)
{
    constexpr CallState ways[] = {CallState::monitor, CallState::eavesdrop, CallState::barge,
                                  CallState::takeover};
    const std::int64_t length = At(leg).ended - At(leg).answered;
    AddEvent(leg, ways[random_.Below(4)], At(leg).answered + length * 9 / 10);
}

void CallPlanner::Hang(std::size_t leg, std::int64_t at)
{
    At(leg).ended = at;
    AddEvent(leg, CallState::hangup, at + random_.Between(300, 1600));
}

void CallPlanner::Miss(std::size_t leg, std::int64_t at)
{
    At(leg).end = CallEnd::missed;
    AddEvent(leg, CallState::missed, at + random_.Between(40, 250));
    Hang(leg, at);
}

// A ring leg ends because another one was answered. Sometimes Dialpad reports this with a second ringing that
// carries the end.
void CallPlanner::CancelRing(std::size_t leg, std::int64_t at)
{
    if (random_.Chance(1000))
        AddEvent(leg, CallState::ringing, at + random_.Between(40, 200));
    Hang(leg, at);
}

void CallPlanner::LeaveVoicemail(std::size_t leg, std::int64_t at)
{
    At(leg).end = CallEnd::voicemail;
    At(leg).voicemail_began = at;
    AddEvent(leg, CallState::voicemail, at + random_.Between(40, 250));
    const std::int64_t length = random_.LongTail(4 * second, 20 * second, 3);
    Hang(leg, at + length);
    if (random_.Chance(3000)) // no message
        return;
    At(leg).voicemail_uploaded = At(leg).ended + random_.Between(4 * second, 30 * second);
    AddEvent(leg, CallState::voicemail_uploaded, At(leg).voicemail_uploaded);
    At(leg).transcript_bytes = static_cast<std::uint32_t>(length * 15 / second);
    At(leg).transcribed = At(leg).voicemail_uploaded + random_.Between(5 * second, 60 * second);
    AddEvent(leg, CallState::transcription, At(leg).transcribed);
}

// The events after an answered call.
void CallPlanner::Follow(std::size_t leg, bool is_callcenter)
{
    const std::int64_t ended = At(leg).ended;
    if (random_.Chance(is_callcenter ? 7000 : 2500)) {
        At(leg).recorded = ended + random_.Between(5 * second, 60 * second);
        AddEvent(leg, random_.Chance(300) ? CallState::admin_recording : CallState::recording,
                 At(leg).recorded);
    }
    if (random_.Chance(is_callcenter ? 4500 : 2000) && ended - At(leg).answered > 20 * second)
        Transcribe(leg);
    if (is_callcenter)
        Survey(leg);
    if (random_.Chance(100))
        AddEvent(leg, CallState::admin, ended + random_.Between(minute, 10 * minute));
}

// The transcript and the recap. Some recaps come hours later.
void CallPlanner::Transcribe(std::size_t leg)
{
    // Escaped, the router's answer is an eighth longer. Together with the rest, no body exceeds 200 kB.
    constexpr std::int64_t bytes_per_second = 24;
    const std::int64_t longest = 170000 - At(leg).breadcrumb_bytes * 9 / 8;
    const std::int64_t length = (At(leg).ended - At(leg).answered) / second;
    At(leg).transcript_bytes = static_cast<std::uint32_t>(std::min(longest, length * bytes_per_second));
    At(leg).transcribed = At(leg).ended + random_.Between(20 * second, 3 * minute);
    AddEvent(leg, CallState::call_transcription, At(leg).transcribed);

    std::int64_t at = At(leg).transcribed + random_.Between(5 * second, 2 * minute);
    if (random_.Chance(300))
        at += random_.Between(hour, 6 * hour);
    constexpr CallState recap[] = {CallState::recap_summary, CallState::recap_action_items,
                                   CallState::recap_outcome, CallState::recap_purposes};
    for (const CallState state : recap)
        if (state == CallState::recap_summary || random_.Chance(5500))
            AddEvent(leg, state, at += random_.Between(100, 4000));
    if (random_.Chance(500))
        AddEvent(leg, CallState::ai_playbook, at + random_.Between(second, 5 * second));
}

void CallPlanner::Survey(std::size_t leg)
{
    const std::int64_t ended = At(leg).ended;
    if (random_.Chance(3500))
        AddEvent(leg, CallState::postcall, ended + random_.Between(second, 5 * second));
    if (random_.Chance(2000))
        AddEvent(leg, CallState::dispositions, ended + random_.Between(10 * second, 5 * minute));
    if (random_.Chance(800))
        AddEvent(leg, CallState::csat, ended + random_.Between(30 * second, hour));
    if (random_.Chance(1000))
        AddEvent(leg, CallState::pcsat, ended + random_.Between(2 * minute, 8 * minute));
}

void CallPlanner::PlanDirectInbound()
{
    const bool is_office = random_.Chance(1500);
    const std::size_t leg =
        AddLeg(start_, Direction::inbound, PickParty(is_office ? PartyKind::office : PartyKind::user));
    Ring(leg, start_ + random_.Between(500, 1500));
    const std::int64_t rung = At(leg).rang + random_.Between(3 * second, 25 * second);
    const std::uint32_t outcome = random_.Below(100);
    if (outcome < 18)
        return Miss(leg, rung);
    if (outcome < 40)
        return LeaveVoicemail(leg, rung);
    Talk(leg, rung);
    Hang(leg, At(leg).ended);
    Follow(leg, false);
}

void CallPlanner::PlanBlocked()
{
    const std::size_t leg = AddLeg(start_, Direction::inbound, PickParty(PartyKind::user));
    At(leg).end = CallEnd::blocked;
    AddEvent(leg, CallState::blocked, start_ + random_.Between(100, 300));
    Hang(leg, start_ + random_.Between(200, 500));
}

void CallPlanner::PlanOutbound()
{
    const std::size_t leg = AddLeg(start_, Direction::outbound, PickParty(PartyKind::user));
    if (random_.Chance(1500)) // placed through the API by a program with data of its own
        At(leg).custom_data_bytes = static_cast<std::uint32_t>(random_.LongTail(150, 500, 3));
    AddEvent(leg, CallState::calling, start_ + random_.Between(50, 200));
    Ring(leg, start_ + random_.Between(600, 3000));
    const std::int64_t rung = At(leg).rang + random_.Between(2 * second, 30 * second);
    if (random_.Chance(3200))
        return Hang(leg, rung);
    Talk(leg, rung);
    Hang(leg, At(leg).ended);
    Follow(leg, false);
}

// One colleague calls another. Each has a leg.
void CallPlanner::PlanInternal()
{
    const std::size_t caller = AddLeg(start_, Direction::outbound, PickParty(PartyKind::user));
    const std::size_t called = AddLeg(start_ + 300, Direction::inbound, PickParty(PartyKind::user));
    At(caller).is_internal = At(called).is_internal = true;
    At(called).master_call_id = At(caller).call_id;
    AddEvent(caller, CallState::calling, start_ + random_.Between(50, 200));
    Ring(caller, start_ + 900);
    Ring(called, start_ + 900);
    const std::int64_t rung = start_ + 900 + random_.Between(2 * second, 25 * second);
    if (random_.Chance(4000)) {
        Hang(caller, rung);
        return Miss(called, rung);
    }
    Talk(caller, rung);
    At(called).connected = At(called).answered = rung;
    AddEvent(called, CallState::connected, rung + random_.Between(40, 200));
    const std::int64_t ended = At(caller).ended;
    Hang(caller, ended);
    Hang(called, ended);
}

// An HTTP service of the company routes the call. Every later event of the call contains the service's whole
// answer.
void CallPlanner::AskRouter(std::size_t entry)
{
    At(entry).breadcrumb_bytes = static_cast<std::uint32_t>(random_.LongTail(14000, 18500, 3));
}

std::size_t CallPlanner::RingOperator(std::size_t entry, std::int64_t at)
{
    const Party target = PickParty(PartyKind::user);
    const std::size_t leg = AddLeg(at - random_.Between(250, 500), Direction::inbound, target);
    At(leg).entry_point_call_id = At(entry).call_id;
    At(leg).entry_point_target = At(entry).target;
    if (random_.Chance(1000))
        At(leg).proxy_target = At(entry).target;
    At(leg).breadcrumb_bytes = At(entry).breadcrumb_bytes;
    Ring(leg, at);
    return leg;
}

// The operator transfers the caller to a colleague and leaves the call.
void CallPlanner::Transfer(std::size_t entry, std::size_t from)
{
    const std::int64_t at = At(from).ended;
    const std::size_t to = RingOperator(entry, at + random_.Between(500, 1500));
    At(to).master_call_id = At(entry).call_id;
    At(to).transferred_from = At(from).target;
    Talk(to, At(to).rang + random_.Between(2 * second, 12 * second));
    Hang(to, At(to).ended);
    Follow(to, true);
    At(entry).operator_call_id = At(to).call_id;
    At(entry).ended = At(to).ended;
}

// Plans the entry point's leg until the caller waits for a person.
std::size_t CallPlanner::Greet()
{
    const bool is_department = random_.Chance(2500);
    const Party target = PickParty(is_department ? PartyKind::department : PartyKind::callcenter);
    const std::size_t entry = AddLeg(start_, Direction::inbound, target);
    if (random_.Chance(3000))
        AskRouter(entry);

    // A queue answers after it has taken the call. A voice menu answers before that.
    const bool has_menu = random_.Chance(800);
    At(entry).queued =
        start_ + (has_menu ? random_.Between(8 * second, 40 * second) : random_.Between(300, 900));
    At(entry).connected =
        has_menu ? start_ + random_.Between(300, 900) : At(entry).queued + random_.Between(300, 600);
    AddEvent(entry, CallState::queued, At(entry).queued + random_.Between(40, 200));
    AddEvent(entry, CallState::connected, At(entry).connected + random_.Between(40, 200));
    return entry;
}

// Rings one operator after the other. At most the last one answers. `at` moves to the end of the rings.
std::size_t CallPlanner::RingOperators(std::size_t entry, std::size_t most, bool is_answered,
                                       std::int64_t &at)
{
    std::size_t operators = random_.Chance(3000) ? 2 : 1;
    operators = std::min(most, operators + (random_.Chance(1000) ? 1 : 0));
    std::size_t last = entry;
    for (std::size_t i = 0; i < operators; ++i) {
        last = RingOperator(entry, at);
        const std::int64_t rung = at + random_.Between(3 * second, 20 * second);
        if (i + 1 == operators && is_answered)
            Talk(last, rung);
        else if (random_.Chance(5000))
            Miss(last, rung);
        else
            CancelRing(last, rung);
        at = rung + random_.Between(400, 1500);
    }
    return last;
}

// The entry point's leg lasts from the greeting to the end. Each rung operator has a leg of his own.
void CallPlanner::PlanCallcenter(std::size_t max_legs)
{
    const std::size_t entry = Greet();
    std::int64_t at =
        std::max(At(entry).queued, At(entry).connected) + random_.LongTail(second, 6 * second, 5);
    const std::uint32_t outcome = random_.Below(100);
    const bool is_answered = outcome < 78;
    const std::size_t answering = RingOperators(entry, max_legs - 1, is_answered, at);
    if (!is_answered)
        return outcome < 90 ? Hang(entry, at) : LeaveVoicemail(entry, at);

    At(entry).operator_call_id = At(answering).call_id;
    At(entry).answered = At(answering).answered;
    At(entry).ended = At(answering).ended;
    AddEvent(entry, CallState::connected, At(answering).answered + random_.Between(200, 500));
    if (random_.Chance(800))
        Supervise(answering);
    Hang(answering, At(answering).ended);
    Follow(answering, true);
    if (call_.legs.size() < max_legs && random_.Chance(900))
        Transfer(entry, answering);
    Hang(entry, At(entry).ended);
}

} // namespace

std::string_view CallStateName(CallState state) noexcept
{
    return state_names[static_cast<int>(state)];
}

// A Feistel network over 52 bits. It is a bijection, so no id comes twice without a list of used ids.
std::int64_t CallIds::Next() noexcept
{
    constexpr std::uint64_t half = (std::uint64_t{1} << 26) - 1;
    std::uint64_t left = taken_ >> 26, right = taken_ & half;
    ++taken_;
    for (std::uint64_t round = 0; round < 4; ++round) {
        const std::uint64_t next = left ^ (DeriveSeed(seed_ + round, right) & half);
        left = right;
        right = next;
    }
    return static_cast<std::int64_t>(std::uint64_t{1} << 52 | left << 26 | right);
}

WorkingDays::WorkingDays(std::int64_t calls) noexcept : positions_(calls * positions_per_call)
{
    const std::int64_t working =
        std::clamp((calls + calls_per_day - 1) / calls_per_day, std::int64_t{1}, most_days);
    const std::int64_t days = working + (working - 1) / 5 * 2;
    for (std::int64_t h = 0; h < days * 24; ++h)
        weight_ += WeightOfHour(h);
}

std::int64_t WorkingDays::StartOf(std::int64_t position) noexcept
{
    // Finer than the weight of an hour: an hour has many calls.
    constexpr std::int64_t unit = 1000000;
    const std::int64_t share = position * weight_;
    const std::int64_t target = share / positions_ * unit + share % positions_ * unit / positions_;
    while (target >= (weight_before_ + WeightOfHour(hour_)) * unit)
        weight_before_ += WeightOfHour(hour_++);
    return first_monday + hour_ * hour +
           (target - weight_before_ * unit) * hour / (WeightOfHour(hour_) * unit);
}

void PlanCall(std::int64_t start, std::int32_t max_legs, Random &random, CallIds &ids, PlannedCall &call)
{
    call.legs.clear();
    call.events.clear();
    CallPlanner planner(start, random, ids, call);
    const std::uint32_t kind = random.Below(100);
    if (kind < 34 && max_legs >= 2)
        planner.PlanCallcenter(std::min(max_legs_of_call, static_cast<std::size_t>(max_legs)));
    else if (kind < 38 && max_legs >= 2)
        planner.PlanInternal();
    else if (kind < 68)
        planner.PlanOutbound();
    else if (kind < 98)
        planner.PlanDirectInbound();
    else
        planner.PlanBlocked();
}

} // namespace callhardening
