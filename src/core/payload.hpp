// The sanitizer: events of a JSON document go in, a bounded list of tokens comes out.
//
// The caller walks its document, jsonb or text, and reports what it meets; where the answer is Walk::skip it
// need not look inside. The result refers to the caller's strings where they did not change, so they have to
// outlive it. Memory comes from the caller's function and goes with the caller's memory context: a Sanitizer
// owns nothing, so an error of PostgreSQL may pass it between two events.
#pragma once

#include "core/core.hpp"
#include "core/number.hpp"
#include "core/policy.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

inline constexpr std::string_view record_member = "_sanitized";

enum class TokenKind : unsigned char {
    object_begin,
    object_end,
    array_begin,
    array_end,
    key,
    string,
    number_text, // as jsonb prints it
    number,      // the caller's own number: Token::data is what it gave to Number
    boolean,     // Token::size is 0 or 1
    null,
};

struct Token {
    const char *data;
    std::uint32_t size;
    TokenKind kind;

    std::string_view text() const noexcept { return {data, size}; }
};

// What was done, as the record says it.
struct SanitizeCounts {
    std::uint32_t dropped;
    std::uint32_t masked;
    std::uint32_t truncated;
};

enum class Walk : unsigned char { enter, skip };

// True where a root's `_sanitized` is a record: {"n": [1, 2, 3, 0], "p": "1:0f0f0f"}. The caller tells the
// sanitizer.
bool IsRecordedPolicy(std::string_view p) noexcept;
inline constexpr std::size_t record_counts = 4;
inline constexpr std::uint32_t largest_count = 9999;

class Sanitizer
{
public:
    // Memory of any size, or nullptr. Never freed: see above.
    using AllocateFunction = void *(*)(std::size_t size);

    static constexpr std::size_t unknown_count = static_cast<std::size_t>(-1);

    // `has_record`: the root has a member `_sanitized` that is a record of an earlier pass.
    Sanitizer(const Policy &policy, AllocateFunction allocate, bool has_record) noexcept;

    // The number of members or items, where the caller knows it. After Walk::skip there is no End.
    Walk BeginObject(std::size_t members) noexcept;
    Walk BeginArray(std::size_t items) noexcept;
    void EndObject() noexcept;
    void EndArray() noexcept;
    void Key(std::string_view name) noexcept;
    void String(std::string_view text) noexcept;
    // A number by its text, as jsonb prints it.
    void Number(std::string_view text) noexcept;
    // A number that prints in at most longest_number bytes, where its text is not needed.
    void Number(const void *number) noexcept;
    bool NeedsNumberText() noexcept;
    // A number that prints longer.
    void LongNumber(std::size_t length) noexcept;
    void Boolean(bool value) noexcept;
    void Null() noexcept;

    // For a text that the caller has made: memory that lasts as the result does; nullptr: there is none.
    char *AllocateText(std::size_t size) noexcept;
    std::string_view Copy(std::string_view text) noexcept;

    // Completes the result. False: no memory.
    bool Finish() noexcept;
    bool changed() const noexcept { return changed_; }
    std::span<const Token> tokens() const noexcept { return {tokens_, size_}; }
    const SanitizeCounts &counts() const noexcept { return counts_; }

private:
    // What the path to a value means for it. Items of an array have the place of the array.
    struct Place {
        std::uint32_t reached_begin;
        std::uint16_t reached;
        RuleIndex rule;
        bool credential;
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
        std::uint32_t first_token; // of the member or item that this container is
        std::uint32_t kept;
        std::uint32_t seen;
        Shape shape;
        ValueType type;
        bool measured; // only its size is of interest
        bool cut;
        bool was_changed;
    };

    enum class KeyWord : unsigned char { other, type, length };

    // To return to where a string turns out not to be JSON.
    struct Checkpoint {
        SanitizeCounts counts;
        std::uint32_t size;
        std::uint16_t depth;
        Place member;
        std::string_view key;
        KeyWord key_word;
        bool changed;
        bool entered;
        Frame frame;
    };

    struct Fitted {
        std::string_view text;
        bool masked;
        bool cut;
        bool failed; // no text was found that a second pass would leave alone
    };

    void *Allocate(std::size_t size) noexcept;
    bool Grow() noexcept;
    bool GrowReached(std::size_t needed) noexcept;
    void Push(TokenKind kind, std::string_view text) noexcept;
    void Push(TokenKind kind) noexcept { Push(kind, {}); }

    Frame &top() noexcept { return frames_[depth_ - 1]; }
    const Place &place() const noexcept;
    Action action() const noexcept { return policy_.rule(place().rule).action; }
    bool IsItem() const noexcept { return depth_ > 0 && frames_[depth_ - 1].type == ValueType::array; }
    bool IsMember() const noexcept { return depth_ > 0 && frames_[depth_ - 1].type == ValueType::object; }

    bool Admit(bool empty) noexcept;
    bool AdmitScalar(ValueType type, std::string_view text) noexcept;
    void BeginValue() noexcept;
    void EmitKept(TokenKind kind, std::string_view text) noexcept;
    void EmitSummary(ValueType type, std::size_t length) noexcept;
    void EmitEmpty(ValueType type) noexcept;
    void EmitMarker(bool before) noexcept;
    void Drop() noexcept;
    void Replace(ValueType type, std::size_t length) noexcept;
    Walk Begin(ValueType type, std::size_t count) noexcept;
    Walk Enter(ValueType type, bool measured) noexcept;
    void End() noexcept;
    void EndMeasured(const Frame &frame) noexcept;
    void Rollback(const Frame &frame) noexcept;

    void EnterRootMember(std::string_view name) noexcept;
    void EnterMember() noexcept;
    std::string_view FitName(std::string_view name) noexcept;
    void FitString(std::string_view text) noexcept;
    void Count(const Fitted &fitted) noexcept;
    Fitted Fit(std::string_view text, const Place &where, Rule rule) noexcept;
    Fitted FitOnce(std::string_view text, const Place &where, Rule rule) noexcept;
    Fitted Redact(std::string_view text, std::size_t limit, bool only_hosts) noexcept;
    std::string_view Cut(std::string_view text, std::size_t limit) noexcept;
    std::string_view Mask(std::string_view text, std::size_t rest) noexcept;
    bool OpenJson(std::string_view text) noexcept;
    Checkpoint Mark() const noexcept;
    void Return(const Checkpoint &mark) noexcept;
    void WriteRecord() noexcept;
    void PushRecord() noexcept;
    void PushCount(std::uint32_t count) noexcept;

    const Policy &policy_;
    const Limits limits_;
    const std::uint16_t max_reached_;
    AllocateFunction allocate_;
    Token *tokens_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
    PathNode *reached_ = nullptr;
    std::size_t reached_capacity_ = 0;
    SanitizeCounts counts_{};
    Place member_{}; // of the value that comes next in an object; at the root, of the root
    std::string_view key_;
    KeyWord key_word_ = KeyWord::other;
    bool entered_ = true;             // `member_` and `key_` are those of the member at hand
    std::uint32_t record_place_ = 0;  // the first token after the record; 0: it is the last member
    std::uint32_t foreign_begin_ = 0; // tokens of a root's `_sanitized` that is no record
    std::uint32_t foreign_end_ = 0;
    std::uint16_t depth_ = 0;
    std::uint16_t embedded_ = 0; // JSON inside of strings inside of each other
    bool has_record_;
    bool root_is_object_ = false;
    bool at_record_ = false;
    bool at_foreign_ = false;
    bool changed_ = false;
    bool failed_ = false;
    Frame frames_[max_depth + 1];
};

} // namespace callhardening
