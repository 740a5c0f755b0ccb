// Reports the sanitizer's actions value by value, without removed content.
//
// The sanitizer tells each decision. The Explainer turns decisions into rows with paths, in the order of the
// result.
#pragma once

#include "core/sanitizer/document.hpp"
#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/sanitizer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace callhardening
{

// A step of the path to a value: the resulting name of a member or the number of an item.
struct PathStep {
    enum class Kind : unsigned char { root, member, item, rest };

    const PathStep *parent;
    std::string_view name;
    std::uint32_t item; // of `rest`: the first one
    Kind kind;          // rest: all items or members beyond the limit
    bool in_array;
};

// One value, or the name of a member.
struct ExplainedValue {
    enum class Kind : unsigned char {
        leaf,   // came out, unless the budget sheds it
        fixed,  // came out, and the budget cannot shed it: a root that is a container
        gone,   // has nothing in the result
        name,   // of the values that follow
        opened, // a text of JSON; the values that follow were in it
    };

    const PathStep *path;
    std::uint32_t order; // of arrival
    std::uint32_t bytes_in;
    std::uint32_t bytes_out;
    Reason reason;
    RuleIndex rule;
    Outcome outcome;
    Kind kind;
    bool lost_name = false; // its member was dropped, since another member has the same name
};

// Each returned text is valid until the next call of the same function.
class Explainer final : private Observer
{
public:
    Explainer(const Policy &policy, const Pseudonyms &pseudonyms, Arena::AllocateFunction allocate) noexcept;
    // Not copyable: the sanitizer keeps a pointer to its observer.
    Explainer(const Explainer &) = delete;
    Explainer &operator=(const Explainer &) = delete;

    // The caller fills it with the whole document first.
    DocumentTokens &document() noexcept { return document_; }

    // Feeds the next token. false: there is none left.
    bool Step() noexcept;
    // false: no memory.
    bool Finish() noexcept;
    std::span<const ExplainedValue> values() const noexcept { return {values_, size_}; }
    std::span<const Token> result() const noexcept { return sanitizer_.tokens(); }

    std::string_view PathText(const ExplainedValue &value) noexcept;
    std::string_view ActionText(const ExplainedValue &value) noexcept;
    std::string_view ReasonText(const ExplainedValue &value) noexcept;

    // True if a text could not be written because there was no memory.
    bool failed() noexcept { return sanitizer_.arena().failed(); }

private:
    // The current value.
    struct Subject {
        const PathStep *path;
        std::span<const Token> tokens;
        std::uint32_t first;        // of the values in it
        std::uint32_t first_member; // the same, including the row of its name
    };

    // A container after the sanitizer entered it, or a text after the sanitizer opened it.
    struct Level {
        enum class Kind : unsigned char { object, array, text };

        Subject value;
        std::uint32_t items;
        std::uint32_t rest; // 1 + the value that stands for everything beyond the limit
        Kind kind;
    };

    // The name of the current member. Its row is written once, as soon as the member is known to come out.
    struct Name {
        std::string_view as_it_came;
        const PathStep *step;
        Outcome outcome;
        Reason why;
        bool said;
    };

    void At(std::span<const Token> document, std::uint32_t token) noexcept override;
    void Named(std::string_view name, Outcome outcome, Reason why) noexcept override;
    void Entered() noexcept override;
    void CameOut(Outcome outcome, Reason why, std::span<const Token> value) noexcept override;
    void Dropped(Reason why, RuleIndex rule) noexcept override;
    void PassedOver() noexcept override;
    void Opened(Reason found) noexcept override;
    void Closed(std::span<const Token> value) noexcept override;
    void LostName(std::uint32_t member) noexcept override;
    void Renamed() noexcept override;
    void ReplacedByRecord() noexcept override;
    void Shed(std::uint32_t leaf) noexcept override;
    void BecameSummary() noexcept override { became_summary_ = true; }

    Level &top() noexcept { return levels_[depth_ - 1]; }
    const PathStep *NewStep(const PathStep &step) noexcept;
    const PathStep *NextPath() noexcept;
    void SayName() noexcept;
    std::uint32_t MemberEnd(std::uint32_t begin, bool &came_out) const noexcept;
    ExplainedValue Lost(std::uint32_t begin, std::uint32_t end) const noexcept;
    void Push(const ExplainedValue &value) noexcept;
    bool IndexLeaves() noexcept;
    void LoseNames() noexcept;

    const Policy &policy_;
    Sanitizer sanitizer_;
    DocumentTokens document_;
    Scratch path_text_;
    Scratch reason_text_;
    Scratch action_text_;
    ExplainedValue *values_ = nullptr;
    std::uint32_t *leaves_ = nullptr; // their indexes in the values, once the document has ended
    std::uint32_t size_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint32_t next_ = 0; // token of the document
    const PathStep root_{nullptr, {}, 0, PathStep::Kind::root, false};
    Name name_{{}, &root_, Outcome::kept, Reason::none, true};
    Subject value_{};
    bool became_summary_ = false;
    std::uint32_t depth_ = 0;
    Level levels_[max_depth + deepest_embedding + 1];
};

} // namespace callhardening
