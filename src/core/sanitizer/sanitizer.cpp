#include "core/sanitizer/sanitizer.hpp"

#include "core/base/text.hpp"
#include "core/base/utf8.hpp"
#include "core/sanitizer/document.hpp"
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

// A bigger text is not opened: the parser cannot be interrupted. It is only searched for secrets and cut.
constexpr std::size_t largest_embedded = 8 * 1024 * 1024;

// none: the text names no type.
ValueType ToValueType(std::string_view text) noexcept
{
    for (const ValueType type :
         {ValueType::string, ValueType::number, ValueType::boolean, ValueType::object, ValueType::array})
        if (text == NameOf(type))
            return type;
    return ValueType::none;
}

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
    : policy_(policy), limits_(policy.limits()), arena_(allocate), redactor_(policy, pseudonyms, arena_),
      location_(policy, arena_, order), result_(policy, arena_), members_(arena_, result_.tokens())
{
}

// ---- what comes out -----------------------------------------------------------------------------------

void Sanitizer::BeginValue() noexcept
{
    if (IsMember()) {
        list().Push(TokenKind::key, member().key);
        if (top().order == MemberOrder::document)
            members_.top().kept = true;
    }
    if (!location_.AtRoot())
        ++top().kept;
}

void Sanitizer::Emit(TokenKind kind, std::string_view text) noexcept
{
    BeginValue();
    list().Push(kind, text, context().rule);
}

void Sanitizer::EmitKept(TokenKind kind, std::string_view text) noexcept
{
    Emit(kind, text);
    TellCameOut(Outcome::kept, Reason::rule);
}

void Sanitizer::EmitSummary(ValueType type, std::size_t length) noexcept
{
    BeginValue();
    list().PushSummary(type, length, context().rule);
}

void Sanitizer::EmitEmpty(ValueType type) noexcept
{
    const bool object = type == ValueType::object;
    Emit(object ? TokenKind::object_begin : TokenKind::array_begin, {});
    list().Push(object ? TokenKind::object_end : TokenKind::array_end);
    TellCameOut(Outcome::kept, Reason::rule, 2);
}

// The counts of its name go with it.
void Sanitizer::DropMember() noexcept
{
    done() = context().before;
    Drop();
}

// At least the stored size.
void Sanitizer::CountEmpty() noexcept
{
    ++done().empty;
    done().saved += static_cast<std::uint32_t>(member().key.size() + empty_member_bytes);
}

void Sanitizer::DropByRule() noexcept
{
    DropMember();
    if (observer_ != nullptr)
        observer_->Dropped(Reason::rule, context().rule);
}

// Replaces a secret of `came` bytes.
void Sanitizer::EmitMarker(std::size_t came, Reason why) noexcept
{
    ++done().masked;
    done().saved += static_cast<std::uint32_t>(came - secret_marker.size());
    Emit(TokenKind::string, secret_marker);
    TellCameOut(Outcome::masked, why);
}

void Sanitizer::Replace(ValueType type, std::size_t length, Reason why) noexcept
{
    Drop();
    EmitSummary(type, length);
    TellCameOut(Outcome::summarized, why, summary_tokens);
}

// The reason for a summary of a value that cannot stay under any rule.
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

// False if the value does not come out: its container is only measured, or it is an empty member, or it is
// beyond a limit.
bool Sanitizer::Admit(bool empty) noexcept
{
    if (arena_.failed())
        return false;
    if (location_.AtRoot())
        return true;
    Frame &frame = top();
    ++frame.seen;
    if (frame.measured)
        return false;
    if (frame.type == ValueType::object && empty) {
        LeaveOutEmpty();
        return false;
    }
    if (IsBeyondLimit())
        return false;
    EnterMember();
    return !arena_.failed();
}

void Sanitizer::LeaveOutEmpty() noexcept
{
    if (top().order == MemberOrder::document && top().embedded == location_.embedded())
        members_.top().empty = true;
    if (member().entered) // it was JSON in a string
        DropMember();
    else
        Drop();
    CountEmpty();
    if (observer_ != nullptr)
        observer_->Dropped(Reason::empty, no_rule);
}

