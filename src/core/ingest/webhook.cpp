#include "core/ingest/webhook.hpp"

#include "core/base/text.hpp"
#include "core/ingest/encoding.hpp"
#include "core/ingest/member.hpp"
#include "core/ingest/parameters.hpp"

#include <algorithm>
#include <charconv>
#include <list>
#include <string>
#include <vector>

namespace callhardening
{

namespace
{

using Kind = SignedPart::Kind;

// -- formats -------------------------------------------------------------------------------------

struct SentSignature {
    std::string_view signature, timestamp;
};

// A placeholder reaches to the next text of the format, or to the end.
bool MatchFormat(const std::vector<SignedPart> &format, std::string_view text, SentSignature &sent) noexcept
{
    for (std::size_t i = 0; i < format.size(); ++i) {
        if (format[i].kind == Kind::text) {
            if (!text.starts_with(format[i].text))
                return false;
            text.remove_prefix(format[i].text.size());
            continue;
        }
        const std::size_t end = i + 1 == format.size() ? text.size() : text.find(format[i + 1].text);
        if (end == text.npos)
            return false;
        (format[i].kind == Kind::signature ? sent.signature : sent.timestamp) = text.substr(0, end);
        text.remove_prefix(end);
    }
    return text.empty() && !sent.signature.empty();
}

// -- verifying -----------------------------------------------------------------------------------

class Verifier
{
public:
    Verifier(const Scheme &scheme, const WebhookRequest &request, std::span<const std::string_view> secrets,
             const WebhookHasher &hasher)
        : scheme_(scheme), request_(request), hasher_(hasher), sent_secrets_(secrets)
    {
        verdict_.flaw = WebhookFlaw::none;
        verdict_.event = request.body;
    }

    WebhookVerdict Run()
    {
        if (Headers() && Url() && Secrets() && Authentic() && Timely() &&
            scheme_.event_key_header != Scheme::no_header)
            verdict_.event_key = Header(scheme_.event_key_header);
        if (verdict_.flaw != WebhookFlaw::none)
            verdict_.event = {};
        return verdict_;
    }

private:
    bool Refuse(WebhookFlaw flaw, const char *name = "") noexcept
    {
        verdict_.flaw = flaw;
        verdict_.name = name;
        return false;
    }

    std::string_view Header(std::size_t index) const noexcept { return request_.headers[index].value; }

    bool Headers()
    {
        for (std::size_t i = 0; i < scheme_.headers.size(); ++i) {
            const WebhookHeader &header = request_.headers[i];
            const char *name = scheme_.headers[i].c_str();
            if (!scheme_.is_required[i])
                continue;
            if (header.count == 0)
                return Refuse(WebhookFlaw::header_missing, name);
            if (header.count > 1)
                return Refuse(WebhookFlaw::header_repeated, name);
            if (!header.is_text || header.value.size() > longest_header)
                return Refuse(WebhookFlaw::header_value, name);
        }
        return true;
    }

    bool Url()
    {
        if (!scheme_.covers_url)
            return true;
        if (!request_.url)
            return Refuse(WebhookFlaw::url_missing);
        return request_.url->size() <= longest_header || Refuse(WebhookFlaw::url);
    }

    bool Secrets()
    {
        for (const std::string_view secret :
             sent_secrets_.first(std::min(sent_secrets_.size(), most_secrets)))
            if (DecodeSecret(scheme_, secret, secret_rooms_[secret_count_], secrets_[secret_count_]))
                ++secret_count_;
        return secret_count_ > 0 || Refuse(WebhookFlaw::no_secret);
    }

    std::span<const std::string_view> Keys() const noexcept { return {secrets_, secret_count_}; }
    std::span<const SentSignature> Sent() const noexcept { return {sent_, sent_count_}; }

    bool Authentic()
    {
        switch (scheme_.algorithm) {
        case SignatureAlgorithm::jws:
            return SignedBody();
        case SignatureAlgorithm::jwt:
            return SentSignatures() && Jwt();
        case SignatureAlgorithm::token:
            return Token();
        default:
            return SentSignatures() && TimestampText() && BodyHashInUrl() && Message();
        }
    }

