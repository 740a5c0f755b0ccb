#include "core/events/ignored_event.hpp"
#include "core/base/text.hpp"

namespace callhardening
{

namespace
{

constexpr std::size_t longest_setting = 200;

bool StartsWithFolded(std::string_view text, std::string_view beginning) noexcept
{
    FoldedLetters letters(text), wanted(beginning);
    for (;;) {
        const unsigned char letter = wanted.Next();
        if (letter == 0)
            return true;
        if (letters.Next() != letter)
            return false;
    }
}

} // namespace

bool MatchesEventType(std::string_view pattern, std::string_view event_type) noexcept
{
    if (pattern.ends_with('*'))
        return StartsWithFolded(event_type, pattern.substr(0, pattern.size() - 1));
    return EqualFolded(pattern, event_type);
}

IgnoredMember::IgnoredMember(std::string_view setting) noexcept
    : rest_(setting.substr(0, setting.find('='))), has_value_(rest_.size() < setting.size())
{
    if (has_value_)
        value_ = setting.substr(rest_.size() + 1);
}

bool IgnoredMember::NextName(std::string_view &name) noexcept
{
    if (rest_.empty())
        return false;
    const std::size_t dot = rest_.find('.');
    name = rest_.substr(0, dot);
    rest_ = dot == std::string_view::npos ? std::string_view{} : rest_.substr(dot + 1);
    return true;
}

// `*` alone would also ignore the calls.
bool IsIgnoredEventType(std::string_view setting) noexcept
{
    return setting.size() <= longest_setting && !IsBlank(setting) && setting != "*";
}

bool IsIgnoredMember(std::string_view setting) noexcept
{
    const std::string_view path = setting.substr(0, setting.find('='));
    return setting.size() <= longest_setting && !path.empty() && !path.starts_with('.') &&
           !path.ends_with('.') && path.find("..") == std::string_view::npos;
}

} // namespace callhardening
