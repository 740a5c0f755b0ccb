#include "core/sanitizer/explain.hpp"

#include "core/sanitizer/budget.hpp"
#include "core/sanitizer/feed.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <new>
#include <type_traits>
#include <utility>

namespace callhardening
{

static_assert(std::is_trivially_destructible_v<Explainer>, "an error of PostgreSQL skips destructors");

namespace
{

constexpr std::string_view deed_words[] = {"dropped",    "replaced",  "masked", "hashed",
                                           "summarized", "truncated", "shed"};

constexpr Deeds dropped = 1, replaced = 2, masked = 4, hashed = 8, summarized = 16, truncated = 32, shed = 64;

constexpr std::string_view reason_words[] = {"",
                                             "empty",
                                             "secret name",
                                             "secret",
                                             "link",
                                             "detectors.phone",
                                             "detectors.email",
                                             "detectors.card",
                                             "no key",
                                             "limits.depth",
                                             "limits.members",
                                             "limits.items",
                                             "limits.characters",
                                             "number above 40 bytes",
                                             "JSON in 16 strings",
                                             "unsettled text",
                                             "same name",
                                             "record",
                                             "budget.max_bytes",
                                             "detectors.ssn",
                                             "detectors.iban",
                                             "detectors.ip"};

constexpr Reasons by_rule = 1 << 0; // or by none
constexpr Reasons empty = 1 << 1;
constexpr Reasons secret_name = 1 << 2;
constexpr Reasons secret = 1 << 3;
constexpr Reasons link = 1 << 4;
constexpr Reasons phone = 1 << 5;
constexpr Reasons email = 1 << 6;
constexpr Reasons card = 1 << 7;
constexpr Reasons no_key = 1 << 8;
constexpr Reasons limit_depth = 1 << 9;
constexpr Reasons limit_members = 1 << 10;
constexpr Reasons limit_items = 1 << 11;
constexpr Reasons limit_characters = 1 << 12;
constexpr Reasons long_number = 1 << 13;
constexpr Reasons embedding = 1 << 14;
constexpr Reasons unsettled = 1 << 15;
constexpr Reasons same_name = 1 << 16;
constexpr Reasons by_record = 1 << 17;
constexpr Reasons by_budget = 1 << 18;
constexpr Reasons ssn = 1 << 19;
constexpr Reasons iban = 1 << 20;
constexpr Reasons ip = 1 << 21;

static_assert(shed == 1 << (std::size(deed_words) - 1) && ip == 1 << (std::size(reason_words) - 1));

bool IsBegin(const Token &token) noexcept
{
    return token.kind == TokenKind::object_begin || token.kind == TokenKind::array_begin;
}

bool IsEnd(const Token &token) noexcept
{
    return token.kind == TokenKind::object_end || token.kind == TokenKind::array_end;
}

bool IsSummary(const Token &token) noexcept
{
    return token.kind == TokenKind::object_begin && token.size != 0;
}

bool IsEmpty(std::span<const Token> value) noexcept
{
    return value[0].kind == TokenKind::null || (value[0].kind == TokenKind::string && value[0].size == 0) ||
           (IsBegin(value[0]) && value.size() == 2);
}

// Without what is inside of it: nullptr where `step` is not inside of `container`.
const PathStep *ChildOf(const PathStep *container, const PathStep *step) noexcept
{
    while (step != nullptr && step->parent != container)
        step = step->parent;
    return step;
}

bool IsWithin(const PathStep *container, const PathStep *step) noexcept
{
    return step == container || ChildOf(container, step) != nullptr;
}

std::uint32_t ToCount(std::size_t bytes) noexcept
{
    constexpr std::size_t largest = 2147483647; // of an int of SQL
    return static_cast<std::uint32_t>(std::min(bytes, largest));
}

std::uint32_t PrintedName(std::string_view name) noexcept
{
    const Token token{name.data(), static_cast<std::uint32_t>(name.size()), TokenKind::string, no_rule};
    return ToCount(PrintedSize({&token, 1}));
}

// Measures what is written where there is no room yet.
struct TextWriter {
    char *out;
    std::size_t size = 0;

