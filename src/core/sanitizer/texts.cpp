#include "core/sanitizer/texts.hpp"

#include "core/base/text.hpp"
#include "core/base/utf8.hpp"
#include "core/detectors/detector.hpp"

#include <algorithm>
#include <cstring>

namespace callhardening
{

namespace
{

// No longer text is a number or a name with an end worth keeping.
constexpr std::size_t longest_masked = 256;

// A string is fitted until nothing changes, so a second pass finds nothing to do. Two rounds are enough for
// all known texts. A text with more rounds becomes a summary.
constexpr int most_rounds = 6;

// Bytes to read beyond the limit, so that an address across the limit is found whole.
constexpr std::size_t longest_found = 320;

// Bytes of spelled text to read beyond the limit, so that a secret across the limit is found whole.
constexpr std::size_t longest_spelling = 2048;

// A short local number is not looked at, nor a number longer than a card's.
constexpr std::size_t fewest_digits = 7;
constexpr std::size_t most_digits = 19;

} // namespace

Fitted Redactor::Fit(std::string_view text, const TextContext &context) noexcept
{
    Fitted all{text, false, false, false};
    for (int round = 0; round < most_rounds; ++round) {
        const Fitted once = FitOnce(all.text, context);
        all.found = all.found | once.found;
        all.failed = once.failed;
        if (once.failed || (!once.masked && !once.cut))
            return all;
        all = {once.text, all.masked || once.masked, all.cut || once.cut, false, all.found};
    }
    all.failed = true;
    all.found = all.found | Reason::unsettled;
    return all;
}

Fitted Redactor::FitName(std::string_view name) noexcept
{
    const Rule keep{Action::keep, 0};
    const bool is_card = policy_.detectors().wants(Detector::card) && IsCardName(name);
    const Fitted fitted = is_card ? FitFound(name, Detector::card, keep)
                                  : Fit(name, {keep, false, false, policy_.detectors().any()});
    return fitted.failed ? Fitted{cut_marker, true, false, false, fitted.found} : fitted;
}

Fitted Redactor::FitOnce(std::string_view text, const TextContext &context) noexcept
{
    if (context.link && text != secret_marker && text.find("://") == std::string_view::npos &&
        text.find_first_of("/?#@:") != std::string_view::npos)
        return {secret_marker, true, false, false, Reason::link};
    if (context.rule.action == Action::mask)
        if (const std::string_view masked = Mask(text, context.rule.amount); masked != text)
            return {masked, true, false, false, Reason::rule};
    return Redact(text, context);
}

std::size_t Redactor::Limit(const Rule &rule) const noexcept
{
    return rule.action == Action::truncate ? rule.amount : policy_.limits().characters;
}

// Hides the secrets in the first `room` bytes of a text and in the texts spelled there.
Redactor::Read Redactor::HideSecrets(std::string_view text, std::size_t room, bool only_hosts,
                                     Reason &found) noexcept
{
    const First first = FirstSecret(text, std::min(room, text.size()), only_hosts);
    if (!first.piece.Found() && !first.spells)
        return {text, false};
    const std::string_view left =
        Replace(text, room, first.spells, first.piece, found,
                [&](const SpelledText &spelled, std::size_t from, std::size_t until) {
                    return NextSecret(spelled, from, until, only_hosts);
                });
    return {left, left.data() == text.data() ? first.spells : MaySpell(left.substr(0, room))};
}

// Masks secrets and findings within the limit. It reads no more of the text than the limit and anything that
// begins in it.
Fitted Redactor::Redact(std::string_view text, const TextContext &context) noexcept
{
    constexpr std::size_t longest_character = 4;
    const std::size_t limit = Limit(context.rule), room = longest_character * (limit + 1) + longest_found;
    Reason found = Reason::none;
    auto [left, spells] = HideSecrets(text, room, context.only_hosts, found);
    Piece first = {};
    if (context.detect)
        first = NextDetection(left, 0, std::min(room, left.size()));
    if (context.detect && (first.Found() || spells))
        left = Replace(left, room, spells, first, found,
                       [this](const SpelledText &spelled, std::size_t from, std::size_t until) {
                           return NextDetection(spelled.text, from, until);
                       });
    const bool masked = left.data() != text.data();
    const bool fits = HeadBytes(left, limit) == left.size();
    return {fits ? left : Cut(left, limit), masked, !fits, Has(found, Reason::no_key), found};
}

template <typename Find>
class Redactor::Search
{
public:
    // `first`: the first piece of the text itself, searched up to `searched`.
    Search(const Spellings &spellings, Find &find, const Piece &first, std::size_t searched) noexcept
        : spellings_(spellings), find_(find)
    {
        pieces_[0] = first;
        searched_[0] = searched;
    }

