#include "test/unit/sanitize.hpp"

#include "core/base/utf8.hpp"

#include <gtest/gtest.h>

#include <random>

using namespace callhardening;
using namespace callhardening::test;

namespace
{

Json Data(const Json &document, const Policy *policy = DefaultPolicy())
{
    Json result = Sanitize(document, policy).document;
    if (HasRecord(result) && !HasRecord(document))
        result.erase("_sanitized");
    return result;
}

Json J(const std::string &text)
{
    return Json::parse(text);
}

TEST(Payload, LeavesCleanPayloadsAlone)
{
    for (const char *text :
         {R"({"call_id": 5635304278851584, "state": "ringing", "mos": 4.41, "a": [1, null, "", {}]})", "{}",
          "[]", "null", "true", "7", R"("text")", "[[],{},null]",
          R"({"x": {"type": "string", "length": 48211}})"}) {
        const SanitizeResult result = Sanitize(J(text));
        EXPECT_FALSE(result.changed) << text;
        EXPECT_EQ(result.document, J(text));
    }
}

TEST(Payload, DropsEmptyMembersWithWhatTheyWereIn)
{
    EXPECT_EQ(Data(J(R"({"a": {"b": null}, "c": {"d": {"e": [], "f": ""}}, "g": 0, "h": false})")),
              J(R"({"g": 0, "h": false})"));
    EXPECT_EQ(Sanitize(J(R"({"a": {"b": null, "c": {}}, "d": 1})")).counts.dropped, 1u);
    EXPECT_EQ(Data(J(R"({"items": [null, "", [], {}, {"a": null}]})")),
              J(R"({"items": [null, "", [], {}, {}]})"));
}

TEST(Payload, RecordsWhatWasDone)
{
    const Json result = Sanitize(J(R"({"a": null, "password": "x", "t": 1})")).document;
    EXPECT_EQ(result["_sanitized"], "1,1,0,0 1:" + std::string(DefaultPolicy()->hash()));
    EXPECT_EQ(Sanitize(J("[null, {\"a\": null}]")).document, J("[null, {}]"));
}

TEST(Payload, RecordsNothingWhereOnlyEmptyMembersWent)
{
    const auto policy = MakePolicy(
        R"({"version": 1, "rules": [{"path": "**.gone", "action": "drop"}, {"path": "**.text", "action": "json"}]})");
    for (const MemberOrder order : {MemberOrder::jsonb, MemberOrder::document}) {
        const auto record = [&](const char *text) {
            return RecordedCounts(Sanitize(J(text), policy.get(), order).document);
        };
        for (const char *text :
             {R"({"a": null, "x": 1})", R"({"a": {"b": [], "c": {"d": ""}}, "x": 1})",
              R"({"a": {}, "b": ""})", R"({"a": {"b": {"c": null}}, "x": [{"y": null}]})"}) {
            EXPECT_TRUE(Sanitize(J(text), policy.get(), order).changed) << text;
            EXPECT_EQ(record(text), "") << text;
        }
        EXPECT_EQ(record(R"({"a": {"gone": 1}, "x": 1})"), "1,0,0,0");
        EXPECT_EQ(record(R"({"a": {"gone": 1, "b": null}, "c": null, "x": 1})"), "2,0,0,0");
        EXPECT_EQ(record(R"({"gone": null, "x": 1})"), "");
        EXPECT_EQ(record(R"({"text": "{}", "x": 1})"), "");
        EXPECT_EQ(record(R"({"text": "{\"a\": null}", "x": 1})"), "");
        EXPECT_EQ(record(R"({"text": "{\"a\": 1}", "x": 1})"), "0,0,0,0");
        EXPECT_EQ(record(R"({"_sanitized": "1,2,3,0 1:0f0f0f", "a": null, "x": 1})"), "1,2,3,0");
        EXPECT_EQ(Sanitize(J(R"({"_sanitized": "mine", "a": null})"), policy.get(), order).document,
                  J(R"({"_sanitized": "mine"})"));
    }
}

// The text z of `size` bytes stands beside the masked members.
TEST(Payload, RecordsNoMaskThatSavesLessThanTheRecordTakes)
{
    const auto policy = MakePolicy(
        R"({"version": 1, "rules": [{"path": "**.gone", "action": "drop"}, {"path": "**.json", "action": "json"},
            {"path": "**.short", "action": "truncate", "length": 8}], "detectors": {"phone": "mask"}})");
    const auto recorded = [&](std::size_t size, const char *members) {
        Json document = J(members);
        document["z"] = std::string(size, 'z');
        const SanitizeResult sorted = Sanitize(document, policy.get(), MemberOrder::jsonb);
        EXPECT_EQ(sorted.document, Sanitize(document, policy.get(), MemberOrder::document).document);
        EXPECT_EQ(Sanitize(sorted.document, policy.get()).document, sorted.document);
        return RecordedCounts(sorted.document);
    };
    constexpr std::size_t beside = std::string_view(R"({"z": "", "pin": "[secret]"})").size();
    EXPECT_EQ(recorded(250 - beside, R"({"pin": 1234})"), "0,1,0,0");
    EXPECT_EQ(recorded(251 - beside, R"({"pin": 1234})"), "");
    EXPECT_EQ(recorded(300, R"({"to": "+14155550100", "from": "+14155550101"})"), "");
    EXPECT_EQ(recorded(300, R"({"password": "a secret of thirty-five characters..."})"), "");
    EXPECT_EQ(recorded(300, R"({"password": "a secret of forty-eight characters, and no more."})"),
              "0,1,0,0");
    EXPECT_EQ(recorded(300, R"({"pin": 1, "an_empty_one_of_38": null, "another_one": ""})"), "");
    EXPECT_EQ(recorded(300, R"({"pin": 1, "an_empty_one_of_38": null, "another_one_1": {"a": []}})"),
              "2,1,0,0");
    EXPECT_EQ(recorded(300, R"({"password": {"a": 1}})"), "0,1,0,0");
    EXPECT_EQ(recorded(300, R"({"pin": 1, "gone": 1})"), "1,1,0,0");
    EXPECT_EQ(recorded(300, R"({"pin": 1, "short": "123456789"})"), "0,1,1,0");
    EXPECT_EQ(recorded(300, R"({"pin": 1, "json": "[1]"})"), "0,1,0,0");
    EXPECT_EQ(recorded(300, R"({"pin": 1, "_sanitized": "1,2,3,0 1:0f0f0f"})"), "0,1,0,0");
}

TEST(Payload, KnowsARecordByItsForm)
{
    for (const char *record : {"0,0,0,0 1:0f0f0f", "99,1,20,3 1:d20041", "99,99,99,99 9:000000"})
        EXPECT_TRUE(IsRecord(record)) << record;
    for (const char *record :
         {"", "0", "0,0,0,0", "0,0,0,0 ", "0,0,0,0 1:0f0f0", "0,0,0,0 1:0f0f0f0", "0,0,0,0 1:0F0f0f",
          "0,0,0,0  1:0f0f0f", "00,0,0,0 1:0f0f0f", "0,01,0,0 1:0f0f0f", "0,0,0,100 1:0f0f0f",
          "0,0,0 1:0f0f0f", "0,0,0,0,0 1:0f0f0f", "0,0,,0 1:0f0f0f", "-1,0,0,0 1:0f0f0f", "0 0 0 0 1:0f0f0f",
          "0,0,0,0 x:0f0f0f"})
        EXPECT_FALSE(IsRecord(record)) << record;
}

TEST(Payload, DoesNotCountTheCutNameOfADroppedMember)
{
    const auto policy = MakePolicy(
        R"({"version": 1, "rules": [{"path": "**.long*", "action": "drop"}, {"path": "*", "action": "json"}],
            "limits": {"characters": 8}})");
    for (const char *text :
         {R"({"longer name": 1})", R"({"longer name": [1]})", R"({"another name": {"long drop": 1}})"})
        EXPECT_EQ(RecordedCounts(Sanitize(J(text), policy.get()).document), "1,0,0,0") << text;
    for (const char *text : {R"({"another name": {"a": null}})", R"({"another name": "{}"})"})
        EXPECT_EQ(Sanitize(J(text), policy.get()).document, J("{}")) << text;
}

