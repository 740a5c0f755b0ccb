#include "core/secret.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

using namespace callhardening;

namespace
{

std::string Redact(const std::string &text, bool only_hosts = false, SecretNames names = {})
{
    std::string out;
    std::size_t from = 0;
    for (SecretSpan span; (span = FindSecret(text, from, text.size(), only_hosts, names)).Found();
         from = span.end)
        out.append(text, from, span.begin - from).append(span.replacement);
    return out.append(text, from);
}

TEST(Secret, NamesOfMembers)
{
    for (const char *name : {"password", "PASSWORD", "pass-word", "user_password", "_token_", "accessToken",
                             "X-API-Key", "set-cookie", "pin"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::credential) << name;
    for (const char *name : {"author", "tokenizer", "keyboard", "session_id", "raw_digits", "client_state",
                             "key", "shipping_pin", "ｐassword", "", "_", "was_recorded",
                             "call_recording_ids", "voicemail_recording_id"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::plain) << name;
    for (const char *name : {"voicemail_share_link", "recordingUrl", "admin_recording_urls", "access_link"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::link) << name;
    EXPECT_EQ(ClassifyMember("recording_details"), MemberClass::media);
    EXPECT_EQ(ClassifyMember("hook_url"), MemberClass::address);
}

TEST(Secret, Urls)
{
    EXPECT_EQ(Redact("see https://u:p@h.com/a?b=1&token=x#f now"),
              "see https://[secret]@h.com/a?b=1&token=[secret]#f now");
    EXPECT_EQ(Redact("https://h.com/?key=a&monkey=b&sig=c&x-amz-signature=d"),
              "https://h.com/?key=[secret]&monkey=[secret]&sig=[secret]&x-amz-signature=[secret]");
    EXPECT_EQ(Redact("https://h.com/#access_token=abc"), "https://h.com/#access_token=[secret]");
    EXPECT_EQ(Redact("a https://u:p@h.com:8080/a?b#c d http://x y", true),
              "a https://h.com:8080 d http://x y");
    EXPECT_EQ(Redact("sip:alice:pw@h.com"), "sip:alice:[secret]@h.com");
    EXPECT_EQ(Redact("sip:alice@h.com:5060"), "sip:alice@h.com:5060");
    EXPECT_EQ(Redact(R"({"a":"https:\/\/u:p@h.com\/a"})"), R"({"a":"https:\/\/[secret]@h.com\/a"})");
    EXPECT_EQ(Redact(R"({\"a\":\"https:\\/\\/u:p@h.com\\/a\"})"),
              R"({\"a\":\"https:\\/\\/[secret]@h.com\\/a\"})");
    EXPECT_EQ(Redact(R"({"a":"https:\/\/h.com\/a\/b?c","d":1})", true), R"({"a":"https:\/\/h.com","d":1})");
    EXPECT_EQ(Redact(R"({"a":"https://h.com/?b=1\u0026sig=c"})"),
              R"({"a":"https://h.com/?b=1\u0026sig=[secret]"})");
}

TEST(Secret, Tokens)
{
    EXPECT_EQ(Redact("eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.sig_nature-1, x"), "[secret], x");
    EXPECT_EQ(Redact("eyJhbGciOiJkaXIifQ..aW5pdGlhbA.Y2lwaGVy.dGFn x"), "[secret] x");
    EXPECT_EQ(Redact("eyJhbGciOiJIUzI1NiJ9... and so on"), "eyJhbGciOiJIUzI1NiJ9... and so on");
    EXPECT_EQ(Redact("eyJ" + std::string(5000, 'a') + ".eyJhIjoxfQ.c2ln"), "[secret]");
    EXPECT_EQ(Redact("Bearer abc123xyz."), "Bearer [secret]");
    EXPECT_EQ(Redact("the bearer should come; basic information"),
              "the bearer should come; basic information");
    EXPECT_EQ(Redact("x -----BEGIN KEY-----\nMII\n-----END KEY----- y"), "x [secret] y");
    EXPECT_EQ(Redact("-----BEGIN KEY-----\nMII"), "[secret]");
}

// Where each is read to the end of the text, it takes a minute.
TEST(Secret, TokensThatNeverEndAreReadOnce)
{
    std::string text;
    for (int i = 0; i < 1'000'000; ++i)
        text += "eyJ";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(Redact(text), text);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(Secret, Assignments)
{
    EXPECT_EQ(Redact(R"({"password": "a\"b", "x": 1})"), R"({"password": "[secret]", "x": 1})");
    EXPECT_EQ(Redact(R"({\"pin\":\"12\\\"34\",\"x\":1})"), R"({\"pin\":\"[secret]\",\"x\":1})");
    EXPECT_EQ(Redact(R"({"token":{"a":[1,2]},"x":1})"), R"({"token":[secret],"x":1})");
    EXPECT_EQ(Redact(R"({"token":true,"password":null,"secret":""})"),
              R"({"token":true,"password":null,"secret":""})");
    EXPECT_EQ(Redact("{\"password\":\n  \"a\",\n\"pin\" :\r\n\t17}"),
              "{\"password\":\n  \"[secret]\",\n\"pin\" :\r\n\t[secret]}");
    EXPECT_EQ(Redact(R"({\"token\":\n  \"a\"})"), R"({\"token\":\n  \"[secret]\"})");
    EXPECT_EQ(Redact(R"({\\\"token\\\":\\n\\t\\\"a\\\"})"), R"({\\\"token\\\":\\n\\t\\\"[secret]\\\"})");
    EXPECT_EQ(Redact("{\"token\"\t\n: \"a\"}"), "{\"token\"\t\n: \"[secret]\"}");
    EXPECT_EQ(Redact(R"({"api key": "a", "token ": "b", "author key ": "c"})"),
              R"({"api key": "[secret]", "token ": "[secret]", "author key ": "c"})");
    EXPECT_EQ(Redact(R"({"token":["a]",{"b}":"c"}],"x":1})"), R"({"token":[secret],"x":1})");
    EXPECT_EQ(Redact(R"({\"token\":[\"a\\\"]\",\"b\"],\"x\":1})"), R"({\"token\":[secret],\"x\":1})");
    EXPECT_EQ(Redact("password:\nswordfish"), "password:\nswordfish");
    EXPECT_EQ(Redact("Cookie: a=1; b=2\r\nHost: x"), "Cookie: [secret]\r\nHost: x");
    EXPECT_EQ(Redact("my password: swordfish, thanks"), "my password: [secret], thanks");
    EXPECT_EQ(Redact("author: x, tokenizer=y"), "author: x, tokenizer=y");
}

TEST(Secret, NamesThatEscapesSpell)
{
    EXPECT_EQ(Redact(R"({"pass\u0077ord": "x"})"), R"({"pass\u0077ord": "[secret]"})");
    EXPECT_EQ(Redact(R"({"\u0070asswor\u0064": "x"})"), R"({"\u0070asswor\u0064": "[secret]"})");
    EXPECT_EQ(Redact(R"({"\u0070\u0069\u006E": 1234})"), R"({"\u0070\u0069\u006E": [secret]})");
    EXPECT_EQ(Redact(R"({\"to\\u006ben\":\"x\"})"), R"({\"to\\u006ben\":\"[secret]\"})");
    EXPECT_EQ(Redact(R"({"api\u005Fkey": "x"})"), R"({"api\u005Fkey": "[secret]"})");
    EXPECT_EQ(Redact(R"({"auth\u006fr": "x", "p\u0131n": 1})"), R"({"auth\u006fr": "x", "p\u0131n": 1})");
    EXPECT_EQ(Redact(R"("\ntoken: x")"), R"("\ntoken: [secret]")");
}

TEST(Secret, NamesThatAPolicyAdds)
{
    const SecretNames names{[](const void *, std::string_view name) noexcept { return name == "door_code"; },
                            nullptr};
    EXPECT_EQ(Redact("door_code=1234", false, names), "door_code=[secret]");
    EXPECT_EQ(Redact("the door_code: 1234, please", false, names), "the door_code: [secret], please");
    EXPECT_EQ(Redact(R"({"door_code": [1, 2]})", false, names), R"({"door_code": [secret]})");
    EXPECT_EQ(Redact(R"({"door\u005fcode": 1})", false, names), R"({"door\u005fcode": [secret]})");
    EXPECT_EQ(Redact("https://h.example/?door_code=1&b=2", false, names),
              "https://h.example/?door_code=[secret]&b=2");
    EXPECT_EQ(Redact("site.door_code=1", false, names), "site.door_code=[secret]");
    EXPECT_EQ(Redact("front_door_code=1", false, names), "front_door_code=1");
    EXPECT_EQ(Redact("door_code=1234"), "door_code=1234");
}

TEST(Secret, ReplacingAgainChangesNothing)
{
    for (const char *text :
         {"https://[secret]@h/?token=[secret]", "Bearer [secret]", "Cookie: [secret]",
          R"("password":"[secret]")", R"(\"password\":\"[secret]\")", "token=…", "pin: […"})
        EXPECT_EQ(Redact(text), text == std::string("pin: […") ? "pin: [secret]" : text);
}

} // namespace
