#include "core/json/setting.hpp"

#include "core/base/text.hpp"
#include "core/json/json_parser.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <utility>

namespace callhardening
{

namespace
{

using Type = SettingValue::Type;

// The last member of a name counts, as in jsonb.
void SortMembers(SettingValue &object)
{
    std::vector<std::size_t> order(object.names.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return object.names[a] < object.names[b]; });
    SettingValue sorted;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i + 1 < order.size() && object.names[order[i]] == object.names[order[i + 1]])
            continue;
        sorted.names.push_back(std::move(object.names[order[i]]));
        sorted.values.push_back(std::move(object.values[order[i]]));
    }
    object.names.swap(sorted.names);
    object.values.swap(sorted.values);
}

class Builder final : public JsonListener
{
public:
    Builder(SettingValue &document, std::size_t deepest) : document_(document), deepest_(deepest) {}

    bool Null() override
    {
        SettingValue value;
        value.type = Type::null;
        return Put(std::move(value));
    }
    bool Boolean(bool flag) override
    {
        SettingValue value;
        value.type = Type::boolean;
        value.flag = flag;
        return Put(std::move(value));
    }
    bool Negative(std::int64_t) override { return Put({}); }
    bool Fraction() override { return Put({}); }
    bool Whole(std::uint64_t value) override
    {
        SettingValue number;
        number.type = Type::whole;
        number.whole = value;
        return Put(std::move(number));
    }
    bool String(std::string &text) override
    {
        SettingValue value;
        value.type = Type::string;
        value.text = std::move(text);
        return Put(std::move(value));
    }
    bool Key(std::string &name) override
    {
        if (too_deep_ == 0)
            open_.back()->names.push_back(std::move(name));
        return true;
    }
    bool StartObject() override { return Open(Type::object); }
    bool StartArray() override { return Open(Type::array); }
    bool EndObject() override { return Close(); }
    bool EndArray() override { return Close(); }

private:
    bool Put(SettingValue value)
    {
        if (too_deep_ > 0)
            return true;
        if (open_.empty())
            document_ = std::move(value);
        else
            open_.back()->values.push_back(std::move(value));
        return true;
    }

    bool Open(Type type)
    {
        SettingValue container;
        container.type = type;
        Put(std::move(container));
        if (too_deep_ > 0 || open_.size() == deepest_)
            ++too_deep_;
        else
            open_.push_back(open_.empty() ? &document_ : &open_.back()->values.back());
        return true;
    }

    bool Close()
    {
        if (too_deep_ > 0) {
            --too_deep_;
            return true;
        }
        if (open_.back()->Is(Type::object))
            SortMembers(*open_.back());
        open_.pop_back();
        return true;
    }

    SettingValue &document_;
    const std::size_t deepest_;
    std::vector<SettingValue *>
        open_; // each is the last value of the one before, and that one gets no other value meanwhile
    std::size_t too_deep_ = 0;
};

void AppendText(std::string &out, std::string_view text)
{
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    out += '"';
}

void Append(std::string &out, const SettingValue &value)
{
    if (value.Is(Type::string))
        return AppendText(out, value.text);
    if (value.Is(Type::whole)) {
        out += std::to_string(value.whole);
        return;
    }
    const bool object = value.Is(Type::object);
    out += object ? '{' : '[';
    for (std::size_t i = 0; i < value.values.size(); ++i) {
        if (i > 0)
            out += ',';
        if (object) {
            AppendText(out, value.names[i]);
            out += ':';
        }
        Append(out, value.values[i]);
    }
    out += object ? '}' : ']';
}

} // namespace

const SettingValue *SettingValue::Find(std::string_view name) const noexcept
{
    const auto found = std::lower_bound(names.begin(), names.end(), name);
    return found != names.end() && *found == name ? &values[static_cast<std::size_t>(found - names.begin())]
                                                  : nullptr;
}

bool SettingError::Refuse(const std::string &where, const std::string &why) noexcept
{
    std::snprintf(field, sizeof(field), "%s", where.c_str());
    std::snprintf(reason, sizeof(reason), "%s", why.c_str());
    return false;
}

// Quotes a name of the document only if it looks like a word: the document may be a misplaced payload.
bool SettingError::RefuseUnknown(const std::string &where, const std::string &member)
{
    const std::string what =
        LooksLikeWord(member) ? "\"" + member + "\"" : "of " + std::to_string(member.size()) + " bytes";
    return Refuse(where, "has an unknown member " + what);
}

bool SettingError::AllowOnly(std::initializer_list<std::string_view> members, const SettingValue &object,
                             const std::string &where)
{
    for (const std::string &name : object.names)
        if (std::find(members.begin(), members.end(), name) == members.end())
            return RefuseUnknown(where, name);
    return true;
}

bool ReadSetting(std::string_view json, std::size_t deepest, SettingValue &document)
{
    Builder builder(document, deepest);
    return ParseJson(json, builder);
}

bool OpenSetting(std::string_view json, std::size_t deepest, SettingValue &document, SettingError &error)
{
    if (!ReadSetting(json, deepest, document))
        return error.Refuse("document", "is no JSON, or has a number out of range");
    return document.Is(Type::object) || error.Refuse("document", "must be an object");
}

bool HasVersion(int version, const SettingValue &document, SettingError &error)
{
    const SettingValue *given = document.Find("version");
    return (given != nullptr && given->Is(Type::whole) &&
            given->whole == static_cast<std::uint64_t>(version)) ||
           error.Refuse("version", "must be " + std::to_string(version));
}

std::string CanonicalText(const SettingValue &document)
{
    std::string text;
    Append(text, document);
    return text;
}

} // namespace callhardening