TEST(Payload, ReplacesARecordThatIsTooLongForTheBudget)
{
    const auto policy = MakePolicy(R"({"version": 1, "budget": {"max_bytes": 256}})");
    const Json foreign = {{"_sanitized", std::string(250, 'x')}, {"a", 1}};
    EXPECT_TRUE(Sanitize(foreign, policy.get()).changed);
    EXPECT_EQ(Data(foreign, policy.get()), J(R"({"a": 1})"));
    const Json earlier = {{"_sanitized", "99,99,99,0 1:0f0f0f"}, {"a", std::string(213, 'x')}};
    const SanitizeResult result = Sanitize(earlier, policy.get());
    EXPECT_TRUE(result.changed);
    EXPECT_EQ(RecordedCounts(result.document), "0,0,0,0");
    EXPECT_EQ(result.document["a"], earlier["a"]);
}

TEST(Payload, DetectsByTheNameAsItComesOut)
{
    const auto policy =
        MakePolicy(R"({"version": 1, "detectors": {"phone": "mask"}, "limits": {"characters": 9}})");
    for (const char *text : {R"({"talk_time_id": 4244104033444})", R"({"date_of_phone": 4244104033444})"}) {
        const Json once = Sanitize(J(text), policy.get()).document;
        EXPECT_EQ(Sanitize(once, policy.get()).document, once) << text;
    }
}

