// Status of a call.
#pragma once

#include "core/base/core.hpp"

#include <cstdint>
#include <string_view>

namespace callhardening
{

enum class Status : unsigned char {
    unknown, // the word is not in the vocabulary
    none,    // a known event that says nothing about the status: a recording, a transcript, a survey
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

// What is to be known of a status. A new one is a row here, and a word in the vocabulary.
struct StatusFacts {
    Status status;
    std::string_view name;
    StatusSet next;         // the steps from it in the built-in graph; none: terminal
    bool is_bare_end;       // says that the call is over, and not how
    bool says_how_it_ended; // an event that happened before may put it in the place of a bare end
    bool has_voicemail;     // the event's one link is that of the voicemail
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

// The facts of a status as a graph writes it; of a status that only a graph of one's own has, all false.
constexpr const StatusFacts &FactsOfStatus(std::string_view name) noexcept
{
    for (const StatusFacts &facts : status_facts)
        if (facts.name == name)
            return facts;
    return no_status_facts;
}

// The status that `word` stands for at `provider`. A provider without a row for the word, an unknown one
// and "" give the meaning of a live event. Never allocates, any size is fine.
Status NormalizeStatus(std::string_view word, std::string_view provider) noexcept;

// The canonical word ("ringing", ...); empty for unknown and none.
std::string_view StatusName(Status status) noexcept;

} // namespace callhardening
