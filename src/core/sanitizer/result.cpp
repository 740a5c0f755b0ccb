#include "core/sanitizer/result.hpp"

namespace callhardening
{

// Some leaves exceed the budget together with the later leaves of the chain in this section alone. With the
// rest of the document they fit even less. The result is the same as if they were shed at the end.
void Result::Prune(const Section &section) noexcept
{
    const std::uint32_t first = section.first_token;
    prune_credit_ -= tokens_.size() - first;
    if (observer_ == nullptr) // the observer hears of all leaves at the end
        counts_.shed += ShedLeaves(tokens_, first, policy_.max_bytes(), Shedding::ahead, {}, shed_, arena_);
}

void Result::Finish() noexcept
{
    if (NeedsRecord())
        AddRecord();
    else if (old_record_)
        WriteRecord(tokens_, *old_record_);
    KeepBudget();
}

// Only a root object has room for a record.
bool Result::NeedsRecord() const noexcept
{
    if (root_.type != ValueType::object || !counts_.AnyButEmpty())
        return false;
    return old_record_ || !counts_.LessThanRecord() || PrintsWithin(tokens_.all(), small_document);
}

// Replaces a member of the same name in the document.
void Result::AddRecord() noexcept
{
    if (observer_ != nullptr && !old_record_)
        if (const TokenRange data = FindRecord(tokens_.all()); data.begin < data.end)
            observer_->ReplacedByRecord();
    RecordCounts();
}

void Result::RecordCounts() noexcept
{
    recorded_ = true;
    WriteRecord(tokens_, MakeRecord(counts_, policy_.recorded(), arena_));
}

// The result always prints in at most max_bytes. There are three cases. All of it fits. Or leaves are shed
// until the rest fits, with a record of the counts at that moment. Or no leaf is left: the summary of the
// root with its record prints in at most 77 bytes, and least_max_bytes is more. A root that is no container
// is one leaf.
void Result::KeepBudget() noexcept
{
    const bool fits = PrintsWithin(tokens_.all(), policy_.max_bytes());
    if (fits && counts_.shed == 0)
        return;
    const bool has_record = root_.type == ValueType::object;
    if (!fits && root_.type == ValueType::none) {
        ++counts_.shed;
        if (observer_ != nullptr)
            observer_->Shed(0);
        BecomeSummary();
        return;
    }
    // The record may make the document fit, if it replaces a longer record or longer data of its name.
    if (!fits && has_record && !recorded_)
        AddRecord();
    Shed(has_record);
}

void Result::Shed(bool has_record) noexcept
{
    const TokenRange record = has_record ? FindRecord(tokens_.all()) : TokenRange{0, 0};
    counts_.shed += ShedLeaves(tokens_, 0, policy_.max_bytes(), Shedding::complete,
                               {record.begin, record.end, counts_.shed}, shed_, arena_, observer_);
    if (tokens_.size() == record.end - record.begin + 2)
        BecomeSummary();
    if (has_record)
        RecordCounts();
}

void Result::BecomeSummary() noexcept
{
    tokens_.Truncate(0);
    tokens_.PushSummary(root_.type == ValueType::none ? ValueType::string : root_.type, root_.length);
    if (observer_ != nullptr)
        observer_->BecameSummary();
}

} // namespace callhardening
