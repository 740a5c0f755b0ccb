// Bodies in the format of forms: application/x-www-form-urlencoded.
//
//     CallSid=CA12&CallStatus=in-progress&From=%2B14155550100&ForwardedFrom
//
// A form is a flat list of members with string values. A plus is a space, %XX a byte. A name may repeat. A
// name without `=` has an empty value.
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
    encoding, // its bytes are not UTF-8, or contain a NUL
    too_long,
    too_many_members,
    long_name,
};

// The flaw as the end of a message, without content of the body.
const char *Describe(FormFlaw flaw) noexcept;

inline constexpr std::size_t longest_form = std::size_t{16} << 20; // all these are bytes
inline constexpr std::size_t longest_form_name = 1024;
inline constexpr std::size_t most_form_members = 4096;

struct FormMember {
    std::string_view name, value;
};

// True for a form, or for a text meant as a form. Never for a part of a JSON document with a name or an
// object in it: forms escape quotes and braces.
bool LooksLikeForm(std::string_view body) noexcept;

// The number of members that DecodeForm needs room for. At most most_form_members.
std::size_t CountFormMembers(std::string_view body) noexcept;

struct Form {
    FormFlaw flaw;
    std::span<const FormMember> members; // sorted by name; those of one name in the order of the body
};

// `room` has a byte more than the body. `places` has the size of CountFormMembers. The texts of the members
// lie in `room`.
Form DecodeForm(std::string_view body, std::span<char> room, std::span<FormMember> places) noexcept;

} // namespace callhardening