    bool SentSignatures()
    {
        const std::string_view header = Header(scheme_.signature_header);
        const char *name = scheme_.headers[scheme_.signature_header].c_str();
        for (std::string_view rest = header; sent_count_ < most_sent_signatures;) {
            const std::size_t end =
                scheme_.separator == 0 ? rest.size() : std::min(rest.find(scheme_.separator), rest.size());
            SentSignature sent;
            if (MatchFormat(scheme_.format, rest.substr(0, end), sent))
                sent_[sent_count_++] = sent;
            if (end == rest.size())
                return sent_count_ > 0 || Refuse(WebhookFlaw::format, name);
            rest.remove_prefix(end + 1);
        }
        return Refuse(WebhookFlaw::format, name);
    }

    bool TimestampText()
    {
        timestamp_ = scheme_.timestamp_header == Scheme::no_header ? sent_[0].timestamp
                                                                   : Header(scheme_.timestamp_header);
        return true;
    }

    // ---- messages ----

    bool Message()
    {
        if (!Build(request_.url.value_or(std::string_view{})))
            return false;
        bool matches = TryMessage();
        if (verdict_.flaw != WebhookFlaw::none)
            return false;
        if (scheme_.either_port) {
            other_url_ = WithOtherPort(*request_.url);
            if (!Build(other_url_))
                return false;
            const bool other_matches = TryMessage();
            matches = matches || other_matches;
        }
        if (verdict_.flaw != WebhookFlaw::none)
            return false;
        return matches || Refuse(WebhookFlaw::mismatch);
    }

    bool Build(std::string_view url)
    {
        piece_count_ = 0;
        for (const SignedPart &part : scheme_.message)
            if (!Piece(part, url))
                return false;
        return true;
    }

    TextPieces Pieces() const noexcept { return {pieces_, piece_count_}; }

    bool Add(std::string text)
    {
        texts_.push_back(std::move(text));
        return Add(std::string_view(texts_.back()));
    }

    bool Add(std::string_view text)
    {
        pieces_[piece_count_++] = text;
        return true;
    }

    bool Piece(const SignedPart &part, std::string_view url)
    {
        switch (part.kind) {
        case Kind::text:
            return Add(std::string_view(part.text));
        case Kind::body:
            return Add(request_.body);
        case Kind::url:
            return Add(url);
        case Kind::base_url:
            return Add(BaseOfUrl(url));
        case Kind::escaped_url:
            return Add(EscapeForUrl(url));
        case Kind::form:
            return body_is_in_url_ || FormPiece();
        case Kind::parameters:
            return ParametersPiece(url);
        case Kind::timestamp:
            return Add(timestamp_);
        case Kind::header:
            return Add(Header(part.header));
        case Kind::member:
            return MemberPiece(part);
        default: // the secret, put in for each of them
            secret_piece_ = piece_count_;
            return Add(std::string_view{});
        }
    }

    bool FormPiece()
    {
        SortedForm form;
        if (!form.Read(request_.body))
            return Refuse(WebhookFlaw::body_form);
        form.DropRepeated();
        return Add(form.Join({}, {}));
    }

    bool ParametersPiece(std::string_view url)
    {
        SortedForm query, form;
        if (!query.Read(QueryOfUrl(url)))
            return Refuse(WebhookFlaw::url);
        if (!form.Read(request_.body))
            return Refuse(WebhookFlaw::body_form);
        const std::string of_query = query.Join("=", "&"), of_form = form.Join({}, {});
        std::string text = of_query.empty() && of_form.empty() ? "" : "?";
        text.append(of_query).append(of_query.empty() || of_form.empty() ? "" : ".").append(of_form);
        return Add(std::move(text));
    }

    bool MemberPiece(const SignedPart &part)
    {
        std::string text;
        return BodyMember(part.member, text) && Add(std::move(text));
    }

    bool BodyMember(const MemberPath &path, std::string &text)
    {
        MemberText found = ReadMember(request_.body, path);
        if (found.flaw != MemberFlaw::none)
            return Refuse(found.flaw == MemberFlaw::no_json     ? WebhookFlaw::body_json
                          : found.flaw == MemberFlaw::different ? WebhookFlaw::mismatch
                                                                : WebhookFlaw::member);
        text = std::move(found.text);
        return true;
    }

    // ---- signatures of the message ----

    bool TryMessage()
    {
        bool matches = false;
        for (const std::string_view secret : Keys()) {
            const bool valid = scheme_.IsPublicKey() ? HasSignatureOf(secret) : HasMacOf(secret);
            matches = matches || valid;
        }
        return matches;
    }

