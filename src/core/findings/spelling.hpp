// The texts spelled by a text. It resolves escapes of JSON and other languages, percent encoding and HTML
// entities, level by level: a form may contain JSON, and the JSON an address.
//
// Secrets are searched at every level. The sanitizer cuts out their spelling, so each letter of a level knows
// its origin in the text.
#pragma once

#include "core/base/arena.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace callhardening
{

// A text, and whether it spells no further text. If so, a backslash is a letter and no part of an escape.
struct SpelledText {
    std::string_view text;
    bool is_plain;
};

class Spellings
{
public:
    static constexpr std::size_t most_levels = 8;

    explicit Spellings(Arena &arena) noexcept : arena_(arena) {}

    // Reads at most the first `window` bytes. The text has to outlive the levels.
    void Read(std::string_view text, std::size_t window) noexcept;

    // At least one: level 0 is the whole text itself.
    std::size_t count() const noexcept { return count_; }
    SpelledText at(std::size_t level) const noexcept { return {levels_[level].text, level + 1 == count_}; }

    // The position in the text of the letter at `i` of a level. The end of a window counts as the end of the
    // text.
    std::size_t Origin(std::size_t level, std::size_t i) const noexcept;
    // The first letter of a level with an origin at or after `origin`.
    std::size_t Position(std::size_t level, std::size_t origin) const noexcept;

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

// False if a text spells only itself.
bool MaySpell(std::string_view text) noexcept;

} // namespace callhardening
