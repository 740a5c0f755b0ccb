// What the sanitizer does to a document, value by value, without what was removed.
//
// It looks on while the sanitizer works: what each value became is read off the tokens that came of it, why
// off the place and the findings that the sanitizer itself went by. What the budget took is told by comparing
// the tokens with the result: of each rule, it is the last ones.
#pragma once

#include "core/sanitizer/document.hpp"
#include "core/sanitizer/json_text.hpp"
#include "core/sanitizer/sanitizer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

// The place of a value: names as they come out, numbers of items.
struct PathStep {
    enum class Kind : unsigned char { root, member, item, rest };

    const PathStep *parent;
    std::string_view name;
    std::uint32_t item; // of `rest`: the first one
    Kind kind;          // rest: all items or members beyond the limit
    bool in_array;
};

// Sets of what was done to a value, and why; the words stand in explain.cpp in the same order.
using Deeds = std::uint8_t;
using Reasons = std::uint32_t;

// One value, or the name of one.
struct ExplainedValue {
    enum class Kind : unsigned char {
        leaf,   // came out, as far as the budget lets it
        fixed,  // came out, and no budget takes it: a root that is a container
        gone,   // has nothing in the result
        name,   // of the values that follow
        opened, // a text that was JSON, which the values that follow were in
    };

    const PathStep *path;
    std::uint32_t order; // in which they were met
    std::uint32_t bytes_in;
    std::uint32_t bytes_out;
    Reasons reasons;
    RuleIndex rule;
    Deeds deeds; // none: kept
    Kind kind;
};

// Its texts are good until it is asked for another of the same kind.
class Explainer
{
public:
    Explainer(const Policy &policy, const Pseudonyms &pseudonyms, Arena::AllocateFunction allocate) noexcept;
    // The sanitizer knows where its onlooker is.
    Explainer(const Explainer &) = delete;
    Explainer &operator=(const Explainer &) = delete;

    // Has to be filled first, with every value.
    DocumentTokens &document() noexcept { return document_; }

    // Goes on by a value; false: there is none left.
    bool Step() noexcept;
    // False: no memory.
    bool Finish() noexcept;
    std::span<const ExplainedValue> values() const noexcept { return {values_, size_}; }
    std::span<const Token> result() const noexcept { return sanitizer_.tokens(); }

    std::string_view PathText(const ExplainedValue &value) noexcept;
    std::string_view ActionText(const ExplainedValue &value) noexcept;
    std::string_view ReasonText(const ExplainedValue &value) noexcept;

    // What could not be written for want of memory.
    bool failed() noexcept { return sanitizer_.arena().failed(); }

private:
    // A container that the sanitizer has entered.
    struct Level {
        const PathStep *path;
        SanitizeCounts before;
        std::uint32_t begin;        // its first token in the document
        std::uint32_t out;          // the size of the result before it
        std::uint32_t first;        // of the values in it
        std::uint32_t first_member; // the same, with what was told of its name
        std::uint32_t items;
        std::uint32_t rest; // 1 + the value that stands for all beyond the limit
        bool array;
        bool measured;
        bool renamed;
    };

    // A value that is about to be reported, to be compared with what is there afterwards.
    struct Before {
        const PathStep *path;
        SanitizeCounts counts;
        std::uint32_t out;   // tokens of the result
        std::uint32_t size;  // of the values
        std::uint32_t bytes; // of a scalar
    };

    static TextVerdict ReadEmbedded(void *explainer, std::string_view text) noexcept;
    TextVerdict ReadEmbedded(std::string_view text) noexcept;
    std::uint32_t Explain(std::span<const Token> tokens, std::uint32_t i) noexcept;
    std::uint32_t ExplainKey(std::span<const Token> tokens, std::uint32_t i) noexcept;
    std::uint32_t ExplainContainer(std::span<const Token> tokens, std::uint32_t i) noexcept;
    std::uint32_t ExplainScalar(std::span<const Token> tokens, std::uint32_t i) noexcept;
    void Enter(const Before &before, std::uint32_t begin, bool array) noexcept;
    void Leave(std::span<const Token> tokens, std::uint32_t end) noexcept;

    Before Look(std::size_t bytes) noexcept;
    const PathStep *NewStep(const PathStep &step) noexcept;
    const PathStep *NextPath() noexcept;
    std::span<const Token> Outcome(std::uint32_t out) const noexcept;
    void Decided(const Before &before, std::span<const Token> value) noexcept;
    ExplainedValue::Kind KindOf(const PathStep *path, std::span<const Token> out) const noexcept;
    void CameOut(const Before &before, std::span<const Token> value, std::span<const Token> outcome) noexcept;
    void Gone(const PathStep *path, std::size_t bytes_in, Reasons why, RuleIndex rule) noexcept;
    void BeyondLimit(std::span<const Token> value) noexcept;
    SanitizeCounts TakeName() noexcept;
    Reasons FoundReasons(Finding found) const noexcept;
    Deeds MaskedOrHashed(RuleIndex rule, Finding found) const noexcept;
    Reasons WhySummary(const Token &in, RuleIndex rule, Finding found) const noexcept;
    void ArrangeRenamed(const Level &level) noexcept;
    ExplainedValue Lost(const PathStep *member, std::uint32_t begin, std::uint32_t end) const noexcept;
    void Push(const ExplainedValue &value) noexcept;

    void ReplaceByRecord() noexcept;
    void FindShed(std::span<std::uint32_t> left) noexcept;
    void CountLeaves(std::span<const Token> result, std::span<std::uint32_t> left) const noexcept;
    void LoseNames() noexcept;

    const Policy &policy_;
    Sanitizer sanitizer_;
    Fitter fitter_;
    DocumentTokens document_;
    Scratch path_text_;
    Scratch reason_text_;
    Scratch action_text_;
    ExplainedValue *values_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint32_t next_ = 0; // token of the document
    const PathStep root_{nullptr, {}, 0, PathStep::Kind::root, false};
    const PathStep *member_ = nullptr;
    std::string_view name_; // of the member at hand, as it came
    Fitted fitted_{};       // and as it comes out
    std::uint32_t first_member_ = 0;
    bool name_told_ = true;
    bool has_record_ = false;             // of an earlier pass
    bool was_opened_ = false;             // the text that was reported last
    Before looked_{};                     // at what is reported
    const PathStep *text_path_ = nullptr; // of the text that is being read
    std::uint32_t text_depth_ = 0;
    std::uint32_t depth_ = 0;
    Level levels_[max_depth + 1];
};

} // namespace callhardening
