#include "core/sanitizer/sanitizer.hpp"

#include "core/base/text.hpp"
#include "core/base/utf8.hpp"
#include "core/sanitizer/budget.hpp"
#include "core/sanitizer/document.hpp"
#include "core/sanitizer/feed.hpp"
#include "core/sanitizer/json_text.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

namespace callhardening
{

static_assert(std::is_trivially_destructible_v<Sanitizer>, "an error of PostgreSQL skips destructors");

namespace
{

// A bigger text is not opened, only searched for secrets and cut: the parser cannot be interrupted.
constexpr std::size_t largest_embedded = 8 * 1024 * 1024;

constexpr std::uint32_t largest_length = 2147483647;

// What is sure to be shed is shed before the end of the document, so that the tokens never grow with it: at
// first after so many tokens, then whenever they have doubled.
constexpr std::uint32_t prune_step = 4096;

// Members that are kept beyond twice the limit, before those that have no place are let go.
constexpr std::uint32_t crowd_step = 64;

constexpr std::uint32_t summary_tokens = 6; // {"type": "string", "length": 48211}

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

Sanitizer::Sanitizer(const Policy &policy, const Pseudonyms &pseudonyms, Arena::AllocateFunction allocate,
                     MemberOrder order) noexcept
    : policy_(policy), limits_(policy.limits()), max_reached_(policy.max_reached()), arena_(allocate),
      redactor_(policy, pseudonyms, arena_), tokens_(arena_), members_(arena_, tokens_), names_(arena_),
      order_(order)
{
    member_.rule = no_rule;
    member_.known = policy.start().data();
    member_.reached = static_cast<std::uint16_t>(policy.start().size());
}

bool Sanitizer::GrowReached(std::size_t needed) noexcept
{
    if (needed <= reached_capacity_)
        return true;
    PathNode *larger = arena_.Enlarge(reached_, reached_capacity_, 2 * needed);
    if (larger == nullptr)
        return false;
    reached_ = larger;
    reached_capacity_ = 2 * needed;
    return true;
}

// ---- what comes out -----------------------------------------------------------------------------------

void Sanitizer::BeginValue() noexcept
{
    if (IsMember()) {
        tokens_.Push(TokenKind::key, key_);
        if (top().order == MemberOrder::document)
            members_.top().kept = true;
    }
    if (depth_ > 0)
        ++top().kept;
}

void Sanitizer::Emit(TokenKind kind, std::string_view text) noexcept
{
    BeginValue();
    tokens_.Push(kind, text, place().rule);
}

void Sanitizer::EmitKept(TokenKind kind, std::string_view text) noexcept
{
    Emit(kind, text);
    TellCameOut(Outcome::kept, Reason::rule);
}

void Sanitizer::EmitSummary(ValueType type, std::size_t length) noexcept
{
    BeginValue();
    tokens_.Push({nullptr, 1, TokenKind::object_begin, place().rule});
    tokens_.Push(TokenKind::key, "type");
    tokens_.Push(TokenKind::string, type_names[static_cast<int>(type)]);
    tokens_.Push(TokenKind::key, "length");
    tokens_.PushCount(static_cast<std::uint32_t>(std::min<std::size_t>(length, largest_length)));
    tokens_.Push(TokenKind::object_end);
}

void Sanitizer::EmitEmpty(ValueType type) noexcept
{
    const bool object = type == ValueType::object;
    Emit(object ? TokenKind::object_begin : TokenKind::array_begin, {});
    tokens_.Push(object ? TokenKind::object_end : TokenKind::array_end);
    TellCameOut(Outcome::kept, Reason::rule, 2);
}

// What was done to its name is gone with it.
void Sanitizer::DropMember() noexcept
{
    counts_ = place().before;
    Drop();
}

// As it is stored, at least.
void Sanitizer::CountEmpty() noexcept
{
    ++counts_.empty;
    counts_.saved += static_cast<std::uint32_t>(key_.size() + empty_member_bytes);
}

void Sanitizer::DropByRule() noexcept
{
    DropMember();
    if (observer_ != nullptr)
        observer_->Dropped(Reason::rule, place().rule);
}

// In the place of a secret of so many bytes.
void Sanitizer::EmitMarker(std::size_t came, Reason why) noexcept
{
    ++counts_.masked;
    counts_.saved += static_cast<std::uint32_t>(came - secret_marker.size());
    Emit(TokenKind::string, secret_marker);
    TellCameOut(Outcome::masked, why);
}

void Sanitizer::Replace(ValueType type, std::size_t length, Reason why) noexcept
{
    Drop();
    EmitSummary(type, length);
    TellCameOut(Outcome::summarized, why, summary_tokens);
}

// Why a value becomes a summary that could not have stayed in any case.
Reason Sanitizer::WhyNot(Reason why) const noexcept
{
    return action() == Action::summary ? Reason::rule : why;
}

void Sanitizer::EmitFitted(const Fitted &fitted, ValueType type, std::string_view came) noexcept
{
    if (fitted.failed)
        return Replace(type, CountCharacters(came), Redactor::WhyFitted(fitted, rule()));
    Count(fitted, came);
    Emit(TokenKind::string, fitted.text);
    TellFitted(fitted);
}

void Sanitizer::TellFitted(const Fitted &fitted) noexcept
{
    if (observer_ != nullptr)
        TellCameOut(redactor_.OutcomeOf(fitted, rule()), Redactor::WhyFitted(fitted, rule()));
}

// False where a value has no place in the result: in a container of which only the size counts, as an empty
// member, or beyond a limit.
bool Sanitizer::Admit(bool empty) noexcept
{
    if (arena_.failed())
        return false;
    if (depth_ == 0)
        return true;
    Frame &frame = top();
    ++frame.seen;
    if (frame.measured)
        return false;
    if (frame.type == ValueType::object && empty) {
        if (frame.order == MemberOrder::document && frame.embedded == embedded_)
            members_.top().empty = true;
        if (entered_) // it was JSON in a string
            DropMember();
        else
            Drop();
        CountEmpty();
        if (observer_ != nullptr)
            observer_->Dropped(Reason::empty, no_rule);
        return false;
    }
    if (IsBeyondLimit())
        return false;
    EnterMember();
    return !arena_.failed();
}

// Which members are beyond it is not known in the order of a document before the object ends.
bool Sanitizer::IsBeyondLimit() noexcept
{
    Frame &frame = top();
    const bool array = frame.type == ValueType::array;
    if (array) {
        prune_credit_ += prune_share;
        Prune();
    } else if (frame.order == MemberOrder::document) {
        return false;
    }
    if (frame.kept < (array ? limits_.items : limits_.members))
        return false;
    counts_.truncated += frame.cut ? 0 : 1;
    frame.cut = true;
    if (observer_ != nullptr)
        observer_->PassedOver();
    return true;
}

bool Sanitizer::IsFull() const noexcept
{
    if (!IsItem())
        return false;
    const Frame &frame = frames_[depth_ - 1];
    return frame.measured || frame.kept >= limits_.items;
}

void Sanitizer::PassItems(std::size_t count) noexcept
{
    Frame &frame = top();
    frame.seen += static_cast<std::uint32_t>(std::min<std::size_t>(count, largest_length));
    if (count == 0 || frame.measured || frame.cut)
        return;
    ++counts_.truncated;
    frame.cut = true;
}

// False also where the rule or the name leaves no choice, and the value has been dealt with. A boolean is no
// secret, nor is a time.
bool Sanitizer::AdmitScalar(ValueType type, std::string_view text, std::size_t printed) noexcept
{
    const bool empty = type == ValueType::string && text.empty();
    if (!Admit(empty))
        return false;
    // The marker stays under any rule: an earlier pass may have cut the name that told.
    const bool marked = text == secret_marker;
    listed_ = type == ValueType::string && IsItem() && top().names_secret && LooksLikeListedValue(text);
    const bool credential = type != ValueType::boolean && (place().credential || listed_) && !empty;
    if (credential && !place().paired && IsTime(text)) {
        EmitKept(TokenKind::string, text);
        return false;
    }
    if (marked) {
        Emit(TokenKind::string, secret_marker);
        TellCameOut(Outcome::kept, credential ? Reason::secret_name : Reason::rule);
        return false;
    }
    if (credential) {
        EmitMarker(printed, Reason::secret_name);
        return false;
    }
    if (action() == Action::drop) {
        DropByRule();
        return false;
    }
    return true;
}

// ---- containers ----------------------------------------------------------------------------------------

Walk Sanitizer::Begin(ValueType type, std::size_t count) noexcept
{
    listed_ = false;
    if (depth_ == 0)
        root_type_ = type;
    if (!Admit(count == 0))
        return Walk::skip;
    if (count == 0) {
        EmitEmpty(type);
        return Walk::skip;
    }
    if (place().credential) {
        EmitMarker(secret_marker.size() + most_record_bytes, Reason::secret_name); // it is not measured
        return Walk::skip;
    }
    if (action() == Action::drop) {
        DropByRule();
        return Walk::skip;
    }
    const bool measured = action() == Action::summary || depth_ == limits_.depth;
    if (!measured)
        return Enter(type, false);
    constexpr std::size_t summary_members = 2;
    if (count == unknown_count || (type == ValueType::object && count == summary_members))
        return Enter(type, true);
    Replace(type, count, WhyNot(Reason::limit_depth));
    return Walk::skip;
}

Walk Sanitizer::Enter(ValueType type, bool measured) noexcept
{
    LookAtLabel();
    Frame &frame = frames_[depth_];
    frame = {};
    frame.place = place();
    frame.first_token = tokens_.size();
    if (!measured) {
        BeginValue();
        tokens_.Push(type == ValueType::object ? TokenKind::object_begin : TokenKind::array_begin, {},
                     frame.place.rule);
    }
    frame.before = counts_;
    frame.members = members_.size();
    frame.names = names_.size();
    frame.prune_above = prune_step;
    frame.type = type;
    frame.order = order_;
    frame.embedded = embedded_;
    frame.measured = measured;
    ++depth_;
    if (observer_ != nullptr)
        observer_->Entered();
    return Walk::enter;
}

// The key of the container itself: the events inside have overwritten it.
void Sanitizer::Rollback(const Frame &frame) noexcept
{
    if (!frame.measured && IsMember()) {
        key_ = tokens_[frame.first_token].text();
        if (top().order == MemberOrder::document)
            members_.top().kept = false;
    }
    if (!frame.measured && depth_ > 0)
        --top().kept;
    member_ = frame.place;
    entered_ = true;
    tokens_.Truncate(frame.first_token);
    counts_ = frame.before;
}

void Sanitizer::EndMeasured(const Frame &frame) noexcept
{
    const Shape &shape = frame.shape;
    if (frame.seen != 2 || shape.type == ValueType::none || !shape.has_length)
        return Replace(frame.type, frame.seen, WhyNot(Reason::limit_depth));
    EmitSummary(shape.type, shape.length);
    TellCameOut(Outcome::kept, Reason::rule, summary_tokens);
}

void Sanitizer::End() noexcept
{
    if (arena_.failed() || depth_ == 0)
        return;
    if (IsMember() && top().order == MemberOrder::document)
        EndMembers();
    const Frame &frame = top(); // nothing begins another one before its end
    label_ = {};
    --depth_;
    if (depth_ == 0)
        root_length_ = frame.seen;
    const bool summary = frame.seen == 2 && frame.shape.type != ValueType::none && frame.shape.has_length;
    if (frame.measured || summary) {
        Rollback(frame);
        EndMeasured(frame);
    } else if (frame.kept == 0 && IsMember()) {
        const bool was_empty = !(counts_ - frame.before).AnyButEmpty();
        Rollback(frame);
        DropMember();
        if (was_empty)
            CountEmpty();
        if (observer_ != nullptr)
            observer_->Dropped(Reason::empty, no_rule);
    } else {
        EndEntered(frame);
    }
}

void Sanitizer::EndEntered(const Frame &frame) noexcept
{
    if (frame.renamed)
        counts_.dropped += members_.ArrangeRenamed(frame.first_token + (IsMember() ? 2 : 1), observer_);
    tokens_.Push(frame.type == ValueType::object ? TokenKind::object_end : TokenKind::array_end);
    if (frame.kept == 0)
        TellCameOut(Outcome::kept, Reason::rule, 2);
    if (depth_ > 0 && CanPrune(frame))
        PruneFrom(frame.first_token);
}

// ---- scalars ---------------------------------------------------------------------------------------------

void Sanitizer::String(std::string_view text) noexcept
{
    if (IsEarlierRecord(text))
        return TakeEarlierRecord(text);
    if (key_word_ == KeyWord::type && IsMember()) {
        for (const ValueType type :
             {ValueType::string, ValueType::number, ValueType::boolean, ValueType::object, ValueType::array})
            if (text == type_names[static_cast<int>(type)])
                top().shape.type = type;
    } else if (key_word_ == KeyWord::pair_name && IsMember())
        NamePair(text);
    if (text.size() > std::numeric_limits<std::uint32_t>::max())
        arena_.Fail();
    if (AdmitScalar(ValueType::string, text, text.size()))
        FitString(text);
    if (IsItem())
        EndItem(text);
}

void Sanitizer::Number(std::string_view text) noexcept
{
    if (key_word_ == KeyWord::length && IsMember())
        top().shape.has_length = ReadLength(text, top().shape.length);
    if (!AdmitScalar(ValueType::number, {}, text.size()))
        return;
    if (action() == Action::summary)
        return Replace(ValueType::number, text.size(), Reason::rule);
    if (action() == Action::mask)
        return FitString(text);
    if (action() == Action::hash)
        return EmitFitted(redactor_.Pseudonym(text), ValueType::number, text);
    if (Detects())
        if (const std::optional<Fitted> found = redactor_.FitDigits(text, place().name, rule()))
            return EmitFitted(*found, ValueType::number, text);
    EmitKept(TokenKind::number_text, text);
}

bool Sanitizer::NeedsNumberText(std::size_t printed) noexcept
{
    if (IsMember() && !top().measured && top().kept < limits_.members && !arena_.failed())
        EnterMember();
    const Action what = action();
    return (IsMember() && key_word_ == KeyWord::length) || what == Action::mask || what == Action::hash ||
           what == Action::summary || (Detects() && Redactor::MayDetectDigits(printed));
}

void Sanitizer::Number(const void *number, std::size_t printed) noexcept
{
    if (!AdmitScalar(ValueType::number, {}, printed))
        return;
    BeginValue();
    tokens_.Push({static_cast<const char *>(number), static_cast<std::uint32_t>(printed), TokenKind::number,
                  place().rule});
    TellCameOut(Outcome::kept, Reason::rule);
}

void Sanitizer::LongNumber(std::size_t printed) noexcept
{
    if (AdmitScalar(ValueType::number, {}, printed))
        Replace(ValueType::number, printed, WhyNot(Reason::long_number));
}

// Under a credential's name, as it comes out, it stays: what a rule would put there is what a second pass
// would take for the secret. In a pair, whose name may go, no rule's text stays either.
void Sanitizer::Boolean(bool value) noexcept
{
    if (!AdmitScalar(ValueType::boolean, {}, 0))
        return;
    const bool kept = action() == Action::keep || action() == Action::truncate || action() == Action::json;
    if (!kept && place().paired) {
        EmitMarker(secret_marker.size(), Reason::rule);
    } else if (kept || (place().credential && policy_.Classify(key_) == MemberClass::credential)) {
        BeginValue();
        tokens_.Push({nullptr, value ? 1u : 0u, TokenKind::boolean, place().rule});
        TellCameOut(Outcome::kept, Reason::rule);
    } else if (action() == Action::mask) {
        ++counts_.masked;
        Emit(TokenKind::string, mask_marker);
        TellCameOut(Outcome::masked, Reason::rule);
    } else {
        Replace(ValueType::boolean, 1, Reason::rule);
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
    if (arena_.failed() || depth_ == 0)
        return;
    Frame &frame = top();
    key_word_ = name.size() > longest_pair_word ? KeyWord::other : ToKeyWord(name);
    if (key_word_ != KeyWord::other)
        BeginKeyWord();
    before_record_ = depth_ == 1 && embedded_ == 0 && name == record_member;
    if (before_record_)
        old_record_ = {};
    prune_credit_ += prune_share;
    if (frame.order == MemberOrder::document)
        PushMember(name);
    else
        Prune();
    if (!frame.measured) {
        key_ = name;
        entered_ = false;
    }
}

bool Sanitizer::IsEarlierRecord(std::string_view text) const noexcept
{
    return before_record_ && depth_ == 1 && embedded_ == 0 && !arena_.failed() && IsRecord(text);
}

// It is no data.
void Sanitizer::TakeEarlierRecord(std::string_view text) noexcept
{
    old_record_ = text;
    if (order_ == MemberOrder::document)
        members_.top().record = true;
}

// ---- pairs of a name and a value --------------------------------------------------------------------------

Sanitizer::KeyWord Sanitizer::ToKeyWord(std::string_view name) noexcept
{
    if (name == "type")
        return KeyWord::type;
    if (name == "length")
        return KeyWord::length;
    const PairWord word = ToPairWord(name);
    return word == PairWord::name    ? KeyWord::pair_name
           : word == PairWord::value ? KeyWord::pair_value
                                     : KeyWord::other;
}

void Sanitizer::BeginKeyWord() noexcept
{
    Frame &frame = top();
    if (key_word_ == KeyWord::type) {
        frame.shape.type = ValueType::none;
    } else if (key_word_ == KeyWord::length) {
        frame.shape.has_length = false;
    } else {
        LookAtLabel();
        if (frame.order == MemberOrder::document)
            BeginPair();
    }
}

// In the order of a document, which of two names counts is not known, nor what comes behind a value.
void Sanitizer::BeginPair() noexcept
{
    Frame &frame = top();
    if (key_word_ == KeyWord::pair_value) {
        frame.has_value = true;
        return;
    }
    Disorder(frame.named && frame.names_secret);
    frame.named = true;
}

void Sanitizer::NamePair(std::string_view name) noexcept
{
    Frame &frame = top();
    if (frame.measured || frame.names_secret)
        return;
    label_ = name;
    if (key_word_ == KeyWord::pair_value || frame.has_value)
        LookAtLabel();
    Disorder(frame.has_value && frame.names_secret);
}

// Not before a value or something else comes that may need to know: most objects have a name and no value.
void Sanitizer::LookAtLabel() noexcept
{
    if (!label_.empty() && IsSecretLabel(std::exchange(label_, {})))
        top().names_secret = true;
}

void Sanitizer::Disorder(bool late) noexcept
{
    if (late && embedded_ == 0)
        doubtful_ = true;
    else if (late)
        disordered_ = true;
}

bool Sanitizer::IsSecretLabel(std::string_view text) const noexcept
{
    return policy_.Classify(text) == MemberClass::credential && LooksLikeLabel(text);
}

// What comes out as another thing than a string, a second pass would not see as the value or the name.
void Sanitizer::EndItem(std::string_view text) noexcept
{
    if (tokens_.size() > 0 && tokens_[tokens_.size() - 1].kind == TokenKind::string)
        top().names_secret = IsSecretLabel(text);
}

void Sanitizer::PushMember(std::string_view name) noexcept
{
    if (members_.size() - top().members >= 2 * limits_.members + crowd_step)
        CrowdMembers();
    if (top().crowded)
        names_.Push(name);
    members_.Push(name, tokens_.size(), counts_);
}

// Lets go of members that have no place any more, whatever else comes, so that an object of a million members
// takes no more memory than one of a hundred. Hashes of the names tell at its end whether that was right.
void Sanitizer::CrowdMembers() noexcept
{
    Frame &frame = top();
    if (!frame.crowded)
        for (std::uint32_t i = frame.members; i < members_.size(); ++i)
            names_.Push(members_.NameAt(i));
    frame.crowded = true;
    const MemberStack::Arranged arranged = members_.Arrange(frame.members, limits_.members, counts_);
    Arranged(arranged);
    if (CompareNames(frame.emptied, arranged.last_emptied) < 0)
        frame.emptied = arranged.last_emptied;
}

void Sanitizer::Arranged(const MemberStack::Arranged &arranged) noexcept
{
    Frame &frame = top();
    frame.kept = arranged.kept;
    frame.seen -= arranged.shadowed;
    frame.cut = frame.cut || arranged.cut;
}

// Of a crowded object two things are doubtful: whether a name came twice, and whether what was dropped of a
// member counts, when members that came later belong before it, so that it is beyond the limit. In JSON in a
// string neither is: there is no jsonb of it to agree with.
void Sanitizer::EndMembers() noexcept
{
    Frame &frame = top();
    const MemberStack::Arranged arranged = members_.Close(frame.members, limits_.members, counts_);
    Arranged(arranged);
    if (frame.crowded && embedded_ == 0)
        doubtful_ = doubtful_ || names_.MayRepeat(frame.names) ||
                    (frame.cut && CompareNames(arranged.last_kept, frame.emptied) < 0);
    counts_.truncated += frame.cut ? 1 : 0;
    names_.Truncate(frame.names);
}

// Only where the order of what is there is final: not with members in the order of a document, nor where two
// of them may turn out to have got the same name.
void Sanitizer::PruneTop() noexcept
{
    Frame &frame = top();
    if (frame.measured || frame.renamed)
        return;
    PruneFrom(frame.first_token);
    const std::uint32_t left = tokens_.size() - frame.first_token;
    frame.prune_above = left + std::max(left, prune_step);
}

// What does not fit into the budget with what goes later than it in this part of the document fits even less
// with the rest: it is sure to be shed, and the result is the same as if it were shed at the end.
void Sanitizer::PruneFrom(std::uint32_t first) noexcept
{
    prune_credit_ -= tokens_.size() - first;
    if (observer_ == nullptr) // it hears of all leaves at the end
        counts_.shed += ShedLeaves(tokens_, first, policy_.max_bytes(), Shedding::ahead, {}, shed_, arena_);
}

PathNodes Sanitizer::Reached(const Place &place) const noexcept
{
    return {place.known != nullptr ? place.known : reached_ + place.reached_begin, place.reached};
}

// Where in `reached_` those of its members begin.
std::uint32_t Sanitizer::ReachedEnd(const Place &place) const noexcept
{
    return place.reached_begin + (place.known != nullptr ? 0u : place.reached);
}

// Not before it is known that the member has a value: most members of an ordinary event have none.
void Sanitizer::EnterMember() noexcept
{
    if (entered_ || IsItem())
        return;
    entered_ = true;
    const Place &object = top().place;
    const std::string_view name = key_;
    member_.before = counts_;
    const Step *known = policy_.Known(Reached(object), name);
    const Step step = known != nullptr ? *known : WorkOut(object, name);
    member_.name = key_; // as a second pass will see it
    member_.known = known != nullptr ? step.reached.data() : nullptr;
    member_.reached_begin = ReachedEnd(object);
    member_.reached = static_cast<std::uint16_t>(step.reached.size());
    member_.rule = std::min(step.rule, object.rule);
    member_.paired = key_word_ == KeyWord::pair_value && top().names_secret;
    member_.credential = object.credential || member_.paired || step.meaning == MemberClass::credential;
    member_.media = object.media || step.meaning == MemberClass::media;
    member_.link = object.link || step.meaning == MemberClass::link ||
                   (object.media && step.meaning == MemberClass::address);
}

// A name that is cut or holds a secret is looked up as it comes out, as a second pass will see it.
Step Sanitizer::WorkOut(const Place &object, std::string_view name) noexcept
{
    const std::uint32_t begin = ReachedEnd(object);
    if (!policy_.Spells(name)) {
        const Fitted fitted = redactor_.FitName(name);
        Count(fitted, name);
        key_ = fitted.text;
    }
    const bool renamed = key_.data() != name.data();
    if (!GrowReached(begin + max_reached_))
        return {MemberClass::credential, no_rule, {}};
    Step step = policy_.Enter(Reached(object), key_, reached_ + begin);
    if (!renamed) {
        policy_.Remember(Reached(object), name, step);
        return step;
    }
    top().renamed = true;
    if (policy_.Classify(name) == MemberClass::credential)
        step.meaning = MemberClass::credential;
    return step;
}

void Sanitizer::At(std::span<const Token> document, std::uint32_t token) noexcept
{
    if (observer_ == nullptr)
        return;
    observer_->At(document, token);
    if (document[token].kind != TokenKind::key)
        return;
    constexpr Rule none{Action::keep, 0};
    const std::string_view name = document[token].text();
    const Fitted fitted = policy_.Spells(name) ? Fitted{name, false, false, false} : redactor_.FitName(name);
    observer_->Named(fitted.text, redactor_.OutcomeOf(fitted, none), Redactor::WhyFitted(fitted, none));
}

// ---- strings ---------------------------------------------------------------------------------------------

void Sanitizer::Count(const Fitted &fitted, std::string_view came) noexcept
{
    counts_.masked += fitted.masked ? 1 : 0;
    counts_.truncated += fitted.cut ? 1 : 0;
    counts_.saved += static_cast<std::uint32_t>(came.size() - fitted.text.size());
}

// Where a rule has said what to do with a value, only a cut leaves something to look at.
bool Sanitizer::Detects() const noexcept
{
    return policy_.detectors().any() &&
           (place().rule == no_rule || action() == Action::truncate || action() == Action::json);
}

TextPlace Sanitizer::text_place() const noexcept
{
    const Place &here = place();
    return {rule(), here.link || here.media, here.link, Detects()};
}

void Sanitizer::FitString(std::string_view text) noexcept
{
    if (depth_ == 0)
        root_length_ = static_cast<std::uint32_t>(CountCharacters(text));
    const Action what = action();
    if (what == Action::summary && !text.empty())
        return Replace(ValueType::string, CountCharacters(text), Reason::rule);
    if (what == Action::hash && !text.empty())
        return EmitFitted(redactor_.Pseudonym(text), ValueType::string, text);
    if (what == Action::json && OpenJson(text, Reason::none))
        return;
    const TextPlace where = text_place();
    std::optional<Fitted> fitted;
    if (where.detect)
        fitted = redactor_.FitDigits(text, place().name, where.rule);
    if (!fitted)
        fitted = redactor_.Fit(text, where);
    // What was no JSON before a secret was taken out of it may be some now.
    if (what == Action::json && fitted->masked && !fitted->failed) {
        Count(*fitted, text);
        if (OpenJson(fitted->text, fitted->found))
            return;
        Emit(TokenKind::string, fitted->text);
        return TellFitted(*fitted);
    }
    EmitFitted(*fitted, ValueType::string, text);
}

// JSON in a string takes the string's place, and is opened to the bottom: a second pass must find nothing to
// open.
bool Sanitizer::OpenJson(std::string_view text, Reason found) noexcept
{
    if (text.size() > largest_embedded || !LooksLikeJson(text))
        return false;
    if (embedded_ == deepest_embedding) {
        Replace(ValueType::string, CountCharacters(text), Reason::embedding);
        return true;
    }
    const Checkpoint before = Mark();
    const MemberOrder order = order_;
    const bool disordered = std::exchange(disordered_, false);
    ++embedded_;
    bool opened = observer_ != nullptr ? ReadInOrder(text, found) : ReadAsItComes(text);
    if (opened && disordered_) {
        Return(before);
        opened = ReadInOrder(text, found);
    }
    if (!opened)
        Return(before);
    --embedded_;
    disordered_ = disordered;
    order_ = order;
    return opened;
}

void Sanitizer::BeginText(MemberOrder order) noexcept
{
    if (depth_ > 0)
        --top().seen; // counted again by what is inside
    ++counts_.opened;
    order_ = order;
}

bool Sanitizer::ReadAsItComes(std::string_view text) noexcept
{
    BeginText(MemberOrder::document);
    return FeedEmbeddedText(text, *this) == TextVerdict::done;
}

bool Sanitizer::ReadInOrder(std::string_view text, Reason found) noexcept
{
    DocumentTokens document(arena_, MemberOrder::document);
    if (FeedEmbeddedText(text, document) != TextVerdict::done)
        return false;
    BeginText(MemberOrder::jsonb);
    const std::uint32_t first = tokens_.size();
    if (observer_ != nullptr)
        observer_->Opened(found);
    if (!arena_.failed())
        FeedTokens(document.tokens(), *this);
    if (observer_ != nullptr)
        observer_->Closed(tokens_.all().subspan(first));
    return true;
}

Sanitizer::Checkpoint Sanitizer::Mark() const noexcept
{
    Checkpoint mark{counts_, tokens_.size(), members_.size(), names_.size(), depth_,   member_,
                    key_,    label_,         key_word_,       root_type_,    entered_, {}};
    if (depth_ > 0)
        mark.frame = frames_[depth_ - 1];
    return mark;
}

void Sanitizer::Return(const Checkpoint &mark) noexcept
{
    counts_ = mark.counts;
    tokens_.Truncate(mark.tokens);
    members_.Truncate(mark.members);
    names_.Truncate(mark.names);
    depth_ = mark.depth;
    member_ = mark.member;
    key_ = mark.key;
    label_ = mark.label;
    key_word_ = mark.key_word;
    root_type_ = mark.root_type;
    entered_ = mark.entered;
    if (depth_ > 0)
        top() = mark.frame;
}

// ---- the end ---------------------------------------------------------------------------------------------

bool Sanitizer::Finish() noexcept
{
    if (!arena_.failed()) {
        if (NeedsRecord())
            AddRecord();
        else if (!old_record_.empty())
            WriteRecord(tokens_, old_record_);
        KeepBudget();
    }
    return !arena_.failed();
}

// Without a root that is an object, there is no place for one.
bool Sanitizer::NeedsRecord() const noexcept
{
    if (root_type_ != ValueType::object || !counts_.AnyButEmpty())
        return false;
    return !old_record_.empty() || !counts_.LessThanRecord() || PrintsWithin(tokens_.all(), small_document);
}

// In the place of a member of the same name that came with the document.
void Sanitizer::AddRecord() noexcept
{
    if (observer_ != nullptr && old_record_.empty())
        if (const TokenRange data = FindRecord(tokens_.all()); data.begin < data.end)
            observer_->ReplacedByRecord();
    RecordCounts();
}

void Sanitizer::RecordCounts() noexcept
{
    recorded_ = true;
    WriteRecord(tokens_, MakeRecord(counts_, policy_.recorded(), arena_));
}

// The result prints in no more than max_bytes, always: either all of it does; or leaves are shed until what
// is left does, with a record whose counts are those of that moment; or, when none is left, it is the summary
// of the root with its record, which print in 77 bytes at most, and least_max_bytes is more. A root that is
// no container is one leaf.
void Sanitizer::KeepBudget() noexcept
{
    const bool fits = PrintsWithin(tokens_.all(), policy_.max_bytes());
    if (fits && counts_.shed == 0)
        return;
    const bool has_record = root_type_ == ValueType::object;
    if (!fits && root_type_ == ValueType::none) {
        ++counts_.shed;
        if (observer_ != nullptr)
            observer_->Shed(0);
        BecomeSummary();
        return;
    }
    // It may be what makes the document fit: in the place of a longer one, or of data of its name.
    if (!fits && has_record && !records())
        AddRecord();
    const TokenRange record = has_record ? FindRecord(tokens_.all()) : TokenRange{0, 0};
    counts_.shed += ShedLeaves(tokens_, 0, policy_.max_bytes(), Shedding::complete,
                               {record.begin, record.end, counts_.shed}, shed_, arena_, observer_);
    if (tokens_.size() == record.end - record.begin + 2)
        BecomeSummary();
    if (has_record)
        RecordCounts();
}

void Sanitizer::BecomeSummary() noexcept
{
    tokens_.Truncate(0);
    EmitSummary(root_type_ == ValueType::none ? ValueType::string : root_type_, root_length_);
    if (observer_ != nullptr)
        observer_->BecameSummary();
}

} // namespace callhardening