TEST(Payload, LeavesMarkersAloneWhoseNameWasCut)
{
    for (const std::string action : {R"("mask", "keep": 4)", R"("drop")", R"("summary")", R"("hash")"}) {
        const auto policy = MakePolicy(R"({"version": 1, "rules": [{"path": "*", "action": )" + action +
                                       R"(}], "limits": {"characters": 11}})");
        for (const char *text : {R"({"authorization": "x"})", R"({"authorization": [1]})",
                                 R"({"authorization": true})", R"({"password": true})"}) {
            const Json once = Sanitize(J(text), policy.get()).document;
            EXPECT_EQ(Sanitize(once, policy.get()).document, once) << text << action;
        }
    }
}

TEST(Payload, TreatsAForeignRecordAsData)
{
    EXPECT_FALSE(Sanitize(J(R"({"_sanitized": {"n": "mine"}})")).changed);
    EXPECT_FALSE(Sanitize(J(R"({"a": {"_sanitized": "1,2,3,0 1:0f0f0f"}})")).changed);
    const Json replaced = Sanitize(J(R"({"_sanitized": {"n": "mine"}, "pin": 1234})")).document;
    EXPECT_EQ(RecordedCounts(replaced), "0,1,0,0");
    const Json secret = Sanitize(J(R"({"_sanitized": {"token": "CANARY1234"}, "z": 1})")).document;
    EXPECT_EQ(secret.dump().find("CANARY"), std::string::npos);
    EXPECT_FALSE(Sanitize(J(R"({"_sanitized": "1,2,3,0 1:0f0f0f", "a": 1})")).changed);
    EXPECT_EQ(RecordedCounts(Sanitize(J(R"({"_sanitized": "1,2,3,0 1:0f0f0f", "pin": 1234})")).document),
              "0,1,0,0");
}

