// Brings the members of an object from the document's order into jsonb's. Keeps the last member of each name
// and applies the limit.
#pragma once

#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/record.hpp"

#include <cstdint>
#include <string_view>

namespace callhardening
{

// A member in the order of arrival.
struct Member {
    const char *name; // unchanged
    std::uint32_t name_size;
    std::uint32_t first_token; // its tokens end where the next member's begin
    SanitizeCounts before;     // the actions before it
    bool empty;                // null, "", {} or []
    bool record;               // a record of an earlier pass, not data
    bool kept;                 // counts towards the limit; its tokens may have been shed since

    std::string_view text() const noexcept { return {name, name_size}; }
};

// The stack of the members of all open objects. The innermost object's members are at its end.
class MemberStack
{
public:
    MemberStack(Arena &arena, TokenList &tokens) noexcept : arena_(arena), tokens_(tokens) {}

    std::uint32_t size() const noexcept { return size_; }
    void Truncate(std::uint32_t size) noexcept { size_ = size; }
    Member &top() noexcept { return members_[size_ - 1]; }
    std::string_view NameAt(std::uint32_t i) const noexcept { return members_[i].text(); }
    void Push(std::string_view name, std::uint32_t first_token, const SanitizeCounts &before,
              bool kept = false) noexcept
    {
        if (size_ < capacity_ || Grow())
            members_[size_++] = {
                name.data(), static_cast<std::uint32_t>(name.size()), first_token, before, false, false,
                kept};
    }

    struct Arranged {
        std::uint32_t kept;     // members within the limit
        std::uint32_t shadowed; // members that a later one of the same name replaced
        bool cut;               // some are beyond the limit
        // Empty if there is none. The empty name sorts before every other.
        std::string_view last_kept;
        std::string_view last_emptied; // of the members that came with a value and lost it
    };
    // Arranges the members from `first` on. Their tokens are the last ones of the list. `counts` holds all
    // actions up to now. Actions on members shadowed or beyond the limit are taken back. Only kept members
    // stay on the stack.
    Arranged Arrange(std::uint32_t first, std::uint32_t limit, SanitizeCounts &counts) noexcept;
    // The same at the end of their object: none stays on the stack.
    Arranged Close(std::uint32_t first, std::uint32_t limit, SanitizeCounts &counts) noexcept;

    // Sorts the members of an object by their new names. The object begins after token `begin`. Of members
    // with the same name only the first stays. Returns the number of removed members. `observer` may be
    // nullptr.
    std::uint32_t ArrangeRenamed(std::uint32_t begin, Observer *observer) noexcept;

private:
    struct Order {
        std::uint64_t rank; // orders most names
        std::uint32_t member;
        std::uint32_t first_token; // once the tokens are in order
    };

    bool Grow() noexcept;
    Order *Sort(std::uint32_t first) noexcept;
    Arranged Choose(Order *order, std::uint32_t count, std::uint32_t limit,
                    SanitizeCounts &counts) const noexcept;
    void MoveTokens(std::uint32_t first, Order *order, std::uint32_t count) noexcept;
    void MoveMembers(std::uint32_t first, const Order *order, std::uint32_t count,
                     const SanitizeCounts &until, const SanitizeCounts &counts) noexcept;
    SanitizeCounts DoneTo(std::uint32_t member, const SanitizeCounts &until) const noexcept;
    bool SameName(const Order &a, const Order &b) const noexcept;
    bool IsBefore(const Order &a, const Order &b) const noexcept;

    Arena &arena_;
    TokenList &tokens_;
    Member *members_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
    Scratch order_;
    Scratch moved_tokens_;
    Scratch moved_members_;
};

// Hashes of names. An object with very many members cannot keep every name.
class NameHashes
{
public:
    explicit NameHashes(Arena &arena) noexcept : arena_(arena) {}

    std::uint32_t size() const noexcept { return size_; }
    void Truncate(std::uint32_t size) noexcept { size_ = size; }
    void Push(std::string_view name) noexcept;
    // False if no two names from `first` on can be the same. Changes their order.
    bool MayRepeat(std::uint32_t first) noexcept;

private:
    Arena &arena_;
    std::uint64_t *hashes_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
};

// The members of one open object.
struct OpenMembers {
    std::uint32_t first;      // on the stack
    std::uint32_t first_hash; // of its names, if it is crowded
    std::string_view emptied; // the last name among the members that lost their value before the object ended
    bool crowded;             // more members came than the stack keeps
};

// The members of all open objects. Members that can no longer matter are not kept.
class ObjectMembers
{
public:
    ObjectMembers(Arena &arena, TokenList &tokens) noexcept : stack_(arena, tokens), hashes_(arena) {}

    OpenMembers Begin() const noexcept { return {stack_.size(), hashes_.size(), {}, false}; }
    Member &top() noexcept { return stack_.top(); }
    // True if the object is full and Crowd has to remove members first.
    bool IsFull(const OpenMembers &object, std::uint32_t limit) const noexcept
    {
        return stack_.size() - object.first >= 2 * limit + crowd_step;
    }
    MemberStack::Arranged Crowd(OpenMembers &object, std::uint32_t limit, SanitizeCounts &counts) noexcept;
    void Push(const OpenMembers &object, std::string_view name, std::uint32_t first_token,
              const SanitizeCounts &before) noexcept
    {
        if (object.crowded)
            hashes_.Push(name);
        stack_.Push(name, first_token, before);
    }
    MemberStack::Arranged Close(const OpenMembers &object, std::uint32_t limit,
                                SanitizeCounts &counts) noexcept
    {
        return stack_.Close(object.first, limit, counts);
    }
    // For an object after its Close. `cut`: members were beyond the limit.
    bool IsDoubtful(const OpenMembers &object, const MemberStack::Arranged &closed, bool cut) noexcept;
    void Forget(const OpenMembers &object) noexcept { hashes_.Truncate(object.first_hash); }
    std::uint32_t ArrangeRenamed(std::uint32_t begin, Observer *observer) noexcept
    {
        return stack_.ArrangeRenamed(begin, observer);
    }
    // Returns to the state of a Begin.
    void Return(const OpenMembers &mark) noexcept
    {
        stack_.Truncate(mark.first);
        hashes_.Truncate(mark.first_hash);
    }

private:
    // Members to keep beyond twice the limit.
    static constexpr std::uint32_t crowd_step = 64;

    MemberStack stack_;
    NameHashes hashes_;
};

} // namespace callhardening
