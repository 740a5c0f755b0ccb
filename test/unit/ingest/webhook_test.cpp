#include "core/ingest/encoding.hpp"
#include "core/ingest/handshake.hpp"
#include "core/ingest/member.hpp"
#include "core/ingest/parameters.hpp"
#include "core/ingest/webhook.hpp"
#include "core/providers/built_in_schemes.hpp"
#include "test/unit/keyed_hash.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace callhardening;

namespace
{

const std::string secret = "a secret of thirty-two bytes: 32";

struct Hashes {
    bool broken = false;
    int macs = 0;

    static std::string Join(TextPieces pieces)
    {
        std::string text;
        for (const std::string_view piece : pieces)
            text.append(piece);
        return text;
    }

    static bool Mac(void *state, HashKind kind, std::string_view key, TextPieces pieces,
                    unsigned char *mac) noexcept
    {
        auto &hashes = *static_cast<Hashes *>(state);
        ++hashes.macs;
        EXPECT_EQ(kind, HashKind::sha256);
        const test::Digest digest = test::HmacSha256(std::string(key), Join(pieces));
        std::copy(digest.begin(), digest.end(), mac);
        return !hashes.broken;
    }

    static bool Sha256(void *state, TextPieces pieces, unsigned char *digest) noexcept
    {
        const test::Digest computed = test::Sha256(Join(pieces));
        std::copy(computed.begin(), computed.end(), digest);
        return !static_cast<Hashes *>(state)->broken;
    }

    static KeyAnswer NoKeys(void *, std::string_view, std::string_view, std::string_view) noexcept
    {
        return KeyAnswer::unavailable;
    }

    WebhookHasher Hasher() { return {this, Mac, Sha256, NoKeys}; }
};

std::string MacOf(const std::string &text, const std::string &with = secret)
{
    const test::Digest digest = test::HmacSha256(with, text);
    return {digest.begin(), digest.end()};
}

struct Call {
    std::string body;
    std::vector<std::string> headers; // in the order of the scheme
    std::string url = "https://example.com/";
    std::vector<std::string_view> secrets{secret};
    std::int64_t now = 1'788'256'940'000;
};

const Scheme &SchemeNamed(std::string_view name)
{
    return *CompiledScheme(*FindBuiltInScheme(name));
}

WebhookVerdict Verify(const Scheme &scheme, const Call &call, Hashes &hashes)
{
    std::vector<WebhookHeader> headers(scheme.headers.size());
    for (std::size_t i = 0; i < call.headers.size(); ++i)
        headers[i] = {call.headers[i], 1, true};
    static std::vector<char> room;
    room.resize(call.body.size() + 1);
    return VerifyWebhook(scheme, {call.body, std::string_view(call.url), headers, call.now, room},
                         call.secrets, hashes.Hasher());
}

WebhookFlaw FlawOf(const Scheme &scheme, const Call &call)
{
    Hashes hashes;
    return Verify(scheme, call, hashes).flaw;
}

Call ZoomCall()
{
    return {R"({"event": "x"})", {"v0=" + ToHex(MacOf(R"(v0:1788256940:{"event": "x"})")), "1788256940"}};
}

// One bit changed, in turns.
template <typename Check>
void ForEachBit(std::string text, Check check)
{
    for (std::size_t i = 0; i < text.size() * 8; ++i) {
        text[i / 8] = static_cast<char>(text[i / 8] ^ (1 << i % 8));
        check(text);
        text[i / 8] = static_cast<char>(text[i / 8] ^ (1 << i % 8));
    }
}

struct Deleter {
    void operator()(const Scheme *scheme) const { DeleteScheme(scheme); }
};

std::unique_ptr<const Scheme, Deleter> Compile(std::string_view json)
{
    SettingError error;
    std::unique_ptr<const Scheme, Deleter> scheme(CompileScheme(json, error));
    EXPECT_NE(scheme, nullptr) << error.field << ": " << error.reason;
    return scheme;
}

} // namespace

