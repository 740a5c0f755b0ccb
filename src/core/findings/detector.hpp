// Phone numbers, addresses and the numbers of cards, accounts and persons in what no rule of a policy
// matched: precedence 3 of the sanitizer.
//
// Found by their form alone, so what looks like an id, a time or a version is left alone where it might be
// one: docs/detectors.md says what is found, and how often wrongly.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace callhardening
{

enum class Detector : unsigned char { phone, email, card, ssn, iban, ip };

inline constexpr Detector all_detectors[] = {Detector::phone, Detector::email, Detector::card,
                                             Detector::ssn,   Detector::iban,  Detector::ip};

enum class Treatment : unsigned char { keep, mask, hash };

// What a policy wants done with each of them.
struct Detectors {
    Treatment phone = Treatment::keep;
    Treatment email = Treatment::keep;
    Treatment card = Treatment::keep;
    Treatment ssn = Treatment::keep; // social security numbers of the USA
    Treatment iban = Treatment::keep;
    Treatment ip = Treatment::keep;

    constexpr bool any() const noexcept { return numbers() || wants(Detector::email); }
    // Any of those that have digits.
    constexpr bool numbers() const noexcept
    {
        return wants(Detector::phone) || wants(Detector::card) || wants(Detector::ssn) ||
               wants(Detector::iban) || wants(Detector::ip);
    }
    constexpr Treatment of(Detector what) const noexcept
    {
        switch (what) {
        case Detector::phone:
            return phone;
        case Detector::email:
            return email;
        case Detector::card:
            return card;
        case Detector::ssn:
            return ssn;
        case Detector::iban:
            return iban;
        default:
            return ip;
        }
    }
    constexpr bool wants(Detector what) const noexcept { return of(what) != Treatment::keep; }
};

// Bytes [begin, end) of a text.
struct Detection {
    std::size_t begin;
    std::size_t end;
    Detector what;

    bool Found() const noexcept { return begin < end; }
};

// The next finding of a wanted detector that begins in [from, until); it is found to its end. `from` is 0 or
// where the finding before ends: a number may leave out what it shares with that one. A text of nothing but
// digits has none: only its name can tell what it is (DetectDigits). What stands in the place of
// a finding (MaskDetected, a token) is found by no further search, and makes nothing beside it one.
Detection Detect(std::string_view text, std::size_t from, std::size_t until,
                 const Detectors &wanted) noexcept;

// What a number, or a string of nothing but digits and the signs between them, is as a member of this name.
std::optional<Detector> DetectDigits(std::string_view digits, std::string_view name,
                                     const Detectors &wanted) noexcept;

inline constexpr std::size_t longest_domain = 253;
inline constexpr std::size_t mask_room = 4 + longest_domain;

// A name of a member that is the number of a card.
bool IsCardName(std::string_view name) noexcept;

// What `mask` puts in the place of a finding, and its size: `***` and the last four digits of a number, `***`
// for an address of the internet, `***@` and the domain of an e-mail address where it is ASCII.
std::size_t MaskDetected(std::string_view found, Detector what, char (&out)[mask_room]) noexcept;

} // namespace callhardening
