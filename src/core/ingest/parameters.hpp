// The parameters of a request: those of its URL, and those of a form in its body.
#pragma once

#include "core/events/form.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace callhardening
{

std::string_view BaseOfUrl(std::string_view url) noexcept; // without its query
std::string_view QueryOfUrl(std::string_view url) noexcept;

// The functions below may throw bad_alloc.

// The same URL with its port if it has none, and without its port if it has one.
std::string WithOtherPort(std::string_view url);
// As a value in a URL: encodeURIComponent of JavaScript.
std::string EscapeForUrl(std::string_view text);

// The names and values of a form, sorted by both.
class SortedForm
{
public:
    // false: it is no form. An empty text is one.
    bool Read(std::string_view text);
    // A repeated value of one name is taken once.
    void DropRepeated();
    std::string Join(std::string_view between_name_and_value, std::string_view between_members) const;
    OptionalText Find(std::string_view name) const noexcept;

private:
    std::vector<char> room_;
    std::vector<FormMember> members_;
};

} // namespace callhardening
