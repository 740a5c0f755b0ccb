// The shapes of known providers.
#pragma once

#include "core/events/shape.hpp"

#include <span>
#include <string_view>

namespace callhardening
{

struct BuiltInShapeDocument {
    std::string_view provider;
    const std::string_view *json;
};

std::span<const BuiltInShapeDocument> BuiltInShapeDocuments() noexcept;

// The document. Empty: nobody knows how the provider sends a call. "Zoom Phone" is "zoom_phone".
std::string_view BuiltInShapeText(std::string_view provider) noexcept;

// The same, compiled at the first call and kept until the process ends. nullptr: there is none, or no memory.
const Shape *BuiltInShape(std::string_view provider) noexcept;

} // namespace callhardening
