#include "core/ingest/signature.hpp"

#include "test/unit/keyed_hash.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace callhardening;

namespace
{

const std::string secret = "a secret of thirty-two bytes: 32",
                  old_secret = "the secret before: also 32 bytes";

// The secrets of a log on the server's side.
struct Keys {
    std::vector<std::string> secrets = {secret};
    bool broken = false;
    std::size_t signed_with = 0; // calls

    static bool Sign(void *state, std::size_t key, std::string_view first, std::string_view second,
                     unsigned char (&mac)[mac_size]) noexcept
    {
        Keys &keys = *static_cast<Keys *>(state);
        ++keys.signed_with;
        const test::Digest digest =
            test::HmacSha256(keys.secrets[key], std::string(first) + std::string(second));
        std::copy(digest.begin(), digest.end(), mac);
        return !keys.broken;
    }
};

// By the definition, bit by bit, and so in another way than the decoder.
std::string Base64Url(std::string_view bytes)
{
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string bits, text;
    for (const char c : bytes)
        for (int i = 7; i >= 0; --i)
            bits += static_cast<unsigned char>(c) >> i & 1 ? '1' : '0';
    bits.append((6 - bits.size() % 6) % 6, '0');
    for (std::size_t i = 0; i < bits.size(); i += 6)
        text += letters[std::stoul(bits.substr(i, 6), nullptr, 2)];
    return text;
}

std::string Sign(const std::string &header, const std::string &claims, const std::string &with = secret)
{
    const std::string input = Base64Url(header) + "." + Base64Url(claims);
    const test::Digest mac = test::HmacSha256(with, input);
    return input + "." + Base64Url(std::string(mac.begin(), mac.end()));
}

struct Opened {
    SignatureFlaw flaw;
    std::string claims;
};

Opened Open(std::string_view body, Keys keys = {})
{
    std::vector<char> room(body.size());
    const SignedBody opened = OpenSignedBody(body, {&keys, Keys::Sign, keys.secrets.size()}, room);
    return {opened.flaw, std::string(opened.claims)};
}

SignatureFlaw FlawOf(std::string_view body)
{
    const Opened opened = Open(body);
    EXPECT_TRUE(opened.flaw == SignatureFlaw::none || opened.claims.empty());
    return opened.flaw;
}

SignatureFlaw FlawOfHeader(const std::string &header)
{
    return FlawOf(Sign(header, "{}"));
}

const std::string header = R"({"alg":"HS256","typ":"JWT"})";

std::string Decoded(std::string_view text)
{
    std::vector<char> room(text.size() + 1);
    const OptionalText bytes = DecodeBase64Url(text, room);
    return bytes ? std::string(*bytes) : "none";
}

TEST(Signature, RfcExample)
{
    Keys keys;
    std::vector<char> room(100);
    keys.secrets = {std::string(*DecodeBase64Url(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", room))};
    const Opened opened =
        Open("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
             ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290"
             "Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
             keys);
    EXPECT_EQ(opened.flaw, SignatureFlaw::none);
    EXPECT_EQ(opened.claims,
              "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
}

TEST(Signature, TakesSignedBodies)
{
    for (const std::string &claims : {std::string(), std::string("{}"), std::string("\0\xff", 2),
                                      std::string(100000, 'x'), std::string("{\"call_id\": 1}")}) {
        EXPECT_EQ(Open(Sign(header, claims)).flaw, SignatureFlaw::none);
        EXPECT_EQ(Open(Sign(header, claims)).claims, claims);
    }
    EXPECT_EQ(FlawOf(" \t\r\n" + Sign(header, "{}") + "\n"), SignatureFlaw::none);
}

TEST(Signature, EveryBitCounts)
{
    const std::string body = Sign(header, R"({"call_id": 1, "state": "hangup"})");
    for (std::size_t i = 0; i < body.size(); ++i)
        for (int bit = 0; bit < 8; ++bit) {
            std::string other = body;
            other[i] = static_cast<char>(other[i] ^ 1 << bit);
            // The last letter may become white space, and this is trimmed. Then a letter is missing.
            EXPECT_NE(FlawOf(other), SignatureFlaw::none) << i << " " << bit;
        }
    for (std::size_t size = 0; size < body.size(); ++size)
        EXPECT_NE(FlawOf(std::string_view(body).substr(0, size)), SignatureFlaw::none);
}

TEST(Signature, AnyOfTheSecrets)
{
    Keys both;
    both.secrets = {secret, old_secret};
    EXPECT_EQ(Open(Sign(header, "{}", secret), both).flaw, SignatureFlaw::none);
    EXPECT_EQ(Open(Sign(header, "{}", old_secret), both).flaw, SignatureFlaw::none);
    EXPECT_EQ(Open(Sign(header, "{}", "another"), both).flaw, SignatureFlaw::mismatch);
    EXPECT_EQ(Open(Sign(header, "{}", old_secret)).flaw, SignatureFlaw::mismatch);
    Keys none;
    none.secrets.clear();
    EXPECT_EQ(Open(Sign(header, "{}"), none).flaw, SignatureFlaw::mismatch);
}

TEST(Signature, TriesAllSecrets)
{
    Keys both;
    both.secrets = {secret, old_secret};
    const std::string body = Sign(header, "{}");
    std::vector<char> room(body.size());
    EXPECT_EQ(OpenSignedBody(body, {&both, Keys::Sign, 2}, room).flaw, SignatureFlaw::none);
    EXPECT_EQ(both.signed_with, 2U);
}

// A missing MAC is invalid, and so is one of zeros.
TEST(Signature, ShortSignature)
{
    const auto zeros = [](void *, std::size_t, std::string_view, std::string_view,
                          unsigned char(&mac)[mac_size]) noexcept {
        std::fill_n(mac, mac_size, static_cast<unsigned char>(0));
        return true;
    };
    const std::string input = Base64Url(header) + ".e30.";
    for (const std::size_t size : {0, 31, 33}) {
        const std::string body = input + Base64Url(std::string(size, '\0'));
        std::vector<char> room(body.size());
        EXPECT_EQ(OpenSignedBody(body, {nullptr, zeros, 1}, room).flaw, SignatureFlaw::mismatch) << size;
    }
}

TEST(Signature, NoMemory)
{
    Keys broken;
    broken.broken = true;
    EXPECT_EQ(Open(Sign(header, "{}"), broken).flaw, SignatureFlaw::out_of_memory);
}

TEST(Signature, ThreeParts)
{
    for (const char *body : {"", " ", "a", "a.b", "a.b.c.d", "...", "{\"call_id\": 1}", "\n"})
        EXPECT_EQ(FlawOf(body), SignatureFlaw::parts) << body;
    EXPECT_EQ(FlawOf(Sign(header, "{}") + "."), SignatureFlaw::parts);
    EXPECT_EQ(FlawOf(".."), SignatureFlaw::header);
}

TEST(Signature, Header)
{
    for (const char *text : {"", "HS256", "\"HS256\"", "null", "[]", R"([{"alg":"HS256"}])",
                             R"({"alg":"HS256")", R"({"alg":"HS256"}x)", R"({"alg":"HS256",})",
                             R"({"alg":"HS256","x":1e400})", "{\"alg\":\"HS256\",\"x\":\"\xff\"}"})
        EXPECT_EQ(FlawOfHeader(text), SignatureFlaw::header) << text;
    EXPECT_EQ(FlawOfHeader(std::string("{\"alg\":\"HS256\"}\0", 16)), SignatureFlaw::header);
    EXPECT_EQ(FlawOfHeader(std::string("{\"alg\":\"HS256\"}\0{", 17)), SignatureFlaw::header);
    EXPECT_EQ(FlawOfHeader(std::string(1000000, '[')), SignatureFlaw::header);
    EXPECT_EQ(
        FlawOfHeader(R"({"alg":"HS256","x":)" + std::string(100000, '[') + std::string(100000, ']') + "}"),
        SignatureFlaw::none);
}

TEST(Signature, Algorithm)
{
    for (const char *text : {"{}", R"({"typ":"JWT"})", R"({"ALG":"HS256"})", R"({"x":{"alg":"HS256"}})"})
        EXPECT_EQ(FlawOfHeader(text), SignatureFlaw::no_algorithm) << text;
    for (const char *value : {"\"none\"", "\"None\"", "\"\"", "\"hs256\"", "\"HS256 \"", "\"HS256\\u0000\"",
                              "\"HS384\"", "\"HS512\"", "\"RS256\"", "\"ES256\"", "null", "true", "256",
                              "2.56", "[\"HS256\"]", "{\"alg\":\"HS256\"}", "{}"})
        EXPECT_EQ(FlawOfHeader(std::string("{\"alg\":") + value + "}"), SignatureFlaw::algorithm) << value;
    EXPECT_EQ(FlawOfHeader(R"({"x":{"alg":"none"},"alg":"HS256","y":"none"})"), SignatureFlaw::none);
    EXPECT_EQ(FlawOfHeader(R"({"alg":"none","x":"HS256"})"), SignatureFlaw::algorithm);
    EXPECT_EQ(FlawOfHeader(R"({"alg":["a"],"x":["HS256"]})"), SignatureFlaw::algorithm);
}

TEST(Signature, RepeatedParameters)
{
    for (const char *text : {R"({"alg":"none","alg":"HS256"})", R"({"alg":"HS256","alg":"none"})",
                             R"({"alg":"HS256","alg":"HS256"})", R"({"alg":"HS256","typ":1,"typ":1})",
                             R"({"alg":"HS256","\u0061lg":"HS256"})"})
        EXPECT_EQ(FlawOfHeader(text), SignatureFlaw::repeated_parameter) << text;
    EXPECT_EQ(FlawOfHeader(R"({"alg":"HS256","x":{"a":1,"a":1}})"), SignatureFlaw::none);
}

TEST(Signature, RefusesCriticalExtensionsAndEmbeddedKeys)
{
    for (const char *value : {"[\"exp\"]", "[]", "null"})
        EXPECT_EQ(FlawOfHeader(std::string(R"({"alg":"HS256","crit":)") + value + "}"),
                  SignatureFlaw::critical);
    for (const char *name : {"jwk", "jku", "x5c", "x5u"})
        EXPECT_EQ(FlawOfHeader(std::string(R"({"alg":"HS256",")") + name + "\":null}"),
                  SignatureFlaw::embedded_key);
    EXPECT_EQ(FlawOfHeader(R"({"alg":"HS256","kid":"1","cty":"JWT","x":{"crit":1,"jwk":1}})"),
              SignatureFlaw::none);
}

TEST(Signature, Encodings)
{
    const std::string mac = Base64Url(std::string(32, 'x'));
    const std::string good = Base64Url(header);
    EXPECT_EQ(FlawOf("=" + good + ".e30." + mac), SignatureFlaw::header_encoding);
    EXPECT_EQ(FlawOf(good + ".e30=." + mac), SignatureFlaw::claims_encoding);
    EXPECT_EQ(FlawOf(good + ".e31." + mac), SignatureFlaw::claims_encoding);
    EXPECT_EQ(FlawOf(good + ".e 30." + mac), SignatureFlaw::claims_encoding);
    EXPECT_EQ(FlawOf(good + ".e30." + mac + "="), SignatureFlaw::signature_encoding);
    EXPECT_EQ(FlawOf(good + ".e30.+" + mac.substr(1)), SignatureFlaw::signature_encoding);
    EXPECT_EQ(FlawOf(good + ".e30." + mac), SignatureFlaw::mismatch);
    EXPECT_EQ(FlawOf(good + ".e30." + mac.substr(4)), SignatureFlaw::mismatch);
    EXPECT_EQ(FlawOf(good + ".e30." + mac + "AA"), SignatureFlaw::signature_encoding);
    EXPECT_EQ(FlawOf(good + ".e30."), SignatureFlaw::mismatch);
}

TEST(Signature, Base64Url)
{
    for (std::size_t size = 0; size < 300; ++size) {
        std::string bytes;
        for (std::size_t i = 0; i < size; ++i)
            bytes += static_cast<char>(i * 37 + size);
        EXPECT_EQ(Decoded(Base64Url(bytes)), bytes);
    }
    EXPECT_EQ(Decoded(""), "");
    for (const char *text :
         {"A", "AAAAA", "AA=", "AA==", "AB", "AAB", "A+AA", "A/AA", " AAA", "AAA\n", "AA.A",
          "\xC3\xA4"
          "AA"})
        EXPECT_EQ(Decoded(text), "none") << text;
    EXPECT_EQ(Decoded(std::string_view("AAA\0", 4)), "none");
    char room[3];
    EXPECT_FALSE(DecodeBase64Url("AAAA", room)) << "the room is too small";
}

TEST(Signature, Descriptions)
{
    for (int flaw = 0; flaw <= static_cast<int>(SignatureFlaw::out_of_memory); ++flaw)
        EXPECT_GT(std::string_view(Describe(static_cast<SignatureFlaw>(flaw))).size(), 5U);
}

TEST(Signature, KeysOfAnotherKind)
{
    EXPECT_TRUE(IsKeyOfAnotherKind("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"));
    EXPECT_TRUE(IsKeyOfAnotherKind("\n\xEF\xBB\xBF-----BEGIN CERTIFICATE-----\n"));
    EXPECT_TRUE(IsKeyOfAnotherKind("ssh-ed25519 AAAA"));
    EXPECT_TRUE(IsKeyOfAnotherKind("ecdsa-sha2-nistp256 AAAA"));
    EXPECT_FALSE(IsKeyOfAnotherKind(secret));
    EXPECT_FALSE(IsKeyOfAnotherKind(""));
}

} // namespace