TEST(Payload, TheFirstRuleWinsAndGoesDown)
{
    const auto policy = MakePolicy(R"({"version": 1, "rules": [
        {"path": "contact.id", "action": "keep"},
        {"path": "contact", "action": "mask", "keep": 2},
        {"path": "**.x*z", "action": "drop"},
        {"path": "a.*.c", "action": "summary"},
        {"path": "**.big", "action": "summary"}]})");
    EXPECT_EQ(Data(J(R"({"contact": {"id": "12345", "name": "Jane Doe", "more": {"n": 12345, "b": true}}})"),
                   policy.get()),
              J(R"({"contact": {"id": "12345", "name": "***oe", "more": {"n": "***45", "b": "***"}}})"));
    EXPECT_EQ(Data(J(R"({"xyz": 1, "k": [{"xz": {"a": 1}}, {"xzy": 2}]})"), policy.get()),
              J(R"({"k": [{}, {"xzy": 2}]})"));
    EXPECT_EQ(Data(J(R"({"a": {"b": {"c": "four"}, "c": "not"}, "c": 1})"), policy.get()),
              J(R"({"a": {"b": {"c": {"type": "string", "length": 4}}, "c": "not"}, "c": 1})"));
    EXPECT_EQ(Data(J(R"({"big": [1, 2, 3], "o": {"big": {"a": 1, "b": 2}}})"), policy.get()),
              J(R"({"big": {"type": "array", "length": 3}, "o": {"big": {"type": "object", "length": 2}}})"));
}

TEST(Payload, MasksShortTextsWhole)
{
    const auto policy =
        MakePolicy(R"({"version": 1, "rules": [{"path": "p", "action": "mask", "keep": 4}]})");
    EXPECT_EQ(Data(J(R"({"p": "+15105550101"})"), policy.get()), J(R"({"p": "***0101"})"));
    EXPECT_EQ(Data(J(R"({"p": "0101"})"), policy.get()), J(R"({"p": "***"})"));
    EXPECT_EQ(Data(J(R"({"p": "***0101"})"), policy.get()), J(R"({"p": "***0101"})"));
    EXPECT_EQ(Data(J(R"({"p": 15105550101})"), policy.get()), J(R"({"p": "***0101"})"));
}

// The kept end of a masked text may be a secret's end, at any level of spelling.
TEST(Payload, MasksTextsWithASecretWhole)
{
    const auto policy =
        MakePolicy(R"({"version": 1, "rules": [{"path": "p", "action": "mask", "keep": 8}]})");
    for (const char *text : {"token=abcd1234", "token%3Dabcd1234", "x?b%3D1%26sig%253Dabcd1234",
                             R"({\u0022password\u0022:\u0022abcdefgh)", R"(["X-Api-Key", "abcd1234"])"})
        EXPECT_EQ(Data(Json{{"p", text}}, policy.get()), J(R"({"p": "***"})")) << text;
}

TEST(Payload, CutsWhereNothingIsTorn)
{
    const auto policy = MakePolicy(R"({"version": 1, "limits": {"characters": 8}})");
    const auto cut = [&](const std::string &text) {
        return Data(Json{{"t", text}}, policy.get())["t"].get<std::string>();
    };
    EXPECT_EQ(cut("12345678"), "12345678");
    EXPECT_EQ(cut("123456789"), "1234567…");
    EXPECT_EQ(cut("ääääääääää"), "äääääää…");
    EXPECT_EQ(cut("123456e\u0301789"), "123456…");
    EXPECT_EQ(cut("12345👍🏽6789"), "12345👍🏽…");
    EXPECT_EQ(cut("123456👍🏽789"), "123456…");
    EXPECT_EQ(cut("1234👩\u200D👩\u200D👧xyz"), "1234…");
    EXPECT_EQ(cut("🇩🇪🇫🇷🇮🇹🇪🇸🇵🇹"), "🇩🇪🇫🇷🇮🇹…");
    EXPECT_EQ(cut("tok=1 token=abcdefgh"), "tok=1 t…");
    EXPECT_EQ(cut("pin=12345 and more"), "pin=…");
}

