// The status of a call.
#pragma once

#include "core/base/core.hpp"

#include <cstdint>
#include <string_view>

namespace callhardening
{

enum class Status : unsigned char {
    unknown, // the word is not in the vocabulary
    none,    // a known event without a status: a recording, a transcript, a survey
    ringing,
    active,
    ended,
    missed,
    rejected,
    voicemail,
};

// A set of statuses, a bit each.
using StatusSet = std::uint32_t;
template <typename... Statuses>
constexpr StatusSet SetOf(Statuses... statuses) noexcept
{
    return (StatusSet{0} | ... | (StatusSet{1} << static_cast<int>(statuses)));
}

// The facts about a status. A new status needs a row here and a word in the vocabulary.
struct StatusFacts {
    Status status;
    std::string_view name;
    StatusSet next;         // the next statuses in the built-in graph; none: terminal
    bool is_bare_end;       // tells that the call is over, but not how
    bool says_how_it_ended; // an earlier event may replace a bare end by it
    bool has_voicemail;     // the event's only link is the voicemail's
};

inline constexpr StatusFacts status_facts[] = {
    {Status::ringing, "ringing",
     SetOf(Status::active, Status::ended, Status::missed, Status::rejected, Status::voicemail), false, false,
     false},
    {Status::active, "active", SetOf(Status::ended, Status::voicemail), false, false, false},
    {Status::ended, "ended", SetOf(), true, false, false},
    {Status::missed, "missed", SetOf(), false, true, false},
    {Status::rejected, "rejected", SetOf(), false, true, false},
    {Status::voicemail, "voicemail", SetOf(), false, true, true},
};

inline constexpr StatusFacts no_status_facts = {};

// The facts about a status, by its name in a graph. A status of the user's own graph has none: all are false.
constexpr const StatusFacts &FactsOfStatus(std::string_view name) noexcept
{
    for (const StatusFacts &facts : status_facts)
        if (facts.name == name)
            return facts;
    return no_status_facts;
}

// The status of `word` at `provider`. For an unknown provider, "" or a provider without a row for the word,
// it is the word's meaning in a live event. Never allocates. Texts of any size are fine.
Status NormalizeStatus(std::string_view word, std::string_view provider) noexcept;

// The canonical word ("ringing", ...). Empty for unknown and none.
std::string_view StatusName(Status status) noexcept;

} // namespace callhardening
