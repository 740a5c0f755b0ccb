// Plans a human call at a company: its legs, and the events of each. This is the story that each provider
// tells in its own events. It is made in Dialpad's terms.
#pragma once

#include "core/base/random.hpp"
#include "core/words/direction.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace callhardening
{

// Dialpad's states without the subscription wildcard.
enum class CallState : unsigned char {
    calling,
    preanswer,
    queued,
    ringing,
    connected,
    hold,
    parked,
    merged,
    monitor,
    eavesdrop,
    barge,
    takeover,
    missed,
    blocked,
    voicemail,
    hangup,
    recording,
    admin_recording,
    admin,
    call_transcription,
    voicemail_uploaded,
    transcription,
    recap_summary,
    recap_action_items,
    recap_outcome,
    recap_purposes,
    csat,
    pcsat,
    dispositions,
    postcall,
    ai_playbook,
};
std::string_view CallStateName(CallState state) noexcept;

// True for the states that end a call here: missed, blocked, voicemail, hangup.
constexpr bool IsEnd(CallState state) noexcept
{
    return state >= CallState::missed && state <= CallState::hangup;
}

// How a leg ends. Providers have their own words for it.
enum class CallEnd : unsigned char { hung_up, missed, voicemail, blocked };

// The receiver of a call: a person or a group of the company.
enum class PartyKind : unsigned char { none, user, callcenter, department, office };
struct Party {
    PartyKind kind = PartyKind::none;
    std::uint32_t number = 0;
};
constexpr std::uint32_t party_count[] = {0, 60, 6, 4, 1}; // by kind

// Callers and called people: US numbers first, then British ones.
constexpr std::uint32_t us_contacts = 2400;
constexpr std::uint32_t contact_count = us_contacts + 400;

// One leg: a call in Dialpad's sense. Times are milliseconds since the epoch, 0: never happens. A body shows
// only the times up to its event.
struct Leg {
    std::uint64_t seed = 0;
    std::int64_t call_id = 0;
    std::int64_t master_call_id = 0;
    std::int64_t entry_point_call_id = 0;
    std::int64_t operator_call_id = 0;
    std::int64_t started = 0;
    std::int64_t queued = 0;
    std::int64_t rang = 0;
    std::int64_t connected = 0;
    std::int64_t answered = 0; // by a person; `connected` may be a recorded voice
    std::int64_t ended = 0;
    std::int64_t held = 0; // begin of the hold
    std::int64_t hold_time = 0;
    std::int64_t recorded = 0;           // time when the recording is available
    std::int64_t transcribed = 0;        // the transcript, of the call or of the message
    std::int64_t voicemail_began = 0;    // the recorded voice asks for a message
    std::int64_t voicemail_uploaded = 0; // the message
    std::uint32_t contact = 0;
    std::uint32_t transcript_bytes = 0;
    std::uint32_t breadcrumb_bytes = 0; // of an HTTP response; 0: routed without a request
    std::uint32_t integration_bytes = 0;
    std::uint32_t custom_data_bytes = 0;
    Direction direction = Direction::inbound; // unknown: a word outside the vocabulary
    Party target;
    Party entry_point_target;
    Party proxy_target;
    Party transferred_from;
    CallEnd end = CallEnd::hung_up;
    bool is_outbound = false; // `direction` can be unknown
    bool is_internal = false;
    bool is_old_shape = false; // 32 members and flags as text
    // In a provider's terms: the users that this call rang without an answer.
    static constexpr std::uint8_t most_missed_users = 3;
    std::uint8_t missed_users[most_missed_users] = {};
    std::uint8_t missed_count = 0;
};

// A CallState, or an event of a provider with its own kinds.
using EventKind = unsigned char;

struct PlannedEvent {
    std::int64_t at; // the time of the event in its body
    std::uint32_t leg;
    EventKind kind;
};

constexpr std::size_t max_legs_of_call = 8;

// True for the leg of a call centre or a department. The other legs of its call are those of operators.
constexpr bool IsEntryPoint(const Leg &leg) noexcept
{
    return leg.target.kind == PartyKind::callcenter || leg.target.kind == PartyKind::department;
}

// Kept from call to call, so that planning a call allocates nothing.
struct PlannedCall {
    std::vector<Leg> legs;
    std::vector<PlannedEvent> events;
};

// Call ids between 2^52 and 2^53, in no visible order, each only once.
class CallIds
{
public:
    explicit constexpr CallIds(std::uint64_t seed) noexcept : seed_(seed) {}
    std::int64_t Next() noexcept;

private:
    std::uint64_t seed_;
    std::uint64_t taken_ = 0;
};

// The start times of a company's calls: a number of calls spread over whole working days.
class WorkingDays
{
public:
    // A call's number times this is its position. The steps between keep two calls of one share from the same
    // start time.
    static constexpr std::int64_t positions_per_call = 100000;

    explicit WorkingDays(std::int64_t calls) noexcept;
    // The start time of the call at `position` (0 .. calls * positions_per_call - 1). Positions must not
    // decrease.
    std::int64_t StartOf(std::int64_t position) noexcept;

private:
    std::int64_t positions_;
    std::int64_t weight_ = 0; // of all hours
    std::int64_t hour_ = 0;
    std::int64_t weight_before_ = 0; // of the hours before `hour_`
};

// Plans the call with the start time `start` and 1 .. max_legs legs. May throw bad_alloc.
void PlanCall(std::int64_t start, std::int32_t max_legs, Random &random, CallIds &ids, PlannedCall &call);

} // namespace callhardening
