// One text of a JSON document, by its path.
#pragma once

#include "core/ingest/scheme.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace callhardening
{

enum class MemberFlaw : unsigned char {
    none,
    no_json,
    missing,   // at least one element has no such member
    different, // several elements, or a repeated member, with different texts
};

struct MemberText {
    MemberFlaw flaw = MemberFlaw::missing;
    std::string text; // of a string or a number
};

// Reads the whole document, but keeps only the text. May throw bad_alloc.
MemberText ReadMember(std::string_view json, const MemberPath &path);

} // namespace callhardening
