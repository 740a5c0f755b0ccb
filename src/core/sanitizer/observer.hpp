// The sanitizer tells its decisions to an Observer, value by value.
#pragma once

#include "core/sanitizer/token.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace callhardening
{

// A set of actions on a value. explain prints it in this order.
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

// A set of reasons for the actions. explain prints it in this order.
enum class Reason : std::uint32_t {
    none = 0,
    rule = 1 << 0, // the matching rule, or no rule matches
    empty = 1 << 1,
    secret_name = 1 << 2,
    secret = 1 << 3,
    link = 1 << 4,
    phone = 1 << 5,
    email = 1 << 6,
    card = 1 << 7,
    no_key = 1 << 8, // no key for tokens
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

// True if the sets have a common element.
template <OutcomeOrReason Set>
constexpr bool Has(Set all, Set some) noexcept
{
    return (static_cast<std::uint32_t>(all) & static_cast<std::uint32_t>(some)) != 0;
}

// The document comes in jsonb's order (see document.hpp). The observer hears nothing about the content of a
// container if the sanitizer skips it or only measures it.
class Observer
{
public:
    // The calls until the next At are about the value that begins or ends with this token, or about the
    // member of this name.
    virtual void At(std::span<const Token> document, std::uint32_t token) noexcept = 0;

    // The new name of the member, if it comes out.
    virtual void Named(std::string_view name, Outcome outcome, Reason why) noexcept = 0;
    // A container has begun, and its children come next. If it does not end as a container with content,
    // another call at its end says how it ended.
    virtual void Entered() noexcept = 0;
    // The value came out as these tokens.
    virtual void CameOut(Outcome outcome, Reason why, std::span<const Token> value) noexcept = 0;
    // The value has nothing in the result.
    virtual void Dropped(Reason why, RuleIndex rule) noexcept = 0;
    // The value is beyond the limit of its container.
    virtual void PassedOver() noexcept = 0;

    // The text is JSON, and its content comes next. The sanitizer masked `found` in it before.
    virtual void Opened(Reason found) noexcept = 0;
    virtual void Closed(std::span<const Token> value) noexcept = 0;

    // An object with renamed members has ended. LostName: this member (0 is the first that came out) was
    // dropped, since an earlier one has the same name. Renamed: the members are sorted by their new names.
    virtual void LostName(std::uint32_t member) noexcept = 0;
    virtual void Renamed() noexcept = 0;

    // At the end of the document. The record replaced the document's own member of its name. The budget shed
    // a leaf (scalar, summary or empty container, numbered through the document). The summary of the root
    // replaced all.
    virtual void ReplacedByRecord() noexcept = 0;
    virtual void Shed(std::uint32_t leaf) noexcept = 0;
    virtual void BecameSummary() noexcept = 0;

protected:
    ~Observer() = default;
};

} // namespace callhardening
