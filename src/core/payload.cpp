#include "core/payload.hpp"

#include "core/json_text.hpp"
#include "core/secret.hpp"
#include "core/text.hpp"
#include "core/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <type_traits>

namespace callhardening
{

static_assert(std::is_trivially_destructible_v<Sanitizer>, "an error of PostgreSQL skips destructors");

namespace
{

constexpr std::string_view mask_marker = "***";

// Nothing longer is a number or a name, of which the end would be worth keeping.
constexpr std::size_t longest_masked = 256;

// A string is fitted again until nothing changes, so that a second pass finds nothing to do. Two rounds are
// enough for what is known; a text that needs more becomes a summary.
constexpr int most_rounds = 6;

// JSON in strings in JSON. \u005c needs no more room at each level, so the size of the text does not bound
// it.
constexpr std::uint16_t deepest_embedding = 16;

// A bigger text is not opened, only searched for secrets and cut: the parser cannot be interrupted.
constexpr std::size_t largest_embedded = 8 * 1024 * 1024;

constexpr std::uint32_t largest_length = 2147483647;

constexpr std::string_view type_names[] = {"", "string", "number", "boolean", "object", "array"};

bool ReadLength(std::string_view text, std::uint32_t &length) noexcept
{
    constexpr std::size_t most_digits = 10;
    if (text.empty() || text.size() > most_digits || (text.size() > 1 && text.front() == '0'))
        return false;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (!IsAsciiDigit(c))
            return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    length = static_cast<std::uint32_t>(value);
    return value <= largest_length;
}

} // namespace

bool IsRecordedPolicy(std::string_view p) noexcept
{
    if (p.size() != 8 || !IsAsciiDigit(p[0]) || p[1] != ':')
        return false;
    return std::all_of(p.begin() + 2, p.end(),
                       [](char c) { return IsAsciiDigit(c) || (c >= 'a' && c <= 'f'); });
}

Sanitizer::Sanitizer(const Policy &policy, AllocateFunction allocate, bool has_record) noexcept
    : policy_(policy), limits_(policy.limits()), max_reached_(policy.max_reached()), allocate_(allocate),
      has_record_(has_record)
{
    member_.rule = no_rule;
    if (GrowReached(2u * max_reached_))
        member_.reached = policy.Start(reached_);
}

// ---- memory ---------------------------------------------------------------------------------------

void *Sanitizer::Allocate(std::size_t size) noexcept
{
    void *memory = failed_ ? nullptr : allocate_(size);
    failed_ = memory == nullptr;
    return memory;
}

char *Sanitizer::AllocateText(std::size_t size) noexcept
{
    return static_cast<char *>(Allocate(size + 1));
}

std::string_view Sanitizer::Copy(std::string_view text) noexcept
{
    char *copy = AllocateText(text.size());
    if (copy == nullptr)
        return {};
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
}

bool Sanitizer::Grow() noexcept
{
    constexpr std::uint32_t first = 128;
    if (capacity_ > std::numeric_limits<std::uint32_t>::max() / 2)
        failed_ = true;
    const std::uint32_t capacity = capacity_ == 0 ? first : capacity_ * 2;
    auto *larger = static_cast<Token *>(Allocate(capacity * sizeof(Token)));
    if (larger == nullptr)
        return false;
    if (size_ > 0)
        std::memcpy(larger, tokens_, size_ * sizeof(Token));
    tokens_ = larger;
    capacity_ = capacity;
    return true;
}

bool Sanitizer::GrowReached(std::size_t needed) noexcept
{
    if (needed <= reached_capacity_)
        return true;
    auto *larger = static_cast<PathNode *>(Allocate(2 * needed * sizeof(PathNode)));
    if (larger == nullptr)
        return false;
    if (reached_capacity_ > 0)
        std::memcpy(larger, reached_, reached_capacity_ * sizeof(PathNode));
    reached_ = larger;
    reached_capacity_ = 2 * needed;
    return true;
}

void Sanitizer::Push(TokenKind kind, std::string_view text) noexcept
{
    if (size_ == capacity_ && !Grow())
        return;
    tokens_[size_++] = {text.data(), static_cast<std::uint32_t>(text.size()), kind};
}

// ---- what comes out -----------------------------------------------------------------------------------

const Sanitizer::Place &Sanitizer::place() const noexcept
{
    return IsItem() ? frames_[depth_ - 1].place : member_;
}

void Sanitizer::BeginValue() noexcept
{
    if (IsMember())
        Push(TokenKind::key, key_);
    if (depth_ > 0)
        ++top().kept;
}

void Sanitizer::EmitKept(TokenKind kind, std::string_view text) noexcept
{
    BeginValue();
    Push(kind, text);
}

void Sanitizer::EmitSummary(ValueType type, std::size_t length) noexcept
{
    BeginValue();
    Push(TokenKind::object_begin);
    Push(TokenKind::key, "type");
    Push(TokenKind::string, type_names[static_cast<int>(type)]);
    Push(TokenKind::key, "length");
    PushCount(static_cast<std::uint32_t>(std::min<std::size_t>(length, largest_length)));
    Push(TokenKind::object_end);
}

void Sanitizer::EmitEmpty(ValueType type) noexcept
{
    const bool object = type == ValueType::object;
    EmitKept(object ? TokenKind::object_begin : TokenKind::array_begin, {});
    Push(object ? TokenKind::object_end : TokenKind::array_end);
}

// In the place of a secret; `before` an earlier pass has put it there.
void Sanitizer::EmitMarker(bool before) noexcept
{
    if (!before) {
        ++counts_.masked;
        changed_ = true;
    }
    EmitKept(TokenKind::string, secret_marker);
}

void Sanitizer::Drop() noexcept
{
    ++counts_.dropped;
    changed_ = true;
}

void Sanitizer::Replace(ValueType type, std::size_t length) noexcept
{
    Drop();
    EmitSummary(type, length);
}

// False where a value has no place in the result: in a container of which only the size counts, as an empty
// member, or beyond a limit.
bool Sanitizer::Admit(bool empty) noexcept
{
    if (failed_ || at_record_)
        return false;
    if (depth_ == 0)
        return true;
    Frame &frame = top();
    ++frame.seen;
    if (frame.measured)
        return false;
    const bool object = frame.type == ValueType::object;
    if (object && empty) {
        Drop();
        return false;
    }
    if (frame.kept < (object ? limits_.members : limits_.items)) {
        EnterMember();
        return !failed_;
    }
    if (!frame.cut)
        ++counts_.truncated;
    frame.cut = changed_ = true;
    return false;
}

// False also where the rule or the name leaves no choice, and the value has been dealt with. A boolean is no
// secret.
bool Sanitizer::AdmitScalar(ValueType type, std::string_view text) noexcept
{
    const bool empty = type == ValueType::string && text.empty();
    if (!Admit(empty))
        return false;
    if (type != ValueType::boolean && place().credential && !empty) {
        EmitMarker(text == secret_marker);
        return false;
    }
    if (action() == Action::drop) {
        Drop();
        return false;
    }
    return true;
}

// ---- containers ----------------------------------------------------------------------------------------

Walk Sanitizer::BeginObject(std::size_t members) noexcept
{
    return Begin(ValueType::object, members);
}

Walk Sanitizer::BeginArray(std::size_t items) noexcept
{
    return Begin(ValueType::array, items);
}

Walk Sanitizer::Begin(ValueType type, std::size_t count) noexcept
{
    if (depth_ == 0)
        root_is_object_ = type == ValueType::object;
    if (!Admit(count == 0))
        return Walk::skip;
    if (count == 0) {
        EmitEmpty(type);
        return Walk::skip;
    }
    if (place().credential) {
        EmitMarker(false);
        return Walk::skip;
    }
    if (action() == Action::drop) {
        Drop();
        return Walk::skip;
    }
    const bool measured = action() == Action::summary || depth_ == limits_.depth;
    if (!measured)
        return Enter(type, false);
    constexpr std::size_t summary_members = 2;
    if (count == unknown_count || (type == ValueType::object && count == summary_members))
        return Enter(type, true);
    Replace(type, count);
    return Walk::skip;
}

Walk Sanitizer::Enter(ValueType type, bool measured) noexcept
{
    const Place here = place();
    const std::uint32_t first_token = size_;
    const bool was_changed = changed_;
    if (!measured) {
        BeginValue();
        Push(type == ValueType::object ? TokenKind::object_begin : TokenKind::array_begin);
    }
    Frame &frame = frames_[depth_++];
    frame = {here, counts_,  first_token, 0,          0, {ValueType::none, false, 0},
             type, measured, false,       was_changed};
    return Walk::enter;
}

void Sanitizer::EndObject() noexcept
{
    End();
}

void Sanitizer::EndArray() noexcept
{
    End();
}

// The key of the container itself: the events inside have overwritten it.
void Sanitizer::Rollback(const Frame &frame) noexcept
{
    if (!frame.measured && IsMember())
        key_ = tokens_[frame.first_token].text();
    if (!frame.measured && depth_ > 0)
        --top().kept;
    member_ = frame.place;
    entered_ = true;
    size_ = frame.first_token;
    counts_ = frame.before;
    changed_ = frame.was_changed;
}

void Sanitizer::EndMeasured(const Frame &frame) noexcept
{
    const Shape &shape = frame.shape;
    if (frame.seen == 2 && shape.type != ValueType::none && shape.has_length)
        EmitSummary(shape.type, shape.length);
    else if (frame.seen > 0)
        Replace(frame.type, frame.seen);
    else if (IsMember())
        Drop();
    else
        EmitEmpty(frame.type);
}

void Sanitizer::End() noexcept
{
    if (failed_ || depth_ == 0)
        return;
    const Frame frame = top();
    --depth_;
    const bool summary = frame.seen == 2 && frame.shape.type != ValueType::none && frame.shape.has_length;
    if (frame.measured || summary) {
        Rollback(frame);
        EndMeasured(frame);
    } else if (frame.kept == 0 && IsMember()) {
        Rollback(frame);
        Drop();
    } else {
        Push(frame.type == ValueType::object ? TokenKind::object_end : TokenKind::array_end);
    }
}

// ---- scalars ---------------------------------------------------------------------------------------------

void Sanitizer::String(std::string_view text) noexcept
{
    if (IsMember() && key_word_ == KeyWord::type)
        for (const ValueType type :
             {ValueType::string, ValueType::number, ValueType::boolean, ValueType::object, ValueType::array})
            if (text == type_names[static_cast<int>(type)])
                top().shape.type = type;
    if (text.size() > std::numeric_limits<std::uint32_t>::max())
        failed_ = true;
    if (AdmitScalar(ValueType::string, text))
        FitString(text);
}

void Sanitizer::Number(std::string_view text) noexcept
{
    if (IsMember() && key_word_ == KeyWord::length)
        top().shape.has_length = ReadLength(text, top().shape.length);
    if (!AdmitScalar(ValueType::number, {}))
        return;
    if (action() == Action::summary)
        Replace(ValueType::number, text.size());
    else if (action() == Action::mask)
        FitString(text);
    else
        EmitKept(TokenKind::number_text, text);
}

bool Sanitizer::NeedsNumberText() noexcept
{
    if (IsMember() && !top().measured && top().kept < limits_.members && !at_record_ && !failed_)
        EnterMember();
    return (IsMember() && key_word_ == KeyWord::length) || action() == Action::mask ||
           action() == Action::summary;
}

void Sanitizer::Number(const void *number) noexcept
{
    if (AdmitScalar(ValueType::number, {}))
        EmitKept(TokenKind::number, {static_cast<const char *>(number), 0});
}

void Sanitizer::LongNumber(std::size_t length) noexcept
{
    if (AdmitScalar(ValueType::number, {}))
        Replace(ValueType::number, length);
}

// Under a credential's name it stays: what a rule would put there is what a second pass would take for the
// secret.
void Sanitizer::Boolean(bool value) noexcept
{
    if (!AdmitScalar(ValueType::boolean, {}))
        return;
    if (action() == Action::summary && !place().credential) {
        Replace(ValueType::boolean, 1);
    } else if (action() == Action::mask && !place().credential) {
        ++counts_.masked;
        changed_ = true;
        EmitKept(TokenKind::string, mask_marker);
    } else {
        EmitKept(TokenKind::boolean, {nullptr, 0});
        if (!failed_)
            tokens_[size_ - 1].size = value ? 1 : 0;
    }
}

void Sanitizer::Null() noexcept
{
    if (Admit(true))
        EmitKept(TokenKind::null, {});
}

// ---- members ---------------------------------------------------------------------------------------------

void Sanitizer::Key(std::string_view name) noexcept
{
    if (failed_ || depth_ == 0)
        return;
    key_word_ = name == "type" ? KeyWord::type : name == "length" ? KeyWord::length : KeyWord::other;
    if (depth_ == 1 && embedded_ == 0)
        EnterRootMember(name);
    if (!top().measured) {
        key_ = name;
        entered_ = false;
    }
}

// A `_sanitized` that is no record is data like any other, until there is a record to put in its place. That
// place is the one in jsonb's order, shorter names first: sorting the members again would take a tenth of the
// whole time.
void Sanitizer::EnterRootMember(std::string_view name) noexcept
{
    const bool after =
        name.size() != record_member.size() ? name.size() > record_member.size() : name > record_member;
    if (record_place_ == 0 && after)
        record_place_ = size_;
    if (at_foreign_)
        foreign_end_ = size_;
    at_record_ = name == record_member && has_record_;
    at_foreign_ = name == record_member && !has_record_;
    if (at_foreign_)
        foreign_begin_ = size_;
}

// Not before it is known that the member has a value: most members of an ordinary event have none.
// A name that is cut or holds a secret is looked up as it comes out, as a second pass will see it.
void Sanitizer::EnterMember() noexcept
{
    if (entered_ || IsItem())
        return;
    entered_ = true;
    const Place &object = top().place;
    const std::uint32_t begin = object.reached_begin + object.reached;
    const std::string_view name = key_;
    if (!policy_.Spells(name))
        key_ = FitName(name);
    if (!GrowReached(begin + max_reached_))
        return;
    const Policy::Step step =
        policy_.Enter({reached_ + object.reached_begin, object.reached}, key_, object.rule, reached_ + begin);
    member_.reached_begin = begin;
    member_.reached = step.reached;
    member_.rule = step.rule;
    member_.credential = object.credential || step.meaning == MemberClass::credential ||
                         (key_.data() != name.data() && policy_.Classify(name) == MemberClass::credential);
    member_.media = object.media || step.meaning == MemberClass::media;
    member_.link = object.link || step.meaning == MemberClass::link ||
                   (object.media && step.meaning == MemberClass::address);
}

std::string_view Sanitizer::FitName(std::string_view name) noexcept
{
    constexpr Place anywhere{0, 0, no_rule, false, false, false};
    const Fitted fitted = Fit(name, anywhere, {Action::keep, 0});
    Count(fitted);
    return fitted.failed ? cut_marker : fitted.text;
}

// ---- strings ---------------------------------------------------------------------------------------------

void Sanitizer::Count(const Fitted &fitted) noexcept
{
    counts_.masked += fitted.masked ? 1 : 0;
    counts_.truncated += fitted.cut ? 1 : 0;
    changed_ = changed_ || fitted.masked || fitted.cut;
}

void Sanitizer::FitString(std::string_view text) noexcept
{
    const Place where = place();
    const Rule rule = policy_.rule(where.rule);
    if (rule.action == Action::summary && !text.empty()) {
        Replace(ValueType::string, CountCharacters(text));
        return;
    }
    if (rule.action == Action::json && OpenJson(text))
        return;
    const Fitted fitted = Fit(text, where, rule);
    if (fitted.failed) {
        Replace(ValueType::string, CountCharacters(text));
        return;
    }
    Count(fitted);
    // What was no JSON before a secret was taken out of it may be some now.
    if (rule.action == Action::json && fitted.masked && OpenJson(fitted.text))
        return;
    EmitKept(TokenKind::string, fitted.text);
}

Sanitizer::Fitted Sanitizer::Fit(std::string_view text, const Place &where, Rule rule) noexcept
{
    Fitted all{text, false, false, false};
    for (int round = 0; round < most_rounds; ++round) {
        const Fitted once = FitOnce(all.text, where, rule);
        if (!once.masked && !once.cut)
            return all;
        all = {once.text, all.masked || once.masked, all.cut || once.cut, false};
    }
    all.failed = true;
    return all;
}

Sanitizer::Fitted Sanitizer::FitOnce(std::string_view text, const Place &where, Rule rule) noexcept
{
    if (where.link && text != secret_marker && text.find("://") == std::string_view::npos &&
        text.find('/') != std::string_view::npos)
        return {secret_marker, true, false, false};
    if (rule.action == Action::mask) {
        if (const std::string_view masked = Mask(text, rule.amount); masked != text)
            return {masked, true, false, false};
    }
    const std::size_t limit = rule.action == Action::truncate ? rule.amount : limits_.characters;
    return Redact(text, limit, where.link || where.media);
}

// Takes the secrets out of what the limit leaves of a text. No more of it is read than that and the secrets
// in it.
Sanitizer::Fitted Sanitizer::Redact(std::string_view text, std::size_t limit, bool only_hosts) noexcept
{
    constexpr std::size_t longest_character = 4;
    const std::size_t room = longest_character * (limit + 1);
    SecretSpan secret = FindSecret(text, 0, std::min(text.size(), room), only_hosts);
    if (!secret.Found()) {
        const bool fits = HeadBytes(text, limit) == text.size();
        return {fits ? text : Cut(text, limit), false, !fits, false};
    }
    char *out = AllocateText(std::min(room, text.size() * secret_marker.size()) + secret_marker.size());
    if (out == nullptr)
        return {{}, false, false, false};
    std::size_t size = 0, from = 0;
    const auto append = [&](std::string_view piece) {
        const std::size_t n = std::min(piece.size(), room - std::min(room, size));
        std::copy_n(piece.data(), n, out + size);
        size += n;
    };
    while (secret.Found() && size < room) {
        append(text.substr(from, secret.begin - from));
        append(secret.replacement);
        from = secret.end;
        secret = FindSecret(text, from, std::min(text.size(), from + room - size), only_hosts);
    }
    append(text.substr(from));
    const std::string_view redacted{out, size};
    const bool fits = HeadBytes(redacted, limit) == size;
    return {fits ? redacted : Cut(redacted, limit), true, !fits, false};
}

// The marker counts towards the limit. A cut inside of the marker of a secret would look like a secret again.
std::string_view Sanitizer::Cut(std::string_view text, std::size_t limit) noexcept
{
    std::size_t position = CutPosition(text, HeadBytes(text, limit - 1));
    for (std::size_t back = 1; back < secret_marker.size() && back <= position; ++back)
        if (text.substr(position - back).starts_with(secret_marker)) {
            position -= back;
            break;
        }
    char *out = AllocateText(position + cut_marker.size());
    if (out == nullptr)
        return {};
    std::memcpy(out, text.data(), position);
    std::memcpy(out + position, cut_marker.data(), cut_marker.size());
    return {out, position + cut_marker.size()};
}

// A text that begins with the marker and has no more than `rest` characters after it has been masked before.
std::string_view Sanitizer::Mask(std::string_view text, std::size_t rest) noexcept
{
    if (text.empty())
        return text;
    if (text.starts_with(mask_marker) && HeadBytes(text, mask_marker.size() + rest) == text.size())
        return text;
    if (text.size() > longest_masked || HeadBytes(text, rest) == text.size())
        return mask_marker;
    if (FindSecret(text, 0, text.size(), true).Found())
        return mask_marker;
    const std::string_view tail = text.substr(TailPosition(text, rest));
    char *out = AllocateText(mask_marker.size() + tail.size());
    if (out == nullptr)
        return {};
    std::memcpy(out, mask_marker.data(), mask_marker.size());
    std::memcpy(out + mask_marker.size(), tail.data(), tail.size());
    return {out, mask_marker.size() + tail.size()};
}

// JSON in a string takes the string's place, and is opened to the bottom: a second pass must find nothing to
// open.
bool Sanitizer::OpenJson(std::string_view text) noexcept
{
    if (text.size() > largest_embedded || !LooksLikeJson(text))
        return false;
    if (embedded_ == deepest_embedding) {
        Replace(ValueType::string, CountCharacters(text));
        return true;
    }
    const Checkpoint before = Mark();
    if (depth_ > 0)
        --top().seen; // counted again by what is inside
    changed_ = true;
    ++embedded_;
    const TextVerdict verdict = FeedEmbeddedText(text, *this);
    --embedded_;
    if (verdict == TextVerdict::out_of_memory)
        failed_ = true;
    if (verdict != TextVerdict::done)
        Return(before);
    return verdict == TextVerdict::done;
}

Sanitizer::Checkpoint Sanitizer::Mark() const noexcept
{
    Checkpoint mark{counts_, size_, depth_, member_, key_, key_word_, changed_, entered_, {}};
    if (depth_ > 0)
        mark.frame = frames_[depth_ - 1];
    return mark;
}

void Sanitizer::Return(const Checkpoint &mark) noexcept
{
    counts_ = mark.counts;
    size_ = mark.size;
    depth_ = mark.depth;
    member_ = mark.member;
    key_ = mark.key;
    key_word_ = mark.key_word;
    changed_ = mark.changed;
    entered_ = mark.entered;
    if (depth_ > 0)
        top() = mark.frame;
}

// ---- record ----------------------------------------------------------------------------------------------

bool Sanitizer::Finish() noexcept
{
    if (!failed_ && changed_ && root_is_object_)
        WriteRecord();
    return !failed_;
}

void Sanitizer::WriteRecord() noexcept
{
    if (at_foreign_)
        foreign_end_ = size_ - 1;
    if (foreign_end_ > foreign_begin_) {
        std::memmove(tokens_ + foreign_begin_, tokens_ + foreign_end_,
                     (size_ - foreign_end_) * sizeof(Token));
        size_ -= foreign_end_ - foreign_begin_;
        record_place_ = foreign_begin_;
    }
    const std::uint32_t end = size_, place = record_place_ == 0 ? end - 1 : record_place_;
    PushRecord();
    if (!failed_)
        std::rotate(tokens_ + place, tokens_ + end, tokens_ + size_);
}

void Sanitizer::PushRecord() noexcept
{
    Push(TokenKind::key, record_member);
    Push(TokenKind::object_begin);
    Push(TokenKind::key, "n");
    Push(TokenKind::array_begin);
    for (const std::uint32_t count : {counts_.dropped, counts_.masked, counts_.truncated, 0u})
        PushCount(std::min(count, largest_count));
    Push(TokenKind::array_end);
    Push(TokenKind::key, "p");
    constexpr std::size_t policy_size = 8;
    char *policy = AllocateText(policy_size);
    if (policy == nullptr)
        return;
    std::snprintf(policy, policy_size + 1, "%d:%.6s", policy_language_version, policy_.hash().data());
    Push(TokenKind::string, {policy, policy_size});
    Push(TokenKind::object_end);
}

void Sanitizer::PushCount(std::uint32_t count) noexcept
{
    constexpr std::size_t most_digits = 10;
    char *digits = AllocateText(most_digits);
    if (digits == nullptr)
        return;
    const char *end = std::to_chars(digits, digits + most_digits, count).ptr;
    Push(TokenKind::number_text, {digits, static_cast<std::size_t>(end - digits)});
}

} // namespace callhardening
