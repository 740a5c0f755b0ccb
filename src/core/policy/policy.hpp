// A policy: what the sanitizer keeps, drops, masks and limits, compiled from its JSON document.
//
// Paths are compiled to a tree of segments in which rules share their beginnings. A walk through a payload
// carries the nodes of the tree that its path has reached, mostly one or two, so a member costs one look-up
// of its name and a step for each of these nodes, however many rules there are.
#pragma once

#include "core/base/core.hpp"
#include "core/findings/detector.hpp"
#include "core/findings/secret.hpp"
#include "core/policy/known_members.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

// In the record of every sanitized payload.
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
    std::uint32_t depth = 16;        // containers inside each other, the root counts
    std::uint32_t members = 100;     // of one object
    std::uint32_t items = 100;       // of one array
    std::uint32_t characters = 1000; // of a string or a name, where no rule says otherwise
};

// What a policy without the member asks for, and what it may ask for.
inline constexpr std::uint32_t default_max_bytes = 16384;
inline constexpr std::uint32_t least_max_bytes = 256;
inline constexpr std::uint32_t most_max_bytes = 1000000;

// The most that a policy may ask for.
inline constexpr std::uint32_t max_depth = 64;
inline constexpr std::uint32_t max_rules = 1000;
inline constexpr std::uint32_t max_segments = 16;
inline constexpr std::uint32_t max_masked_rest = 8;

struct PolicyError {
    bool out_of_memory;
    char field[128];  // "rules[3].path"
    char reason[128]; // "must be a string"
};

class Policy
{
public:
    // nullptr where the document is no policy: `error` says why. The caller owns the result (DeletePolicy).
    static const Policy *Compile(std::string_view json, PolicyError &error) noexcept;
    static void Delete(const Policy *policy) noexcept;

    const Limits &limits() const noexcept { return limits_; }
    Rule rule(RuleIndex index) const noexcept
    {
        return index == no_rule ? Rule{Action::keep, 0} : rules_[index];
    }
    // As the document has it.
    std::string_view path(RuleIndex index) const noexcept;
    const Detectors &detectors() const noexcept { return detectors_; }
    // Bytes of the result, as text.
    std::uint32_t max_bytes() const noexcept { return max_bytes_; }
    // As records name it, "1:0f0f0f": the version of the language, and six hexadecimal digits of a hash over
    // the document, however its members are ordered and spaced.
    std::string_view recorded() const noexcept;
    std::string_view hash() const noexcept { return recorded().substr(2); }
    // Whether anything asks for pseudonyms: a rule or a detector.
    bool hashes() const noexcept;
    // The names that the policy adds to the credentials.
    SecretNames secret_names() const noexcept;

    // What reaching a member of this name means; no look-up in what is known. `reached` has room for
    // max_reached() nodes.
    Step Enter(PathNodes from, std::string_view name, PathNode *reached) const noexcept;
    // The same as it was remembered of a name that comes out as it is; nullptr: not met of late. Good until
    // the next Remember.
    const Step *Known(PathNodes from, std::string_view name) const noexcept;
    void Remember(PathNodes from, std::string_view name, const Step &step) const noexcept;
    // True for a name that a path spells out and that holds no secret and is within the limit.
    bool Spells(std::string_view name) const noexcept;
    // The class alone.
    MemberClass Classify(std::string_view name) const noexcept;
    // The nodes of the root.
    PathNodes start() const noexcept;
    std::uint16_t max_reached() const noexcept;

private:
    friend class PolicyCompiler;
    struct Tables;
    const Tables *tables_ = nullptr;
    // Every value asks for these, so they take no call.
    const Rule *rules_ = nullptr;
    Limits limits_;
    Detectors detectors_;
    std::uint32_t max_bytes_ = default_max_bytes;
};

} // namespace callhardening