TEST(Webhook, EveryBuiltInSchemeCompilesAndIsFound)
{
    for (const BuiltInScheme &scheme : BuiltInSchemes()) {
        SettingError error;
        const Scheme *compiled = CompileScheme(scheme.json, error);
        EXPECT_NE(compiled, nullptr) << scheme.name << ": " << error.field << ": " << error.reason;
        DeleteScheme(compiled);
        EXPECT_EQ(FindBuiltInScheme(scheme.name), &scheme);
        EXPECT_EQ(CompiledScheme(scheme), CompiledScheme(scheme));
    }
    EXPECT_EQ(FindBuiltInScheme("twilo"), nullptr);
}

TEST(Webhook, TakesASignedBodyAndNoOther)
{
    const Scheme &scheme = SchemeNamed("zoom_phone");
    const Call call = ZoomCall();
    EXPECT_EQ(FlawOf(scheme, call), WebhookFlaw::none);
    Call changed = call;
    ForEachBit(call.body, [&](const std::string &text) {
        changed.body = text;
        EXPECT_EQ(FlawOf(scheme, changed), WebhookFlaw::mismatch);
    });
    changed = call;
    for (std::size_t i = 0; i < call.headers.size(); ++i)
        ForEachBit(call.headers[i], [&](const std::string &text) {
            changed.headers[i] = text;
            EXPECT_NE(FlawOf(scheme, changed), WebhookFlaw::none);
            changed.headers[i] = call.headers[i];
        });
}

TEST(Webhook, TriesEverySecret)
{
    const std::vector<std::string> others{"another", secret, "a third"};
    Call call = ZoomCall();
    call.secrets = {others[0], others[1], others[2]};
    Hashes hashes;
    EXPECT_EQ(Verify(SchemeNamed("zoom_phone"), call, hashes).flaw, WebhookFlaw::none);
    EXPECT_EQ(hashes.macs, 3);
    call.secrets = {others[0], others[2]};
    EXPECT_EQ(FlawOf(SchemeNamed("zoom_phone"), call), WebhookFlaw::mismatch);
    call.secrets = {};
    EXPECT_EQ(FlawOf(SchemeNamed("zoom_phone"), call), WebhookFlaw::no_secret);
}

TEST(Webhook, JudgesTheTimeInBothDirections)
{
    const Scheme &scheme = SchemeNamed("zoom_phone");
    Call call = ZoomCall();
    const std::int64_t sent = call.now;
    for (const std::int64_t seconds : {-300, 300}) {
        call.now = sent + seconds * 1000;
        EXPECT_EQ(FlawOf(scheme, call), WebhookFlaw::none);
        call.now += seconds < 0 ? -1 : 1;
        EXPECT_EQ(FlawOf(scheme, call), WebhookFlaw::time);
    }
    for (const std::string time :
         {"", "x", "-1", "1788256940.0", "9999999999999999", "99999999999999999999"}) {
        Call other{"{}", {"v0=" + ToHex(MacOf("v0:" + time + ":{}")), time}};
        EXPECT_EQ(FlawOf(scheme, other), WebhookFlaw::timestamp) << time;
    }
}

TEST(Webhook, ReportsFailuresOfTheCaller)
{
    Hashes hashes{true, 0};
    EXPECT_EQ(Verify(SchemeNamed("zoom_phone"), ZoomCall(), hashes).flaw, WebhookFlaw::out_of_memory);
    const Call call{"{}", {std::string(86, 'A') + "==", "1788256940"}, {}, {}};
    Call with_key = call;
    with_key.secrets = {"HOEge1JIdd9DTbNsHOu3kdEibYhNEmUjEVhXqjAxYcA="};
    EXPECT_EQ(FlawOf(SchemeNamed("telnyx"), with_key), WebhookFlaw::no_ed25519);
    with_key.headers[0] = std::string(85, 'A') + "B==";
    EXPECT_EQ(FlawOf(SchemeNamed("telnyx"), with_key), WebhookFlaw::mismatch);
}