    void Add(std::string_view text) noexcept
    {
        if (out != nullptr)
            std::copy(text.begin(), text.end(), out + size);
        size += text.size();
    }
    void Add(std::uint32_t number) noexcept
    {
        char digits[10];
        Add({digits,
             static_cast<std::size_t>(std::to_chars(digits, digits + sizeof(digits), number).ptr - digits)});
    }
    void AddListed(std::string_view text) noexcept
    {
        Add(size > 0 ? ", " : "");
        Add(text);
    }
};

// As errors name its place.
void AddRule(TextWriter &text, const Policy &policy, RuleIndex rule) noexcept
{
    if (rule == no_rule)
        return text.Add("no rule");
    text.Add("rules[");
    text.Add(std::uint32_t{rule});
    text.Add("] ");
    text.Add(policy.path(rule));
}

template <typename Write>
std::string_view Compose(Scratch &scratch, Arena &arena, Write write) noexcept
{
    TextWriter measured{nullptr};
    write(measured);
    TextWriter text{scratch.Reserve<char>(arena, measured.size + 1)};
    if (text.out != nullptr)
        write(text);
    return {text.out, text.size};
}

} // namespace

Explainer::Explainer(const Policy &policy, const Pseudonyms &pseudonyms,
                     Arena::AllocateFunction allocate) noexcept
    : policy_(policy), sanitizer_(policy, pseudonyms, allocate, MemberOrder::jsonb),
      fitter_(policy, pseudonyms, sanitizer_.arena()), document_(sanitizer_.arena(), MemberOrder::jsonb)
{
    sanitizer_.Watch({ReadEmbedded, this});
}

// ---- walking through a document ---------------------------------------------------------------------

bool Explainer::Step() noexcept
{
    const std::span<const Token> tokens = document_.tokens();
    if (failed() || next_ == tokens.size())
        return false;
    next_ = Explain(tokens, next_);
    return true;
}

std::uint32_t Explainer::Explain(std::span<const Token> tokens, std::uint32_t i) noexcept
{
    if (tokens[i].kind == TokenKind::key)
        return ExplainKey(tokens, i);
    if (IsBegin(tokens[i]))
        return ExplainContainer(tokens, i);
    if (!IsEnd(tokens[i]))
        return ExplainScalar(tokens, i);
    Leave(tokens, i + 1);
    return i + 1;
}

std::uint32_t Explainer::ExplainKey(std::span<const Token> tokens, std::uint32_t i) noexcept
{
    name_ = tokens[i].text();
    fitted_ = policy_.Spells(name_) ? Fitted{name_, false, false, false} : fitter_.FitName(name_);
    first_member_ = size_;
    name_told_ = false;
    member_ = NewStep({levels_[depth_ - 1].path, fitted_.text, 0, PathStep::Kind::member, false});
    sanitizer_.Key(name_);
    TellPairNames(tokens, i, sanitizer_);
    if (depth_ != 1 || text_path_ != nullptr || name_ != record_member)
        return i + 1;
    if (tokens[i + 1].kind != TokenKind::string || !IsRecord(tokens[i + 1].text()))
        return i + 1;
    sanitizer_.String(tokens[i + 1].text());
    has_record_ = true;
    return i + 2;
}

std::uint32_t Explainer::ExplainContainer(std::span<const Token> tokens, std::uint32_t i) noexcept
{
    const Before before = Look(0);
    const bool array = tokens[i].kind == TokenKind::array_begin;
    const std::size_t count = CountChildren(tokens, i);
    const Walk walk = array ? sanitizer_.BeginArray(count) : sanitizer_.BeginObject(count);
    if (failed())
        return static_cast<std::uint32_t>(tokens.size());
    if (walk == Walk::enter) {
        Enter(before, i, array);
        return i + 1;
    }
    const std::uint32_t end = ValueEnd(tokens, i);
    Decided(before, tokens.subspan(i, end - i));
    return end;
}

std::uint32_t Explainer::ExplainScalar(std::span<const Token> tokens, std::uint32_t i) noexcept
{
    const Before before = Look(PrintedSize(tokens.subspan(i, 1)));
    FeedScalar(tokens[i], sanitizer_);
    if (failed())
        return static_cast<std::uint32_t>(tokens.size());
    Decided(before, tokens.subspan(i, 1));
    return i + 1;
}

void Explainer::Enter(const Before &before, std::uint32_t begin, bool array) noexcept
{
    const bool measured = static_cast<std::uint32_t>(sanitizer_.tokens().size()) == before.out;
    TakeName();
    Level level{};
    level.path = before.path;
    level.before = sanitizer_.counts();
    level.begin = begin;
    level.out = before.out;
    level.first = size_;
    level.first_member = first_member_;
    level.array = array;
    level.measured = measured;
    levels_[depth_++] = level;
}

// A container that became a summary, or went, is a value of its own after all, whatever it had inside.
void Explainer::Leave(std::span<const Token> tokens, std::uint32_t end) noexcept
{
    levels_[depth_ - 1].array ? sanitizer_.EndArray() : sanitizer_.EndObject();
    const Level level = levels_[--depth_];
    name_told_ = true;
    if (failed())
        return;
    const std::span<const Token> in = tokens.subspan(level.begin, end - level.begin);
    const std::span<const Token> out = Outcome(level.out);
    const Before before{level.path, level.before, level.out, level.first, 0};
    if (out.empty()) {
        size_ = level.first_member;
        Gone(level.path, PrintedSize(in), empty, no_rule);
    } else if (IsSummary(out[0])) {
        size_ = level.first;
        CameOut(before, in, out);
    } else if (out.size() == 2) {
        Push({level.path, 0, ToCount(PrintedSize(in)), 2, by_rule, out[0].rule, 0, KindOf(level.path, out)});
    } else if (level.renamed) {
        ArrangeRenamed(level);
    }
}

// ---- JSON in strings --------------------------------------------------------------------------------

TextVerdict Explainer::ReadEmbedded(void *explainer, std::string_view text) noexcept
{
    return static_cast<Explainer *>(explainer)->ReadEmbedded(text);
}

// Nothing is reported before it is known that the text is JSON.
TextVerdict Explainer::ReadEmbedded(std::string_view text) noexcept
{
    DocumentTokens document(sanitizer_.arena(), MemberOrder::document);
    const TextVerdict verdict = FeedEmbeddedText(text, document);
    if (verdict != TextVerdict::done || failed())
        return verdict;
    const Before before = looked_;
    const PathStep *path = std::exchange(text_path_, before.path);
    const std::uint32_t depth = std::exchange(text_depth_, depth_);
    const SanitizeCounts name = TakeName(), done = sanitizer_.counts() - before.counts - name;
    if (done.masked > 0)
        Push({before.path, 0, before.bytes, 0, FoundReasons(sanitizer_.TakeFound()), no_rule, masked,
              ExplainedValue::Kind::opened});
    for (std::uint32_t i = 0; i < document.tokens().size() && !failed();)
        i = Explain(document.tokens(), i);
    text_path_ = path;
    text_depth_ = depth;
    was_opened_ = true;
    return verdict;
}

// ---- what came of a value ---------------------------------------------------------------------------

Explainer::Before Explainer::Look(std::size_t bytes) noexcept
{
    sanitizer_.TakeFound();
    was_opened_ = false;
    looked_ = {NextPath(), sanitizer_.counts(), static_cast<std::uint32_t>(sanitizer_.tokens().size()), size_,
               ToCount(bytes)};
    return looked_;
}

const PathStep *Explainer::NewStep(const PathStep &step) noexcept
{
    void *memory = sanitizer_.arena().Allocate(sizeof(PathStep));
    return memory == nullptr ? &root_ : new (memory) PathStep(step);
}

const PathStep *Explainer::NextPath() noexcept
{
    if (text_path_ != nullptr && depth_ == text_depth_)
        return text_path_;
    if (depth_ == 0)
        return &root_;
    Level &level = levels_[depth_ - 1];
    return level.array ? NewStep({level.path, {}, level.items++, PathStep::Kind::item, true}) : member_;
}

// The value that followed on `out` tokens, without its name; nothing where none did.
std::span<const Token> Explainer::Outcome(std::uint32_t out) const noexcept
{
    const std::span<const Token> all = sanitizer_.tokens().subspan(out);
    return all.empty() || all[0].kind != TokenKind::key ? all : all.subspan(1);
}

void Explainer::Decided(const Before &before, std::span<const Token> value) noexcept
{
    if (depth_ > 0 && levels_[depth_ - 1].measured)
        return;
    const std::span<const Token> out = Outcome(before.out);
    if (was_opened_) {
        was_opened_ = false;
        for (std::uint32_t i = before.size; i < size_; ++i)
            if (values_[i].kind == ExplainedValue::Kind::opened && values_[i].path == before.path)
                values_[i].bytes_out = ToCount(PrintedSize(out));
    } else if (!out.empty()) {
        CameOut(before, value, out);
    } else if (!levels_[depth_ - 1].array && IsEmpty(value)) {
        Gone(before.path, PrintedSize(value), empty, no_rule);
    } else if (sanitizer_.is_cut()) {
        BeyondLimit(value);
    } else {
        Gone(before.path, PrintedSize(value), by_rule, sanitizer_.matched());
    }
}

// No budget takes a root that is a container.
ExplainedValue::Kind Explainer::KindOf(const PathStep *path, std::span<const Token> out) const noexcept
{
    const bool container = IsBegin(out[0]) && !IsSummary(out[0]);
    return path == &root_ && container ? ExplainedValue::Kind::fixed : ExplainedValue::Kind::leaf;
}

void Explainer::CameOut(const Before &before, std::span<const Token> in, std::span<const Token> out) noexcept
{
    const SanitizeCounts name = TakeName(), done = sanitizer_.counts() - before.counts - name;
    const Finding found = sanitizer_.TakeFound();
    const bool scalar = !IsBegin(in[0]);
    const RuleIndex rule = out[0].rule;
    const bool credential =
        out[0].text() == secret_marker && in[0].kind != TokenKind::boolean && sanitizer_.is_credential();
    ExplainedValue value{before.path, 0, ToCount(PrintedSize(in)), ToCount(PrintedSize(out)), 0,
                         rule,        0, KindOf(before.path, out)};
    if (IsSummary(out[0]) && done.dropped > 0) {
        value.deeds |= summarized;
        value.reasons |= WhySummary(in[0], rule, found);
    }
    if (done.masked > 0) {
        value.deeds |= MaskedOrHashed(rule, found);
        value.reasons |= credential                         ? secret_name
                         : in[0].kind == TokenKind::boolean ? by_rule
                                                            : FoundReasons(found);
    }
    if (scalar && done.truncated > 0) {
        value.deeds |= truncated;
        value.reasons |= policy_.rule(rule).action == Action::truncate ? by_rule : limit_characters;
    }
    if (value.deeds == 0)
        value.reasons = credential ? secret_name : by_rule;
    Push(value);
}

// For a text, the limit or the key that was missing has said so itself.
Reasons Explainer::WhySummary(const Token &in, RuleIndex rule, Finding found) const noexcept
{
    if (policy_.rule(rule).action == Action::summary || in.kind == TokenKind::boolean)
        return by_rule;
    if (IsBegin(in))
        return limit_depth;
    if (Has(found, Finding::no_key))
        return no_key;
    if (in.kind == TokenKind::number_text)
        return long_number;
    return Has(found, Finding::unsettled) ? unsettled : embedding;
}

Reasons Explainer::FoundReasons(Finding found) const noexcept
{
    constexpr struct {
        Finding finding;
        Reasons reason;
    } reasons[] = {{Finding::rule, by_rule}, {Finding::secret, secret}, {Finding::link, link},
                   {Finding::phone, phone},  {Finding::email, email},   {Finding::card, card},
                   {Finding::ssn, ssn},      {Finding::iban, iban},     {Finding::ip, ip}};
    Reasons all = 0;
    for (const auto &each : reasons)
        all |= Has(found, each.finding) ? each.reason : 0;
    return all;
}

// Hashed where tokens are all that was put in.
Deeds Explainer::MaskedOrHashed(RuleIndex rule, Finding found) const noexcept
{
    const bool by_hash = policy_.rule(rule).action == Action::hash;
    bool only_tokens = found != Finding::none && !Has(found, Finding::secret | Finding::link) &&
                       (!Has(found, Finding::rule) || by_hash);
    for (const Detector what : all_detectors)
        only_tokens =
            only_tokens && (!Has(found, FindingOf(what)) || policy_.detectors().of(what) == Treatment::hash);
    return only_tokens ? hashed : masked;
}

void Explainer::Gone(const PathStep *path, std::size_t bytes_in, Reasons why, RuleIndex rule) noexcept
{
    Push({path, 0, ToCount(bytes_in), 0, why, rule, dropped, ExplainedValue::Kind::gone});
}

// One for all.
void Explainer::BeyondLimit(std::span<const Token> value) noexcept
{
    Level &level = levels_[depth_ - 1];
    if (level.rest == 0) {
        const PathStep *rest = NewStep(
            {level.path, "*", level.items - (level.array ? 1 : 0), PathStep::Kind::rest, level.array});
        Push({rest, 0, 0, 0, level.array ? limit_items : limit_members, no_rule, truncated,
              ExplainedValue::Kind::gone});
        level.rest = size_;
    }
    if (level.rest > 0 && level.rest <= size_)
        values_[level.rest - 1].bytes_in += ToCount(PrintedSize(value));
}

// What was done to the name of the member at hand, the first time that it is known to come out.
SanitizeCounts Explainer::TakeName() noexcept
{
    SanitizeCounts done{};
    if (name_told_)
        return done;
    name_told_ = true;
    levels_[depth_ - 1].renamed = levels_[depth_ - 1].renamed || fitted_.text.data() != name_.data();
    done.masked = fitted_.masked ? 1 : 0;
    done.truncated = fitted_.cut ? 1 : 0;
    const Deeds deeds = static_cast<Deeds>((fitted_.masked ? MaskedOrHashed(no_rule, fitted_.found) : 0) |
                                           (fitted_.cut ? truncated : 0));
    const Reasons why = FoundReasons(fitted_.found) | (fitted_.cut ? limit_characters : 0) |
                        (Has(fitted_.found, Finding::no_key) ? no_key : 0) |
                        (Has(fitted_.found, Finding::unsettled) ? unsettled : 0);
    if (deeds != 0)
        Push({member_, 0, PrintedName(name_), PrintedName(fitted_.text), why, no_rule, deeds,
              ExplainedValue::Kind::name});
    return done;
}

void Explainer::Push(const ExplainedValue &value) noexcept
{
    constexpr std::uint32_t first = 64;
    if (size_ == capacity_) {
        const std::uint32_t capacity = capacity_ == 0 ? first : 2 * capacity_;
        auto *larger =
            static_cast<ExplainedValue *>(sanitizer_.arena().Allocate(capacity * sizeof(ExplainedValue)));
        if (larger == nullptr)
            return;
        if (size_ > 0)
            std::memcpy(larger, values_, size_ * sizeof(ExplainedValue));
        values_ = larger;
        capacity_ = capacity;
    }
    values_[size_] = value;
    values_[size_].order = size_;
    ++size_;
}

// ---- members that have got another name -------------------------------------------------------------

// In the order of the names that they have now, as the sanitizer has put them; of those with the same name
// the first that came out stayed.
void Explainer::ArrangeRenamed(const Level &level) noexcept
{
    const auto child = [&level](const ExplainedValue &value) { return ChildOf(level.path, value.path); };
    std::sort(values_ + level.first, values_ + size_, [&](const ExplainedValue &a, const ExplainedValue &b) {
        const PathStep *x = child(a), *y = child(b);
        if (x->kind != y->kind)
            return x->kind < y->kind;
        const int order = CompareNames(x->name, y->name);
        return order != 0 ? order < 0 : a.order < b.order;
    });
    const PathStep *last = nullptr;
    std::uint32_t kept = level.first;
    for (std::uint32_t i = level.first; i < size_;) {
        const PathStep *member = child(values_[i]);
        std::uint32_t end = i;
        bool came_out = false;
        for (; end < size_ && child(values_[end]) == member; ++end)
            came_out = came_out || values_[end].kind == ExplainedValue::Kind::leaf;
        const bool lost = came_out && last != nullptr && last->name == member->name;
        if (lost)
            values_[i] = Lost(member, i, end);
        const std::uint32_t count = lost ? 1 : end - i;
        std::memmove(values_ + kept, values_ + i, count * sizeof(ExplainedValue));
        kept += count;
        if (came_out && !lost)
            last = member;
        i = end;
    }
    size_ = kept;
    for (std::uint32_t i = level.first; i < size_; ++i)
        values_[i].order = i;
}

ExplainedValue Explainer::Lost(const PathStep *member, std::uint32_t begin, std::uint32_t end) const noexcept
{
    std::uint32_t bytes = 0;
    for (std::uint32_t i = begin; i < end; ++i)
        bytes += values_[i].kind == ExplainedValue::Kind::name ? 0 : values_[i].bytes_in;
    return {member, 0, bytes, 0, same_name, no_rule, dropped, ExplainedValue::Kind::gone};
}

// ---- the end ----------------------------------------------------------------------------------------

bool Explainer::Finish() noexcept
{
    if (failed())
        return false;
    const bool was_summary = IsSummary(sanitizer_.tokens()[0]);
    if (!sanitizer_.Finish())
        return false;
    const std::span<const Token> result = sanitizer_.tokens();
    if (sanitizer_.records() && !has_record_)
        ReplaceByRecord();
    const bool is_summary = IsSummary(result[0]) && !was_summary;
    std::uint32_t left[max_rules + 1] = {};
    if (!is_summary)
        CountLeaves(result, left);
    FindShed(left);
    LoseNames();
    if (is_summary)
        Push({&root_, 0, ToCount(PrintedSize(document_.tokens())), ToCount(PrintedSize(result)), by_budget,
              no_rule, summarized, ExplainedValue::Kind::fixed});
    return !failed();
}

// Something of the same name that came with the document.
void Explainer::ReplaceByRecord() noexcept
{
    for (std::uint32_t i = 0; i < size_; ++i) {
        const PathStep *member = ChildOf(&root_, values_[i].path);
        if (values_[i].kind != ExplainedValue::Kind::leaf || member == nullptr ||
            member->kind != PathStep::Kind::member || member->name != record_member)
            continue;
        values_[i].kind = ExplainedValue::Kind::gone;
        values_[i].reasons = values_[i].deeds == 0 ? by_record : values_[i].reasons | by_record;
        values_[i].deeds |= replaced;
        values_[i].bytes_out = 0;
    }
}

// How many of each rule the result has; the record is none.
void Explainer::CountLeaves(std::span<const Token> result, std::span<std::uint32_t> left) const noexcept
{
    const bool recorded = has_record_ || sanitizer_.records();
    const TokenRange record = recorded ? FindRecord(result) : TokenRange{0, 0};
    for (std::uint32_t i = 0; i < result.size();) {
        const Token &token = result[i];
        const bool inner = IsBegin(token) && !IsSummary(token) && (i == 0 || !IsEnd(result[i + 1]));
        if (i == record.begin && record.end > 0) {
            i = record.end;
        } else if (inner || IsEnd(token) || token.kind == TokenKind::key) {
            ++i;
        } else {
            ++left[std::min<std::uint32_t>(token.rule, max_rules)];
            i = ValueEnd(result, i);
        }
    }
}

// The budget takes the last ones of a rule.
void Explainer::FindShed(std::span<std::uint32_t> left) noexcept
{
    for (std::uint32_t i = 0; i < size_; ++i) {
        ExplainedValue &value = values_[i];
        if (value.kind != ExplainedValue::Kind::leaf)
            continue;
        std::uint32_t &of_rule = left[std::min<std::uint32_t>(value.rule, max_rules)];
        if (of_rule > 0) {
            --of_rule;
            continue;
        }
        value.kind = ExplainedValue::Kind::gone;
        value.deeds |= shed;
        value.reasons |= by_budget;
        value.bytes_out = 0;
    }
}

// A name, or a text that was opened, of which nothing came out after all.
void Explainer::LoseNames() noexcept
{
    for (std::uint32_t i = 0; i < size_; ++i) {
        ExplainedValue &name = values_[i];
        if (name.kind != ExplainedValue::Kind::name && name.kind != ExplainedValue::Kind::opened)
            continue;
        bool left = false;
        for (std::uint32_t j = i + 1; j < size_ && !left && IsWithin(name.path, values_[j].path); ++j)
            left = values_[j].kind == ExplainedValue::Kind::leaf;
        if (!left)
            name.bytes_out = 0;
    }
}

// ---- words ------------------------------------------------------------------------------------------

std::string_view Explainer::PathText(const ExplainedValue &value) noexcept
{
    const PathStep *steps[2 * max_depth];
    std::size_t count = 0;
    for (const PathStep *step = value.path; step->parent != nullptr; step = step->parent)
        steps[count++] = step;
    return Compose(path_text_, sanitizer_.arena(), [&](TextWriter &text) {
        for (std::size_t i = count; i-- > 0;) {
            if (steps[i]->in_array) {
                text.Add("[");
                text.Add(steps[i]->item);
                text.Add(steps[i]->kind == PathStep::Kind::rest ? "..]" : "]");
            } else {
                text.Add(text.size > 0 ? "." : "");
                text.Add(steps[i]->name);
            }
        }
    });
}

std::string_view Explainer::ActionText(const ExplainedValue &value) noexcept
{
    if (value.deeds == 0)
        return "kept";
    return Compose(action_text_, sanitizer_.arena(), [&](TextWriter &text) {
        for (std::size_t i = 0; i < std::size(deed_words); ++i)
            if ((value.deeds >> i & 1u) != 0)
                text.AddListed(deed_words[i]);
    });
}

std::string_view Explainer::ReasonText(const ExplainedValue &value) noexcept
{
    return Compose(reason_text_, sanitizer_.arena(), [&](TextWriter &text) {
        if (value.kind == ExplainedValue::Kind::name)
            text.Add("name: ");
        bool first = true;
        for (std::size_t i = 0; i < std::size(reason_words); ++i) {
            if ((value.reasons >> i & 1u) == 0)
                continue;
            text.Add(first ? "" : ", ");
            first = false;
            if (i == 0)
                AddRule(text, policy_, value.rule);
            else
                text.Add(reason_words[i]);
        }
    });
}

} // namespace callhardening
