#include "core/ingest/parameters.hpp"

#include "core/base/text.hpp"

#include <algorithm>

namespace callhardening
{

std::string_view BaseOfUrl(std::string_view url) noexcept
{
    return url.substr(0, url.find_first_of("?#"));
}

std::string_view QueryOfUrl(std::string_view url) noexcept
{
    url = url.substr(0, url.find('#'));
    const std::size_t mark = url.find('?');
    return mark == url.npos ? std::string_view{} : url.substr(mark + 1);
}

std::string WithOtherPort(std::string_view url)
{
    const std::size_t scheme = url.find("://");
    if (scheme == url.npos)
        return {};
    const std::size_t begin = scheme + 3, end = std::min(url.find_first_of("/?#", begin), url.size());
    std::string_view host = url.substr(begin, end - begin);
    const std::size_t user = host.rfind('@');
    const std::size_t colon = host.find(':', std::max(host.rfind(']') + 1, user + 1));
    std::string other(url.substr(0, begin));
    if (colon != host.npos)
        return other.append(host.substr(0, colon)).append(url.substr(end));
    return other.append(host).append(url.starts_with("https") ? ":443" : ":80").append(url.substr(end));
}

std::string EscapeForUrl(std::string_view text)
{
    constexpr std::string_view plain = "-_.!~*'()";
    std::string escaped;
    for (const char c : text) {
        if (IsAsciiAlnum(c) || plain.find(c) != plain.npos)
            escaped += c;
        else
            escaped.append("%")
                .append(1, "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4])
                .append(1, "0123456789ABCDEF"[static_cast<unsigned char>(c) & 15]);
    }
    return escaped;
}

bool SortedForm::Read(std::string_view text)
{
    if (text.empty())
        return true;
    room_.resize(text.size() + 1);
    members_.resize(CountFormMembers(text));
    const Form form = DecodeForm(text, room_, members_);
    if (form.flaw != FormFlaw::none)
        return false;
    members_.resize(form.members.size());
    std::sort(members_.begin(), members_.end(), [](const FormMember &a, const FormMember &b) {
        return a.name != b.name ? a.name < b.name : a.value < b.value;
    });
    return true;
}

void SortedForm::DropRepeated()
{
    members_.erase(std::unique(members_.begin(), members_.end(),
                               [](const FormMember &a, const FormMember &b) {
                                   return a.name == b.name && a.value == b.value;
                               }),
                   members_.end());
}

std::string SortedForm::Join(std::string_view between_name_and_value, std::string_view between_members) const
{
    std::string text;
    for (const FormMember &member : members_)
        text.append(text.empty() ? std::string_view{} : between_members)
            .append(member.name)
            .append(between_name_and_value)
            .append(member.value);
    return text;
}

OptionalText SortedForm::Find(std::string_view name) const noexcept
{
    for (const FormMember &member : members_)
        if (member.name == name)
            return member.value;
    return {};
}

} // namespace callhardening