// In the order of a document, the members beyond the limit are known only at the end of the object.
bool Sanitizer::IsBeyondLimit() noexcept
{
    Frame &frame = top();
    const bool array = frame.type == ValueType::array;
    if (array) {
        result_.PayForPruning();
        Prune();
    } else if (frame.order == MemberOrder::document) {
        return false;
    }
    if (frame.kept < (array ? limits_.items : limits_.members))
        return false;
    done().truncated += frame.cut ? 0 : 1;
    frame.cut = true;
    if (observer_ != nullptr)
        observer_->PassedOver();
    return true;
}

bool Sanitizer::IsFull() const noexcept
{
    if (!IsItem())
        return false;
    const Frame &frame = top();
    return frame.measured || frame.kept >= limits_.items;
}

void Sanitizer::PassItems(std::size_t count) noexcept
{
    Frame &frame = top();
    frame.seen += static_cast<std::uint32_t>(std::min<std::size_t>(count, largest_length));
    if (count == 0 || frame.measured || frame.cut)
        return;
    ++done().truncated;
    frame.cut = true;
}

// True by the name of the value, or by the names in the item before. A boolean is no secret.
bool Sanitizer::IsNamedSecret(ValueType type, std::string_view text) const noexcept
{
    if (type == ValueType::boolean || (type == ValueType::string && text.empty()))
        return false;
    return context().credential ||
           (type == ValueType::string && IsItem() && top().names_secret && LooksLikeListedValue(text));
}

