// The sanitizer: events of a JSON document go in, a bounded list of tokens comes out.
//
// The caller walks its document, jsonb or text, and reports what it meets; where the answer is Walk::skip it
// need not look inside. The result refers to the caller's strings where they did not change, so they have to
// outlive it. A Sanitizer owns nothing (see Arena), so an error of PostgreSQL may pass it between two events.
#pragma once

#include "core/json/number.hpp"
#include "core/policy/policy.hpp"
#include "core/sanitizer/members.hpp"
#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/record.hpp"
#include "core/sanitizer/texts.hpp"
#include "core/sanitizer/token.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

enum class Walk : unsigned char { enter, skip };

enum class MemberOrder : unsigned char {
    jsonb,    // sorted, each name once
    document, // as a text has them: they are sorted, and the last of each name taken, when their object ends
};

// JSON in strings in JSON. \u005c needs no more room at each level, so the size of the text does not bound
// it.
inline constexpr std::uint16_t deepest_embedding = 16;

class Sanitizer
{
public:
    static constexpr std::size_t unknown_count = static_cast<std::size_t>(-1);

    Sanitizer(const Policy &policy, const Pseudonyms &pseudonyms, Arena::AllocateFunction allocate,
              MemberOrder order) noexcept;

    // The number of members or items, or unknown_count where that is one at least. After Walk::skip there is
    // no End.
    Walk BeginObject(std::size_t members) noexcept { return Begin(ValueType::object, members); }
    Walk BeginArray(std::size_t items) noexcept { return Begin(ValueType::array, items); }
    void EndObject() noexcept { End(); }
    void EndArray() noexcept { End(); }
    void Key(std::string_view name) noexcept;
    void String(std::string_view text) noexcept;
    // A number by its text, as jsonb prints it.
    void Number(std::string_view text) noexcept;
    // The caller's own number, which prints in `printed` bytes, at most longest_number: where its text is not
    // needed.
    void Number(const void *number, std::size_t printed) noexcept;
    bool NeedsNumberText(std::size_t printed) noexcept;
    // A number that prints longer.
    void LongNumber(std::size_t printed) noexcept;
    void Boolean(bool value) noexcept;
    void Null() noexcept;
    // True behind the name of a value that a member beside it may name: {"value": "V", "header":
    // "X-Api-Key"}. Who knows the members in jsonb's order tells the texts of those that are still to come by
    // NamePair.
    bool IsAtPairedValue() const noexcept { return IsMember() && key_word_ == KeyWord::pair_value; }
    void NamePair(std::string_view name) noexcept;

    // Copies what would not outlive the result.
    Arena &arena() noexcept { return arena_; }

    // True where of further items of the array at hand only the number counts, and PassItems tells it.
    bool IsFull() const noexcept;
    void PassItems(std::size_t count) noexcept;

    // Completes the result. False: no memory.
    bool Finish() noexcept;
    // True where the members of an object were too many to know whether a name came twice, and one may have;
    // or where the name of a pair came behind its value.
    bool doubtful() const noexcept { return doubtful_; }
    bool changed() const noexcept { return counts_.Any() || recorded_; }
    // The result has a record of this pass.
    bool records() const noexcept { return recorded_; }
    std::span<const Token> tokens() const noexcept { return tokens_.all(); }
    const SanitizeCounts &counts() const noexcept { return counts_; }

    // Is told what is decided; the tokens then have everything until Finish. The caller reports a document by
    // FeedToken.
    void Watch(Observer &observer) noexcept { observer_ = &observer; }
    void At(std::span<const Token> document, std::uint32_t token) noexcept;

private:
    // What the path to a value means for it. Items of an array have the place of the array.
    struct Place {
        std::string_view name;
        SanitizeCounts before; // it was named
        const PathNode *known; // its places where the policy keeps them; else they are in `reached_`
        std::uint32_t reached_begin;
        std::uint16_t reached;
        RuleIndex rule;
        bool credential;
        bool paired; // a member beside it says that it is one
        bool link;
        bool media;
    };

    enum class ValueType : unsigned char { none, string, number, boolean, object, array };

    // An object that may turn out to be a summary: {"type": "string", "length": 48211}.
    struct Shape {
        ValueType type;
        bool has_length;
        std::uint32_t length;
    };

    struct Frame {
        Place place;
        SanitizeCounts before;
        std::string_view emptied;  // the last name of those of which nothing was left before the object ended
        std::uint32_t first_token; // of the member or item that this container is
        std::uint32_t kept;
        std::uint32_t seen;
        std::uint32_t members;     // the size of the stack of members before those of this object
        std::uint32_t names;       // the same of the names of crowded objects
        std::uint32_t prune_above; // so many tokens
        Shape shape;
        ValueType type;
        MemberOrder order;
        std::uint16_t embedded;
        bool measured; // only its size is of interest
        bool cut;
        bool renamed; // a member has another name than it came with
        bool crowded; // more members came than are kept on the stack
        // The member or item that comes next, or a member called value, is named as a secret.
        bool names_secret;
        bool named;     // a member that may name the value has come
        bool has_value; // so has the value
    };

    enum class KeyWord : unsigned char { other, type, length, pair_name, pair_value };
    static KeyWord ToKeyWord(std::string_view name) noexcept;

    // To return to where a string turns out not to be JSON.
    struct Checkpoint {
        SanitizeCounts counts;
        std::uint32_t tokens;
        std::uint32_t members;
        std::uint32_t names;
        std::uint16_t depth;
        Place member;
        std::string_view key;
        std::string_view label;
        KeyWord key_word;
        ValueType root_type;
        bool entered;
        Frame frame;
    };

    bool GrowReached(std::size_t needed) noexcept;

