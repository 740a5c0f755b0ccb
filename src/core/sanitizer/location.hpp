// The sanitizer's location in a document: the open containers, the next member, and the meaning of a path for
// a policy. It decides nothing.
#pragma once

#include "core/policy/policy.hpp"
#include "core/sanitizer/members.hpp"
#include "core/sanitizer/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace callhardening
{

enum class MemberOrder : unsigned char {
    jsonb,    // sorted, each name once
    document, // as in the text; sorted when the object ends, and only the last member of each name stays
};

// The meaning of a path for its value. Items of an array have the context of the array.
struct MemberContext {
    std::string_view name;
    SanitizeCounts before; // before its name
    const PathNode *known; // its nodes if the policy keeps them, else nullptr: the location keeps them
    std::uint32_t reached_begin;
    std::uint16_t reached;
    RuleIndex rule;
    bool credential;
    bool paired; // a member beside it names it as a credential
    bool link;
    bool media;
};

// The role of a member's name for its object or for a member beside it.
enum class KeyWord : unsigned char { other, type, length, pair_name, pair_value };

// An object that may turn out to be a summary: {"type": "string", "length": 48211}.
struct SummaryShape {
    ValueType type;
    bool has_length;
    std::uint32_t length;

    bool IsSummary(std::uint32_t members) const noexcept
    {
        return members == 2 && type != ValueType::none && has_length;
    }
};

// An open container.
struct Frame {
    MemberContext context;
    Section section;     // its content in the result
    OpenMembers members; // of an object in the order of a document
    std::uint32_t kept;
    std::uint32_t seen;
    SummaryShape shape;
    ValueType type;
    MemberOrder order;
    std::uint16_t embedded;
    bool measured; // only its size counts
    bool cut;
    bool renamed; // the sanitizer changed the name of a member
    // A label names the next member or item, or a member called value, as a secret.
    bool names_secret;
    bool named;     // a possible label of the value has come
    bool has_value; // the value has come
};

// The next value of an object. At the root, the root itself.
struct MemberAtHand {
    MemberContext context;
    std::string_view key;
    KeyWord word = KeyWord::other;
    bool entered = true; // its context and key are known
};

class Location
{
public:
    Location(const Policy &policy, Arena &arena, MemberOrder order) noexcept
        : arena_(arena), max_reached_(policy.max_reached()), order_(order)
    {
        member_.context.rule = no_rule;
        member_.context.known = policy.start().data();
        member_.context.reached = static_cast<std::uint16_t>(policy.start().size());
    }

    std::uint16_t depth() const noexcept { return depth_; }
    bool AtRoot() const noexcept { return depth_ == 0; }
    bool IsItem() const noexcept { return depth_ > 0 && frames_[depth_ - 1].type == ValueType::array; }
    bool IsMember() const noexcept { return depth_ > 0 && frames_[depth_ - 1].type == ValueType::object; }
    // True directly within the root of the document. JSON in a string is not within it.
    bool IsWithinRoot() const noexcept { return depth_ == 1 && embedded_ == 0; }

    Frame &top() noexcept { return frames_[depth_ - 1]; }
    const Frame &top() const noexcept { return frames_[depth_ - 1]; }
    MemberAtHand &member() noexcept { return member_; }
    const MemberAtHand &member() const noexcept { return member_; }
    bool IsAt(KeyWord word) const noexcept { return member_.word == word && IsMember(); }
    const MemberContext &context() const noexcept
    {
        return IsItem() ? frames_[depth_ - 1].context : member_.context;
    }

    // The frame of the container that begins here. Open() opens it.
    Frame &Prepare(ValueType type) noexcept
    {
        Frame &frame = frames_[depth_];
        frame = {};
        frame.context = context();
        frame.type = type;
        frame.order = order_;
        frame.embedded = embedded_;
        return frame;
    }
    void Open() noexcept { ++depth_; }
    // The frame stays unchanged until another container begins.
    void Close() noexcept { --depth_; }
    // Moves back before the container of this frame. Its content has overwritten the member.
    void ReturnBefore(const Frame &frame) noexcept
    {
        member_.context = frame.context;
        member_.entered = true;
    }

    // The depth of JSON in strings, and the order of members there.
    std::uint16_t embedded() const noexcept { return embedded_; }
    MemberOrder order() const noexcept { return order_; }
    void SetOrder(MemberOrder order) noexcept { order_ = order; }
    void EnterText() noexcept { ++embedded_; }
    void LeaveText() noexcept { --embedded_; }

    // A state to return to if a string turns out not to be JSON.
    struct Mark {
        std::uint16_t depth;
        MemberAtHand member;
        std::optional<Frame> frame;
    };
    Mark Here() const noexcept { return {depth_, member_, depth_ > 0 ? std::optional(top()) : std::nullopt}; }
    void Return(const Mark &mark) noexcept
    {
        depth_ = mark.depth;
        member_ = mark.member;
        if (mark.frame)
            top() = *mark.frame;
    }

    // The nodes of the policy's paths that a value has reached.
    PathNodes Reached(const MemberContext &context) const noexcept
    {
        return {context.known != nullptr ? context.known : reached_ + context.reached_begin, context.reached};
    }
    // The index in reached_ of the first node of the object's members.
    static std::uint32_t ReachedEnd(const MemberContext &context) noexcept
    {
        return context.reached_begin + (context.known != nullptr ? 0u : context.reached);
    }
    // Room for the nodes of a member of this object. nullptr: no memory.
    PathNode *RoomForMember(const MemberContext &object) noexcept;

private:
    Arena &arena_;
    const std::uint16_t max_reached_;
    PathNode *reached_ = nullptr;
    std::size_t reached_capacity_ = 0;
    MemberAtHand member_{};
    std::uint16_t depth_ = 0;
    std::uint16_t embedded_ = 0;
    MemberOrder order_;
    Frame frames_[max_depth + 1];
};

} // namespace callhardening
