// What a text spells: escapes of JSON and of other languages, percent encoding and HTML entities resolved,
// level by level, since a form has JSON in it, and that an address.
//
// Secrets are looked for at every level, and what is cut out is the spelling: where a letter of a level comes
// from in the text is known.
#pragma once

#include "core/base/arena.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

// A text, and whether it spells no further one: then a backslash is a letter, and no part of an escape.
struct SpelledText {
    std::string_view text;
    bool is_plain;
};

class Spellings
{
public:
    static constexpr std::size_t most_levels = 8;

    explicit Spellings(Arena &arena) noexcept : arena_(arena) {}

    // Reads no more than the first `window` bytes. The text has to outlive the levels.
    void Read(std::string_view text, std::size_t window) noexcept;

    // One at least: the text itself is level 0, and whole.
    std::size_t count() const noexcept { return count_; }
    SpelledText at(std::size_t level) const noexcept { return {levels_[level].text, level + 1 == count_}; }

    // Where the letter at `i` of a level begins in the text. The end of a window counts as that of the text.
    std::size_t Origin(std::size_t level, std::size_t i) const noexcept;
    // The first letter of a level that comes from `origin` or behind it.
    std::size_t Place(std::size_t level, std::size_t origin) const noexcept;

private:
    struct Level {
        std::string_view text;
        const std::uint32_t *origins; // of each letter and of the end; nullptr: the text itself
        Scratch letters_memory;
        Scratch origins_memory;
    };

    bool Resolve(std::size_t level, std::string_view spelling) noexcept;

    Arena &arena_;
    Level levels_[most_levels] = {};
    std::size_t count_ = 0;
};

// False where a text spells nothing but itself.
bool MaySpell(std::string_view text) noexcept;

} // namespace callhardening
