// What the sanitizer decides, told value by value to whoever wants to know it.
#pragma once

#include "core/sanitizer/token.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace callhardening
{

// A set of what was done to a value; explain prints it in this order.
enum class Outcome : std::uint8_t {
    kept = 0,
    dropped = 1 << 0,
    replaced = 1 << 1, // by the record
    masked = 1 << 2,
    hashed = 1 << 3,
    summarized = 1 << 4,
    truncated = 1 << 5,
    shed = 1 << 6,
};

// A set of reasons for that; explain prints it in this order.
enum class Reason : std::uint32_t {
    none = 0,
    rule = 1 << 0, // the one that matches, or that none does
    empty = 1 << 1,
    secret_name = 1 << 2,
    secret = 1 << 3,
    link = 1 << 4,
    phone = 1 << 5,
    email = 1 << 6,
    card = 1 << 7,
    no_key = 1 << 8, // to make a token with
    limit_depth = 1 << 9,
    limit_members = 1 << 10,
    limit_items = 1 << 11,
    limit_characters = 1 << 12,
    long_number = 1 << 13,
    embedding = 1 << 14, // JSON in strings, too deep
    unsettled = 1 << 15, // each round finds something new in the text
    same_name = 1 << 16,
    record = 1 << 17,
    budget = 1 << 18,
    ssn = 1 << 19,
    iban = 1 << 20,
    ip = 1 << 21,
};

template <typename Set>
concept OutcomeOrReason = std::is_same_v<Set, Outcome> || std::is_same_v<Set, Reason>;

template <OutcomeOrReason Set>
constexpr Set operator|(Set a, Set b) noexcept
{
    return static_cast<Set>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

// True where they have something in common.
template <OutcomeOrReason Set>
constexpr bool Has(Set all, Set some) noexcept
{
    return (static_cast<std::uint32_t>(all) & static_cast<std::uint32_t>(some)) != 0;
}

// The document comes in jsonb's order (see document.hpp). Of the content of a container that is skipped, or
// that only its size is taken of, nothing is told.
class Observer
{
public:
    // What is told before the next call is about the value that begins or ends with this token, or about the
    // member that it names.
    virtual void At(std::span<const Token> document, std::uint32_t token) noexcept = 0;

    // The member comes out under this name, if it comes out.
    virtual void Named(std::string_view name, Outcome outcome, Reason why) noexcept = 0;
    // A container has begun, and its children come next; it is told of once more where it ends as another
    // thing than a container that has something in it.
    virtual void Entered() noexcept = 0;
    // The value came out as these tokens.
    virtual void CameOut(Outcome outcome, Reason why, std::span<const Token> value) noexcept = 0;
    // It has nothing in the result.
    virtual void Dropped(Reason why, RuleIndex rule) noexcept = 0;
    // It is beyond the limit of its container.
    virtual void PassedOver() noexcept = 0;

    // The text is JSON, and its content comes next; `found` was taken out of it before.
    virtual void Opened(Reason found) noexcept = 0;
    virtual void Closed(std::span<const Token> value) noexcept = 0;

    // An object has ended in which members have got other names. Of those that came out, this one (the first
    // is 0) was dropped, since an earlier one has the same name; then, all are in the order of their names.
    virtual void LostName(std::uint32_t member) noexcept = 0;
    virtual void Renamed() noexcept = 0;

    // At the end of the document: its own member of the record's name has gone; the budget took a leaf
    // (scalar, summary or empty container, numbered through the document); or left only a summary of all.
    virtual void ReplacedByRecord() noexcept = 0;
    virtual void Shed(std::uint32_t leaf) noexcept = 0;
    virtual void BecameSummary() noexcept = 0;

protected:
    ~Observer() = default;
};

} // namespace callhardening
