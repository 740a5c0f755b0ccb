// The people of the invented traffic: their numbers and names, and what they say.
#pragma once

#include "core/traffic/generate_call.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace callhardening
{

template <std::size_t n>
std::string_view Pick(const std::string_view (&words)[n], Random &random)
{
    return words[random.Below(n)];
}

// Letters and digits: the secret in a link or a header.
std::string RandomLetters(Random &random, int length);

// With zeros in front, up to `digits`.
void AppendNumber(std::string &text, std::int64_t value, std::size_t digits);

// The parts of a time in UTC.
struct ClockTime {
    int year, month, day, weekday, hour, minute, second; // weekday: 0 is Sunday
};
ClockTime ClockTimeOf(std::int64_t milliseconds) noexcept;

// As "2026-01-05T09:30:00Z".
void AppendIsoTime(std::string &text, std::int64_t milliseconds);

// In E.164.
std::string PhoneOfContact(std::uint32_t contact);
std::string PhoneOfParty(Party party);

// An id in the providers' databases, the same for all events.
std::int64_t IdOf(std::uint64_t kind, std::uint32_t number);
std::int64_t IdOf(Party party);

constexpr Party office{PartyKind::office, 0};

std::string NameOfPerson(std::uint32_t number);
std::string NameOf(Party party);
std::string EmailOf(Party party);

void AppendSentence(std::string &text, Random &random);

// Personal details that people tell on the telephone.
void AppendPersonalDetail(std::string &text, Random &random);

// Sentences of at least `bytes` bytes.
std::string Speech(std::uint64_t seed, std::size_t bytes);

} // namespace callhardening
