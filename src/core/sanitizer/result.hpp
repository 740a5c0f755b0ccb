// The result of the sanitizer: its tokens, the counts of actions, their record, and the budget of all this.
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

// The part of the result that starts with a container of the document.
struct Section {
    SanitizeCounts before;
    std::uint32_t first_token; // of the member or item: the container with its name
    std::uint32_t prune_above; // it is pruned above this number of tokens
};

// The outermost value of the document.
struct Root {
    ValueType type = ValueType::none; // none: no container
    std::uint32_t length = 0;         // its number of members, items or characters
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
    // The result has a record of this pass.
    bool recorded() const noexcept { return recorded_; }
    void Watch(Observer &observer) noexcept { observer_ = &observer; }

    Section Begin() const noexcept { return {counts_, tokens_.size(), prune_step}; }
    // Returns to the state before the section.
    void Return(const Section &section) noexcept
    {
        tokens_.Truncate(section.first_token);
        counts_ = section.before;
    }

    // A state to return to if a string turns out not to be JSON.
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

    // Each value pays for reading a few tokens again. With steps of a fixed size, the time would be quadratic
    // in the size of the budget. Without the credit, each of many levels would read the tokens of the levels
    // below again.
    void PayForPruning() noexcept { prune_credit_ += 4; }
    bool CanPrune(const Section &section) const noexcept
    {
        const std::uint32_t size = tokens_.size() - section.first_token;
        return size > section.prune_above && size <= prune_credit_;
    }
    // Removes tokens that will be shed for sure. The order of the section has to be final.
    void Prune(const Section &section) noexcept;
    // The same for an open container.
    void PruneOpen(Section &section) noexcept
    {
        Prune(section);
        const std::uint32_t left = tokens_.size() - section.first_token;
        section.prune_above = left + std::max(left, prune_step);
    }

    // The record of an earlier pass. It is not data.
    void TakeEarlierRecord(std::optional<std::string_view> record) noexcept { old_record_ = record; }
    // Adds the record and enforces the budget.
    void Finish() noexcept;

private:
    // Pruning keeps the list of tokens from growing with the document. It starts at this number of tokens and
    // runs again whenever they have doubled.
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
