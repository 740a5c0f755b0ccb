// Texts and names of a payload: replaces secrets and findings of detectors, masks, and cuts to a limit.
#pragma once

#include "core/base/arena.hpp"
#include "core/findings/pseudonym.hpp"
#include "core/findings/secret.hpp"
#include "core/findings/spelling.hpp"
#include "core/policy/policy.hpp"
#include "core/sanitizer/observer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace callhardening
{

// The meaning of a text's context for the text.
struct TextContext {
    Rule rule;
    bool only_hosts; // a link that opens something: at most scheme and host may stay
    bool link;       // even without a scheme
    bool detect;     // detectors search it
};

constexpr Reason ReasonOf(Detector what) noexcept
{
    switch (what) {
    case Detector::phone:
        return Reason::phone;
    case Detector::email:
        return Reason::email;
    case Detector::card:
        return Reason::card;
    case Detector::ssn:
        return Reason::ssn;
    case Detector::iban:
        return Reason::iban;
    default:
        return Reason::ip;
    }
}

struct Fitted {
    std::string_view text; // the given one, if nothing had to be done
    bool masked;
    bool cut;
    bool failed;                 // a summary has to replace it
    Reason found = Reason::none; // why it was masked, or failed
};

class Redactor
{
public:
    Redactor(const Policy &policy, const Pseudonyms &pseudonyms, Arena &arena) noexcept
        : policy_(policy), pseudonyms_(pseudonyms), arena_(arena), spellings_(arena)
    {
    }

    // A second call leaves the result unchanged.
    Fitted Fit(std::string_view text, const TextContext &context) noexcept;

    // The name of a member. Never fails.
    Fitted FitName(std::string_view name) noexcept;

    // A number, or a text of digits and signs between them, of a member of this name. nullopt: no detector
    // matches.
    std::optional<Fitted> FitDigits(std::string_view digits, std::string_view name,
                                    const Rule &rule) noexcept;

    // The action on a text of this rule, and its reason.
    Outcome OutcomeOf(const Fitted &fitted, const Rule &rule) const noexcept;
    static Reason WhyFitted(const Fitted &fitted, const Rule &rule) noexcept;

    // False if nothing of this printed size can be such a number.
    static bool MayDetectDigits(std::size_t printed) noexcept;

    // The token of a value. `failed` if there is no key.
    Fitted Pseudonym(std::string_view value) noexcept;

private:
    struct Piece {
        std::size_t begin, end;
        std::string_view replacement;
        Reason found;

        bool Found() const noexcept { return begin < end; }
    };

    // The first finding in a text, and whether the text may spell another text. If it may, the piece is not
    // known.
    struct First {
        Piece piece;
        bool spells;
    };

    struct Read {
        std::string_view text; // the given one, if nothing had to be hidden
        bool spells;           // it may spell another text
    };

    // Finds pieces at every level of spelling, in the order of the text.
    template <typename Find>
    class Search;

    Fitted FitOnce(std::string_view text, const TextContext &context) noexcept;
    Read HideSecrets(std::string_view text, std::size_t room, bool only_hosts, Reason &found) noexcept;
    Fitted Redact(std::string_view text, const TextContext &context) noexcept;
    std::size_t Limit(const Rule &rule) const noexcept;
    std::string_view Mask(std::string_view text, std::size_t rest) noexcept;
    std::string_view Cut(std::string_view text, std::size_t limit) noexcept;
    template <typename Find>
    std::string_view Replace(std::string_view text, std::size_t room, bool spells, const Piece &first,
                             Reason &found, Find find) noexcept;
    First FirstSecret(std::string_view text, std::size_t until, bool only_hosts) noexcept;
    Piece NextSecret(const SpelledText &spelled, std::size_t from, std::size_t until,
                     bool only_hosts) noexcept;
    static Piece PieceOf(const SecretSpan &secret, bool only_hosts) noexcept;
    Piece NextDetection(std::string_view text, std::size_t from, std::size_t until) noexcept;
    std::optional<std::string_view> Treated(std::string_view found, Detector what) noexcept;
    Fitted FitFound(std::string_view text, Detector what, const Rule &rule) noexcept;

    const Policy &policy_;
    const Pseudonyms &pseudonyms_;
    Arena &arena_;
    Spellings spellings_;
    Scratch text_;
    char treated_[mask_room];
};

inline constexpr std::string_view mask_marker = "***";

} // namespace callhardening