    bool HasMacOf(std::string_view secret)
    {
        unsigned char hash[largest_hash];
        if (secret_piece_ != no_piece)
            pieces_[secret_piece_] = secret;
        const bool is_sha1 = scheme_.algorithm == SignatureAlgorithm::hmac_sha1;
        const bool done = scheme_.algorithm == SignatureAlgorithm::sha256
                              ? hasher_.sha256(hasher_.state, Pieces(), hash)
                              : hasher_.mac(hasher_.state, is_sha1 ? HashKind::sha1 : HashKind::sha256,
                                            secret, Pieces(), hash);
        if (!done)
            return Refuse(WebhookFlaw::out_of_memory);
        const std::string wanted =
            EncodeText({reinterpret_cast<const char *>(hash), is_sha1 ? 20U : 32U}, scheme_.encoding);
        bool matches = false;
        for (const SentSignature &sent : Sent()) {
            const bool equal = EqualInConstantTime(wanted, sent.signature);
            matches = matches || equal;
        }
        return matches;
    }

    bool HasSignatureOf(std::string_view key)
    {
        std::string message;
        for (const std::string_view piece : Pieces())
            message.append(piece);
        bool matches = false;
        for (const SentSignature &sent : Sent()) {
            std::string signature;
            if (!FromBase64(sent.signature, signature) || ToBase64(signature) != sent.signature ||
                signature.size() != public_signature_size)
                continue;
            const KeyAnswer answer = hasher_.ed25519(hasher_.state, key, message, signature);
            if (answer == KeyAnswer::unavailable)
                return Refuse(WebhookFlaw::no_ed25519);
            matches = matches || answer == KeyAnswer::valid;
        }
        return matches;
    }

    // ---- the hash of the body ----

    bool IsHashOfBody(std::string_view sent)
    {
        unsigned char digest[largest_hash];
        const std::string_view body[] = {request_.body};
        if (!hasher_.sha256(hasher_.state, TextPieces(body), digest))
            return Refuse(WebhookFlaw::out_of_memory);
        return EqualInConstantTime(ToHex({reinterpret_cast<const char *>(digest), 32}), sent) ||
               Refuse(WebhookFlaw::body_hash);
    }

    // The signed URL has the hash of a body that is no form.
    bool BodyHashInUrl()
    {
        SortedForm query;
        if (scheme_.body_hash_query.empty() || !query.Read(QueryOfUrl(*request_.url)))
            return true;
        const OptionalText sent = query.Find(scheme_.body_hash_query);
        body_is_in_url_ = sent.has_value();
        return !sent || IsHashOfBody(*sent);
    }

    // ---- tokens ----

    bool Token()
    {
        std::string token;
        if (scheme_.signature_header == Scheme::no_header) {
            if (!BodyMember(scheme_.signature_member, token))
                return false;
            sent_[sent_count_++] = {token, {}};
        } else if (!SentSignatures()) {
            return false;
        }
        bool matches = false;
        for (const std::string_view secret : Keys())
            for (const SentSignature &sent : Sent()) {
                const bool equal = EqualInConstantTime(EncodeText(secret, scheme_.encoding), sent.signature);
                matches = matches || equal;
            }
        return matches || Refuse(WebhookFlaw::mismatch);
    }

    // ---- JWS and JWT ----

    static bool SignWithKey(void *state, std::size_t key, std::string_view first, std::string_view second,
                            unsigned char (&mac)[mac_size]) noexcept
    {
        const auto *verifier = static_cast<const Verifier *>(state);
        const std::string_view pieces[] = {first, second};
        return verifier->hasher_.mac(verifier->hasher_.state, HashKind::sha256, verifier->secrets_[key],
                                     TextPieces(pieces), mac);
    }

    bool Open(std::string_view token, std::span<char> room, std::string_view &claims)
    {
        const callhardening::SignedBody opened =
            OpenSignedBody(token, {this, SignWithKey, secret_count_}, room);
        claims = opened.claims;
        verdict_.jws = opened.flaw;
        return opened.flaw == SignatureFlaw::none ||
               Refuse(opened.flaw == SignatureFlaw::out_of_memory ? WebhookFlaw::out_of_memory
                                                                  : WebhookFlaw::jws);
    }

    bool SignedBody() { return Open(request_.body, request_.room, verdict_.event); }

