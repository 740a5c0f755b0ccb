#include "core/events/form.hpp"

#include "core/base/text.hpp"
#include "core/base/utf8.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

// Some senders end a body with a line end, or begin it with a mark of the byte order.
std::string_view Trim(std::string_view body) noexcept
{
    constexpr std::string_view mark = "\xef\xbb\xbf";
    if (body.starts_with(mark))
        body.remove_prefix(mark.size());
    while (!body.empty() && IsAsciiSpace(body.front()))
        body.remove_prefix(1);
    while (!body.empty() && IsAsciiSpace(body.back()))
        body.remove_suffix(1);
    return body;
}

// Strict for the first name: it tells a form from other texts.
constexpr bool IsNameLetter(char c) noexcept
{
    return IsAsciiAlnum(c) || std::string_view("_-.[]%+*~$@").find(c) != std::string_view::npos;
}

constexpr bool BeginsName(char c) noexcept
{
    return IsAsciiAlnum(c) || c == '_' || c == '%' || c == '$' || c == '@';
}

// Some senders escape too little: they send spaces and letters beyond ASCII unescaped.
constexpr bool IsFormLetter(char c) noexcept
{
    return (static_cast<unsigned char>(c) >= ' ' && c != '\x7f') &&
           std::string_view("\"<>\\{}").find(c) == std::string_view::npos;
}

bool HasFirstName(std::string_view body) noexcept
{
    if (body.empty() || !BeginsName(body.front()))
        return false;
    const std::size_t end = RunEnd(body, 0, IsNameLetter);
    return end < body.size() && (body[end] == '=' || body[end] == '&');
}

// Base64 also ends in signs. A form with one member and no value says nothing.
bool HasValue(std::string_view body) noexcept
{
    const std::size_t sign = body.find('=');
    return sign != std::string_view::npos && (body.find('&') != std::string_view::npos ||
                                              body.find_first_not_of('=', sign) != std::string_view::npos);
}

int DigitValue(char c) noexcept
{
    if (IsAsciiDigit(c))
        return c - '0';
    const char lower = LowerAscii(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Takes the members off the body, one by one.
class FormDecoder
{
public:
    FormDecoder(std::string_view body, std::span<char> room) noexcept : rest_(body), end_(room.data()) {}

    // false: at the end, or at the first flaw.
    bool Next(FormMember *member) noexcept
    {
        while (rest_.starts_with('&'))
            rest_.remove_prefix(1);
        if (rest_.empty())
            return false;
        const std::string_view pair = rest_.substr(0, rest_.find('&'));
        rest_.remove_prefix(pair.size());
        const std::size_t sign = std::min(pair.find('='), pair.size());
        member->name = Decode(pair.substr(0, sign));
        member->value = Decode(pair.substr(std::min(sign + 1, pair.size())));
        *end_++ = '\0'; // no two members begin at the same address, so their addresses tell their order
        if (flaw_ == FormFlaw::none && member->name.size() > longest_form_name)
            flaw_ = FormFlaw::long_name;
        return flaw_ == FormFlaw::none;
    }

    FormFlaw Flaw() const noexcept { return flaw_; }

private:
    std::string_view Decode(std::string_view text) noexcept
    {
        const char *begin = end_;
        for (std::size_t i = 0; i < text.size(); ++i)
            *end_++ = text[i] == '%' ? Escaped(text, &i) : text[i] == '+' ? ' ' : text[i];
        const std::string_view decoded(begin, static_cast<std::size_t>(end_ - begin));
        if (flaw_ == FormFlaw::none && (decoded.find('\0') != std::string_view::npos || !IsUtf8(decoded)))
            flaw_ = FormFlaw::encoding;
        return decoded;
    }

    char Escaped(std::string_view text, std::size_t *i) noexcept
    {
        const int high = *i + 2 < text.size() ? DigitValue(text[*i + 1]) : -1;
        const int low = *i + 2 < text.size() ? DigitValue(text[*i + 2]) : -1;
        if (high < 0 || low < 0) {
            flaw_ = FormFlaw::escape;
            return '%';
        }
        *i += 2;
        return static_cast<char>(high << 4 | low);
    }

    std::string_view rest_;
    char *end_;
    FormFlaw flaw_ = FormFlaw::none;
};

Form Flawed(FormFlaw flaw) noexcept
{
    return {flaw, {}};
}

} // namespace

const char *Describe(FormFlaw flaw) noexcept
{
    switch (flaw) {
    case FormFlaw::none:
        break;
    case FormFlaw::not_a_form:
        return "it is no list of names and values";
    case FormFlaw::escape:
        return "a % has no two hexadecimal digits behind it";
    case FormFlaw::encoding:
        return "a name or a value is no UTF-8, or has a NUL";
    case FormFlaw::too_long:
        return "it is longer than 16 MB";
    case FormFlaw::too_many_members:
        return "it has more than 4096 members";
    case FormFlaw::long_name:
        return "a name is longer than 1024 bytes";
    }
    return "it has no flaw";
}

bool LooksLikeForm(std::string_view body) noexcept
{
    const std::string_view form = Trim(body);
    return HasFirstName(form) && HasValue(form) && RunEnd(form, 0, IsFormLetter) == form.size();
}

std::size_t CountFormMembers(std::string_view body) noexcept
{
    const auto signs = static_cast<std::size_t>(std::count(body.begin(), body.end(), '&'));
    return std::min(signs + 1, most_form_members);
}

Form DecodeForm(std::string_view body, std::span<char> room, std::span<FormMember> places) noexcept
{
    if (!LooksLikeForm(body))
        return Flawed(FormFlaw::not_a_form);
    if (body.size() > longest_form)
        return Flawed(FormFlaw::too_long);
    FormDecoder decoder(Trim(body), room);
    std::size_t count = 0;
    for (FormMember member; decoder.Next(&member);) {
        if (count == places.size())
            return Flawed(FormFlaw::too_many_members);
        places[count++] = member;
    }
    if (decoder.Flaw() != FormFlaw::none)
        return Flawed(decoder.Flaw());
    const std::span<FormMember> members = places.first(count);
    std::sort(members.begin(), members.end(), [](const FormMember &a, const FormMember &b) {
        const int order = a.name.compare(b.name);
        return order != 0 ? order < 0 : a.name.data() < b.name.data();
    });
    return {FormFlaw::none, members};
}

} // namespace callhardening
