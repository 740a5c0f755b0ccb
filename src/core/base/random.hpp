// Random numbers, the same on every build.
//
// The distributions of <random> give other numbers with another standard library. log() and exp() give other
// last bits with another mathematical library. So this uses SplitMix64 and integers only.
#pragma once

#include "core/base/core.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace callhardening
{

// Scatters the bits of `value`: the finisher of SplitMix64.
constexpr std::uint64_t Scatter(std::uint64_t value) noexcept
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
    value = (value ^ value >> 27) * 0x94d049bb133111ebU;
    return value ^ value >> 31;
}

// The seed for one part of the data of `seed`.
constexpr std::uint64_t DeriveSeed(std::uint64_t seed, std::uint64_t part) noexcept
{
    return Scatter(seed ^ Scatter(part + 0x9e3779b97f4a7c15U));
}

class Random
{
public:
    explicit constexpr Random(std::uint64_t seed) noexcept : state_(seed) {}

    constexpr std::uint64_t Next() noexcept { return Scatter(state_ += 0x9e3779b97f4a7c15U); }

    // 0 .. limit - 1.
    constexpr std::uint32_t Below(std::uint32_t limit) noexcept
    {
        return static_cast<std::uint32_t>((Next() >> 32) * limit >> 32);
    }
    // low .. high, both included, less than 2^32 apart.
    constexpr std::int64_t Between(std::int64_t low, std::int64_t high) noexcept
    {
        return low + Below(static_cast<std::uint32_t>(high - low + 1));
    }
    constexpr bool Chance(std::uint32_t in_10000) noexcept { return Below(10000) < in_10000; }

    // low .. high, doubled up to `doublings` times, each time with a chance of a half. Each octave adds as
    // much to the sum as the one before. Talk times and document sizes are spread like this.
    constexpr std::int64_t LongTail(std::int64_t low, std::int64_t high, int doublings) noexcept
    {
        const std::int64_t value = Between(low, high);
        return value << std::min(std::countr_zero(Next()), doublings);
    }

private:
    std::uint64_t state_;
};

} // namespace callhardening
