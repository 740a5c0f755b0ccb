#include "core/ingest/handshake.hpp"

#include "core/base/text.hpp"
#include "core/ingest/encoding.hpp"
#include "core/ingest/member.hpp"
#include "core/ingest/parameters.hpp"

#include <algorithm>
#include <string>

namespace callhardening
{

namespace
{

using Kind = SignedPart::Kind;

bool IsBlankText(std::string_view text) noexcept
{
    return RunEnd(text, 0, IsAsciiSpace) == text.size();
}

bool FindHandshake(const Scheme &scheme, const WebhookRequest &request)
{
    const HandshakeScheme &handshake = scheme.handshake;
    if (!handshake.is_there || (handshake.has_empty_body && !IsBlankText(request.body)))
        return false;
    // Only a handshake's body is parsed.
    if (!handshake.when.empty() && (request.body.find(handshake.when_text) == request.body.npos ||
                                    ReadMember(request.body, handshake.when).text != handshake.when_text))
        return false;
    if (handshake.header != Scheme::no_header)
        return request.headers[handshake.header].count > 0;
    SortedForm query;
    return handshake.query.empty() || (request.url && request.url->size() <= longest_header &&
                                       query.Read(QueryOfUrl(*request.url)) && query.Find(handshake.query));
}

std::string HandshakeToken(const Scheme &scheme, const WebhookRequest &request)
{
    const HandshakeScheme &handshake = scheme.handshake;
    if (!handshake.member.empty())
        return ReadMember(request.body, handshake.member).text;
    if (handshake.header != Scheme::no_header) {
        const WebhookHeader &header = request.headers[handshake.header];
        return header.count == 1 && header.is_text ? std::string(header.value) : std::string{};
    }
    SortedForm query;
    query.Read(QueryOfUrl(*request.url));
    return std::string(*query.Find(handshake.query));
}

// A MAC is given for words only. Else a sender without the secret could have any signed text signed, and send
// it as an event.
bool IsAnswerable(const HandshakeScheme &handshake, std::string_view token) noexcept
{
    const bool only_words = NeedsSecret(handshake);
    return !token.empty() && token.size() <= longest_handshake_token &&
           RunEnd(token, 0, [&](char c) {
               const bool is_printable =
                   c >= ' ' && c <= '~' && std::string_view("\"\\<>&").find(c) == std::string_view::npos;
               return only_words ? IsLetterOfMacToken(c) : is_printable;
           }) == token.size();
}

HandshakeAnswer Answer(const Scheme &scheme, const WebhookRequest &request, std::string_view secret,
                       const WebhookHasher &hasher, std::span<char> room)
{
    const HandshakeScheme &handshake = scheme.handshake;
    const std::string token = HandshakeToken(scheme, request);
    if (!IsAnswerable(handshake, token))
        return {WebhookFlaw::no_token, {}};
    std::string hmac;
    if (NeedsSecret(handshake)) {
        std::string key_room;
        std::string_view key;
        unsigned char mac[largest_hash];
        const std::string_view pieces[] = {token};
        if (!DecodeSecret(scheme, secret, key_room, key))
            return {WebhookFlaw::no_secret, {}};
        if (!hasher.mac(hasher.state, HashKind::sha256, key, TextPieces(pieces), mac))
            return {WebhookFlaw::out_of_memory, {}};
        hmac = ToHex({reinterpret_cast<const char *>(mac), 32});
    }
    std::string text;
    for (const SignedPart &part : handshake.answer)
        text += part.kind == Kind::token ? token : part.kind == Kind::mac ? hmac : part.text;
    if (text.size() > room.size())
        return {WebhookFlaw::no_token, {}};
    std::copy(text.begin(), text.end(), room.begin());
    return {WebhookFlaw::none, {room.data(), text.size()}};
}

} // namespace

bool IsHandshake(const Scheme &scheme, const WebhookRequest &request) noexcept
{
    try {
        return FindHandshake(scheme, request);
    } catch (...) {
        return false;
    }
}

HandshakeAnswer AnswerHandshake(const Scheme &scheme, const WebhookRequest &request, std::string_view secret,
                                const WebhookHasher &hasher, std::span<char> room) noexcept
{
    try {
        return Answer(scheme, request, secret, hasher, room);
    } catch (...) {
        return {WebhookFlaw::out_of_memory, {}};
    }
}

bool NeedsSecret(const HandshakeScheme &handshake) noexcept
{
    return std::any_of(handshake.answer.begin(), handshake.answer.end(),
                       [](const SignedPart &part) { return part.kind == Kind::mac; });
}

} // namespace callhardening
