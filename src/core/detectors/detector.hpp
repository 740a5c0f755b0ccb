// Finds phone numbers, addresses and numbers of cards, accounts and persons in values without a rule:
// precedence 3 of the sanitizer.
//
// A detector knows only the form. So it skips a number that may as well be an id, a time or a version.
// docs/detectors.md lists the findings and the rate of wrong ones.
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

// The policy's treatment of each of them.
struct Detectors {
    Treatment phone = Treatment::keep;
    Treatment email = Treatment::keep;
    Treatment card = Treatment::keep;
    Treatment ssn = Treatment::keep; // social security numbers of the USA
    Treatment iban = Treatment::keep;
    Treatment ip = Treatment::keep;

    constexpr bool any() const noexcept { return numbers() || wants(Detector::email); }
    // True for any detector of numbers.
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

inline constexpr Detection no_detection{0, 0, Detector::phone};

// The next finding of a wanted detector that begins in [from, until). It is found to its end. `from` is 0 or
// the end of the previous finding: a number may omit the part that it shares with that one. A text of only
// digits has no finding: only its name can tell its meaning (DetectDigits). A replacement (from MaskDetected,
// or a token) is never found again, and makes nothing beside it a finding.
Detection Detect(std::string_view text, std::size_t from, std::size_t until,
                 const Detectors &wanted) noexcept;

// The meaning of a number, or of a text of digits and signs between them, as a member of this name.
std::optional<Detector> DetectDigits(std::string_view digits, std::string_view name,
                                     const Detectors &wanted) noexcept;

inline constexpr std::size_t longest_domain = 253;
inline constexpr std::size_t mask_room = 4 + longest_domain;

// True if a member's name is the number of a card.
bool IsCardName(std::string_view name) noexcept;

// Writes the mask of a finding and returns its size: `***` and the last four digits of a number, `***` for an
// internet address, `***@` and the domain of an e-mail address if the domain is ASCII.
std::size_t MaskDetected(std::string_view found, Detector what, char (&out)[mask_room]) noexcept;

} // namespace callhardening
