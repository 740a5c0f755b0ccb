// What the sanitizer makes of a document: its tokens, the counts of what was done, the record of these, and
// the budget that all of it has to keep.
#pragma once

#include "core/policy/policy.hpp"
#include "core/sanitizer/budget.hpp"
#include "core/sanitizer/observer.hpp"
#include "core/sanitizer/record.hpp"
#include "core/sanitizer/token.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

namespace callhardening
{

// A part of the result that a container of the document begins.
struct Section {
    SanitizeCounts before;
    std::uint32_t first_token; // of the member or item that the container is
    std::uint32_t prune_above; // so many tokens
};

// The outermost value of the document.
struct Root {
    ValueType type = ValueType::none; // unless it is a container
    std::uint32_t length = 0;         // its members, items or characters
};

class Result
{
public:
    Result(const Policy &policy, Arena &arena) noexcept : policy_(policy), arena_(arena), tokens_(arena) {}

    TokenList &tokens() noexcept { return tokens_; }
    const TokenList &tokens() const noexcept { return tokens_; }
    SanitizeCounts &counts() noexcept { return counts_; }
    const SanitizeCounts &counts() const noexcept { return counts_; }
    Root &root() noexcept { return root_; }
    bool changed() const noexcept { return counts_.Any() || recorded_; }
    // It has a record of this pass.
    bool recorded() const noexcept { return recorded_; }
    void Watch(Observer &observer) noexcept { observer_ = &observer; }

    Section Begin() const noexcept { return {counts_, tokens_.size(), prune_step}; }
    // To before it.
    void Return(const Section &section) noexcept
    {
        tokens_.Truncate(section.first_token);
        counts_ = section.before;
    }

    // To return to where a string turns out not to be JSON.
    struct Mark {
        SanitizeCounts counts;
        std::uint32_t tokens;
        ValueType root_type;
    };
    Mark Here() const noexcept { return {counts_, tokens_.size(), root_.type}; }
    void Return(const Mark &mark) noexcept
    {
        counts_ = mark.counts;
        tokens_.Truncate(mark.tokens);
        root_.type = mark.root_type;
    }

    // Each value pays for looking at so many tokens again. A step of a fixed size would take time quadratic
    // in the size of the budget, and each of many levels would look at what the one below has looked at.
    void PayForPruning() noexcept { prune_credit_ += 4; }
    bool CanPrune(const Section &section) const noexcept
    {
        const std::uint32_t size = tokens_.size() - section.first_token;
        return size > section.prune_above && size <= prune_credit_;
    }
    // Lets go of what is sure to be shed. Only where the order of what is there is final.
    void Prune(const Section &section) noexcept;
    // The same of a container that goes on.
    void PruneOpen(Section &section) noexcept
    {
        Prune(section);
        const std::uint32_t left = tokens_.size() - section.first_token;
        section.prune_above = left + std::max(left, prune_step);
    }

    // The record of an earlier pass, which is no data.
    void TakeEarlierRecord(std::optional<std::string_view> record) noexcept { old_record_ = record; }
    // Adds the record and keeps the budget.
    void Finish() noexcept;

private:
    // What is sure to be shed is shed before the end of the document, so that the tokens never grow with it:
    // at first after so many tokens, then whenever they have doubled.
    static constexpr std::uint32_t prune_step = 4096;

    bool NeedsRecord() const noexcept;
    void AddRecord() noexcept;
    void RecordCounts() noexcept;
    void KeepBudget() noexcept;
    void Shed(bool has_record) noexcept;
    void BecomeSummary() noexcept;

    const Policy &policy_;
    Arena &arena_;
    TokenList tokens_;
    SanitizeCounts counts_{};
    std::uint64_t prune_credit_ = 0;
    Scratch shed_;
    std::optional<std::string_view> old_record_;
    Root root_;
    bool recorded_ = false;
    Observer *observer_ = nullptr;
};

} // namespace callhardening