    // The first piece that begins in [from, until). A level may see only a part of a finding. The piece then
    // extends to the end that another level knows.
    Piece Next(std::size_t from, std::size_t until) noexcept
    {
        const Piece *first = nullptr;
        for (std::size_t level = 0; level < spellings_.count(); ++level) {
            const Piece &piece = At(level, from, until);
            if (piece.Found() && (first == nullptr || piece.begin < first->begin ||
                                  (piece.begin == first->begin && piece.end > first->end)))
                first = &piece;
        }
        return first == nullptr ? Piece{} : Joined(*first);
    }

private:
    const Piece &At(std::size_t level, std::size_t from, std::size_t until) noexcept
    {
        Piece &piece = pieces_[level];
        if (piece.Found() ? piece.begin >= from : searched_[level] >= until)
            return piece;
        piece =
            find_(spellings_.at(level), spellings_.Position(level, from), spellings_.Position(level, until));
        piece.begin = spellings_.Origin(level, piece.begin);
        piece.end = spellings_.Origin(level, piece.end);
        searched_[level] = until;
        return piece;
    }

    Piece Joined(Piece piece) const noexcept
    {
        for (std::size_t longer = 0; longer != piece.end;) {
            longer = piece.end;
            for (const Piece &other : pieces_)
                if (other.Found() && other.begin < piece.end && other.end > piece.end) {
                    piece.end = other.end;
                    piece.found = piece.found | other.found;
                }
        }
        return piece;
    }

    const Spellings &spellings_;
    Find &find_;
    Piece pieces_[Spellings::most_levels] = {};
    std::size_t searched_[Spellings::most_levels] = {};
};

// What is beyond its room is left out.
struct BoundedText {
    char *letters;
    std::size_t room;
    std::size_t size;

