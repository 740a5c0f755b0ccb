#include "core/sanitizer/explain.hpp"

#include "core/sanitizer/budget.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <new>
#include <type_traits>

namespace callhardening
{

static_assert(std::is_trivially_destructible_v<Explainer>, "an error of PostgreSQL skips destructors");

namespace
{

constexpr std::string_view outcome_words[] = {"dropped",    "replaced",  "masked", "hashed",
                                              "summarized", "truncated", "shed"};

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

// The words have the order of the bits.
static_assert(static_cast<unsigned>(Outcome::shed) == 1u << (std::size(outcome_words) - 1));
static_assert(static_cast<unsigned>(Reason::ip) == 1u << (std::size(reason_words) - 1));

template <OutcomeOrReason Set>
bool HasBit(Set set, std::size_t bit) noexcept
{
    return Has(set, static_cast<Set>(1u << bit));
}

// The step directly inside `container` on the way to `step`. nullptr: `step` is not inside `container`.
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

std::uint32_t Printed(std::span<const Token> tokens) noexcept
{
    return ToCount(PrintedSize(tokens));
}

std::uint32_t PrintedName(std::string_view name) noexcept
{
    const Token token{name.data(), static_cast<std::uint32_t>(name.size()), TokenKind::string, no_rule};
    return Printed({&token, 1});
}

bool IsSummary(const Token &token) noexcept
{
    return token.kind == TokenKind::object_begin && token.size != 0;
}

// The value came out and is now removed.
void Lose(ExplainedValue &value, Outcome outcome, Reason why) noexcept
{
    value.kind = ExplainedValue::Kind::gone;
    value.outcome = value.outcome | outcome;
    value.reason = why;
    value.bytes_out = 0;
}

// Without room, it only measures the text.
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

// In the form of error messages about the rule.
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
      document_(sanitizer_.arena(), MemberOrder::jsonb)
{
    sanitizer_.Watch(*this);
}

bool Explainer::Step() noexcept
{
    const std::span<const Token> tokens = document_.tokens();
    if (failed() || next_ == tokens.size())
        return false;
    next_ = FeedToken(tokens, next_, sanitizer_);
    return true;
}

// ---- the current value -------------------------------------------------------------------------------

void Explainer::At(std::span<const Token> document, std::uint32_t token) noexcept
{
    if (document[token].kind == TokenKind::key) {
        name_.as_it_came = document[token].text();
        return;
    }
    if (IsEnd(document[token].kind)) {
        value_ = levels_[--depth_].value;
        name_.said = true; // as it was when the container began
        return;
    }
    value_ = {NextPath(), document.subspan(token, ValueEnd(document, token) - token), size_, size_};
}

void Explainer::Named(std::string_view name, Outcome outcome, Reason why) noexcept
{
    const PathStep *step = NewStep({top().value.path, name, 0, PathStep::Kind::member, false});
    name_ = {name_.as_it_came, step, outcome, why, false};
}

void Explainer::Entered() noexcept
{
    const bool object = value_.tokens[0].kind == TokenKind::object_begin;
    SayName();
    value_.first = size_;
    levels_[depth_++] = {value_, 0, 0, object ? Level::Kind::object : Level::Kind::array};
}

const PathStep *Explainer::NewStep(const PathStep &step) noexcept
{
    void *memory = sanitizer_.arena().Allocate(sizeof(PathStep));
    return memory == nullptr ? &root_ : new (memory) PathStep(step);
}

const PathStep *Explainer::NextPath() noexcept
{
    if (depth_ == 0)
        return &root_;
    switch (top().kind) {
    case Level::Kind::object:
        return name_.step;
    case Level::Kind::array:
        return NewStep({top().value.path, {}, top().items++, PathStep::Kind::item, true});
    default:
        return top().value.path;
    }
}

// ---- results of a value --------------------------------------------------------------------------------

// If a container becomes a summary at its end, the rows of its content go.
void Explainer::CameOut(Outcome outcome, Reason why, std::span<const Token> value) noexcept
{
    const bool container = IsBegin(value[0].kind) && !IsSummary(value[0]);
    if (IsSummary(value[0]))
        size_ = value_.first;
    SayName();
    Push({value_.path, 0, Printed(value_.tokens), Printed(value), why, value[0].rule, outcome,
          value_.path == &root_ && container ? ExplainedValue::Kind::fixed : ExplainedValue::Kind::leaf});
}

// If nothing is left of a container, the rows of its content and of its name go.
void Explainer::Dropped(Reason why, RuleIndex rule) noexcept
{
    size_ = value_.first_member;
    Push(
        {value_.path, 0, Printed(value_.tokens), 0, why, rule, Outcome::dropped, ExplainedValue::Kind::gone});
}

// One row for all values beyond the limit.
void Explainer::PassedOver() noexcept
{
    Level &level = top();
    const bool array = level.kind == Level::Kind::array;
    if (level.rest == 0) {
        const PathStep *rest =
            NewStep({level.value.path, "*", level.items - (array ? 1 : 0), PathStep::Kind::rest, array});
        Push({rest, 0, 0, 0, array ? Reason::limit_items : Reason::limit_members, no_rule, Outcome::truncated,
              ExplainedValue::Kind::gone});
        level.rest = size_;
    }
    if (level.rest > 0 && level.rest <= size_)
        values_[level.rest - 1].bytes_in += Printed(value_.tokens);
}

void Explainer::SayName() noexcept
{
    if (!name_.said && name_.outcome != Outcome::kept)
        Push({name_.step, 0, PrintedName(name_.as_it_came), PrintedName(name_.step->name), name_.why, no_rule,
              name_.outcome, ExplainedValue::Kind::name});
    name_.said = true;
}

void Explainer::Push(const ExplainedValue &value) noexcept
{
    constexpr std::uint32_t first = 64;
    if (size_ == capacity_) {
        const std::uint32_t capacity = capacity_ == 0 ? first : 2 * capacity_;
        ExplainedValue *larger = sanitizer_.arena().Enlarge(values_, size_, capacity);
        if (larger == nullptr)
            return;
        values_ = larger;
        capacity_ = capacity;
    }
    values_[size_] = value;
    values_[size_].order = size_;
    ++size_;
}

// ---- JSON in strings ------------------------------------------------------------------------------------

void Explainer::Opened(Reason found) noexcept
{
    SayName();
    value_.first = size_;
    if (found != Reason::none)
        Push({value_.path, 0, Printed(value_.tokens), 0, found, no_rule, Outcome::masked,
              ExplainedValue::Kind::opened});
    levels_[depth_++] = {value_, 0, 0, Level::Kind::text};
}

void Explainer::Closed(std::span<const Token> value) noexcept
{
    const Subject &text = levels_[--depth_].value;
    if (text.first < size_ && values_[text.first].kind == ExplainedValue::Kind::opened)
        values_[text.first].bytes_out = Printed(value);
}

// ---- renamed members --------------------------------------------------------------------------------

// The end of the rows of the member at `begin`. `came_out`: the member came out.
std::uint32_t Explainer::MemberEnd(std::uint32_t begin, bool &came_out) const noexcept
{
    const PathStep *member = ChildOf(value_.path, values_[begin].path);
    std::uint32_t end = begin;
    came_out = false;
    for (; end < size_ && ChildOf(value_.path, values_[end].path) == member; ++end)
        came_out = came_out || values_[end].kind == ExplainedValue::Kind::leaf;
    return end;
}

void Explainer::LostName(std::uint32_t member) noexcept
{
    bool came_out;
    for (std::uint32_t begin = value_.first, end; begin < size_; begin = end) {
        end = MemberEnd(begin, came_out);
        if (!came_out || member-- > 0)
            continue;
        for (std::uint32_t i = begin; i < end; ++i)
            values_[i].lost_name = true;
        return;
    }
}

void Explainer::Renamed() noexcept
{
    const auto child = [this](const ExplainedValue &value) { return ChildOf(value_.path, value.path); };
    std::sort(values_ + value_.first, values_ + size_, [&](const ExplainedValue &a, const ExplainedValue &b) {
        const PathStep *x = child(a), *y = child(b);
        if (x->kind != y->kind)
            return x->kind < y->kind;
        const int order = CompareNames(x->name, y->name);
        return order != 0 ? order < 0 : a.order < b.order;
    });
    std::uint32_t kept = value_.first;
    for (std::uint32_t begin = value_.first, end; begin < size_; begin = end) {
        bool came_out;
        end = MemberEnd(begin, came_out);
        if (values_[begin].lost_name)
            values_[kept++] = Lost(begin, end);
        else
            kept = static_cast<std::uint32_t>(std::copy(values_ + begin, values_ + end, values_ + kept) -
                                              values_);
    }
    size_ = kept;
    for (std::uint32_t i = value_.first; i < size_; ++i)
        values_[i].order = i;
}

ExplainedValue Explainer::Lost(std::uint32_t begin, std::uint32_t end) const noexcept
{
    std::uint32_t bytes = 0;
    for (std::uint32_t i = begin; i < end; ++i)
        bytes += values_[i].kind == ExplainedValue::Kind::name ? 0 : values_[i].bytes_in;
    return {ChildOf(value_.path, values_[begin].path),
            0,
            bytes,
            0,
            Reason::same_name,
            no_rule,
            Outcome::dropped,
            ExplainedValue::Kind::gone};
}

// ---- the end ----------------------------------------------------------------------------------------

bool Explainer::Finish() noexcept
{
    if (failed() || !sanitizer_.Finish())
        return false;
    LoseNames();
    if (became_summary_)
        Push({&root_, 0, Printed(document_.tokens()), Printed(result()), Reason::budget, no_rule,
              Outcome::summarized, ExplainedValue::Kind::fixed});
    return !failed();
}

void Explainer::ReplacedByRecord() noexcept
{
    for (std::uint32_t i = 0; i < size_; ++i) {
        ExplainedValue &value = values_[i];
        const PathStep *member = ChildOf(&root_, value.path);
        if (value.kind != ExplainedValue::Kind::leaf || member == nullptr ||
            member->kind != PathStep::Kind::member || member->name != record_member)
            continue;
        const Reason before = value.outcome == Outcome::kept ? Reason::none : value.reason;
        Lose(value, Outcome::replaced, before | Reason::record);
    }
}

void Explainer::Shed(std::uint32_t leaf) noexcept
{
    if (leaves_ == nullptr && !IndexLeaves())
        return;
    ExplainedValue &value = values_[leaves_[leaf]];
    Lose(value, Outcome::shed, value.reason | Reason::budget);
}

bool Explainer::IndexLeaves() noexcept
{
    leaves_ = sanitizer_.arena().Enlarge<std::uint32_t>(nullptr, 0, size_);
    if (leaves_ == nullptr)
        return false;
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < size_; ++i)
        if (values_[i].kind == ExplainedValue::Kind::leaf)
            leaves_[count++] = i;
    return true;
}

// The name of a member, or an opened text, of which nothing came out in the end.
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
    if (value.outcome == Outcome::kept)
        return "kept";
    return Compose(action_text_, sanitizer_.arena(), [&](TextWriter &text) {
        for (std::size_t i = 0; i < std::size(outcome_words); ++i)
            if (HasBit(value.outcome, i))
                text.AddListed(outcome_words[i]);
    });
}

std::string_view Explainer::ReasonText(const ExplainedValue &value) noexcept
{
    return Compose(reason_text_, sanitizer_.arena(), [&](TextWriter &text) {
        if (value.kind == ExplainedValue::Kind::name)
            text.Add("name: ");
        bool first = true;
        for (std::size_t i = 0; i < std::size(reason_words); ++i) {
            if (!HasBit(value.reason, i))
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
