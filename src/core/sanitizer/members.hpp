// The members of an object that are reported in the order of a document: brought into jsonb's, the last of
// each name taken, the limit applied.
#pragma once

#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/record.hpp"

#include <cstdint>
#include <string_view>

namespace callhardening
{

// A member as it was met.
struct Member {
    const char *name; // as it came
    std::uint32_t name_size;
    std::uint32_t first_token; // its tokens end where the next member's begin
    SanitizeCounts before;     // what had been done before it
    bool empty;                // null, "", {} or []
    bool record;               // a record of an earlier pass, which is no data
    bool kept;                 // counts towards the limit; its tokens may have been shed since

    std::string_view text() const noexcept { return {name, name_size}; }
};

// The stack of the members of all objects that are open, those of the innermost last.
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
        // The empty name where there is none: no other stands before it.
        std::string_view last_kept;
        std::string_view last_emptied; // of the members that came with a value, and lost it
    };
    // Arranges the members from `first` on, whose tokens are the last ones of the list. `counts` is what has
    // been done by now; what had been done to members that are shadowed or beyond the limit is taken back.
    // Only kept members stay on the stack.
    Arranged Arrange(std::uint32_t first, std::uint32_t limit, SanitizeCounts &counts) noexcept;
    // The same where their object has ended: none stays on the stack.
    Arranged Close(std::uint32_t first, std::uint32_t limit, SanitizeCounts &counts) noexcept;

    // Arranges the members of an object that begins after token `begin` by the names that they have got. Of
    // those that have the same now the first stays; returns how many went. `observer`: or nullptr.
    std::uint32_t ArrangeRenamed(std::uint32_t begin, Observer *observer) noexcept;

private:
    struct Order {
        std::uint64_t rank; // by which most names differ
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

// Hashes of the names of objects with very many members, of which not every name can be kept.
class NameHashes
{
public:
    explicit NameHashes(Arena &arena) noexcept : arena_(arena) {}

    std::uint32_t size() const noexcept { return size_; }
    void Truncate(std::uint32_t size) noexcept { size_ = size; }
    void Push(std::string_view name) noexcept;
    // False where no two names from `first` on can be the same. Puts them in another order.
    bool MayRepeat(std::uint32_t first) noexcept;

private:
    Arena &arena_;
    std::uint64_t *hashes_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
};

// The members of one object that is open.
struct OpenMembers {
    std::uint32_t first;      // on the stack
    std::uint32_t first_hash; // of its names, where it is crowded
    std::string_view emptied; // the last name of those of which nothing was left before the object ended
    bool crowded;             // more members came than are kept on the stack
};

// The members of all objects that are open, of each no more than may matter.
class ObjectMembers
{
public:
    ObjectMembers(Arena &arena, TokenList &tokens) noexcept : stack_(arena, tokens), hashes_(arena) {}

    OpenMembers Begin() const noexcept { return {stack_.size(), hashes_.size(), {}, false}; }
    Member &top() noexcept { return stack_.top(); }
    // True where there are so many that those that have no place in an object are to be let go first.
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
    // Of an object that has been closed so. `cut`: members were beyond the limit.
    bool IsDoubtful(const OpenMembers &object, const MemberStack::Arranged &closed, bool cut) noexcept;
    void Forget(const OpenMembers &object) noexcept { hashes_.Truncate(object.first_hash); }
    std::uint32_t ArrangeRenamed(std::uint32_t begin, Observer *observer) noexcept
    {
        return stack_.ArrangeRenamed(begin, observer);
    }
    // To what they were at a Begin.
    void Return(const OpenMembers &mark) noexcept
    {
        stack_.Truncate(mark.first);
        hashes_.Truncate(mark.first_hash);
    }

private:
    // Members that are kept beyond twice the limit.
    static constexpr std::uint32_t crowd_step = 64;

    MemberStack stack_;
    NameHashes hashes_;
};

} // namespace callhardening