// Also false if the rule or the name has decided and the value is done. A time is no secret.
bool Sanitizer::AdmitScalar(ValueType type, std::string_view text, std::size_t printed) noexcept
{
    if (!Admit(type == ValueType::string && text.empty()))
        return false;
    const bool credential = IsNamedSecret(type, text);
    if (credential && !context().paired && IsTime(text)) {
        EmitKept(TokenKind::string, text);
        return false;
    }
    // The marker stays under any rule: an earlier pass may have cut the name that revealed it.
    if (text == secret_marker) {
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
    if (location_.AtRoot())
        result_.root().type = type;
    if (!Admit(count == 0))
        return Walk::skip;
    if (count == 0) {
        EmitEmpty(type);
        return Walk::skip;
    }
    if (context().credential) {
        EmitMarker(secret_marker.size() + most_record_bytes, Reason::secret_name); // it is not measured
        return Walk::skip;
    }
    if (action() == Action::drop) {
        DropByRule();
        return Walk::skip;
    }
    const bool measured = action() == Action::summary || location_.depth() == limits_.depth;
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
    Frame &frame = location_.Prepare(type);
    frame.section = result_.Begin();
    frame.members = members_.Begin();
    frame.measured = measured;
    if (!measured) {
        BeginValue();
        list().Push(type == ValueType::object ? TokenKind::object_begin : TokenKind::array_begin, {},
                    frame.context.rule);
    }
    location_.Open();
    if (observer_ != nullptr)
        observer_->Entered();
    return Walk::enter;
}

// Also restores the container's own key: its content has overwritten it.
void Sanitizer::Rollback(const Frame &frame) noexcept
{
    if (!frame.measured && IsMember()) {
        member().key = list()[frame.section.first_token].text();
        if (top().order == MemberOrder::document)
            members_.top().kept = false;
    }
    if (!frame.measured && !location_.AtRoot())
        --top().kept;
    location_.ReturnBefore(frame);
    result_.Return(frame.section);
}

void Sanitizer::EndMeasured(const Frame &frame) noexcept
{
    if (!frame.shape.IsSummary(frame.seen))
        return Replace(frame.type, frame.seen, WhyNot(Reason::limit_depth));
    EmitSummary(frame.shape.type, frame.shape.length);
    TellCameOut(Outcome::kept, Reason::rule, summary_tokens);
}

void Sanitizer::EndEmptied(const Frame &frame) noexcept
{
    const bool was_empty = !(done() - frame.section.before).AnyButEmpty();
    Rollback(frame);
    DropMember();
    if (was_empty)
        CountEmpty();
    if (observer_ != nullptr)
        observer_->Dropped(Reason::empty, no_rule);
}

void Sanitizer::End() noexcept
{
    if (arena_.failed() || location_.AtRoot())
        return;
    if (IsMember() && top().order == MemberOrder::document)
        EndMembers();
    const Frame &frame = top();
    label_.reset();
    location_.Close();
    if (location_.AtRoot())
        result_.root().length = frame.seen;
    if (frame.measured || frame.shape.IsSummary(frame.seen)) {
        Rollback(frame);
        EndMeasured(frame);
    } else if (frame.kept == 0 && IsMember()) {
        EndEmptied(frame);
    } else {
        EndEntered(frame);
    }
}

void Sanitizer::EndEntered(const Frame &frame) noexcept
{
    if (frame.renamed)
        done().dropped +=
            members_.ArrangeRenamed(frame.section.first_token + (IsMember() ? 2 : 1), observer_);
    list().Push(frame.type == ValueType::object ? TokenKind::object_end : TokenKind::array_end);
    if (frame.kept == 0)
        TellCameOut(Outcome::kept, Reason::rule, 2);
    if (!location_.AtRoot() && result_.CanPrune(frame.section))
        result_.Prune(frame.section);
}

// ---- scalars ---------------------------------------------------------------------------------------------

void Sanitizer::String(std::string_view text) noexcept
{
    if (IsEarlierRecord(text))
        return TakeEarlierRecord(text);
    if (location_.IsAt(KeyWord::type))
        top().shape.type = ToValueType(text);
    else if (location_.IsAt(KeyWord::pair_name))
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
    if (location_.IsAt(KeyWord::length))
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
        if (const std::optional<Fitted> found = redactor_.FitDigits(text, context().name, rule()))
            return EmitFitted(*found, ValueType::number, text);
    EmitKept(TokenKind::number_text, text);
}

bool Sanitizer::NeedsNumberText(std::size_t printed) noexcept
{
    if (IsMember() && !top().measured && top().kept < limits_.members && !arena_.failed())
        EnterMember();
    const Action what = action();
    return location_.IsAt(KeyWord::length) || what == Action::mask || what == Action::hash ||
           what == Action::summary || (Detects() && Redactor::MayDetectDigits(printed));
}

void Sanitizer::Number(const void *number, std::size_t printed) noexcept
{
    if (!AdmitScalar(ValueType::number, {}, printed))
        return;
    BeginValue();
    list().Push({static_cast<const char *>(number), static_cast<std::uint32_t>(printed), TokenKind::number,
                 context().rule});
    TellCameOut(Outcome::kept, Reason::rule);
}

void Sanitizer::LongNumber(std::size_t printed) noexcept
{
    if (AdmitScalar(ValueType::number, {}, printed))
        Replace(ValueType::number, printed, WhyNot(Reason::long_number));
}

// A boolean stays if its resulting name is a credential's. A second pass would take any other text there for
// the secret. In a pair no rule's text stays either, since the name of the pair may go.
void Sanitizer::Boolean(bool value) noexcept
{
    if (!AdmitScalar(ValueType::boolean, {}, 0))
        return;
    const bool kept = action() == Action::keep || action() == Action::truncate || action() == Action::json;
    if (!kept && context().paired) {
        EmitMarker(secret_marker.size(), Reason::rule);
    } else if (kept || (context().credential && policy_.Classify(member().key) == MemberClass::credential)) {
        BeginValue();
        list().Push({nullptr, value ? 1u : 0u, TokenKind::boolean, context().rule});
        TellCameOut(Outcome::kept, Reason::rule);
    } else if (action() == Action::mask) {
        ++done().masked;
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
    if (arena_.failed() || location_.AtRoot())
        return;
    Frame &frame = top();
    MemberAtHand &at_hand = member();
    at_hand.word = name.size() > longest_pair_word ? KeyWord::other : ToKeyWord(name);
    if (at_hand.word != KeyWord::other)
        BeginKeyWord();
    before_record_ = location_.IsWithinRoot() && name == record_member;
    if (before_record_)
        result_.TakeEarlierRecord(std::nullopt);
    result_.PayForPruning();
    if (frame.order == MemberOrder::document)
        PushMember(frame.members, name);
    else
        Prune();
    if (!frame.measured) {
        at_hand.key = name;
        at_hand.entered = false;
    }
}

bool Sanitizer::IsEarlierRecord(std::string_view text) const noexcept
{
    return before_record_ && location_.IsWithinRoot() && !arena_.failed() && IsRecord(text);
}

// A record is not data.
void Sanitizer::TakeEarlierRecord(std::string_view text) noexcept
{
    result_.TakeEarlierRecord(text);
    if (location_.order() == MemberOrder::document)
        members_.top().record = true;
}

// ---- pairs of a name and a value --------------------------------------------------------------------------

KeyWord Sanitizer::ToKeyWord(std::string_view name) noexcept
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
    if (member().word == KeyWord::type) {
        frame.shape.type = ValueType::none;
    } else if (member().word == KeyWord::length) {
        frame.shape.has_length = false;
    } else {
        LookAtLabel();
        if (frame.order == MemberOrder::document)
            BeginPair();
    }
}

// In the order of a document, neither the counting one of two names nor the members after a value are known.
void Sanitizer::BeginPair() noexcept
{
    Frame &frame = top();
    if (member().word == KeyWord::pair_value) {
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
    if (member().word == KeyWord::pair_value || frame.has_value)
        LookAtLabel();
    Disorder(frame.has_value && frame.names_secret);
}

// Reads the label only when a value or another name needs it: most objects have a name and no value.
void Sanitizer::LookAtLabel() noexcept
{
    if (label_ && IsSecretLabel(*std::exchange(label_, std::nullopt)))
        top().names_secret = true;
}

void Sanitizer::Disorder(bool late) noexcept
{
    (location_.embedded() == 0 ? doubtful_ : disordered_) |= late;
}

bool Sanitizer::IsSecretLabel(std::string_view text) const noexcept
{
    return policy_.Classify(text) == MemberClass::credential && LooksLikeLabel(text);
}

// Only strings in the result are labels: a second pass would not see another value as the label.
void Sanitizer::EndItem(std::string_view text) noexcept
{
    if (list().size() > 0 && list()[list().size() - 1].kind == TokenKind::string)
        top().names_secret = IsSecretLabel(text);
}

void Sanitizer::PushMember(OpenMembers &object, std::string_view name) noexcept
{
    if (members_.IsFull(object, limits_.members))
        CrowdMembers(object);
    members_.Push(object, name, list().size(), done());
}

void Sanitizer::CrowdMembers(OpenMembers &object) noexcept
{
    Arranged(members_.Crowd(object, limits_.members, done()));
}

void Sanitizer::Arranged(const MemberStack::Arranged &arranged) noexcept
{
    Frame &frame = top();
    frame.kept = arranged.kept;
    frame.seen -= arranged.shadowed;
    frame.cut = frame.cut || arranged.cut;
}

// JSON in a string is never doubtful: no jsonb of it exists.
void Sanitizer::EndMembers() noexcept
{
    Frame &frame = top();
    const MemberStack::Arranged arranged = members_.Close(frame.members, limits_.members, done());
    Arranged(arranged);
    if (!doubtful_ && location_.embedded() == 0)
        doubtful_ = members_.IsDoubtful(frame.members, arranged, frame.cut);
    done().truncated += frame.cut ? 1 : 0;
    members_.Forget(frame.members);
}

// Prunes only if the order is final. Members in the order of a document are not, and members with new names
// may turn out to have the same name.
void Sanitizer::PruneTop() noexcept
{
    Frame &frame = top();
    if (!frame.measured && !frame.renamed)
        result_.PruneOpen(frame.section);
}

// Waits until the member has a value: most members of an ordinary event have none.
void Sanitizer::EnterMember() noexcept
{
    MemberAtHand &at_hand = member();
    if (at_hand.entered || IsItem())
        return;
    at_hand.entered = true;
    const MemberContext &object = top().context;
    MemberContext &here = at_hand.context;
    const std::string_view name = at_hand.key;
    here.before = done();
    const Step *known = policy_.Known(location_.Reached(object), name);
    const Step step = known != nullptr ? *known : WorkOut(object, name);
    here.name = at_hand.key; // as a second pass will see it
    here.known = known != nullptr ? step.reached.data() : nullptr;
    here.reached_begin = Location::ReachedEnd(object);
    here.reached = static_cast<std::uint16_t>(step.reached.size());
    here.rule = std::min(step.rule, object.rule);
    here.paired = at_hand.word == KeyWord::pair_value && top().names_secret;
    here.credential = object.credential || here.paired || step.meaning == MemberClass::credential;
    here.media = object.media || step.meaning == MemberClass::media;
    here.link = object.link || step.meaning == MemberClass::link ||
                (object.media && step.meaning == MemberClass::address);
}

// A cut name, or one with a hidden secret, is looked up by its resulting form: a second pass will see that
// form.
Step Sanitizer::WorkOut(const MemberContext &object, std::string_view name) noexcept
{
    std::string_view &key = member().key;
    if (!policy_.Spells(name)) {
        const Fitted fitted = redactor_.FitName(name);
        Count(fitted, name);
        key = fitted.text;
    }
    const bool renamed = key.data() != name.data();
    PathNode *room = location_.RoomForMember(object);
    if (room == nullptr)
        return {MemberClass::credential, no_rule, {}};
    Step step = policy_.Enter(location_.Reached(object), key, room);
    if (!renamed) {
        policy_.Remember(location_.Reached(object), name, step);
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
    done().masked += fitted.masked ? 1 : 0;
    done().truncated += fitted.cut ? 1 : 0;
    done().saved += static_cast<std::uint32_t>(came.size() - fitted.text.size());
}

// If a rule decides about a value, detectors search it only if the rule cuts it or opens JSON.
bool Sanitizer::Detects() const noexcept
{
    return policy_.detectors().any() &&
           (context().rule == no_rule || action() == Action::truncate || action() == Action::json);
}

TextContext Sanitizer::text_context() const noexcept
{
    const MemberContext &here = context();
    return {rule(), here.link || here.media, here.link, Detects()};
}

void Sanitizer::FitString(std::string_view text) noexcept
{
    if (location_.AtRoot())
        result_.root().length = static_cast<std::uint32_t>(CountCharacters(text));
    const Action what = action();
    if (what == Action::summary && !text.empty())
        return Replace(ValueType::string, CountCharacters(text), Reason::rule);
    if (what == Action::hash && !text.empty())
        return EmitFitted(redactor_.Pseudonym(text), ValueType::string, text);
    if (what == Action::json && OpenJson(text, Reason::none))
        return;
    const TextContext where = text_context();
    std::optional<Fitted> fitted;
    if (where.detect)
        fitted = redactor_.FitDigits(text, context().name, where.rule);
    if (!fitted)
        fitted = redactor_.Fit(text, where);
    // After a secret is masked in it, a text may have become JSON.
    if (what == Action::json && fitted->masked && !fitted->failed) {
        Count(*fitted, text);
        if (OpenJson(fitted->text, fitted->found))
            return;
        Emit(TokenKind::string, fitted->text);
        return TellFitted(*fitted);
    }
    EmitFitted(*fitted, ValueType::string, text);
}

// JSON in a string replaces the string. It is opened to the bottom: a second pass must find nothing to open.
bool Sanitizer::OpenJson(std::string_view text, Reason found) noexcept
{
    if (text.size() > largest_embedded || !LooksLikeJson(text))
        return false;
    if (location_.embedded() == deepest_embedding) {
        Replace(ValueType::string, CountCharacters(text), Reason::embedding);
        return true;
    }
    const Checkpoint before = Mark();
    const MemberOrder order = location_.order();
    const bool disordered = std::exchange(disordered_, false);
    location_.EnterText();
    bool opened = observer_ != nullptr ? ReadInOrder(text, found) : ReadAsItComes(text);
    if (opened && disordered_) {
        Return(before);
        opened = ReadInOrder(text, found);
    }
    if (!opened)
        Return(before);
    location_.LeaveText();
    disordered_ = disordered;
    location_.SetOrder(order);
    return opened;
}

void Sanitizer::BeginText(MemberOrder order) noexcept
{
    if (!location_.AtRoot())
        --top().seen; // its content counts it again
    ++done().opened;
    location_.SetOrder(order);
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
    const std::uint32_t first = list().size();
    if (observer_ != nullptr)
        observer_->Opened(found);
    if (!arena_.failed())
        FeedTokens(document.tokens(), *this);
    if (observer_ != nullptr)
        observer_->Closed(list().all().subspan(first));
    return true;
}

Sanitizer::Checkpoint Sanitizer::Mark() const noexcept
{
    return {location_.Here(), result_.Here(), members_.Begin(), label_};
}

void Sanitizer::Return(const Checkpoint &mark) noexcept
{
    location_.Return(mark.location);
    result_.Return(mark.result);
    members_.Return(mark.members);
    label_ = mark.label;
}

// ---- the end ---------------------------------------------------------------------------------------------

bool Sanitizer::Finish() noexcept
{
    if (!arena_.failed())
        result_.Finish();
    return !arena_.failed();
}

} // namespace callhardening