    void Append(std::string_view part) noexcept
    {
        const std::size_t n = std::min(part.size(), room - size);
        std::copy_n(part.data(), n, letters + size);
        size += n;
    }
};

// Returns the given text if `find` finds nothing. `first`: the first finding in the text itself. It may be
// empty without a search only if the text spells something.
template <typename Find>
std::string_view Redactor::Replace(std::string_view text, std::size_t room, bool spells, const Piece &first,
                                   Reason &found, Find find) noexcept
{
    const std::size_t head = std::min(room, text.size());
    spellings_.Read(text, spells ? room + longest_spelling : 0);
    Search<Find> search(spellings_, find, first, spells ? 0 : head);
    Piece piece = search.Next(0, head);
    if (!piece.Found())
        return text;
    const std::size_t most = room + std::max({secret_marker.size(), token_size, mask_room});
    char *out = text_.Reserve<char>(arena_, most);
    if (out == nullptr)
        return {};
    BoundedText written{out, most, 0};
    std::size_t from = 0;
    while (piece.Found() && written.size < room) {
        written.Append(text.substr(from, piece.begin - from));
        written.Append(piece.replacement);
        found = found | piece.found;
        from = piece.end;
        if (written.size < room)
            piece = search.Next(from, std::min(text.size(), from + room - written.size));
    }
    written.Append(text.substr(from));
    return arena_.Copy({out, written.size});
}

// Most texts are read only once.
Redactor::First Redactor::FirstSecret(std::string_view text, std::size_t until, bool only_hosts) noexcept
{
    if (!MayHaveSecret(text.substr(0, until)))
        return {{}, false};
    bool escape = false;
    const SecretSpan secret = FindSecret({text, true}, 0, until, only_hosts, policy_.secret_names(), &escape);
    if (!secret.Found())
        return {{}, escape};
    const bool spells = MaySpell(text.substr(0, until));
    return {spells ? Piece{} : PieceOf(secret, only_hosts), spells};
}

Redactor::Piece Redactor::NextSecret(const SpelledText &spelled, std::size_t from, std::size_t until,
                                     bool only_hosts) noexcept
{
    return PieceOf(FindSecret(spelled, from, until, only_hosts, policy_.secret_names()), only_hosts);
}

Redactor::Piece Redactor::PieceOf(const SecretSpan &secret, bool only_hosts) noexcept
{
    const bool trimmed = only_hosts && secret.replacement.find(secret_marker) == std::string_view::npos;
    return {secret.begin, secret.end, secret.replacement, trimmed ? Reason::link : Reason::secret};
}

Redactor::Piece Redactor::NextDetection(std::string_view text, std::size_t from, std::size_t until) noexcept
{
    const Detection found = Detect(text, from, until, policy_.detectors());
    if (!found.Found())
        return {};
    const auto treated = Treated(text.substr(found.begin, found.end - found.begin), found.what);
    return {found.begin, found.end, treated ? arena_.Copy(*treated) : std::string_view{},
            ReasonOf(found.what) | (treated ? Reason::none : Reason::no_key)};
}

// nullopt: there is no key for a token.
std::optional<std::string_view> Redactor::Treated(std::string_view found, Detector what) noexcept
{
    if (policy_.detectors().of(what) != Treatment::hash)
        return std::string_view{treated_, MaskDetected(found, what, treated_)};
    const Fitted token = Pseudonym(found);
    return token.failed ? std::nullopt : std::optional(token.text);
}

bool Redactor::MayDetectDigits(std::size_t printed) noexcept
{
    return printed >= fewest_digits && printed <= most_digits;
}

std::optional<Fitted> Redactor::FitDigits(std::string_view digits, std::string_view name,
                                          const Rule &rule) noexcept
{
    const std::optional<Detector> what = DetectDigits(digits, name, policy_.detectors());
    return what ? std::optional(FitFound(digits, *what, rule)) : std::nullopt;
}

// The whole text is a finding of a detector.
Fitted Redactor::FitFound(std::string_view text, Detector what, const Rule &rule) noexcept
{
    const std::optional<std::string_view> treated = Treated(text, what);
    if (!treated)
        return {{}, true, false, true, ReasonOf(what) | Reason::no_key};
    const std::size_t limit = Limit(rule);
    const bool fits = HeadBytes(*treated, limit) == treated->size();
    return {fits ? arena_.Copy(*treated) : Cut(*treated, limit), true, !fits, false, ReasonOf(what)};
}

Fitted Redactor::Pseudonym(std::string_view value) noexcept
{
    if (IsToken(pseudonyms_, value))
        return {value, false, false, false};
    char token[token_size];
    if (!WriteToken(pseudonyms_, value, token)) {
        if (pseudonyms_.has_key())
            arena_.Fail();
        return {{}, false, false, true, Reason::no_key};
    }
    return {arena_.Copy({token, token_size}), true, false, false, Reason::rule};
}

// Hashed if all replacements are tokens.
Outcome Redactor::OutcomeOf(const Fitted &fitted, const Rule &rule) const noexcept
{
    if (fitted.failed)
        return Outcome::summarized;
    bool only_tokens = fitted.found != Reason::none && !Has(fitted.found, Reason::secret | Reason::link) &&
                       (!Has(fitted.found, Reason::rule) || rule.action == Action::hash);
    for (const Detector what : all_detectors)
        only_tokens = only_tokens &&
                      (!Has(fitted.found, ReasonOf(what)) || policy_.detectors().of(what) == Treatment::hash);
    const Outcome put_in = only_tokens ? Outcome::hashed : Outcome::masked;
    return (fitted.masked ? put_in : Outcome::kept) | (fitted.cut ? Outcome::truncated : Outcome::kept);
}

Reason Redactor::WhyFitted(const Fitted &fitted, const Rule &rule) noexcept
{
    if (fitted.failed)
        return Has(fitted.found, Reason::no_key) ? Reason::no_key : Reason::unsettled;
    const Reason limit = rule.action == Action::truncate ? Reason::rule : Reason::limit_characters;
    const Reason why = (fitted.masked ? fitted.found : Reason::none) | (fitted.cut ? limit : Reason::none);
    return why == Reason::none ? Reason::rule : why;
}

// The marker counts towards the limit. The rest of a cut secret's marker would look like a secret again. A
// cut token would no longer be recognized as a token.
std::string_view Redactor::Cut(std::string_view text, std::size_t limit) noexcept
{
    std::size_t position = CutPosition(text, HeadBytes(text, limit - 1));
    const std::size_t near = position - std::min(position, token_size);
    const std::string_view around = text.substr(0, position + token_size);
    if (const std::size_t token = FindTokenForm(around, near);
        token < position && position < token + token_size)
        position = token;
    for (std::size_t back = 1; back < secret_marker.size() && back <= position; ++back)
        if (text.substr(position - back).starts_with(secret_marker)) {
            position -= back;
            break;
        }
    char *out = arena_.AllocateText(position + cut_marker.size());
    if (out == nullptr)
        return {};
    std::memcpy(out, text.data(), position);
    std::memcpy(out + position, cut_marker.data(), cut_marker.size());
    return {out, position + cut_marker.size()};
}

// A text of the marker and at most `rest` characters has been masked before.
std::string_view Redactor::Mask(std::string_view text, std::size_t rest) noexcept
{
    if (text.empty())
        return text;
    if (text.starts_with(mask_marker) && HeadBytes(text, mask_marker.size() + rest) == text.size())
        return text;
    if (text.size() > longest_masked || HeadBytes(text, rest) == text.size())
        return mask_marker;
    Reason found = Reason::none;
    if (HideSecrets(text, text.size(), true, found).text.data() != text.data())
        return mask_marker;
    const std::string_view tail = text.substr(TailPosition(text, rest));
    char *out = arena_.AllocateText(mask_marker.size() + tail.size());
    if (out == nullptr)
        return {};
    std::memcpy(out, mask_marker.data(), mask_marker.size());
    std::memcpy(out + mask_marker.size(), tail.data(), tail.size());
    return {out, mask_marker.size() + tail.size()};
}

} // namespace callhardening
