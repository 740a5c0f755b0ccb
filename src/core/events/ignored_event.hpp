// Events that are no calls: what the settings of a log say about event types and members of a body.
#pragma once

#include <cstddef>
#include <string_view>

namespace callhardening
{

// `pattern` is a type, or the beginning of types and a `*`. Case, white space, `-` and `_` make no
// difference.
bool MatchesEventType(std::string_view pattern, std::string_view event_type) noexcept;

// A member of a body: `contact`, `data.sms`, or `type=sms`, where its text is compared as types are.
class IgnoredMember
{
public:
    explicit IgnoredMember(std::string_view setting) noexcept;

    // The next name on the way to the member; false at its end.
    bool NextName(std::string_view &name) noexcept;
    bool HasValue() const noexcept { return has_value_; }
    bool MatchesValue(std::string_view text) const noexcept { return MatchesEventType(value_, text); }

private:
    std::string_view rest_; // of the path
    std::string_view value_;
    bool has_value_;
};

// Neither empty nor longer than 200 bytes, and no name of the path is empty.
bool IsIgnoredEventType(std::string_view setting) noexcept;
bool IsIgnoredMember(std::string_view setting) noexcept;

} // namespace callhardening