    bool Jwt()
    {
        std::string_view claims;
        std::vector<char> room(sent_[0].signature.size());
        if (!Open(sent_[0].signature, room, claims))
            return false;
        if (!scheme_.timestamp_claim.empty()) {
            claimed_time_ = ReadMember(claims, {{false, scheme_.timestamp_claim}}).text;
            timestamp_ = claimed_time_;
        }
        return scheme_.body_hash_claim.empty() ||
               IsHashOfBody(ReadMember(claims, {{false, scheme_.body_hash_claim}}).text);
    }

    // ---- the time ----

    bool Timely()
    {
        if (scheme_.tolerance == 0)
            return true;
        std::int64_t sent = 0;
        const char *end = timestamp_.data() + timestamp_.size();
        const auto [stop, error] = std::from_chars(timestamp_.data(), end, sent);
        if (error != std::errc() || stop != end || sent < 0 || timestamp_.size() > 15)
            return Refuse(WebhookFlaw::timestamp);
        const std::int64_t ago = request_.now - sent * (scheme_.unit == TimeUnit::seconds ? 1000 : 1);
        const auto most = static_cast<std::int64_t>(scheme_.tolerance * 1000);
        if (ago >= -most && ago <= most)
            return true;
        verdict_.seconds_ago = ago / 1000;
        return Refuse(WebhookFlaw::time);
    }

    static constexpr std::size_t no_piece = ~std::size_t{0};

    const Scheme &scheme_;
    const WebhookRequest &request_;
    const WebhookHasher &hasher_;
    std::span<const std::string_view> sent_secrets_;
    WebhookVerdict verdict_{};
    // Arrays: allocations would cost as much as hashing a short body.
    std::string secret_rooms_[most_secrets];
    std::string_view secrets_[most_secrets];
    std::size_t secret_count_ = 0;
    SentSignature sent_[most_sent_signatures];
    std::size_t sent_count_ = 0;
    std::string_view timestamp_;
    std::string claimed_time_, other_url_;
    std::string_view pieces_[max_signed_parts];
    std::size_t piece_count_ = 0;
    std::list<std::string> texts_; // of pieces
    std::size_t secret_piece_ = no_piece;
    bool body_is_in_url_ = false;
};

} // namespace

WebhookVerdict VerifyWebhook(const Scheme &scheme, const WebhookRequest &request,
                             std::span<const std::string_view> secrets, const WebhookHasher &hasher) noexcept
{
    try {
        return Verifier(scheme, request, secrets, hasher).Run();
    } catch (...) {
        WebhookVerdict verdict{};
        verdict.flaw = WebhookFlaw::out_of_memory;
        return verdict;
    }
}

bool IsUsableSecret(const Scheme &scheme, std::string_view secret) noexcept
{
    try {
        std::string room;
        std::string_view key;
        return DecodeSecret(scheme, secret, room, key);
    } catch (...) {
        return false;
    }
}

const char *Describe(const WebhookVerdict &verdict) noexcept
{
    switch (verdict.flaw) {
    case WebhookFlaw::none:
        return "nothing is wrong";
    case WebhookFlaw::header_missing:
        return "a header is missing";
    case WebhookFlaw::header_repeated:
        return "a header comes more than once";
    case WebhookFlaw::header_value:
        return "a header is no text, or too long";
    case WebhookFlaw::format:
        return "the signature has another format";
    case WebhookFlaw::url_missing:
        return "the URL is missing";
    case WebhookFlaw::url:
        return "the URL is too long, or its query is unreadable";
    case WebhookFlaw::body_form:
        return "the body is no form";
    case WebhookFlaw::body_json:
        return "the body is no JSON";
    case WebhookFlaw::member:
        return "a member is missing in the body";
    case WebhookFlaw::body_hash:
        return "the body has another hash";
    case WebhookFlaw::jws:
        return Describe(verdict.jws);
    case WebhookFlaw::mismatch:
        return "the signature does not match";
    case WebhookFlaw::timestamp:
        return "the timestamp is no number";
    case WebhookFlaw::time:
        return "its time is too far from now";
    case WebhookFlaw::no_ed25519:
        return "this server cannot check Ed25519";
    case WebhookFlaw::no_secret:
        return "no secret is usable";
    case WebhookFlaw::no_token:
        return "the token of the handshake is missing or unusual";
    case WebhookFlaw::out_of_memory:
        break;
    }
    return "out of memory";
}

} // namespace callhardening
