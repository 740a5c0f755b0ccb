#include "core/events/text_body.hpp"

#include "core/json/number.hpp"

#include <algorithm>
#include <cstring>

namespace callhardening
{

namespace
{

// Takes one value that is no container.
class ScalarReader
{
public:
    ScalarReader(Arena &arena, const volatile std::sig_atomic_t &interrupt) noexcept
        : arena_(arena), interrupt_(interrupt)
    {
    }

    static bool Begin(bool) noexcept { return false; }
    static bool End(bool) noexcept { return false; }
    static bool Name(const RawString &) noexcept { return false; }
    static bool Null() noexcept { return true; }
    bool Boolean(bool value) noexcept
    {
        scalar_ = {JsonScalar::Kind::boolean, value, {}};
        return true;
    }
    bool String(const RawString &string) noexcept
    {
        scalar_ = {JsonScalar::Kind::string, false, string.escaped ? Resolve(string.text) : string.text};
        return true;
    }
    bool Number(std::string_view number) noexcept
    {
        scalar_ = {JsonScalar::Kind::number, false, Print(number)};
        return true;
    }

    const JsonScalar &scalar() const noexcept { return scalar_; }

private:
    std::string_view Resolve(std::string_view raw) noexcept
    {
        char *out = arena_.AllocateText(raw.size());
        return out == nullptr ? std::string_view{} : std::string_view{out, Unescape(raw, out, interrupt_)};
    }

    // A longer number is no call id.
    std::string_view Print(std::string_view number) noexcept
    {
        char room[max_call_id_bytes];
        const PrintedNumber printed = PrintNumber(number, room);
        if (printed.text.empty())
            return number;
        return printed.text.data() == room ? arena_.Copy(printed.text) : printed.text;
    }