TEST(Payload, OpensJsonInStrings)
{
    const Json document{
        {"custom_data", R"({"a": {"secret": "CANARY1234", "n": 1.50e1}, "i": [-0, 1E2, 0.10, 100e-3]})"}};
    EXPECT_EQ(Data(document)["custom_data"].dump(),
              Json::parse(R"({"a": {"secret": "[secret]", "n": 15.0}, "i": [0, 100, 0.1, 0.1]})").dump());
    Json deep = J(R"({"password": "CANARY1234", "ok": 1})");
    for (int level = 0; level < 6; ++level)
        deep = Json{{"custom_data", deep.dump()}};
    EXPECT_EQ(Sanitize(deep).document.dump().find("CANARY"), std::string::npos);
    EXPECT_EQ(Data(Json{{"custom_data", "{not json"}}), J(R"({"custom_data": "{not json"})"));
    EXPECT_EQ(Data(Json{{"custom_data", R"(["\u0000"])"}}), (Json{{"custom_data", R"(["\u0000"])"}}));
    EXPECT_EQ(Data(Json{{"custom_data", "[1e999]"}}),
              J(R"({"custom_data": [{"type": "number", "length": 1000}]})"));
    EXPECT_EQ(Data(Json{{"custom_data", "[1e50]"}}),
              J(R"({"custom_data": [{"type": "number", "length": 51}]})"));
}

TEST(Payload, ReportsLackOfMemory)
{
    const Json document =
        J(R"({"a": [1, 2], "password": "x", "custom_data": "{\"a\": [1, {\"b\": \"bearer abcdef123\"}]}",
                               "recap_summary": "0123456789012345678901234567890123456789 and more than that"})");
    long allocations = 0;
    for (Heap::left = 0; !Sanitize(document).complete; Heap::left = ++allocations)
        ASSERT_LT(allocations, 1000);
    Heap::left = -1;
    EXPECT_GT(allocations, 2);
}

// ---- random documents -------------------------------------------------------------------------------

const char *const policies[] = {
    R"({"version": 1, "limits": {"depth": 4, "members": 6, "items": 3, "characters": 20},
        "rules": [{"path": "**.id", "action": "keep"}, {"path": "**.type", "action": "drop"},
                  {"path": "**.data", "action": "json"}, {"path": "**.phone", "action": "mask", "keep": 4},
                  {"path": "**.text", "action": "truncate", "length": 12}, {"path": "**.b*k", "action": "summary"}]})",
    R"({"version": 1, "limits": {"depth": 2, "members": 2, "items": 1, "characters": 8},
        "rules": [{"path": "**", "action": "json"}]})",
    R"({"version": 1, "rules": [{"path": "**", "action": "mask", "keep": 3}]})",
    R"({"version": 1, "limits": {"depth": 64}, "rules": [{"path": "**.*a*", "action": "summary"},
        {"path": "**", "action": "truncate", "length": 9}]})",
    R"({"version": 1, "secrets": ["phone"], "rules": [{"path": "_sanitized", "action": "drop"},
        {"path": "**.length", "action": "mask", "keep": 0}]})",
};

class Generator
{
public:
    explicit Generator(unsigned seed) : random_(seed) {}

    Json Document() { return Pick(10) == 0 ? Value(0) : Object(0); }
    std::size_t Pick(std::size_t n) { return random_() % n; }

private:
    template <std::size_t n>
    std::string One(const char *const (&words)[n])
    {
        return words[Pick(n)];
    }

    Json Object(int depth)
    {
        Json object = Json::object();
        for (std::size_t i = Pick(9); i > 0; --i)
            object[Name()] = Value(depth + 1);
        return object;
    }

    Json Value(int depth)
    {
        switch (Pick(depth > 6 ? 6 : 9)) {
        case 0:
            return nullptr;
        case 1:
            return Pick(2) == 0;
        case 2:
            return random_() % 1000000;
        case 3:
            return 1.25 * static_cast<double>(Pick(1000));
        case 4:
        case 5:
            return Text();
        case 6: {
            Json array = Json::array();
            for (std::size_t i = Pick(6); i > 0; --i)
                array.push_back(Value(depth + 1));
            return array;
        }
        default:
            return Object(depth);
        }
    }

    std::string Name()
    {
        static constexpr const char *names[] = {"id",
                                                "type",
                                                "length",
                                                "data",
                                                "phone",
                                                "text",
                                                "book",
                                                "a",
                                                "b",
                                                "c",
                                                "password",
                                                "x-api-key",
                                                "recording_url",
                                                "recordings",
                                                "url",
                                                "voicemail_link",
                                                "_sanitized",
                                                "n",
                                                "p",
                                                "custom_data",
                                                "transcript",
                                                "contact",
                                                "author",
                                                "[secret]",
                                                "a very long name that is cut by most limits",
                                                "password=hunter22",
                                                "ａｂｃ",
                                                ""};
        return One(names);
    }

