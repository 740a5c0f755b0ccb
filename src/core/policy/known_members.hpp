// A policy's memory of members: the same forty names come in every event.
#pragma once

#include "core/findings/secret.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace callhardening
{

// The index of a rule. no_rule sorts after every rule: the smallest index wins.
using RuleIndex = std::uint16_t;
inline constexpr RuleIndex no_rule = 0xFFFF;

// A node of the tree of segments of a policy's paths.
using PathNode = std::uint16_t;
using PathNodes = std::span<const PathNode>;

// The meaning of a member: its class, the first matching rule, and the nodes for its own members.
struct Step {
    MemberClass meaning;
    RuleIndex rule;
    PathNodes reached;
};

// One lookup finds a name, however many rules there are. The memory is bounded, so names invented by a sender
// take no more than their share. A full memory starts anew. Else a thousand invented names, sent once, would
// slow the session down for good.
class KnownMembers
{
public:
    // The same nodes at an address that lasts as long as this object. nullopt: no room for them.
    std::optional<PathNodes> Intern(PathNodes nodes);

    // nullptr: unknown. The result is valid until the next Add. Only an interned `from` can hit.
    const Step *Find(PathNodes from, std::string_view name) const noexcept;
    void Add(PathNodes from, std::string_view name, const Step &step);

private:
    struct Member {
        const PathNode *from;
        std::string name;
        Step step;
    };
    struct Interned {
        std::unique_ptr<PathNode[]> nodes;
        std::size_t size;
    };

    std::size_t FirstSlot(const PathNode *from, std::string_view name) const noexcept;

    std::vector<Interned> interned_;
    std::vector<Member> members_;
    std::vector<std::uint16_t> slots_; // 1 + index into members_, 0 is free
};

// Hashes the length and both ends of a name: enough to separate names, at the same cost for any length.
std::uint64_t HashName(std::string_view name) noexcept;

} // namespace callhardening
