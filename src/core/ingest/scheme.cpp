#include "core/ingest/scheme.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace callhardening
{

namespace
{

using Type = SettingValue::Type;
using Kind = SignedPart::Kind;

struct AlgorithmFacts {
    std::string_view name;
    SignatureAlgorithm algorithm;
    bool signs_message; // the document says which text is signed
};

constexpr std::array algorithms{
    AlgorithmFacts{"hmac-sha1", SignatureAlgorithm::hmac_sha1, true},
    AlgorithmFacts{"hmac-sha256", SignatureAlgorithm::hmac_sha256, true},
    AlgorithmFacts{"sha256", SignatureAlgorithm::sha256, true},
    AlgorithmFacts{"ed25519", SignatureAlgorithm::ed25519, true},
    AlgorithmFacts{"token", SignatureAlgorithm::token, false},
    AlgorithmFacts{"jwt", SignatureAlgorithm::jwt, false},
    AlgorithmFacts{"jws", SignatureAlgorithm::jws, false},
};

struct Placeholder {
    std::string_view name;
    Kind kind;
};

constexpr std::array message_placeholders{
    Placeholder{"body", Kind::body},         Placeholder{"url", Kind::url},
    Placeholder{"base_url", Kind::base_url}, Placeholder{"escaped_url", Kind::escaped_url},
    Placeholder{"form", Kind::form},         Placeholder{"parameters", Kind::parameters},
    Placeholder{"secret", Kind::secret},     Placeholder{"timestamp", Kind::timestamp},
    Placeholder{"header:", Kind::header},    Placeholder{"member:", Kind::member},
};
constexpr std::array format_placeholders{Placeholder{"signature", Kind::signature},
                                         Placeholder{"timestamp", Kind::timestamp}};
constexpr std::array answer_placeholders{Placeholder{"token", Kind::token}, Placeholder{"hmac", Kind::mac}};

bool Has(const std::vector<SignedPart> &parts, Kind kind) noexcept
{
    return std::any_of(parts.begin(), parts.end(), [&](const SignedPart &part) { return part.kind == kind; });
}

bool HasRequestPart(const std::vector<SignedPart> &parts) noexcept
{
    return std::any_of(parts.begin(), parts.end(), [](const SignedPart &part) {
        return part.kind != Kind::text && part.kind != Kind::secret;
    });
}

bool IsHeaderName(std::string_view name) noexcept
{
    return !name.empty() && name.size() <= max_scheme_text &&
           RunEnd(name, 0, [](char c) { return IsAsciiAlnum(c) || c == '-' || c == '_'; }) == name.size();
}

// Every function returns false after it has reported a mistake. The first mistake ends the compilation.
class SchemeCompiler
{
public:
    SchemeCompiler(Scheme &scheme, SettingError &error) : scheme_(scheme), error_(error) {}

    bool Compile(std::string_view text)
    {
        constexpr std::size_t deepest = 6; // twice as deep as a scheme
        SettingValue document;
        return OpenSetting(text, deepest, document, error_) &&
               HasVersion(scheme_language_version, document, error_) &&
               error_.AllowOnly({"version", "algorithm", "signature", "signed", "secret", "timestamp",
                                 "tolerance", "body_hash", "either_port", "event_key", "handshake"},
                                document, "document") &&
               Algorithm(document.Find("algorithm")) && Signature(document.Find("signature")) &&
               Message(document.Find("signed")) && Secret(document.Find("secret")) &&
               Timestamp(document.Find("timestamp")) && Tolerance(document.Find("tolerance")) &&
               BodyHash(document.Find("body_hash")) && EitherPort(document.Find("either_port")) &&
               EventKey(document.Find("event_key")) && Handshake(document.Find("handshake")) && Finish();
    }

private:
    bool RequireObject(const SettingValue &value, const std::string &where)
    {
        return value.Is(Type::object) || error_.Refuse(where, "must be an object");
    }

    bool Text(const SettingValue *value, const std::string &where, std::string &text)
    {
        if (value == nullptr || !value->Is(Type::string) || value->text.empty() ||
            value->text.size() > max_scheme_text)
            return error_.Refuse(where,
                                 "must be a text of 1 to " + std::to_string(max_scheme_text) + " bytes");
        text = value->text;
        return true;
    }

    bool OneOf(const SettingValue *value, const std::string &where,
               std::initializer_list<std::string_view> words, std::size_t &chosen)
    {
        for (chosen = 0; value != nullptr && chosen < words.size(); ++chosen)
            if (value->IsText(words.begin()[chosen]))
                return true;
        std::string all;
        for (const std::string_view word : words)
            all.append(all.empty() ? "" : ", ").append(word);
        return error_.Refuse(where, "must be one of " + all);
    }

    // ---- headers and paths ----

    bool Header(std::string_view name, const std::string &where, bool required, std::size_t &index)
    {
        if (!IsHeaderName(name))
            return error_.Refuse(where, "must be the name of a header");
        std::vector<std::string> &names = scheme_.headers;
        for (index = 0; index < names.size(); ++index)
            if (EqualHeaderNames(names[index], name))
                break;
        if (index == max_scheme_headers)
            return error_.Refuse(where, "is beyond the " + std::to_string(max_scheme_headers) +
                                            " headers that a scheme may have");
        if (index == names.size()) {
            names.emplace_back(name);
            scheme_.is_required.push_back(false);
        }
        scheme_.is_required[index] = scheme_.is_required[index] || required;
        return true;
    }

    static bool EqualHeaderNames(std::string_view a, std::string_view b)
    {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](char x, char y) { return LowerAscii(x) == LowerAscii(y); });
    }

    bool HeaderMember(const SettingValue *value, const std::string &where, bool required, std::size_t &index)
    {
        std::string name;
        return Text(value, where, name) && Header(name, where, required, index);
    }

    bool Path(std::string_view text, const std::string &where, MemberPath &path)
    {
        const bool is_wrong = text.empty() || text.size() > max_scheme_text;
        while (!is_wrong && path.size() < max_member_steps) {
            const std::size_t end = std::min(text.find('.'), text.size());
            std::string_view name = text.substr(0, end);
            const bool has_elements = name.ends_with("[]");
            if (has_elements)
                name.remove_suffix(2);
            if (name.empty() || name.find_first_of("[]") != name.npos)
                break;
            path.push_back({false, std::string(name)});
            if (has_elements)
                path.push_back({true, {}});
            if (end == text.size())
                return !has_elements || error_.Refuse(where, "must end in a member's name");
            text.remove_prefix(end + 1);
        }
        return error_.Refuse(where, "must be a path of 1 to " + std::to_string(max_member_steps) +
                                        " members, like value[].token");
    }

    bool PathMember(const SettingValue *value, const std::string &where, MemberPath &path)
    {
        std::string text;
        return Text(value, where, text) && Path(text, where, path);
    }

    // ---- templates ----

    template <std::size_t count>
    bool Template(const SettingValue *value, const std::string &where,
                  const std::array<Placeholder, count> &placeholders, std::vector<SignedPart> &parts)
    {
        std::string source;
        if (!Text(value, where, source))
            return false;
        std::string_view rest = source;
        while (!rest.empty()) {
            if (parts.size() == max_signed_parts)
                return error_.Refuse(where, "has more than " + std::to_string(max_signed_parts) + " parts");
            if (!NextPart(rest, where, placeholders, parts))
                return false;
        }
        return true;
    }

    // A brace that begins no placeholder is a letter, as in the JSON of an answer.
    template <std::size_t count>
    bool NextPart(std::string_view &rest, const std::string &where,
                  const std::array<Placeholder, count> &placeholders, std::vector<SignedPart> &parts)
    {
        std::size_t literal = 0;
        while (literal < rest.size() && !BeginsPlaceholder(rest.substr(literal)))
            ++literal;
        if (literal > 0) {
            parts.push_back({Kind::text, std::string(rest.substr(0, literal)), 0, {}});
            rest.remove_prefix(literal);
            return true;
        }
        const std::size_t end = rest.find('}');
        const std::string_view inside = rest.substr(1, end - 1);
        rest.remove_prefix(end + 1);
        for (const Placeholder &placeholder : placeholders)
            if (inside == placeholder.name ||
                (placeholder.name.ends_with(':') && inside.starts_with(placeholder.name)))
                return Part(placeholder, inside.substr(placeholder.name.size()), where, parts);
        return error_.Refuse(where, "has an unknown placeholder {" + Shown(inside) + "}");
    }

    static bool BeginsPlaceholder(std::string_view text)
    {
        const std::size_t end = text.find('}');
        return text.size() > 1 && text[0] == '{' && IsAsciiLetter(text[1]) && end != text.npos;
    }

    static std::string Shown(std::string_view name)
    {
        return LooksLikeWord(name) ? std::string(name) : "of " + std::to_string(name.size()) + " bytes";
    }

    bool Part(const Placeholder &placeholder, std::string_view argument, const std::string &where,
              std::vector<SignedPart> &parts)
    {
        SignedPart part{placeholder.kind};
        if (part.kind == Kind::header && !Header(argument, where, true, part.header))
            return false;
        if (part.kind == Kind::member && !Path(argument, where, part.member))
            return false;
        parts.push_back(std::move(part));
        return true;
    }

    // ---- the members of the document ----

    bool Algorithm(const SettingValue *value)
    {
        for (const AlgorithmFacts &facts : algorithms)
            if (value != nullptr && value->IsText(facts.name)) {
                scheme_.algorithm = facts.algorithm;
                signs_message_ = facts.signs_message;
                return true;
            }
        return error_.Refuse("algorithm",
                             "must be one of hmac-sha1, hmac-sha256, sha256, ed25519, token, jwt, jws");
    }

    bool Signature(const SettingValue *value)
    {
        const bool is_body = scheme_.algorithm == SignatureAlgorithm::jws;
        if (value == nullptr)
            return is_body || error_.Refuse("signature", "must be an object");
        if (is_body)
            return error_.Refuse("signature", "must be absent: the body is the signature");
        if (!RequireObject(*value, "signature") ||
            !error_.AllowOnly({"header", "member", "format", "separator", "encoding"}, *value, "signature"))
            return false;
        return SignaturePlace(*value) && SignatureFormat(*value) &&
               SignatureEncoding(value->Find("encoding"));
    }

    bool SignaturePlace(const SettingValue &value)
    {
        const SettingValue *header = value.Find("header"), *member = value.Find("member");
        if ((header == nullptr) == (member == nullptr))
            return error_.Refuse("signature", "must have one of header and member");
        if (header != nullptr)
            return HeaderMember(header, "signature.header", true, scheme_.signature_header);
        if (scheme_.algorithm != SignatureAlgorithm::token)
            return error_.Refuse("signature.member", "must be absent: a body cannot sign itself");
        return PathMember(member, "signature.member", scheme_.signature_member);
    }

    bool SignatureFormat(const SettingValue &value)
    {
        const SettingValue *format = value.Find("format"), *separator = value.Find("separator");
        if (format == nullptr)
            scheme_.format = {{Kind::signature}};
        else if (!Template(format, "signature.format", format_placeholders, scheme_.format))
            return false;
        const auto count = [&](Kind kind) {
            return std::count_if(scheme_.format.begin(), scheme_.format.end(),
                                 [&](const SignedPart &part) { return part.kind == kind; });
        };
        if (count(Kind::signature) != 1 || count(Kind::timestamp) > 1)
            return error_.Refuse("signature.format", "must have {signature} once");
        for (std::size_t i = 1; i < scheme_.format.size(); ++i)
            if (scheme_.format[i - 1].kind != Kind::text && scheme_.format[i].kind != Kind::text)
                return error_.Refuse("signature.format", "must have a text between two placeholders");
        if (separator == nullptr)
            return true;
        if (!separator->Is(Type::string) || separator->text.size() != 1 || count(Kind::timestamp) > 0)
            return error_.Refuse("signature.separator",
                                 "must be one letter, in a format without {timestamp}");
        scheme_.separator = separator->text[0];
        return true;
    }

    bool SignatureEncoding(const SettingValue *value)
    {
        const bool is_jwt = scheme_.algorithm == SignatureAlgorithm::jwt;
        if (value == nullptr)
            return !signs_message_ || error_.Refuse("signature.encoding", "must be one of hex, base64");
        std::size_t chosen;
        if (is_jwt)
            return error_.Refuse("signature.encoding", "must be absent: a JWT has its own");
        if (!OneOf(value, "signature.encoding", {"hex", "base64"}, chosen))
            return false;
        scheme_.encoding = chosen == 0 ? TextEncoding::hex : TextEncoding::base64;
        return chosen == 1 || !scheme_.IsPublicKey() ||
               error_.Refuse("signature.encoding", "must be base64 with ed25519");
    }

    bool Message(const SettingValue *value)
    {
        if (!signs_message_)
            return value == nullptr ||
                   error_.Refuse("signed", "must be absent: this algorithm signs no text");
        if (!Template(value, "signed", message_placeholders, scheme_.message))
            return false;
        const auto secrets = std::count_if(scheme_.message.begin(), scheme_.message.end(),
                                           [](const SignedPart &part) { return part.kind == Kind::secret; });
        if (secrets > 1)
            return error_.Refuse("signed", "must have {secret} only once");
        if (scheme_.algorithm == SignatureAlgorithm::sha256 && secrets == 0)
            return error_.Refuse("signed", "must have {secret}: anybody can compute a hash without it");
        if (scheme_.IsPublicKey() && secrets > 0)
            return error_.Refuse("signed", "must not have {secret}: the key is public");
        return HasRequestPart(scheme_.message) ||
               error_.Refuse("signed", "must have a part of the request: all signatures would be the same");
    }

    bool Secret(const SettingValue *value)
    {
        if (value == nullptr) {
            // A public key has 32 bytes of any value.
            if (scheme_.IsPublicKey())
                scheme_.secret_encoding = TextEncoding::base64;
            return true;
        }
        std::size_t chosen;
        if (!RequireObject(*value, "secret") || !error_.AllowOnly({"encoding", "prefix"}, *value, "secret") ||
            !OneOf(value->Find("encoding"), "secret.encoding", {"text", "base64"}, chosen))
            return false;
        scheme_.secret_encoding = chosen == 0 ? TextEncoding::text : TextEncoding::base64;
        if (scheme_.IsPublicKey() && chosen == 0)
            return error_.Refuse("secret.encoding", "must be base64: it is a public key");
        const SettingValue *prefix = value->Find("prefix");
        return prefix == nullptr || Text(prefix, "secret.prefix", scheme_.secret_prefix);
    }

    bool Timestamp(const SettingValue *value)
    {
        const bool is_in_format = Has(scheme_.format, Kind::timestamp);
        if (value == nullptr)
            return !Has(scheme_.message, Kind::timestamp) || is_in_format ||
                   error_.Refuse("timestamp", "must be an object: {timestamp} is signed");
        if (!RequireObject(*value, "timestamp") ||
            !error_.AllowOnly({"header", "claim", "unit"}, *value, "timestamp"))
            return false;
        const SettingValue *header = value->Find("header"), *claim = value->Find("claim");
        if (is_in_format + (header != nullptr) + (claim != nullptr) != 1)
            return error_.Refuse("timestamp", "must be in one place: a header, a claim or the format");
        if (header != nullptr && !HeaderMember(header, "timestamp.header", true, scheme_.timestamp_header))
            return false;
        if (claim != nullptr && !Claim(claim, "timestamp.claim", scheme_.timestamp_claim))
            return false;
        return Unit(value->Find("unit"));
    }

    bool Claim(const SettingValue *value, const std::string &where, std::string &claim)
    {
        if (scheme_.algorithm != SignatureAlgorithm::jwt)
            return error_.Refuse(where, "must be absent: only a JWT has claims");
        return Text(value, where, claim);
    }

    bool Unit(const SettingValue *value)
    {
        std::size_t chosen;
        if (value == nullptr)
            return true;
        if (!OneOf(value, "timestamp.unit", {"seconds", "milliseconds"}, chosen))
            return false;
        scheme_.unit = chosen == 0 ? TimeUnit::seconds : TimeUnit::milliseconds;
        return true;
    }

    bool Tolerance(const SettingValue *value)
    {
        if (value == nullptr)
            return true;
        if (!value->Is(Type::whole) || value->whole < 1 || value->whole > max_tolerance)
            return error_.Refuse("tolerance",
                                 "must be a number of seconds from 1 to " + std::to_string(max_tolerance));
        const bool is_signed = !scheme_.timestamp_claim.empty() || Has(scheme_.message, Kind::timestamp);
        if (scheme_.unit == TimeUnit::none || !is_signed)
            return error_.Refuse("tolerance", "needs a signed timestamp with a unit");
        scheme_.tolerance = value->whole;
        return true;
    }

    bool BodyHash(const SettingValue *value)
    {
        if (value == nullptr)
            return true;
        if (!RequireObject(*value, "body_hash") || !error_.AllowOnly({"query", "claim"}, *value, "body_hash"))
            return false;
        const SettingValue *query = value->Find("query"), *claim = value->Find("claim");
        if ((query == nullptr) == (claim == nullptr))
            return error_.Refuse("body_hash", "must have one of query and claim");
        if (claim != nullptr)
            return Claim(claim, "body_hash.claim", scheme_.body_hash_claim);
        if (!Has(scheme_.message, Kind::url))
            return error_.Refuse("body_hash.query", "needs {url} in signed");
        return Text(query, "body_hash.query", scheme_.body_hash_query);
    }

    bool EitherPort(const SettingValue *value)
    {
        if (value != nullptr && !value->Is(Type::boolean))
            return error_.Refuse("either_port", "must be true or false");
        scheme_.either_port = value != nullptr && value->flag;
        return !scheme_.either_port || scheme_.NeedsUrl() ||
               error_.Refuse("either_port", "needs the URL in signed");
    }

    // An unsigned header could name another event, so that a later event would be taken for a redelivery.
    bool EventKey(const SettingValue *value)
    {
        if (value == nullptr)
            return true;
        if (!HeaderMember(value, "event_key", true, scheme_.event_key_header))
            return false;
        const bool is_signed =
            std::any_of(scheme_.message.begin(), scheme_.message.end(), [&](const SignedPart &part) {
                return part.kind == Kind::header && part.header == scheme_.event_key_header;
            });
        return is_signed || error_.Refuse("event_key", "must be a header that is signed");
    }

    bool Handshake(const SettingValue *value)
    {
        HandshakeScheme &handshake = scheme_.handshake;
        if (value == nullptr)
            return true;
        handshake.is_there = true;
        handshake.header = Scheme::no_header;
        if (!RequireObject(*value, "handshake") ||
            !error_.AllowOnly({"token", "when", "empty_body", "answer"}, *value, "handshake") ||
            !HandshakeToken(value->Find("token")) || !HandshakeWhen(value->Find("when")))
            return false;
        const SettingValue *empty_body = value->Find("empty_body");
        if (empty_body != nullptr && !empty_body->Is(Type::boolean))
            return error_.Refuse("handshake.empty_body", "must be true or false");
        handshake.has_empty_body = empty_body != nullptr && empty_body->flag;
        if (!Template(value->Find("answer"), "handshake.answer", answer_placeholders, handshake.answer))
            return false;
        return !Has(handshake.answer, Kind::mac) || MacOfToken();
    }

    // Anybody can ask for the MAC of a token, so no signed text may look like one.
    bool MacOfToken()
    {
        if (scheme_.algorithm != SignatureAlgorithm::hmac_sha256)
            return error_.Refuse("handshake.answer", "can have {hmac} with hmac-sha256 only");
        return std::any_of(scheme_.message.begin(), scheme_.message.end(), IsNeverInTokens) ||
               error_.Refuse("handshake.answer",
                             "can have {hmac} if signed has {body}, {url} or punctuation");
    }

    // A body without a brace or an equals sign brings no event.
    static bool IsNeverInTokens(const SignedPart &part)
    {
        return part.kind == Kind::body || part.kind == Kind::url || part.kind == Kind::base_url ||
               (part.kind == Kind::text && RunEnd(part.text, 0, IsLetterOfMacToken) < part.text.size());
    }

    bool HandshakeToken(const SettingValue *value)
    {
        HandshakeScheme &handshake = scheme_.handshake;
        if (value == nullptr || !value->Is(Type::object) || value->names.size() != 1)
            return error_.Refuse("handshake.token", "must have one of header, member and query");
        if (const SettingValue *header = value->Find("header"))
            return HeaderMember(header, "handshake.token.header", false, handshake.header);
        if (const SettingValue *member = value->Find("member"))
            return PathMember(member, "handshake.token.member", handshake.member);
        if (const SettingValue *query = value->Find("query"))
            return Text(query, "handshake.token.query", handshake.query);
        return error_.RefuseUnknown("handshake.token", value->names[0]);
    }

    bool HandshakeWhen(const SettingValue *value)
    {
        HandshakeScheme &handshake = scheme_.handshake;
        if (value == nullptr)
            return handshake.member.empty() ||
                   error_.Refuse("handshake.when", "must tell a handshake from an event");
        if (!value->Is(Type::object) || value->names.size() != 1)
            return error_.Refuse("handshake.when", "must have one member: a path, and a text");
        return Path(value->names[0], "handshake.when", handshake.when) &&
               Text(&value->values[0], "handshake.when", handshake.when_text);
    }

    bool Finish()
    {
        const std::vector<SignedPart> &message = scheme_.message;
        scheme_.covers_body = scheme_.algorithm == SignatureAlgorithm::jws || Has(message, Kind::body) ||
                              Has(message, Kind::form) || Has(message, Kind::parameters) ||
                              !scheme_.body_hash_query.empty() || !scheme_.body_hash_claim.empty();
        scheme_.covers_url = scheme_.NeedsUrl();
        scheme_.covers_time = Has(message, Kind::timestamp) || !scheme_.timestamp_claim.empty();
        return true;
    }

    Scheme &scheme_;
    SettingError &error_;
    bool signs_message_ = false;
};

} // namespace

bool IsLetterOfMacToken(char c) noexcept
{
    return IsAsciiAlnum(c) || c == '-' || c == '_';
}

bool Scheme::NeedsUrl() const noexcept
{
    return Has(message, Kind::url) || Has(message, Kind::base_url) || Has(message, Kind::escaped_url) ||
           Has(message, Kind::parameters);
}

const Scheme *CompileScheme(std::string_view json, SettingError &error) noexcept
{
    error = {};
    Scheme *scheme = nullptr;
    try {
        scheme = new Scheme;
        if (SchemeCompiler(*scheme, error).Compile(json))
            return scheme;
    } catch (...) {
        error.out_of_memory = true; // only memory can fail: the parser does not throw
    }
    delete scheme;
    return nullptr;
}

void DeleteScheme(const Scheme *scheme) noexcept
{
    delete scheme;
}

std::string_view AlgorithmName(SignatureAlgorithm algorithm) noexcept
{
    for (const AlgorithmFacts &facts : algorithms)
        if (facts.algorithm == algorithm)
            return facts.name;
    return {};
}

} // namespace callhardening