    Arena &arena_;
    const volatile std::sig_atomic_t &interrupt_;
    JsonScalar scalar_;
};

std::string_view JoinTexts(std::span<const std::string_view> texts, Arena &arena) noexcept
{
    std::size_t size = 0;
    for (const std::string_view text : texts)
        size += text.size() + 1;
    char *const joined = arena.AllocateText(size), *end = joined;
    if (joined == nullptr || texts.empty())
        return {};
    for (const std::string_view text : texts) {
        end = std::copy(text.begin(), text.end(), end);
        *end++ = ' ';
    }
    return {joined, size - 1};
}

} // namespace

// ---- JSON -----------------------------------------------------------------------------------------------

TextBody::TextBody(std::string_view json, Arena &arena, const volatile std::sig_atomic_t &interrupt) noexcept
    : end_(json.data() + json.size()), arena_(arena), interrupt_(interrupt)
{
    const char *at = AfterSpace(json.data());
    root_ = {at < end_ ? at : nullptr};
}

bool TextBody::IsFilled(Node node) const noexcept
{
    if (!IsArray(node) && !IsObject(node))
        return false;
    return At(AfterSpace(node.at + 1)) != (IsArray(node) ? ']' : '}');
}

// If a name repeats, the last member counts, as in jsonb.
TextBody::Node TextBody::Member(Node object, std::string_view name) noexcept
{
    Node found;
    if (!IsObject(object))
        return found;
    const char *at = AfterSpace(object.at + 1);
    while (At(at) == '"' && !Interrupted()) {
        const char *const begin = at, *const after = AfterString(at);
        at = AfterSpace(after);
        if (At(at) != ':')
            break;
        at = AfterSpace(at + 1);
        if (at < end_ && IsNamed(begin, after, name))
            found = {at};
        at = AfterSpace(AfterValue(at));
        if (At(at) != ',')
            break;
        at = AfterSpace(at + 1);
    }
    return found;
}

TextBody::Node TextBody::Element(Node array, std::size_t n) noexcept
{
    if (!IsFilled(array) || !IsArray(array))
        return {};
    const bool goes_on = last_.array == array.at && last_.n <= n;
    const char *at = goes_on ? last_.at : AfterSpace(array.at + 1);
    for (std::size_t i = goes_on ? last_.n : 0; i < n && !Interrupted(); ++i) {
        at = AfterSpace(AfterValue(at));
        if (At(at) != ',')
            return {};
        at = AfterSpace(at + 1);
    }
    if (at == end_)
        return {};
    last_ = {array.at, n, at};
    return {at};
}

JsonScalar TextBody::Scalar(Node node) noexcept
{
    if (!Exists(node))
        return {};
    ScalarReader reader(arena_, interrupt_);
    JsonScanner scanner({node.at, static_cast<std::size_t>(end_ - node.at)}, &interrupt_);
    return scanner.Read(reader) ? reader.scalar() : JsonScalar{};
}

std::string_view TextBody::Text(Node node) const noexcept
{
    if (!Exists(node))
        return {};
    return {node.at, static_cast<std::size_t>(AfterValue(node.at) - node.at)};
}

std::string_view TextBody::Join(std::span<const std::string_view> texts) noexcept
{
    return JoinTexts(texts, arena_);
}

const char *TextBody::AfterSpace(const char *at) const noexcept
{
    while (at < end_ && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        ++at;
    return at;
}

const char *TextBody::AfterString(const char *at) const noexcept
{
    at = FindEscaped(at + 1, end_);
    while (at < end_ && *at != '"' && !Interrupted())
        at = FindEscaped(std::min(at + (*at == '\\' ? 2 : 1), end_), end_);
    return at < end_ ? at + 1 : end_;
}

// Counts brackets, so any depth is safe.
const char *TextBody::AfterContainer(const char *at) const noexcept
{
    std::size_t depth = 0;
    while (at < end_ && !Interrupted()) {
        const char c = *at;
        if (c == '"') {
            at = AfterString(at);
            continue;
        }
        ++at;
        depth += c == '{' || c == '[' ? 1 : 0;
        if ((c == '}' || c == ']') && --depth == 0)
            return at;
    }
    return end_;
}

const char *TextBody::AfterValue(const char *at) const noexcept
{
    const char first = At(at);
    if (first == '"')
        return AfterString(at);
    if (first == '{' || first == '[')
        return AfterContainer(at);
    constexpr std::string_view ends = ",]} \n\t\r";
    return std::find_first_of(at, end_, ends.begin(), ends.end());
}

// The name with its quotes is in [at, after).
bool TextBody::IsNamed(const char *at, const char *after, std::string_view name) noexcept
{
    const std::string_view raw(at, static_cast<std::size_t>(after - at));
    if (raw.find('\\') == raw.npos)
        return raw.size() == name.size() + 2 && raw.substr(1, name.size()) == name;
    constexpr std::size_t longest_escape = 6; // of one byte
    if (raw.size() > longest_escape * name.size() + 2)
        return false;
    const JsonScalar scalar = Scalar({at});
    return scalar.kind == JsonScalar::Kind::string && scalar.text == name;
}

// ---- forms ----------------------------------------------------------------------------------------------

FormBody::Node FormBody::Member(const Node &form, std::string_view name) noexcept
{
    if (form.kind != Node::Kind::form)
        return {};
    // clang 14 cannot compile std::ranges::equal_range of libstdc++ 12.
    const auto first = std::ranges::lower_bound(form.members, name, {}, &FormMember::name);
    const auto last = std::ranges::upper_bound(form.members, name, {}, &FormMember::name);
    const std::span<const FormMember> found(first, last);
    if (found.empty())
        return {};
    return {found.size() > 1 ? Node::Kind::array : Node::Kind::text, found};
}

FormBody::Node FormBody::Element(const Node &array, std::size_t n) noexcept
{
    if (!IsArray(array) || n >= array.members.size())
        return {};
    return {Node::Kind::text, array.members.subspan(n, 1)};
}

JsonScalar FormBody::Scalar(const Node &node) noexcept
{
    if (node.kind != Node::Kind::text)
        return {};
    return {JsonScalar::Kind::string, false, node.members.front().value};
}

std::string_view FormBody::Join(std::span<const std::string_view> texts) noexcept
{
    return JoinTexts(texts, arena_);
}

} // namespace callhardening