    std::string Text()
    {
        static constexpr const char *pieces[] = {"",
                                                 "a",
                                                 " ",
                                                 "…",
                                                 "***",
                                                 "[secret]",
                                                 "[sec",
                                                 "hello world ",
                                                 "token=",
                                                 "token: ",
                                                 "\"password\":\"",
                                                 "\"",
                                                 "\\\"",
                                                 "\\",
                                                 "https://",
                                                 "user:pass@",
                                                 "example.com",
                                                 "/path/",
                                                 "?sig=abc&x=1",
                                                 "#key=1",
                                                 "Bearer ",
                                                 "abcDEF123456",
                                                 "Basic ",
                                                 "eyJhbGciOiJIUzI1NiJ9",
                                                 ".eyJzdWIiOiIxIn0",
                                                 ".c2lnbmF0dXJl",
                                                 "-----BEGIN KEY-----",
                                                 "-----END KEY-----",
                                                 "\n",
                                                 "\r\n",
                                                 "e\u0301",
                                                 "👍🏽",
                                                 "🇩🇪",
                                                 "\u200D",
                                                 "ä",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 "{\"a\":1}",
                                                 "[1,2,{\"secret\":\"x\"}]",
                                                 "string",
                                                 "number",
                                                 ":",
                                                 "=",
                                                 "%3D",
                                                 "&",
                                                 "Cookie: a=b; c=d",
                                                 "sip:a:b@c",
                                                 ",",
                                                 "'",
                                                 "12345678901234567890"};
        if (Pick(6) == 0)
            return Object(4).dump();
        std::string text;
        for (std::size_t i = Pick(8); i > 0; --i)
            text += One(pieces);
        return text;
    }

    std::mt19937 random_;
};

void ExpectLimits(const Json &value, const Limits &limits, std::uint32_t depth, std::size_t characters,
                  bool root)
{
    const bool summary =
        value.is_object() && value.size() == 2 && value.contains("type") && value.contains("length");
    if (value.is_structured() && !value.empty() && !summary) {
        EXPECT_LE(depth, limits.depth) << value;
    }
    if (value.is_object()) {
        EXPECT_LE(value.size(), limits.members + (root ? 1 : 0));
        for (const auto &[name, member] : value.items()) {
            EXPECT_LE(CountCharacters(name), std::max<std::size_t>(limits.characters, 10));
            EXPECT_FALSE(member.is_null() || (member.is_structured() && member.empty()) || member == "")
                << value;
            if (!(root && name == "_sanitized") && !summary)
                ExpectLimits(member, limits, depth + 1, characters, false);
        }
    } else if (value.is_array()) {
        EXPECT_LE(value.size(), limits.items);
        for (const Json &item : value)
            ExpectLimits(item, limits, depth + 1, characters, false);
    } else if (value.is_string()) {
        EXPECT_LE(CountCharacters(value.get_ref<const std::string &>()), characters) << value;
    }
}

TEST(Payload, SanitizingTwiceChangesNothingAndLimitsHold)
{
    for (unsigned seed = 0; seed < 5000 && !testing::Test::HasFailure(); ++seed) {
        Generator generator(seed);
        const Json document = generator.Document();
        const std::size_t which = generator.Pick(std::size(policies) + 1);
        const auto own = which < std::size(policies) ? MakePolicy(policies[which]) : nullptr;
        const Policy *policy = own ? own.get() : DefaultPolicy();
        const SanitizeResult once = Sanitize(document, policy);
        const SanitizeResult twice = Sanitize(once.document, policy);
        EXPECT_FALSE(twice.changed) << "seed " << seed << " policy " << which << "\n"
                                    << document << "\n"
                                    << once.document << "\n"
                                    << twice.document;
        EXPECT_EQ(once.changed, once.document != document) << document << once.document;
        EXPECT_LE(once.printed, policy->max_bytes());
        const SanitizeResult other = Sanitize(document, policy, MemberOrder::document);
        EXPECT_EQ(once.document, other.document) << "seed " << seed << " policy " << which << "\n"
                                                 << document;
        ExpectLimits(once.document, policy->limits(), 1,
                     std::max<std::size_t>(policy->limits().characters, 80), true);
    }
}

