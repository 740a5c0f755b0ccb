#include "core/policy/known_members.hpp"

#include <algorithm>
#include <cstring>

namespace callhardening
{

namespace
{

constexpr std::size_t most_interned = 256;
constexpr std::size_t most_members = 1024;
constexpr std::size_t longest_name = 64;

// At most half full, so a probe ends soon.
constexpr std::size_t slot_count = 2 * most_members;

} // namespace

std::uint64_t HashName(std::string_view name) noexcept
{
    constexpr std::uint64_t multiplier = 0x9E3779B97F4A7C15;
    std::uint64_t head = 0, tail = 0;
    if (name.size() >= sizeof(head)) {
        std::memcpy(&head, name.data(), sizeof(head));
        std::memcpy(&tail, name.data() + (name.size() - sizeof(tail)), sizeof(tail));
    } else {
        for (const char c : name)
            head = head << 8 | static_cast<unsigned char>(c);
    }
    std::uint64_t hash = (head ^ (tail << 29 | tail >> 35) ^ name.size()) * multiplier;
    return hash ^ hash >> 32;
}

std::optional<PathNodes> KnownMembers::Intern(PathNodes nodes)
{
    for (const Interned &known : interned_)
        if (std::equal(nodes.begin(), nodes.end(), known.nodes.get(), known.nodes.get() + known.size))
            return PathNodes{known.nodes.get(), known.size};
    if (interned_.size() == most_interned)
        return std::nullopt;
    // Never of size 0: the address identifies the nodes.
    auto copy = std::make_unique<PathNode[]>(nodes.size() + 1);
    std::copy(nodes.begin(), nodes.end(), copy.get());
    interned_.push_back({std::move(copy), nodes.size()});
    return PathNodes{interned_.back().nodes.get(), nodes.size()};
}

std::size_t KnownMembers::FirstSlot(const PathNode *from, std::string_view name) const noexcept
{
    return (HashName(name) ^ reinterpret_cast<std::uintptr_t>(from) >> 4) % slot_count;
}

const Step *KnownMembers::Find(PathNodes from, std::string_view name) const noexcept
{
    if (slots_.empty())
        return nullptr;
    for (std::size_t slot = FirstSlot(from.data(), name); slots_[slot] != 0; slot = (slot + 1) % slot_count) {
        const Member &member = members_[slots_[slot] - 1u];
        if (member.from == from.data() && member.name == name)
            return &member.step;
    }
    return nullptr;
}

void KnownMembers::Add(PathNodes from, std::string_view name, const Step &step)
{
    const bool is_interned = std::any_of(interned_.begin(), interned_.end(), [from](const Interned &known) {
        return known.nodes.get() == from.data();
    });
    if (!is_interned || name.size() > longest_name)
        return;
    const std::optional<PathNodes> reached = Intern(step.reached);
    if (!reached)
        return;
    if (slots_.empty() || members_.size() == most_members) {
        members_.clear();
        slots_.assign(slot_count, 0);
    }
    members_.push_back({from.data(), std::string(name), {step.meaning, step.rule, *reached}});
    std::size_t slot = FirstSlot(from.data(), name);
    while (slots_[slot] != 0)
        slot = (slot + 1) % slot_count;
    slots_[slot] = static_cast<std::uint16_t>(members_.size());
}

} // namespace callhardening
