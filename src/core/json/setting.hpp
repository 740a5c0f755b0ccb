// A setting that is a JSON document, read: a policy, or the shape of a provider's bodies.
//
// nlohmann's own tree of values needs memory to be taken down, in a destructor that must not fail: a process
// that has none left ends there. This one only frees.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace callhardening
{

struct SettingValue {
    enum class Type : unsigned char { null, boolean, whole, string, array, object, other };

    Type type = Type::other;
    bool flag = false;
    std::uint64_t whole = 0;
    std::string text;
    std::vector<SettingValue> values; // items or members
    std::vector<std::string> names;  // of the members: in order, each once

    bool Is(Type wanted) const noexcept { return type == wanted; }
    bool IsText(std::string_view wanted) const noexcept { return Is(Type::string) && text == wanted; }
    // nullptr where there is no such member.
    const SettingValue *Find(std::string_view name) const noexcept;
};

// False where `json` is no JSON. What is nested deeper than `deepest` is only known as an array or an object.
// May throw bad_alloc.
bool ReadSetting(std::string_view json, std::size_t deepest, SettingValue &document);

// A document of texts, whole numbers, arrays and objects as one text, however it was spaced and ordered.
std::string CanonicalText(const SettingValue &document);

} // namespace callhardening
