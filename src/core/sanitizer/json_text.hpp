// Feeds the text of a JSON document to the sanitizer in one pass.
#pragma once

#include "core/sanitizer/document.hpp"
#include "core/sanitizer/sanitizer.hpp"

#include <csignal>
#include <string_view>

namespace callhardening
{

enum class TextVerdict : unsigned char {
    done,
    doubt,       // jsonb has to decide: the tokens mean nothing
    interrupted, // the tokens mean nothing, and nothing is known about the text
};

// Stops soon after `interrupt` is not 0. nullptr: never stops. `text` is in UTF-8 and has to outlive the
// sanitizer's result.
TextVerdict FeedText(std::string_view text, Sanitizer &sanitizer,
                     const volatile std::sig_atomic_t *interrupt) noexcept;

// The same for JSON in a string of a document.
TextVerdict FeedEmbeddedText(std::string_view text, Sanitizer &sanitizer) noexcept;
TextVerdict FeedEmbeddedText(std::string_view text, DocumentTokens &document) noexcept;

// True if a text starts like an object, an array or a string of JSON.
bool LooksLikeJson(std::string_view text) noexcept;

} // namespace callhardening
