// A setting in a JSON document: a policy, the shape of a provider's bodies, a signature scheme.
//
// nlohmann's own tree of values allocates memory in its destructor. The destructor must not fail, so a
// process without memory would end there. This tree only frees.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
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
    std::vector<std::string> names;   // of the members: in order, each once

    bool Is(Type wanted) const noexcept { return type == wanted; }
    bool IsText(std::string_view wanted) const noexcept { return Is(Type::string) && text == wanted; }
    // nullptr: there is no such member.
    const SettingValue *Find(std::string_view name) const noexcept;
};

// The first mistake of a document, in words for its author.
struct SettingError {
    bool out_of_memory;
    char field[128];  // "rules[3].path"
    char reason[128]; // "must be a string"

    // Both return false, as a compiler does after a mistake.
    bool Refuse(const std::string &where, const std::string &why) noexcept;
    bool RefuseUnknown(const std::string &where, const std::string &member);

    // False, and the first other member is refused.
    bool AllowOnly(std::initializer_list<std::string_view> members, const SettingValue &object,
                   const std::string &where);
};

// false: `json` is no JSON. Below `deepest`, only the type of an array or object is known. May throw
// bad_alloc.
bool ReadSetting(std::string_view json, std::size_t deepest, SettingValue &document);

// The same for a whole setting, which is an object. False: `error` says why.
bool OpenSetting(std::string_view json, std::size_t deepest, SettingValue &document, SettingError &error);

// False: the document is not in this version of its language, and `error` says so.
bool HasVersion(int version, const SettingValue &document, SettingError &error);

// A document of texts, whole numbers, arrays and objects as one text. Spacing and order do not change it.
std::string CanonicalText(const SettingValue &document);

} // namespace callhardening
