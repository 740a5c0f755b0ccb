// Bodies that are forms: application/x-www-form-urlencoded.
//
//     CallSid=CA12&CallStatus=in-progress&From=%2B14155550100&ForwardedFrom
//
// A form is a flat list of members, all of them strings. A plus is a space, %XX a byte, a name may repeat,
// and a name without `=` has an empty value.
#pragma once

#include "core/base/core.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace callhardening
{

enum class FormFlaw : unsigned char {
    none,
    not_a_form,
    escape,   // % without two digits
    encoding, // its bytes are no UTF-8, or have a NUL in them
    too_long,
    too_many_members,
    long_name,
};

// What is wrong, as the end of a message: nothing of the body in it.
const char *Describe(FormFlaw flaw) noexcept;

inline constexpr std::size_t longest_form = std::size_t{16} << 20; // bytes, as all of these
inline constexpr std::size_t longest_form_name = 1024;
inline constexpr std::size_t most_form_members = 4096;

struct FormMember {
    std::string_view name, value;
};

// True for what is a form, or was meant to be one. Never for a part of a JSON document that has a name or an
// object in it: quotes and braces are escaped in forms.
bool LooksLikeForm(std::string_view body) noexcept;

// For how many members DecodeForm needs a place; never more than most_form_members.
std::size_t CountFormMembers(std::string_view body) noexcept;

struct Form {
    FormFlaw flaw;
    std::span<const FormMember> members; // sorted by name; those of one name in the order of the body
};

// `room` has a byte more than the body, `places` as many as CountFormMembers says. The texts of the members
// lie in `room`.
Form DecodeForm(std::string_view body, std::span<char> room, std::span<FormMember> places) noexcept;

} // namespace callhardening
