// Status of a call.
#pragma once

#include "core/base/core.hpp"

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

// The status that `word` stands for at `provider`. A provider without a row for the word, an unknown one
// and "" give the meaning of a live event. Never allocates, any size is fine.
Status NormalizeStatus(std::string_view word, std::string_view provider) noexcept;

// The canonical word ("ringing", ...); empty for unknown and none.
std::string_view StatusName(Status status) noexcept;

} // namespace callhardening