// ---- secrets ----------------------------------------------------------------------------------------

constexpr char canary[] = "Zq7Xw9Kv3Jt5Rm1N";

void ExpectGone(const Json &document, const Policy *policy)
{
    const std::string result = Sanitize(document, policy).document.dump();
    for (std::size_t i = 0; i + 6 < sizeof(canary); ++i)
        ASSERT_EQ(result.find(std::string(canary + i, 6)), std::string::npos) << document << "\n" << result;
}

Json Nest(Json value, int depth, bool in_array)
{
    for (int level = 0; level < depth; ++level)
        value = in_array && level % 2 == 0 ? Json::array({value}) : Json{{"level", value}};
    return value;
}

TEST(Payload, NoSecretSurvives)
{
    const std::string c = canary;
    const auto open = MakePolicy(
        R"({"version": 1, "limits": {"depth": 64, "characters": 100000}, "rules": [{"path": "**", "action": "keep"}]})");
    const auto json =
        MakePolicy(R"({"version": 1, "limits": {"depth": 64}, "rules": [{"path": "**", "action": "json"}]})");
    std::vector<Json> secrets;
    for (const char *name : {"password",
                             "user_password",
                             "Pass-Word",
                             "client_secret",
                             "access_token",
                             "token",
                             "Authorization",
                             "proxy-authorization",
                             "cookie",
                             "Set-Cookie",
                             "cookies",
                             "api_key",
                             "X-API-Key",
                             "apikey",
                             "signature",
                             "x-twilio-signature",
                             "X-Hub-Signature-256",
                             "private_key",
                             "credentials",
                             "dtmf_digits",
                             "digits",
                             "dtmf",
                             "pin",
                             "passcode",
                             "otp",
                             "auth",
                             "jwt",
                             "aws_secret_access_key",
                             "card_number"}) {
        for (const Json &value :
             {Json(c), Json::array({c}), Json{{"x", c}}, Json{{"x", Json::array({Json{{"y", c}}})}}})
            secrets.push_back(Json{{name, value}});
        secrets.push_back(Json(Json{{name, c}}.dump()));
        secrets.push_back(Json(Json(Json{{name, c}}.dump()).dump()));
        secrets.push_back(Json(Json{{"a", Json{{name, c}}.dump()}}.dump()));
        secrets.push_back(Json(Json{{name, Json::array({1, c})}}.dump()));
        secrets.push_back(Json(std::string(name) + "=" + c + "&x=1"));
        secrets.push_back(Json("a\r\n" + std::string(name) + ": " + c + "\r\nHost: x"));
        secrets.push_back(Json("https://example.com/p?a=1&" + std::string(name) + "=" + c + "#end"));
    }
    for (const std::string &text :
         {"eyJhbGciOiJIUzI1NiJ9." + c + "." + c, "x eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ." + c + " y",
          "Authorization: Bearer " + c, "bearer " + c, "Basic " + c,
          "Authorization: Digest username=\"" + c + "\", response=\"" + c + "\"",
          "https://user:" + c + "@example.com/x", "https://" + c + "@example.com",
          "sip:alice:" + c + "@example.com", "https://e.com/?sig=" + c, "https://e.com/?X-Amz-Signature=" + c,
          "https://e.com/#access_token=" + c, "https://e.com/cb?code=" + c,
          "https://e.com/?u=https%3A%2F%2Fx%3Ftoken%3D" + c,
          "-----BEGIN PRIVATE KEY-----\n" + c + "\n-----END PRIVATE KEY-----",
          "-----BEGIN RSA PRIVATE KEY-----\n" + c, "password: \"[secret]" + c + "\"", "password=[secret]" + c,
          "password=…" + c}) {
        secrets.push_back(text);
        secrets.push_back(Json{{text, 1}});
        secrets.push_back(Json{{"text", text + std::string(5000, 'x')}});
        for (std::size_t before = 60; before < 140; before += 5)
            secrets.push_back(Json{{"transcript", std::string(before, ' ') + text}});
    }
    for (const char *name :
         {"recording_url", "voicemail_link", "voicemail_share_link", "call_recording_share_links",
          "access_link", "company_call_review_share_link", "admin_recording_urls", "screen_recording_urls"}) {
        secrets.push_back(Json{{name, "https://example.com/" + c + "?x=" + c}});
        secrets.push_back(
            Json{{name, Json::array({"https://example.com/" + c, "http://a:b@example.com#" + c})}});
        secrets.push_back(Json{{name, "/shared/" + c}});
    }
    for (const char *name :
         {"recording", "recordings", "recording_details", "voicemail", "media", "attachments"})
        secrets.push_back(Json{
            {name, Json::array({Json{{"id", 1}, {"url", "https://example.com/" + c}, {"uri", "/x/" + c}}})}});
    for (const Json &secret : secrets)
        for (const Policy *policy : {DefaultPolicy(), open.get(), json.get()})
            for (const int depth : {0, 1, 10})
                for (const bool in_array : {false, true})
                    ExpectGone(Nest(secret, depth, in_array), policy);
}