TEST(Webhook, ChecksTheHashOfTheBodyInAToken)
{
    const auto token = [](const std::string &claims) {
        const auto encode = [](const std::string &text) {
            std::string encoded = ToBase64(text);
            encoded.erase(encoded.find_last_not_of('=') + 1);
            std::replace(encoded.begin(), encoded.end(), '+', '-');
            std::replace(encoded.begin(), encoded.end(), '/', '_');
            return encoded;
        };
        const std::string input = encode(R"({"alg":"HS256"})") + "." + encode(claims);
        return "Bearer " + input + "." + encode(MacOf(input));
    };
    const test::Digest digest = test::Sha256("{}");
    const std::string hash = ToHex({reinterpret_cast<const char *>(digest.data()), digest.size()});
    const std::string good = R"({"iat": 1788256940, "payload_hash": ")" + hash + "\"}";
    const Scheme &scheme = SchemeNamed("vonage");
    EXPECT_EQ(FlawOf(scheme, {"{}", {token(good)}}), WebhookFlaw::none);
    EXPECT_EQ(FlawOf(scheme, {"{ }", {token(good)}}), WebhookFlaw::body_hash);
    EXPECT_EQ(FlawOf(scheme, {"{}", {token(R"({"iat": 1788256940})")}}), WebhookFlaw::body_hash);
    EXPECT_EQ(FlawOf(scheme, {"{}", {token(R"({"iat": 1, "payload_hash": ")" + hash + "\"}")}}),
              WebhookFlaw::time);
    EXPECT_EQ(FlawOf(scheme, {"{}", {token(R"({"payload_hash": ")" + hash + "\"}")}}),
              WebhookFlaw::timestamp);
    EXPECT_EQ(FlawOf(scheme, {"{}", {token(good) + "x"}}), WebhookFlaw::jws);
    EXPECT_EQ(FlawOf(scheme, {"{}", {"Basic x"}}), WebhookFlaw::format);
}

TEST(Webhook, JoinsTheParametersOfQueryAndForm)
{
    const Scheme &scheme = SchemeNamed("plivo");
    const auto flaw = [&](const std::string &url, const std::string &body, const std::string &text) {
        return FlawOf(scheme, {body, {ToBase64(MacOf(text + ".17")), "17"}, url});
    };
    EXPECT_EQ(flaw("https://a/b?z=1&y=2", "d=4&c=3", "https://a/b?y=2&z=1.c3d4"), WebhookFlaw::none);
    EXPECT_EQ(flaw("https://a/b", "d=4&c=3&c=3", "https://a/b?c3c3d4"), WebhookFlaw::none);
    EXPECT_EQ(flaw("https://a/b?z=1", "", "https://a/b?z=1"), WebhookFlaw::none);
    EXPECT_EQ(flaw("https://a/b", "", "https://a/b"), WebhookFlaw::none);
    EXPECT_EQ(flaw("https://a/b", "{}", "https://a/b"), WebhookFlaw::body_form);
    EXPECT_EQ(flaw("https://a/b?%zz=1", "c=3", "https://a/b?c3"), WebhookFlaw::url);
}

TEST(Webhook, EscapesAUrlAsAValue)
{
    EXPECT_EQ(EscapeForUrl("https://a.b/c?d=e&f=~é!*'()-_ "),
              "https%3A%2F%2Fa.b%2Fc%3Fd%3De%26f%3D~%C3%A9!*'()-_%20");
}

