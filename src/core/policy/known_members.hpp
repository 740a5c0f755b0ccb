// What a policy has found out about members before: the same forty names come in every event.
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

// Of the rules of a policy. Sorts after every rule where none matched: the smallest index wins.
using RuleIndex = std::uint16_t;
inline constexpr RuleIndex no_rule = 0xFFFF;

// A node of the tree of segments of a policy's paths.
using PathNode = std::uint16_t;
using PathNodes = std::span<const PathNode>;

// What reaching a member means: its class, the first rule that matches it, and the nodes that its own
// members start from.
struct Step {
    MemberClass meaning;
    RuleIndex rule;
    PathNodes reached;
};

// A name costs one look-up here, however many rules there are. Bounded, so that names made up by a sender
// take no more than their share. When it is full it begins anew: else a thousand of them, sent once, would
// slow the session down for good.
class KnownMembers
{
public:
    // The same nodes at an address that lasts as long as this object does; nothing where there is no room for
    // them.
    std::optional<PathNodes> Intern(PathNodes nodes);

    // nullptr where nothing is known; good until the next Add. `from` has to be interned for a hit.
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

// Length and both ends tell names apart well enough, and cost the same for any length.
std::uint64_t HashName(std::string_view name) noexcept;

} // namespace callhardening
