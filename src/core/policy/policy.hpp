// A policy: it says what the sanitizer keeps, drops, masks and limits. It is compiled from its JSON document.
//
// Paths are compiled to a tree of segments, and rules share their beginnings. A walk through a payload
// carries the nodes of its path, mostly one or two. So a member costs one lookup of its name and a step for
// each of these nodes, however many rules there are.
#pragma once

#include "core/base/core.hpp"
#include "core/detectors/detector.hpp"
#include "core/findings/secret.hpp"
#include "core/json/setting.hpp"
#include "core/policy/known_members.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

// Written into the record of every sanitized payload.
inline constexpr int policy_language_version = 1;

enum class Action : unsigned char {
    keep,
    drop,
    mask,
    hash,
    truncate,
    summary,
    json,
};

struct Rule {
    Action action;
    std::uint32_t amount; // mask: characters kept at the end; truncate: characters kept at the start
};

struct Limits {
    std::uint32_t depth = 16;        // containers inside each other, including the root
    std::uint32_t members = 100;     // of one object
    std::uint32_t items = 100;       // of one array
    std::uint32_t characters = 1000; // of a string or a name, unless a rule says otherwise
};

// The budget of a policy without one, and the allowed range.
inline constexpr std::uint32_t default_max_bytes = 16384;
inline constexpr std::uint32_t least_max_bytes = 256;
inline constexpr std::uint32_t most_max_bytes = 1000000;

// The most that a policy may ask for.
inline constexpr std::uint32_t max_depth = 64;
inline constexpr std::uint32_t max_rules = 1000;
inline constexpr std::uint32_t max_segments = 16;
inline constexpr std::uint32_t max_masked_rest = 8;

class Policy
{
public:
    // nullptr: the document is no policy, and `error` says why. The caller owns the result and calls Delete.
    static const Policy *Compile(std::string_view json, SettingError &error) noexcept;
    static void Delete(const Policy *policy) noexcept;

    const Limits &limits() const noexcept { return limits_; }
    Rule rule(RuleIndex index) const noexcept
    {
        return index == no_rule ? Rule{Action::keep, 0} : rules_[index];
    }
    // The rule's path as written in the document.
    std::string_view path(RuleIndex index) const noexcept;
    const Detectors &detectors() const noexcept { return detectors_; }
    // The budget: bytes of the result as a text.
    std::uint32_t max_bytes() const noexcept { return max_bytes_; }
    // The mark in records, "1:0f0f0f": the version of the language, and six hexadecimal digits of a hash over
    // the document. Order and spacing of members do not change the hash.
    std::string_view recorded() const noexcept;
    std::string_view hash() const noexcept { return recorded().substr(2); }
    // True if a rule or a detector needs pseudonyms.
    bool hashes() const noexcept;
    // The names that the policy adds to the credentials.
    SecretNames secret_names() const noexcept;

    // The meaning of a member with this name, without a lookup in the memory. `reached` has room for
    // max_reached() nodes.
    Step Enter(PathNodes from, std::string_view name, PathNode *reached) const noexcept;
    // The remembered meaning of a name that stays unchanged. nullptr: not remembered. The result is valid
    // until the next Remember.
    const Step *Known(PathNodes from, std::string_view name) const noexcept;
    void Remember(PathNodes from, std::string_view name, const Step &step) const noexcept;
    // True if a path spells out the name, and the name holds no secret and is within the limit.
    bool Spells(std::string_view name) const noexcept;
    // Only the class.
    MemberClass Classify(std::string_view name) const noexcept;
    // The nodes of the root.
    PathNodes start() const noexcept;
    std::uint16_t max_reached() const noexcept;

private:
    friend class PolicyCompiler;
    struct Tables;
    const Tables *tables_ = nullptr;
    // Stored here, since every value asks for these.
    const Rule *rules_ = nullptr;
    Limits limits_;
    Detectors detectors_;
    std::uint32_t max_bytes_ = default_max_bytes;
};

} // namespace callhardening
