// Any request for any built-in scheme, and any document as a scheme.
//
// The first letter chooses the scheme: of the built-in ones, or the first line of the rest. The other lines
// are the URL and the headers; the rest is the body. "MAC" in a header stands for the right signature, so the
// fuzzer gets past it.
#include "core/ingest/encoding.hpp"
#include "core/ingest/handshake.hpp"
#include "core/ingest/webhook.hpp"
#include "core/providers/built_in_schemes.hpp"

#include "fuzz.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace callhardening;

namespace
{

// Not an HMAC, but a function of its input, and all zero for the fuzzer's own signature.
struct Signed {
    std::string last; // the last signed text
};

bool Mac(void *state, HashKind, std::string_view key, TextPieces pieces, unsigned char *mac) noexcept
{
    auto &text = static_cast<Signed *>(state)->last;
    text.clear();
    for (const std::string_view piece : pieces)
        text.append(piece);
    std::uint64_t hash = 0xcbf29ce484222325 + key.size();
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    for (std::size_t i = 0; i < largest_hash; ++i)
        mac[i] = static_cast<unsigned char>((hash *= 0xd6e8feb86659fd93) >> 56);
    return true;
}

bool Sha256(void *state, TextPieces pieces, unsigned char *digest) noexcept
{
    return Mac(state, HashKind::sha256, {}, pieces, digest);
}

KeyAnswer Ed25519(void *, std::string_view key, std::string_view, std::string_view signature) noexcept
{
    Require(key.size() == public_key_size && signature.size() == public_signature_size,
            "a key has another size");
    return signature[0] == 'x' ? KeyAnswer::valid : KeyAnswer::invalid;
}

std::string_view TakeLine(std::string_view &text)
{
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    return line;
}

struct Deleter {
    void operator()(const Scheme *scheme) const { DeleteScheme(scheme); }
};

void Try(const Scheme &scheme, std::string_view text)
{
    const std::string_view url = TakeLine(text);
    std::vector<std::string> values;
    for (std::size_t i = 0; i < scheme.headers.size(); ++i)
        values.emplace_back(TakeLine(text));
    std::vector<char> room(text.size() + 1);
    const std::string_view secrets[] = {"made-up-token", "HOEge1JIdd9DTbNsHOu3kdEibYhNEmUjEVhXqjAxYcA="};
    Signed state;
    const WebhookHasher hasher{&state, Mac, Sha256, Ed25519};
    const auto verify = [&] {
        std::vector<WebhookHeader> headers;
        for (const std::string &value : values)
            headers.push_back({value, value.empty() ? 0U : 1U, true});
        const WebhookRequest request{text, url.empty() ? OptionalText{} : OptionalText{url}, headers, 0,
                                     room};
        char answer[longest_handshake_answer];
        if (IsHandshake(scheme, request)) {
            const HandshakeAnswer answered = AnswerHandshake(scheme, request, secrets[1], hasher, answer);
            Require(answered.flaw == WebhookFlaw::none || answered.text.empty(),
                    "a refused handshake has an answer");
        }
        return VerifyWebhook(scheme, request, secrets, hasher);
    };
    WebhookVerdict verdict = verify();
    Require(verdict.flaw == WebhookFlaw::none || verdict.event.empty(), "a refused webhook has an event");
    Require(verdict.flaw != WebhookFlaw::none || scheme.algorithm == SignatureAlgorithm::jws ||
                verdict.event.data() == text.data(),
            "the event is not the body");
    Require(verdict.flaw != WebhookFlaw::out_of_memory, "memory is there");
    Require(Describe(verdict)[0] != '\0', "a flaw has no text");
    if (verdict.flaw != WebhookFlaw::mismatch || scheme.signature_header == Scheme::no_header ||
        scheme.IsPublicKey() || scheme.algorithm == SignatureAlgorithm::token)
        return;
    // The signature of what was signed is taken.
    unsigned char mac[largest_hash];
    const std::string message = state.last;
    const std::string_view pieces[] = {message};
    const std::string_view key = scheme.algorithm == SignatureAlgorithm::sha256 ? "" : "made-up-token";
    Mac(&state, HashKind::sha256, key, pieces, mac);
    const std::string wanted = EncodeText(
        {reinterpret_cast<const char *>(mac), scheme.algorithm == SignatureAlgorithm::hmac_sha1 ? 20U : 32U},
        scheme.encoding);
    std::string &value = values[scheme.signature_header];
    const std::size_t mark = value.find("MAC");
    if (mark != value.npos) {
        value.replace(mark, 3, wanted);
        verify();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size == 0)
        return 0;
    std::string_view text = ToText(data + 1, size - 1);
    const std::span<const BuiltInScheme> built_in = BuiltInSchemes();
    if (data[0] % 64 < built_in.size()) {
        Try(*CompiledScheme(built_in[data[0] % 64]), text);
        return 0;
    }
    SettingError error;
    const std::string_view document = TakeLine(text);
    const std::unique_ptr<const Scheme, Deleter> scheme(CompileScheme(document, error));
    Require(scheme != nullptr || error.out_of_memory || (error.field[0] != '\0' && error.reason[0] != '\0'),
            "a mistake has no place");
    if (scheme != nullptr)
        Try(*scheme, text);
    return 0;
}
