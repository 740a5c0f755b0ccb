// The sanitizer: tokens of a JSON document go in, a bounded list of tokens comes out.
//
// It decides about each value. Location knows the position in the document. ObjectMembers arranges the
// members of an object from the document's order. Result holds the output.
//
// The caller walks its document, jsonb or text, and reports each token. After Walk::skip it need not look
// inside. The result refers to unchanged strings of the caller, so these have to outlive it. A Sanitizer owns
// nothing (see Arena), so an error of PostgreSQL may leave it between two tokens.
#pragma once

#include "core/json/number.hpp"
#include "core/policy/policy.hpp"
#include "core/sanitizer/location.hpp"
#include "core/sanitizer/members.hpp"
#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/result.hpp"
#include "core/sanitizer/texts.hpp"
#include "core/sanitizer/token.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace callhardening
{

enum class Walk : unsigned char { enter, skip };

// JSON in strings in JSON. \u005c needs no more room at each level, so the size of the text does not limit
// the depth.
inline constexpr std::uint16_t deepest_embedding = 16;

class Sanitizer
{
public:
    static constexpr std::size_t unknown_count = static_cast<std::size_t>(-1);

    Sanitizer(const Policy &policy, const Pseudonyms &pseudonyms, Arena::AllocateFunction allocate,
              MemberOrder order) noexcept;

    // The number of members or items. unknown_count: at least one. No End call follows Walk::skip.
    Walk BeginObject(std::size_t members) noexcept { return Begin(ValueType::object, members); }
    Walk BeginArray(std::size_t items) noexcept { return Begin(ValueType::array, items); }
    void EndObject() noexcept { End(); }
    void EndArray() noexcept { End(); }
    void Key(std::string_view name) noexcept;
    void String(std::string_view text) noexcept;
    // A number as a text, as jsonb prints it.
    void Number(std::string_view text) noexcept;
    // The caller's own number without its text. It prints in `printed` bytes, at most longest_number. Allowed
    // unless NeedsNumberText.
    void Number(const void *number, std::size_t printed) noexcept;
    bool NeedsNumberText(std::size_t printed) noexcept;
    // A number of more than longest_number printed bytes.
    void LongNumber(std::size_t printed) noexcept;
    void Boolean(bool value) noexcept;
    void Null() noexcept;
    // True after the name of a value that a member beside it may name: {"value": "V", "header": "X-Api-Key"}.
    // If the members come in jsonb's order, the caller then reports the texts of later names by NamePair.
    bool IsAtPairedValue() const noexcept { return location_.IsAt(KeyWord::pair_value); }
    void NamePair(std::string_view name) noexcept;

    // For copies of texts that would not outlive the result.
    Arena &arena() noexcept { return arena_; }

    // True if only the number of further items of this array counts. PassItems reports that number.
    bool IsFull() const noexcept;
    void PassItems(std::size_t count) noexcept;

    // Completes the result. false: no memory.
    bool Finish() noexcept;
    // True if an object had too many members to exclude a repeated name, or if the name of a pair came after
    // its value.
    bool doubtful() const noexcept { return doubtful_; }
    bool changed() const noexcept { return result_.changed(); }
    // The result has a record of this pass.
    bool records() const noexcept { return result_.recorded(); }
    std::span<const Token> tokens() const noexcept { return result_.tokens().all(); }
    const SanitizeCounts &counts() const noexcept { return result_.counts(); }

    // The observer hears every decision. The tokens are then complete until Finish. The caller reports the
    // document by FeedToken.
    void Watch(Observer &observer) noexcept
    {
        observer_ = &observer;
        result_.Watch(observer);
    }
    void At(std::span<const Token> document, std::uint32_t token) noexcept;

private:
    static KeyWord ToKeyWord(std::string_view name) noexcept;

    // A state to return to if a string turns out not to be JSON.
    struct Checkpoint {
        Location::Mark location;
        Result::Mark result;
        OpenMembers members;
        std::optional<std::string_view> label;
    };

    Frame &top() noexcept { return location_.top(); }
    const Frame &top() const noexcept { return location_.top(); }
    MemberAtHand &member() noexcept { return location_.member(); }
    const MemberContext &context() const noexcept { return location_.context(); }
    TokenList &list() noexcept { return result_.tokens(); }
    SanitizeCounts &done() noexcept { return result_.counts(); }
    Rule rule() const noexcept { return policy_.rule(context().rule); }
    Action action() const noexcept { return rule().action; }
    TextContext text_context() const noexcept;
    bool Detects() const noexcept;
    bool IsItem() const noexcept { return location_.IsItem(); }
    bool IsMember() const noexcept { return location_.IsMember(); }

    bool Admit(bool empty) noexcept;
    bool AdmitScalar(ValueType type, std::string_view text, std::size_t printed) noexcept;
    bool IsNamedSecret(ValueType type, std::string_view text) const noexcept;
    void LeaveOutEmpty() noexcept;
    bool IsBeyondLimit() noexcept;
    void BeginValue() noexcept;
    void EmitKept(TokenKind kind, std::string_view text) noexcept;
    void Emit(TokenKind kind, std::string_view text) noexcept;
    void TellCameOut(Outcome outcome, Reason why, std::uint32_t tokens = 1) noexcept
    {
        if (observer_ != nullptr)
            observer_->CameOut(outcome, why, list().all().last(tokens));
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
    void Drop() noexcept { ++done().dropped; }
    void DropMember() noexcept;
    void CountEmpty() noexcept;
    void DropByRule() noexcept;
    bool IsEarlierRecord(std::string_view text) const noexcept;
    void TakeEarlierRecord(std::string_view text) noexcept;
    void Replace(ValueType type, std::size_t length, Reason why) noexcept;
    Reason WhyNot(Reason why) const noexcept;
    Walk Begin(ValueType type, std::size_t count) noexcept;
    Walk Enter(ValueType type, bool measured) noexcept;
    void End() noexcept;
    void EndMeasured(const Frame &frame) noexcept;
    void EndEmptied(const Frame &frame) noexcept;
    void EndEntered(const Frame &frame) noexcept;
    void Rollback(const Frame &frame) noexcept;

    void PushMember(OpenMembers &object, std::string_view name) noexcept;
    void CrowdMembers(OpenMembers &object) noexcept;
    void Arranged(const MemberStack::Arranged &arranged) noexcept;
    void EndMembers() noexcept;
    void Prune() noexcept
    {
        if (result_.CanPrune(top().section))
            PruneTop();
    }
    void PruneTop() noexcept;

    void EnterMember() noexcept;
    Step WorkOut(const MemberContext &object, std::string_view name) noexcept;
    void FitString(std::string_view text) noexcept;
    void Count(const Fitted &fitted, std::string_view came) noexcept;
    bool OpenJson(std::string_view text, Reason found) noexcept;
    Checkpoint Mark() const noexcept;
    void Return(const Checkpoint &mark) noexcept;

    const Policy &policy_;
    const Limits limits_;
    Arena arena_;
    Redactor redactor_;
    Location location_;
    Result result_;
    ObjectMembers members_;                 // in the order of a document
    std::optional<std::string_view> label_; // the unread label of the pair that the innermost object may be
    bool before_record_ = false;            // the value of the root's member `_sanitized` comes next
    bool doubtful_ = false;
    bool disordered_ = false; // in JSON in a string: a name came after the value that it names
    Observer *observer_ = nullptr;
};

} // namespace callhardening