TEST(Webhook, FindsAMemberByItsPath)
{
    const MemberPath path{{false, "a"}, {true, {}}, {false, "b"}};
    const auto flaw = [&](std::string_view json) { return ReadMember(json, path).flaw; };
    EXPECT_EQ(ReadMember(R"({"b": 1, "a": [{"b": "x"}, {"c": {"b": 2}, "b": "x"}]})", path).text, "x");
    EXPECT_EQ(flaw(R"({"a": [{"b": "x"}, {"b": "y"}]})"), MemberFlaw::different);
    EXPECT_EQ(flaw(R"({"a": [{"b": "x"}], "a": [{"b": "y"}]})"), MemberFlaw::different);
    for (const char *json :
         {R"({"a": [{"b": "x"}, {}]})", R"({"a": [{"b": "x"}, [{"b": "x"}]]})", R"({"a": []})",
          R"({"a": {"b": "x"}})", R"({"a": [{"b": null}]})", R"({"a": [{"b": {"b": "x"}}]})",
          R"([{"b": "x"}])", "[]", "1", R"({"a": "x"})", R"({"a": [{"b": "x"}], "a": 1})"})
        EXPECT_EQ(flaw(json), MemberFlaw::missing) << json;
    for (const char *json : {"", "{", "{\"a\": [{\"b\": \"x\"}]}}"})
        EXPECT_EQ(flaw(json), MemberFlaw::no_json) << json;
    EXPECT_EQ(ReadMember(R"({"n": 17})", {{false, "n"}}).text, "17");
    EXPECT_EQ(ReadMember(R"({"n": -17})", {{false, "n"}}).text, "-17");
}

TEST(Webhook, DecodesOnlyStrictBase64)
{
    std::string bytes;
    for (const char *text : {"", "QQ", "QQ==", "QUI=", "QUJD", "+/+/"})
        EXPECT_TRUE(FromBase64(text, bytes)) << text;
    for (const char *text : {"Q", "QR==", "QUJ=", "Q Q=", "-_-_", "QQ==QQ=="})
        EXPECT_FALSE(FromBase64(text, bytes)) << text;
    EXPECT_TRUE(FromBase64(ToBase64("a secret"), bytes));
    EXPECT_EQ(bytes, "a secret");
}

TEST(Webhook, ComparesWholeTexts)
{
    EXPECT_TRUE(EqualInConstantTime("abc", "abc"));
    for (const char *sent : {"", "a", "ab", "abcd", "abd", "bbc", "aaa"})
        EXPECT_FALSE(EqualInConstantTime("abc", sent)) << sent;
    EXPECT_FALSE(EqualInConstantTime("", ""));
    EXPECT_FALSE(EqualInConstantTime("", "a"));
    EXPECT_FALSE(EqualInConstantTime("aa", "a"));
}

// A sender without the secret must not get the MAC of a text that is signed for an event.
TEST(Webhook, GivesNoMacOfASignedText)
{
    const Scheme &scheme = SchemeNamed("zoom_phone");
    std::vector<WebhookHeader> headers(scheme.headers.size());
    char room[longest_handshake_answer];
    Hashes hashes;
    const auto answer = [&](const std::string &token) {
        const std::string body =
            R"({"event": "endpoint.url_validation", "payload": {"plainToken": ")" + token + "\"}}";
        const WebhookRequest request{body, {}, headers, 0, {}};
        EXPECT_TRUE(IsHandshake(scheme, request));
        return AnswerHandshake(scheme, request, secret, hashes.Hasher(), room);
    };
    EXPECT_EQ(answer("madeUp1").text,
              R"({"plainToken":"madeUp1","encryptedToken":")" + ToHex(MacOf("madeUp1")) + "\"}");
    for (const std::string token : {"v0:1788256940:x", "a b", "a.b", "a\\u0000", ""})
        EXPECT_EQ(answer(token).flaw, WebhookFlaw::no_token) << token;
    EXPECT_EQ(hashes.macs, 1);
}

TEST(Webhook, LimitsSignaturesInAHeader)
{
    const auto scheme = Compile(R"({"version": 1, "algorithm": "hmac-sha256", "signed": "{body}",
        "signature": {"header": "s", "separator": ",", "encoding": "hex"}})");
    const std::string good = ToHex(MacOf("{}"));
    std::string header;
    for (int i = 0; i < 15; ++i)
        header += "x,";
    EXPECT_EQ(FlawOf(*scheme, {"{}", {header + good}}), WebhookFlaw::none);
    EXPECT_EQ(FlawOf(*scheme, {"{}", {header + "x," + good}}), WebhookFlaw::format);
    EXPECT_EQ(FlawOf(*scheme, {"{}", {std::string(longest_header + 1, 'x')}}), WebhookFlaw::header_value);
}
