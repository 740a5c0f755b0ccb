#include "core/findings/secret.hpp"

#include "test/unit/sanitize.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <string>

using namespace callhardening;

namespace
{

// Puts a text into a document under this name.
std::string Redact(const std::string &text, bool only_hosts = false, const char *secrets = "[]")
{
    static std::map<std::string, std::shared_ptr<const Policy>> policies;
    std::shared_ptr<const Policy> &policy = policies[secrets];
    if (policy == nullptr)
        policy = test::MakePolicy(R"({"version": 1, "limits": {"characters": 1000000}, "secrets": )" +
                                  std::string(secrets) + "}");
    static const Pseudonyms no_key{};
    Arena arena(test::Heap::Allocate);
    Redactor fitter(*policy, no_key, arena);
    const Fitted fitted = fitter.Fit(text, {{Action::keep, 0}, only_hosts, false, false});
    const std::string result = fitted.failed ? "failed" : std::string(fitted.text);
    test::Heap::blocks.clear();
    return result;
}

TEST(Secret, NamesOfMembers)
{
    for (const char *name : {"password", "PASSWORD", "pass-word", "user_password", "_token_", "accessToken",
                             "X-API-Key", "set-cookie", "pin", "clientState", "client_state"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::credential) << name;
    for (const char *name : {"author", "tokenizer", "keyboard", "session_id", "raw_digits", "client_type",
                             "key", "shipping_pin", "ｐassword", "", "_", "was_recorded",
                             "call_recording_ids", "voicemail_recording_id", "asset_id", "fixed_asset"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::plain) << name;
    for (const char *name : {"voicemail_share_link", "recordingUrl", "admin_recording_urls", "access_link",
                             "record_url", "TranscriptionUrl", "voicemail_short_url", "asset"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::link) << name;
    EXPECT_EQ(ClassifyMember("recording_details"), MemberClass::media);
    EXPECT_EQ(ClassifyMember("hook_url"), MemberClass::address);
}

TEST(Secret, NamesByTheirGrammar)
{
    for (const char *name : {"tokens",
                             "auth_tokens",
                             "pass",
                             "two_factor_codes",
                             "otp_codes",
                             "one_time_code",
                             "id_tokens",
                             "private_keys",
                             "db_pass",
                             "sip_pass",
                             "SIPPass",
                             "sipPass2",
                             "password1",
                             "password_confirmation",
                             "passwd_old",
                             "access_token_v2",
                             "token_value",
                             "AccountKey",
                             "master_key",
                             "Ocp-Apim-Subscription-Key",
                             "x-functions-key",
                             "private_key_pem",
                             "auth_header",
                             "creds",
                             "credentials_json",
                             "PHPSESSID",
                             "session_token",
                             "sig",
                             "X-Twilio-Signature",
                             "x-zm-signature",
                             "telnyx-signature-ed25519",
                             "X-Plivo-Signature-V3",
                             "X-Hub-Signature-256",
                             "two_factor_code",
                             "sms_code",
                             "mfa",
                             "otp_seed",
                             "passkey",
                             "host_pin",
                             "card_pin",
                             "card_cvv",
                             "cvv2",
                             "social_security_number",
                             "dtmf_tones",
                             "digits_pressed",
                             "user[password]",
                             "user[old_password_confirmation]",
                             "passwordHash",
                             "Verification-Token"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::credential) << name;
    for (const char *name : {"has_password",
                             "hasToken",
                             "is_pin_set",
                             "password_updated_at",
                             "token_count",
                             "token_type",
                             "max_tokens",
                             "author",
                             "authored",
                             "authority",
                             "keyboard",
                             "passenger",
                             "passed",
                             "passive",
                             "bypass",
                             "compass",
                             "boarding_pass",
                             "pinned",
                             "pin_count",
                             "opinion",
                             "spin",
                             "tokenizer",
                             "secretary",
                             "secreted",
                             "signal",
                             "design",
                             "cookieless",
                             "monkey",
                             "sort_key",
                             "primary_key",
                             "idempotency_key",
                             "routing_key",
                             "public_key",
                             "session_id",
                             "telephonySessionId",
                             "call_session_id",
                             "X-Plivo-Signature-V3-Nonce",
                             "otp_enabled"})
        EXPECT_EQ(ClassifyMember(name), MemberClass::plain) << name;
}

constexpr char value[] = "Zq7Xw9Kv3Jt5Rm1N";

// Not even six consecutive characters of the value may be left.
void ExpectHidden(const std::string &text)
{
    const std::string left = Redact(text);
    for (std::size_t i = 0; i + 6 < sizeof(value); ++i)
        EXPECT_EQ(left.find(std::string(value + i, 6)), std::string::npos) << text << "\n" << left;
    EXPECT_EQ(Redact(left), left) << text;
}

std::string With(std::string form)
{
    for (std::size_t i; (i = form.find("VALUE")) != std::string::npos;)
        form.replace(i, 5, value);
    return form;
}

TEST(Secret, SyntaxesOfNameAndValue)
{
    for (const char *form :
         {"password=VALUE",
          "password: VALUE",
          "password => 'VALUE'",
          "password := \"VALUE\"",
          "password: <VALUE>",
          "password: `VALUE`",
          "{'password': u'VALUE'}",
          "{'password': b\"VALUE\"}",
          "api key: VALUE",
          "X-Api-Key: VALUE",
          "see X-Api-Key: VALUE, please",
          R"({"name": "X-Api-Key", "value": "VALUE"})",
          R"({"value": "VALUE", "name": "X-Api-Key"})",
          R"({"key":"token","value":"VALUE"})",
          R"({"name":"X-Api-Key","meta":{"a":{"b":1}},"value":"VALUE"})",
          R"({"value":"VALUE","meta":{"value":"x"},"name":"X-Api-Key"})",
          R"({"name":"X-Api-Key","value":{"type":{"a":1},"text":"VALUE"}})",
          R"({"key":"api_key","enabled":true,"description":"what the partner who has no account
                                 of its own asks our gateway with, set by the one who has installed it, and changed
                                 every month","value":"VALUE"})",
          "a=1&api+key=VALUE&b=2",
          "$config['password'] = 'VALUE';",
          R"(array(2) { ["password"]=> string(16) "VALUE" })",
          R"(a:1:{s:8:"password";s:16:"VALUE";})",
          "--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\nVALUE\r\n--b--",
          "--b\nContent-Disposition: form-data; name=\"pin\"; filename=\"a\"\n"
          "Content-Type: text/plain\n\nVALUE\nVALUE\n--b--",
          "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:VALUE|2^20|1:32",
          "<password><![CDATA[VALUE]]></password>",
          "<property>\n <name>db.password</name>\n <value>VALUE</value>\n</property>",
          "<dict><key>api_key</key><string>VALUE</string></dict>",
          "<entry key=\"api_key\">VALUE</entry>",
          "<entry type=\"x\" key=\"api_key\"><![CDATA[VALUE]]></entry>",
          "https://h.example/?security+code=VALUE",
          "https://h.example/?a=1&+code=VALUE",
          "social+security+number=VALUE",
          "password+=VALUE",
          "password += 'VALUE'",
          "api\xC2\xA0key: VALUE",
          R"(["X-Api-Key", "VALUE"])",
          R"(["Accept", "x", "X-Api-Key", "VALUE"])",
          "('X-Api-Key', 'VALUE')",
          "<password>VALUE</password>",
          "<ns:password type=\"x\">VALUE</ns:password>",
          R"(<param name="password" value="VALUE"/>)",
          R"(<add key="ApiKey" value="VALUE" />)",
          "- name: API_TOKEN\n  value: VALUE\n",
          "password: |\n  VALUE\nuser: x",
          "a:\n  password: >-\n    VALUE\n  b: c",
          "run --token VALUE now",
          "run --password 'VALUE'",
          "curl -u ann:VALUE https://h.example/",
          "--user=ann --token=VALUE",
          "a=1&run=x+--token+VALUE+--force&z=2",
          "a=1&run=x+--token+VALUE&z=2",
          "AccountKey=VALUE;EndpointSuffix=x",
          "Server=h;Password=VALUE;Database=d",
          "otpauth://totp/x?secret=VALUE&issuer=y",
          "CREATE ROLE ann LOGIN PASSWORD 'VALUE'",
          "ALTER USER ann IDENTIFIED BY \"VALUE\"",
          "ALTER ROLE ann PASSWORD 'VA''VALUE'",
          "password -> VALUE",
          "the api_key is: VALUE",
          "**Password:** VALUE",
          "**Password**: VALUE",
          "*password*: `VALUE`",
          "Sec-WebSocket-Protocol: bearer, VALUE",
          "curl --user=ann:VALUE https://h.example/",
          R"("{""password"":""VALUE"",""a"":1}")",
          "password = '''VALUE'''",
          "password = 'a''VALUE'"})
        ExpectHidden(With(form));
    EXPECT_EQ(Redact(R"("{""password"":""a"",""b"":""""}")"), R"("{""password"":""[secret]"",""b"":""""}")");
    EXPECT_EQ(Redact(R"({"password":"","b":"a text"})"), R"({"password":"","b":"a text"})");
    EXPECT_EQ(Redact("PASSWORD 'a''b', x"), "PASSWORD '[secret]', x");
    EXPECT_EQ(Redact("Server=h;Password=a,b;Database=d"), "Server=h;Password=[secret];Database=d");
    EXPECT_EQ(Redact("password: |\n  one\n  two\nuser: x"), "password: |\n  [secret]\nuser: x");
    EXPECT_EQ(Redact("<password>a b</password><user>x</user>"),
              "<password>[secret]</password><user>x</user>");
    EXPECT_EQ(Redact(R"(["password", "email", "phone"])"), R"(["password", "email", "phone"])");
    for (const char *text :
         {R"({"name": "Accept", "value": "x"})", R"({"meta":{"name":"X-Api-Key"},"value":"a text"})",
          R"({"value":"a text","meta":{"name":"X-Api-Key"}})", R"({"name":"pin"},{"value":"a text"})",
          "https://h.example/?sort+key=a&my+code=b&my+hash=c", "a++; b = key + code",
          "<name>X-Api-Key</name><note>a text</note>", "<name>Accept</name><value>a text</value>",
          "<p id=\"password\">Enter it here</p>", "<input name=\"password\"> Enter it here <br>",
          "form-data; name=\"pinned\"\n\na text\n--b", "name=\"pin\"\n\na text\n--b", "display: inline: yes",
          R"(s:4:"name";s:3:"Ann";)"})
        EXPECT_EQ(Redact(text), text);
}

// Half a value is worse than none.
TEST(Secret, ValuesEndWhereTheirSyntaxEnds)
{
    for (const std::string sign :
         {"#", ",", ";", "&", ")", "'", "`", "|", ":", "%", "!", "{}", "\\", "/", "@", "?"}) {
        const std::string secret = "Zq7Xw9" + sign + "Kv3Jt5";
        for (const std::string before :
             {"password: ", "password=", "Authorization: Bearer ", "Cookie: sid="}) {
            const std::string left = Redact(before + secret);
            EXPECT_EQ(left.find("Zq7Xw9"), std::string::npos) << before + secret << "\n" << left;
            EXPECT_EQ(left.find("Kv3Jt5"), std::string::npos) << before + secret << "\n" << left;
        }
    }
    EXPECT_EQ(Redact("Authorization: Bearer \"Zq7Xw9Kv3\""), "Authorization: [secret]");
    EXPECT_EQ(Redact("Bearer\xC2\xA0Zq7Xw9Kv3Jt5"), "Bearer\xC2\xA0[secret]");
    EXPECT_EQ(Redact("(password: swordfish)"), "(password: [secret])");
    EXPECT_EQ(Redact("a=1&password=x&b=2"), "a=1&password=[secret]&b=2");
}

// Quotes do not end a header's value, and a percent sign does not end a parameter's. Three words are a
// sentence and no credentials.
TEST(Secret, ValuesOfHeadersAndParameters)
{
    for (const char *form : {R"({"note": "Authorization: Digest username=\"ann\", response=\"VALUE\""})",
                             R"({"Authorization": "Digest username=\"ann\", response=\"VALUE\""})",
                             "Authorization: Digest username=\"ann\", response=\"VALUE\"",
                             "https://h.example/a?token=p%23VALUE%26VALUE",
                             "a=1&text=-----BEGIN+PRIVATE+KEY-----%0AVALUE%0A-----END+PRIVATE+KEY-----&z=2",
                             "eyAiYWxnIjogIkhTMjU2In0.eyAiVALUE.VALUE"})
        ExpectHidden(With(form));
    EXPECT_EQ(Redact("https://h.example/a?token=p%23q&x=1"), "https://h.example/a?token=[secret]&x=1");
    for (const char *text : {"Authorization: the manager has given it.", "Cookie: what (again) is that?"})
        EXPECT_EQ(Redact(text), text);
}

// shippo_live_ contains another vendor's live_.
TEST(Secret, TheLongestMarkerOfAToken)
{
    EXPECT_EQ(Redact("shippo_live_" + std::string(20, '1') + std::string(20, 'a')), "[secret]");
}

std::string Replaced(std::string text, const std::string &from, const std::string &to)
{
    for (std::size_t i = 0; (i = text.find(from, i)) != std::string::npos; i += to.size())
        text.replace(i, from.size(), to);
    return text;
}

// The processor seconds for a text of repeated pieces.
double SecondsFor(const std::string &piece, std::size_t size)
{
    std::string text;
    while (text.size() < size)
        text += piece;
    const std::clock_t begin = std::clock();
    std::size_t from = 0;
    for (SecretSpan found; (found = FindSecret({text, true}, from, text.size(), false)).Found();)
        from = found.end;
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

// If each search read to the end of the text, a megabyte would take minutes.
TEST(Secret, SyntaxesThatNeverEndAreReadOnce)
{
    for (const char *piece : {"<a><![CDATA[", "<a name=\"b\"><![CDATA[", "<a name=\"pin\">", "<a b c d>",
                              "<name>a</name><value>", ";s:1:\"", "\";s:1:\"", "form-data; name=\"a\"\n\n",
                              "crypto: inline:", "a+key+b+", "['a']=", "string(1"})
        EXPECT_LT(SecondsFor(piece, 1'000'000), 15) << piece;
    for (const char *piece : {"value=", "\"value\":{", "}value:1"})
        EXPECT_LT(SecondsFor(piece, 50'000), 15) << piece;
}

std::string Sanitized(const std::string &text, const std::string &rules = "[]",
                      MemberOrder order = MemberOrder::jsonb)
{
    const auto policy = test::MakePolicy(R"({"version": 1, "rules": )" + rules + "}");
    test::Json document = test::Sanitize(test::Json::parse(text), policy.get(), order).document;
    const test::Json again = test::Sanitize(document, policy.get(), order).document;
    EXPECT_EQ(again, document) << text;
    if (document.is_object())
        document.erase("_sanitized");
    return document.dump();
}

// A name and its value as members and items of the document itself.
TEST(Secret, PairsOfADocument)
{
    for (const char *pair :
         {R"({"name":"X-Api-Key","value":"VALUE"})", R"({"header":"X-Api-Key","value":"VALUE"})",
          R"({"Key":"password","Value":"VALUE"})", R"({"label":"Card number","value":"VALUE"})",
          R"({"field":"pin","value":{"a":["VALUE"]}})", R"({"list":["X-Api-Key","VALUE"]})",
          R"({"id":"api_key","name":"x","val":"VALUE"})", R"([["Accept","x"],["X-Api-Key","VALUE"]])",
          R"(["Accept","x","X-Api-Key","VALUE"])", R"({"t":"{\"value\":\"VALUE\",\"name\":\"pin\"}"})",
          R"({"t":"{\"value\":{\"a\":\"VALUE\"},\"header\":\"pin\"}"})"}) {
        for (const char *rules :
             {"[]", R"([{"path":"**.t","action":"json"}])",
              R"([{"path":"**.value","action":"mask","keep":2},{"path":"**.name","action":"drop"}])"}) {
            const std::string left = Sanitized(With(pair), rules);
            EXPECT_EQ(left.find("Zq7Xw9"), std::string::npos) << left;
        }
    }
    EXPECT_EQ(Sanitized(R"({"header":"pin","value":1234})"), R"({"header":"pin","value":"[secret]"})");
    for (const char *pair :
         {R"({"name":"Accept","value":"x"})", R"({"name":"has_password","value":"yes"})",
          R"({"name":"password","other":"x"})", R"({"name":"password","value":true})",
          R"(["password","first_name","last_name"])", R"(["access_token","refresh_token","idToken"])",
          R"(["token","https://h.example/a1","2026-01-01T00:00:00Z"])", R"(["my token","Zq7Xw9 Kv3Jt5"])"})
        EXPECT_EQ(Sanitized(pair), pair);
    for (const char *held : {"true", "\"2026-01-01T00:00:00Z\"", "17", "[1]", "\"a\"", "\"[secret]\""})
        for (const char *action :
             {R"("keep")", R"("mask","keep":4)", R"("summary")", R"("drop")", R"("json")"})
            for (const char *path : {"**.value", "**.header", "*"})
                Sanitized(R"({"header":"pin","value":)" + std::string(held) + "}",
                          R"([{"path":")" + std::string(path) + R"(","action":)" + action + "}]");
}

// Names inside a container between a name and its value do not belong to the pair.
TEST(Secret, NameOfAPairBeforeANestedContainer)
{
    for (const char *between :
         {R"({"name":"x"})", R"([{"name":"Accept","value":"y"}])", R"({"a":{"key":"k"}})", "{}"})
        for (const MemberOrder order : {MemberOrder::jsonb, MemberOrder::document})
            for (const char *form : {R"({"name":"X-Api-Key","other":BETWEEN,"value":"VALUE"})",
                                     R"({"key":"pin","meta":BETWEEN,"value":{"a":["VALUE"]}})",
                                     R"({"a":{"id":"password","list":BETWEEN,"val":"VALUE"}})"}) {
                const std::string left = Sanitized(Replaced(With(form), "BETWEEN", between), "[]", order);
                EXPECT_EQ(left.find("Zq7Xw9"), std::string::npos) << left;
            }
    for (const char *plain : {R"({"name":"Accept","other":{"name":"pin"},"value":"a text"})",
                              R"({"other":[{"key":"pin","x":1}],"value":"a text"})"})
        for (const MemberOrder order : {MemberOrder::jsonb, MemberOrder::document})
            EXPECT_NE(Sanitized(plain, "[]", order).find("a text"), std::string::npos) << plain;
}

TEST(Secret, UserInfoWithRawSigns)
{
    for (const char *form : {"https://ann:VALUE@h.example/a", "https://ann:VA/VALUE@h.example",
                             "https://ann:p#VALUE@h.example", "https://ann:p?VALUE@h.example/x",
                             "https://ann:p@VALUE@h.example", "https://ann:p VALUE@h.example"})
        ExpectHidden(With(form));
    EXPECT_EQ(Redact("https://h.example:8080/a@b"), "https://h.example:8080/a@b");
    EXPECT_EQ(Redact("https://h.example/a:b@c"), "https://h.example/a:b@c");
}

std::string AsJson(const std::string &text)
{
    return nlohmann::json(text).dump();
}

std::string Percent(const std::string &text)
{
    std::string out;
    char escape[4];
    for (const char c : text) {
        std::snprintf(escape, sizeof(escape), "%%%02X", static_cast<unsigned char>(c));
        out += std::isalnum(static_cast<unsigned char>(c)) ? std::string(1, c) : escape;
    }
    return out;
}

// PHP writes \/, .NET \u0022 and \u002B, Gson \u003d. Python and JavaScript write the escapes of JSON. Forms
// use percent signs, and HTML uses its entities.
TEST(Secret, EscapedNamesAndValues)
{
    using Writer = std::string (*)(const std::string &);
    const Writer writers[] = {
        AsJson,
        [](const std::string &text) { return Replaced(AsJson(text), "/", "\\/"); },
        [](const std::string &text) {
            return Replaced(Replaced(Replaced(AsJson(text), "\\\"", "\\u0022"), "+", "\\u002B"), "&",
                            "\\u0026");
        },
        [](const std::string &text) {
            return Replaced(Replaced(Replaced(AsJson(text), "=", "\\u003d"), "'", "\\u0027"), "<", "\\u003c");
        },
        Percent,
        [](const std::string &text) {
            return Replaced(Replaced(Replaced(text, "&", "&amp;"), "\"", "&quot;"), "'", "&#39;");
        },
    };
    for (const char *form :
         {R"({"password": "VALUE"})", "Authorization: Bearer VALUE/VALUE", "https://h.example/?a=1&sig=VALUE",
          "user[password]=VALUE", "https://ann:VALUE@h.example", "<password>VALUE</password>",
          R"({"name": "X-Api-Key", "value": "VALUE"})",
          "-----BEGIN PRIVATE KEY-----\nVALUE\n-----END PRIVATE KEY-----"})
        for (const Writer writer : writers) {
            const std::string once = writer(With(form));
            ExpectHidden(once);
            ExpectHidden(writer(once));
            ExpectHidden(writer(writer(once)));
        }
    EXPECT_EQ(Redact("?n=b%3Fx%3D1%26sig%3Dabc"), "?n=b%3Fx%3D1%26sig%3D[secret]");
    EXPECT_EQ(Redact("user%5Bpassword%5D=abc"), "user%5Bpassword%5D=[secret]");
    EXPECT_EQ(Redact(R"(a C:\new\table, 100 %25 &amp; more)"), R"(a C:\new\table, 100 %25 &amp; more)");
}

TEST(Secret, WordsThatAreNoSecrets)
{
    for (const char *text : {"the pin+code = two things",
                             "<th key=\"pin\">PIN</th>",
                             "<label for=\"a\" key=\"pin\">Your number</label>",
                             "<string name=\"password\">Password</string>",
                             "forgot password -> reset page",
                             "the question of the token is: who has it",
                             "call->token->refresh()",
                             "CHANGE PASSWORD FOR ann",
                             "the bearer, internationalization",
                             "We did basic troubleshooting.",
                             "basic responsibilities",
                             "Basic iPhone",
                             "SIP;cause=200;code=404",
                             "https://h.example/?monkey=1&sort_key=b&primary_key=c&idempotency_key=d",
                             "the token is valid: see below",
                             "has_password=true",
                             "token: true",
                             "password_updated_at: 2026-01-01T00:00:00Z",
                             "secret: 2026-01-01T00:00:00Z",
                             "task-list, sk-learn",
                             "pat.txt",
                             "version v1.0-beta"})
        EXPECT_EQ(Redact(text), text);
}

TEST(Secret, TokensOfVendors)
{
    const auto letters = [](std::size_t n, const char *from) {
        std::string out;
        for (std::size_t i = 0; i < n; ++i)
            out += from[(i * 7 + 3) % std::strlen(from)];
        return out;
    };
    const char *alnum = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", *hex = "0123456789abcdef";
    for (const std::string &token :
         {"ghp_" + letters(36, alnum), "AKIA" + letters(16, "ABCDEFGHJKLMNPQRSTUVWXYZ234567"),
          "AIza" + letters(35, alnum), "SK" + letters(32, hex), "sk_live_" + letters(24, alnum),
          "xoxb-123456789012-123456789012-" + letters(24, alnum),
          "SG." + letters(22, alnum) + "." + letters(43, alnum), "glpat-" + letters(20, alnum),
          "npm_" + letters(36, alnum), "AGE-SECRET-KEY-1" + letters(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
          "123456789:A" + letters(34, alnum), letters(4, "abc8") + "Q~" + letters(34, alnum),
          "dapi" + letters(32, hex), letters(32, hex) + "-us12",
          "pat" + letters(14, alnum) + "." + letters(64, hex)}) {
        EXPECT_EQ(Redact(token), "[secret]") << token;
        EXPECT_EQ(Redact("the key (" + token + ") is here"), "the key ([secret]) is here") << token;
        EXPECT_EQ(Redact("x=" + token + "&y=1").find(token.substr(8)), std::string::npos) << token;
    }
    EXPECT_EQ(Redact("https://hooks.slack.com/services/T00000000/B00000000/" + letters(24, alnum)),
              "https://hooks.slack.com/[secret]");
}

TEST(Secret, Urls)
{
    EXPECT_EQ(Redact("see https://u:p@h.com/a?b=1&token=x#f now"),
              "see https://[secret]@h.com/a?b=1&token=[secret]#f now");
    EXPECT_EQ(Redact("https://h.com/?key=a&monkey=b&sig=c&x-amz-signature=d"),
              "https://h.com/?key=[secret]&monkey=b&sig=[secret]&x-amz-signature=[secret]");
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
    EXPECT_EQ(Redact("Bearer abc123xyz."), "Bearer [secret].");
    EXPECT_EQ(Redact("Basic YWdlbnQ6c3dvcmRmaXNo, x"), "Basic [secret], x"); // agent:swordfish
    EXPECT_EQ(Redact("Basic c3dvcmRmaXNo"), "Basic c3dvcmRmaXNo");           // swordfish
    EXPECT_EQ(Redact("the bearer should come; basic information"),
              "the bearer should come; basic information");
    EXPECT_EQ(Redact("x -----BEGIN KEY-----\nMII\n-----END KEY----- y"), "x [secret] y");
    EXPECT_EQ(Redact("-----BEGIN KEY-----\nMII"), "[secret]");
}

// MayHaveSecret skips the search in all other texts: it has to be true for every text with a secret.
TEST(Secret, MayHaveSecret)
{
    for (const char *text :
         {"", "swordfish", "5635304278851584", "ringing", "the caller hung u\xC3\xBC (42)"})
        EXPECT_FALSE(MayHaveSecret(text)) << text;
    for (const char *form :
         {"password=VALUE", "password: VALUE", "password => 'VALUE'", "<password>VALUE</password>",
          "run --token VALUE", "curl -u ann:VALUE", "Bearer VALUE", "bearer VALUE", "['pin', 'VALUE']",
          "https://ann:VALUE@h.example", "eyJVALUE.VALUE", "eyAiVALUE.VALUE", "x\\u003dVALUE", "x%3DVALUE",
          "x&equals;VALUE", "-----BEGIN KEY-----VALUE", "ghp_VALUE", "AKIAVALUE"}) {
        const std::string text = With(form);
        EXPECT_TRUE(MayHaveSecret(text)) << text;
        EXPECT_TRUE(MayHaveSecret(std::string(40, 'x') + text)) << "behind eight letters at once";
    }
}

// If each were read to the end of the text, it would take a minute.
TEST(Secret, TokensThatNeverEndAreReadOnce)
{
    std::string text;
    for (int i = 0; i < 1'000'000; ++i)
        text += "eyJ";
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_FALSE(FindSecret({text, true}, 0, text.size(), false).Found());
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
    const char *names = R"(["door_code"])";
    EXPECT_EQ(Redact("door_code=1234", false, names), "door_code=[secret]");
    EXPECT_EQ(Redact("the door_code: 1234, please", false, names), "the door_code: [secret], please");
    EXPECT_EQ(Redact(R"({"door_code": [1, 2]})", false, names), R"({"door_code": [secret]})");
    EXPECT_EQ(Redact(R"({"door\u005fcode": 1})", false, names), R"({"door\u005fcode": [secret]})");
    EXPECT_EQ(Redact("https://h.example/?door_code=1&b=2", false, names),
              "https://h.example/?door_code=[secret]&b=2");
    EXPECT_EQ(Redact("site.door_code=1", false, names), "site.door_code=[secret]");
    EXPECT_EQ(Redact("front_door_code=1", false, names), "front_door_code=1");
    EXPECT_EQ(Redact("door_code=1234"), "door_code=1234");
    const char *phrases = R"(["door opener", "my code"])";
    for (const char *name :
         {"my+code", "door+opener", "door%20opener", "my_code", "door opener", "the door opener"})
        EXPECT_EQ(Redact("a=1&" + std::string(name) + "=1234&b=2", false, phrases),
                  "a=1&" + std::string(name) + "=[secret]&b=2");
}

TEST(Secret, ReplacingAgainChangesNothing)
{
    for (const char *text :
         {"https://[secret]@h/?token=[secret]", "Bearer [secret]", "Cookie: [secret]",
          R"("password":"[secret]")", R"(\"password\":\"[secret]\")", "token=…", "pin: […"})
        EXPECT_EQ(Redact(text), text == std::string("pin: […") ? "pin: [secret]" : text);
}

} // namespace
