// Events without a call: the log's settings list their event types and members of a body.
#pragma once

#include <cstddef>
#include <string_view>

namespace callhardening
{

// `pattern` is a type, or the beginning of types and a `*`. Case, white space, `-` and `_` make no
// difference.
bool MatchesEventType(std::string_view pattern, std::string_view event_type) noexcept;

// A member of a body: `contact`, `data.sms`, or `type=sms`. The last one compares the member's text like a
// type.
class IgnoredMember
{
public:
    explicit IgnoredMember(std::string_view setting) noexcept;

    // The next name on the path to the member. false: the path has ended.
    bool NextName(std::string_view &name) noexcept;
    bool HasValue() const noexcept { return has_value_; }
    bool MatchesValue(std::string_view text) const noexcept { return MatchesEventType(value_, text); }

private:
    std::string_view rest_; // of the path
    std::string_view value_;
    bool has_value_;
};

// A valid setting is neither empty nor longer than 200 bytes, and no name of its path is empty.
bool IsIgnoredEventType(std::string_view setting) noexcept;
bool IsIgnoredMember(std::string_view setting) noexcept;

} // namespace callhardening