    Frame &top() noexcept { return frames_[depth_ - 1]; }
    const Place &place() const noexcept { return IsItem() ? frames_[depth_ - 1].place : member_; }
    Rule rule() const noexcept { return policy_.rule(place().rule); }
    Action action() const noexcept { return rule().action; }
    TextPlace text_place() const noexcept;
    bool Detects() const noexcept;
    bool IsItem() const noexcept { return depth_ > 0 && frames_[depth_ - 1].type == ValueType::array; }
    bool IsMember() const noexcept { return depth_ > 0 && frames_[depth_ - 1].type == ValueType::object; }

    bool Admit(bool empty) noexcept;
    bool AdmitScalar(ValueType type, std::string_view text, std::size_t printed) noexcept;
    bool IsBeyondLimit() noexcept;
    void BeginValue() noexcept;
    void EmitKept(TokenKind kind, std::string_view text) noexcept;
    void Emit(TokenKind kind, std::string_view text) noexcept;
    void TellCameOut(Outcome outcome, Reason why, std::uint32_t tokens = 1) noexcept
    {
        if (observer_ != nullptr)
            observer_->CameOut(outcome, why, tokens_.all().last(tokens));
    }
    void TellFitted(const Fitted &fitted) noexcept;
    void EmitFitted(const Fitted &fitted, ValueType type, std::string_view came) noexcept;
    void EmitSummary(ValueType type, std::size_t length) noexcept;
    void EmitEmpty(ValueType type) noexcept;
    void EmitMarker(std::size_t came, Reason why) noexcept;
    void BeginKeyWord() noexcept;
    void BeginPair() noexcept;
    void LookAtLabel() noexcept;
    bool IsSecretLabel(std::string_view text) const noexcept;
    void EndItem(std::string_view text) noexcept;
    void Disorder(bool late) noexcept;
    void BeginText(MemberOrder order) noexcept;
    bool ReadAsItComes(std::string_view text) noexcept;
    bool ReadInOrder(std::string_view text, Reason found) noexcept;
    void Drop() noexcept { ++counts_.dropped; }
    void DropMember() noexcept;
    void CountEmpty() noexcept;
    void DropByRule() noexcept;
    bool IsEarlierRecord(std::string_view text) const noexcept;
    void TakeEarlierRecord(std::string_view text) noexcept;
    bool NeedsRecord() const noexcept;
    void AddRecord() noexcept;
    void RecordCounts() noexcept;
    void Replace(ValueType type, std::size_t length, Reason why) noexcept;
    Reason WhyNot(Reason why) const noexcept;
    Walk Begin(ValueType type, std::size_t count) noexcept;
    Walk Enter(ValueType type, bool measured) noexcept;
    void End() noexcept;
    void EndMeasured(const Frame &frame) noexcept;
    void EndEntered(const Frame &frame) noexcept;
    void Rollback(const Frame &frame) noexcept;

    void PushMember(std::string_view name) noexcept;
    void CrowdMembers() noexcept;
    void Arranged(const MemberStack::Arranged &arranged) noexcept;
    void EndMembers() noexcept;
    void Prune() noexcept
    {
        if (CanPrune(top()))
            PruneTop();
    }
    // Each value pays for looking at so many tokens again. A step of a fixed size would take time quadratic
    // in the size of the budget, and each of many levels would look at what the one below has looked at.
    static constexpr std::uint64_t prune_share = 4;
    bool CanPrune(const Frame &frame) const noexcept
    {
        const std::uint32_t size = tokens_.size() - frame.first_token;
        return size > frame.prune_above && size <= prune_credit_;
    }
    void PruneTop() noexcept;
    void PruneFrom(std::uint32_t first) noexcept;

    void EnterMember() noexcept;
    Step WorkOut(const Place &object, std::string_view name) noexcept;
    PathNodes Reached(const Place &place) const noexcept;
    std::uint32_t ReachedEnd(const Place &place) const noexcept;
    void FitString(std::string_view text) noexcept;
    void Count(const Fitted &fitted, std::string_view came) noexcept;
    bool OpenJson(std::string_view text, Reason found) noexcept;
    Checkpoint Mark() const noexcept;
    void Return(const Checkpoint &mark) noexcept;
    void KeepBudget() noexcept;
    void BecomeSummary() noexcept;

    const Policy &policy_;
    const Limits limits_;
    const std::uint16_t max_reached_;
    Arena arena_;
    Redactor redactor_;
    TokenList tokens_;
    MemberStack members_;
    NameHashes names_; // of the members of crowded objects
    std::uint64_t prune_credit_ = 0;
    Scratch shed_;
    PathNode *reached_ = nullptr;
    std::size_t reached_capacity_ = 0;
    SanitizeCounts counts_{};
    Place member_{}; // of the value that comes next in an object; at the root, of the root
    std::string_view key_;
    KeyWord key_word_ = KeyWord::other;
    std::string_view label_;        // of the pair that the innermost object may be, not looked at yet
    std::string_view old_record_;   // of an earlier pass
    std::uint32_t root_length_ = 0; // its members, items or characters
    std::uint16_t depth_ = 0;
    std::uint16_t embedded_ = 0; // JSON inside of strings inside of each other
    ValueType root_type_ = ValueType::none;
    MemberOrder order_;
    bool entered_ = true;        // `member_` and `key_` are those of the member at hand
    bool before_record_ = false; // the value of the root's member `_sanitized` comes next
    bool doubtful_ = false;
    bool disordered_ = false; // in JSON in a string: a name came behind the value that it names
    bool listed_ = false;     // the item before names the one at hand as a secret
    bool recorded_ = false;
    Observer *observer_ = nullptr;
    Frame frames_[max_depth + 1];
};

} // namespace callhardening
