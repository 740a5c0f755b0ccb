// JSON inside of a string.
#pragma once

#include "core/payload.hpp"

#include <string_view>

namespace callhardening
{

// True where a text starts as an object, an array or a string of JSON does.
bool LooksLikeJson(std::string_view text) noexcept;

class EmbeddedJson
{
public:
    // Reports the document in `text` to `sanitizer`. False: it is none, and the events are to be taken back.
    static bool Feed(std::string_view text, Sanitizer &sanitizer) noexcept;
};

} // namespace callhardening
