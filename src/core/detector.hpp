// Phone numbers, e-mail addresses and card numbers in what no rule of a policy matched: precedence 3 of the
// sanitizer.
//
// Found by their form alone, so what looks like an id, a time or a version is left alone where it might be
// one: docs/detectors.md says what is found, and how often wrongly.
#pragma once

#include "core/core.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace callhardening
{

enum class Detector : unsigned char { phone, email, card };

enum class Treatment : unsigned char { keep, mask, hash };

// What a policy wants done with each of them.
struct Detectors {
    Treatment phone = Treatment::keep;
    Treatment email = Treatment::keep;
    Treatment card = Treatment::keep;

    constexpr bool any() const noexcept
    {
        return phone != Treatment::keep || email != Treatment::keep || card != Treatment::keep;
    }
    constexpr Treatment of(Detector what) const noexcept
    {
        return what == Detector::phone ? phone : what == Detector::email ? email : card;
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

// The next finding of a wanted detector that begins in [from, until); it is found to its end. A text of
// nothing but digits has none: only its name can tell what it is (DetectDigits). What stands in the place of
// a finding (MaskDetected, a token) is found by no further search, and makes nothing beside it one.
Detection Detect(std::string_view text, std::size_t from, std::size_t until,
                 const Detectors &wanted) noexcept;

// What a number, or a string of nothing but digits, is as a member of this name.
std::optional<Detector> DetectDigits(std::string_view digits, std::string_view name,
                                     const Detectors &wanted) noexcept;

inline constexpr std::size_t longest_domain = 253;
inline constexpr std::size_t mask_room = 4 + longest_domain;

// What `mask` puts in the place of a finding, and its size: `***` and the last four digits of a number,
// `***@` and the domain of an
// address where it is ASCII.
std::size_t MaskDetected(std::string_view found, Detector what, char (&out)[mask_room]) noexcept;

} // namespace callhardening