// Uses the policy `default` without its detectors: these have their own test.
TEST(Payload, OrdinaryTextsStay)
{
    Json undetected = J(std::string(BuiltInPolicy("default")));
    undetected.erase("detectors");
    const auto policy = MakePolicy(undetected.dump());
    for (
        const char *text :
        {R"({"author": "Jane", "tokenizer": "bpe", "keyboard": "qwerty", "session_id": "a4fad4b3-b388-12ee",
            "raw_digits": "+1 800-123-4567"})",
         R"({"client_type": "aGF2ZSBhIG5pY2UgZGF5", "call_control_id": "v2:7subYr8fLrXmaAXm8egeAMpoSJ72J3SGPUuome81-hQuaKRf9b7hKA"})",
         R"({"time": "2018-05-08T21:33:19.300000", "id": "abcabcab-abca-abca-abca-abcabcabcabc", "group_id": "Office:5527348325810176"})",
         R"({"url": "https://example.com/a/b?page=2&view=Simple#top", "sip": "sip:alice@example.com", "t": "12:30:45, x=1, y: 2"})",
         R"({"text": "a bearer of news got basic information about the token economy", "big": 9007199254740993, "d": 1.10})",
         R"({"shipping": "x", "spin": "y", "mapping": "z", "keys": 3, "primary_key": 7, "was_recorded": true, "monkey": "m"})",
         R"({"token": true, "voicemail": "left", "media": "phone", "recording_type": "call"})"}) {
        const SanitizeResult result = Sanitize(J(text), policy.get());
        EXPECT_FALSE(result.changed) << result.document;
    }
}

TEST(Payload, LinksAreHeldToTheirHostWhereverTheyAreNamed)
{
    for (const char *text :
         {R"({"body": "{\"recording_url\":\"https://x.com/r/hunter2\"}"})",
          R"({"body": "From=1&recording_url=https://x.com/r/hunter2&To=2"})",
          R"({"body": "RecordingUrl: https://x.com/r/hunter2"})", R"({"share_link": "x.com?hunter2"})",
          R"({"voicemail_url": "dialpad:hunter2"})", R"({"signed_url": "https://x.com/r/hunter2"})"})
        EXPECT_EQ(Sanitize(J(text)).document.dump().find("hunter2"), std::string::npos) << text;
    EXPECT_EQ(Data(J(R"({"body": "see url=https://x.com/a/b or https://x.com/c"})")),
              J(R"({"body": "see url=https://x.com/a/b or https://x.com/c"})"));
}

} // namespace
