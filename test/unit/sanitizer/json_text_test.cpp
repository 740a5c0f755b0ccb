#include "core/sanitizer/json_text.hpp"

#include "test/unit/sanitize.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>

using callhardening::FeedText;
using callhardening::LooksLikeJson;
using callhardening::MemberOrder;
using callhardening::Policy;
using callhardening::Sanitizer;
using callhardening::TextVerdict;
using namespace callhardening::test;

namespace
{

const callhardening::Pseudonyms no_keys;

struct TextResult {
    TextVerdict verdict;
    Json document;
};

TextResult SanitizeText(const std::string &text, const Policy &policy = *callhardening::DefaultPolicy())
{
    const std::vector<char> bytes(text.begin(),
                                  text.end()); // exactly the text's bytes, so ASan sees a read past the end
    Sanitizer sanitizer(policy, no_keys, Heap::Allocate, MemberOrder::document);
    TextResult result{FeedText({bytes.data(), bytes.size()}, sanitizer, nullptr), {}};
    if (sanitizer.doubtful())
        result.verdict = TextVerdict::doubt;
    if (result.verdict == TextVerdict::done && sanitizer.Finish())
        result.document = Json::parse(ToText(sanitizer.tokens()));
    Heap::blocks.clear();
    return result;
}

const Policy &KeepAll()
{
    static const auto policy = MakePolicy(R"({"version": 1, "limits": {"depth": 64, "characters": 100000}})");
    return *policy;
}

// Documents of every shape, with white space wherever JSON allows it.
class RandomText
{
public:
    explicit RandomText(unsigned seed) : random_(seed) {}

    std::string Value(int depth)
    {
        const int kind = Pick(depth > 0 ? 8 : 6);
        switch (kind) {
        case 0:
            return Space() + String() + Space();
        case 1:
            return Space() + Number() + Space();
        case 2:
            return Space() + "true" + Space();
        case 3:
            return Space() + "false" + Space();
        case 4:
            return Space() + "null" + Space();
        case 5:
            return Space() + (Pick(2) == 0 ? "{" + Space() + "}" : "[" + Space() + "]") + Space();
        default:
            return Space() + Container(depth, kind == 6) + Space();
        }
    }

    int Pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

private:
    std::string Container(int depth, bool object)
    {
        std::string text(1, object ? '{' : '[');
        const int members = 1 + Pick(5);
        for (int i = 0; i < members; ++i) {
            text += i > 0 ? "," : "";
            if (object)
                text += Space() + Name(i) + Space() + ":";
            text += Value(depth - 1);
        }
        return text + (object ? '}' : ']');
    }

    std::string Space()
    {
        static const std::string spaces[] = {"", "", "", "", " ", "\n", "\t \r\n"};
        return spaces[Pick(7)];
    }
    std::string Name(int i)
    {
        static const std::string names[] = {"\"call_id", "\"contact", "\"request", "\"\\u0061\\n",
                                            "\"labels"};
        return names[Pick(5)] + std::to_string(Pick(2) == 0 ? 0 : i) + std::to_string(i) + "\"";
    }
    std::string String()
    {
        static const std::string strings[] = {
            "\"\"", "\"x\"", "\"\\\"\"", "\"\\ud83d\\ude00 {[\"", "\"a]},:\\\\\"", "\"seventeen letters\""};
        return strings[Pick(6)];
    }
    std::string Number()
    {
        static const std::string numbers[] = {"0", "-1", "12.5", "1234567890123", "-0", "-7.25"};
        return numbers[Pick(6)];
    }

    std::mt19937 random_;
};

TEST(JsonText, GivesTheResultOfTheParsedDocument)
{
    const auto some = MakePolicy(R"({"version": 1, "rules": [
        {"path": "**.request*", "action": "summary"}, {"path": "**.call_id*", "action": "drop"},
        {"path": "**.labels*", "action": "truncate", "length": 8}], "limits": {"items": 3, "depth": 4}})");
    for (unsigned seed = 0; seed < 20000; ++seed) {
        const std::string text = RandomText(seed).Value(6);
        for (const Policy *policy : {&KeepAll(), some.get()}) {
            const TextResult result = SanitizeText(text, *policy);
            ASSERT_EQ(result.verdict, TextVerdict::done) << text;
            ASSERT_EQ(result.document, Sanitize(Json::parse(text), policy).document) << text;
        }
    }
}

// The scanner also validates text that the policy drops.
TEST(JsonText, DoubtsWhatTheParserRefuses)
{
    const auto summarise = MakePolicy(R"({"version": 1, "rules": [{"path": "**", "action": "summary"}]})");
    const std::string marks = "{}[]:,\"\\ \n0-.etn";
    int refused = 0;
    for (unsigned seed = 0; seed < 20000; ++seed) {
        RandomText random(seed);
        std::string text = random.Value(4);
        for (int changes = random.Pick(3); changes >= 0; --changes) {
            const auto position = static_cast<std::size_t>(random.Pick(static_cast<int>(text.size())));
            const char mark = marks[static_cast<std::size_t>(random.Pick(static_cast<int>(marks.size())))];
            text.replace(position, static_cast<std::size_t>(random.Pick(2)), 1, mark);
        }
        const bool json = Json::accept(text);
        refused += json ? 0 : 1;
        for (const Policy *policy : {&KeepAll(), summarise.get()})
            ASSERT_EQ(SanitizeText(text, *policy).verdict == TextVerdict::done, json) << text;
    }
    EXPECT_GT(refused, 10000);
}

TEST(JsonText, DoubtsWhatJsonbRefuses)
{
    for (const char *text : {"", " ", "\xEF\xBB\xBF{}", "{}\xC2\xA0", "{} {}", "{}x", "\"\\u0000\"",
                             "{\"\\u0000\": 1}", "[\"\\udc00\"]", "[1e99999]", "{1: 2}", "{true: 2}",
                             "{[]: 2}", "[1 2]", "[\"a\" \"b\"]", "[1,]", "{\"a\" \"b\"}"})
        EXPECT_EQ(SanitizeText(text).verdict, TextVerdict::doubt) << text;
    EXPECT_EQ(SanitizeText(std::string("{}\0", 3)).verdict, TextVerdict::doubt);
    EXPECT_EQ(SanitizeText(std::string("{}\0{}", 5)).verdict, TextVerdict::doubt);
}

TEST(JsonText, KeepsNumbersToTheDigit)
{
    Sanitizer sanitizer(KeepAll(), no_keys, Heap::Allocate, MemberOrder::document);
    const std::string text = "[9007199254740993,-0,1.10,1e2,-1.50E1,0.00,123456789012345678901234567890]";
    EXPECT_EQ(FeedText(text, sanitizer, nullptr), TextVerdict::done);
    EXPECT_TRUE(sanitizer.Finish());
    EXPECT_EQ(ToText(sanitizer.tokens()),
              "[9007199254740993, 0, 1.10, 100, -15.0, 0.00, 123456789012345678901234567890]");
}

TEST(JsonText, RefersToTheTextWhereNothingIsEscaped)
{
    Sanitizer sanitizer(KeepAll(), no_keys, Heap::Allocate, MemberOrder::document);
    const std::string text = "[\"plain\"]";
    EXPECT_EQ(FeedText(text, sanitizer, nullptr), TextVerdict::done);
    EXPECT_TRUE(sanitizer.Finish());
    EXPECT_EQ(sanitizer.tokens()[1].data, text.data() + 2);
}

TEST(JsonText, StopsAtAnInterrupt)
{
    const volatile std::sig_atomic_t interrupt = 1;
    Sanitizer sanitizer(KeepAll(), no_keys, Heap::Allocate, MemberOrder::document);
    EXPECT_EQ(FeedText("[1, 2, 3]", sanitizer, &interrupt), TextVerdict::interrupted);
}

TEST(JsonText, OpensStringsThatAreJson)
{
    const auto open = MakePolicy(R"({"version": 1, "rules": [{"path": "**", "action": "json"}]})");
    EXPECT_EQ(SanitizeText(R"({"a": "{\"b\": [1.50e1, \"\\u0041\", \"[2]\"]}"})", *open).document["a"],
              Json::parse(R"({"b": [15.0, "A", [2]]})"));
    EXPECT_EQ(SanitizeText(R"(["[1, \"\\u0000\"]", "{", "[1] 2"])", *open).document,
              Json::parse(R"(["[1, \"\\u0000\"]", "{", "[1] 2"])"));
}

TEST(JsonText, KnowsTheRecordOfAnEarlierPass)
{
    const std::string record = R"("_sanitized" : "1,2,3,\u0030 1:0f0f0f" )";
    const Json kept = Json::parse("{\"a\": 1," + record + "}");
    EXPECT_EQ(SanitizeText("{\"a\": 1," + record + "}").document, kept);
    EXPECT_EQ(SanitizeText("{" + record + ", \"a\": 1}").document, kept);
    EXPECT_EQ(SanitizeText("{\"_sanitized\": 7," + record + ", \"a\": 1}").document, kept);
    const auto one_member = MakePolicy(R"({"version": 1, "limits": {"members": 1}})");
    EXPECT_EQ(SanitizeText("{\"a\": 1," + record + "}", *one_member).document, kept);
    EXPECT_EQ(SanitizeText("{\"a\": 1," + record + ", \"_sanitized\": 7}").document["_sanitized"], 7);
    EXPECT_EQ(SanitizeText("{\"b\": {" + record + "}}").document["b"], Json::parse("{" + record + "}"));
}

TEST(JsonText, PassesItemsBeyondTheLimit)
{
    const auto three = MakePolicy(R"({"version": 1, "limits": {"items": 3}})");
    EXPECT_EQ(SanitizeText("[1, {\"a\": 2}, [3], {\"a\": [4, {}]}, 5]", *three).document,
              Json::parse("[1, {\"a\": 2}, [3]]"));
    EXPECT_EQ(SanitizeText("[1, 2, 3]", *three).document, Json::parse("[1, 2, 3]"));
    EXPECT_EQ(SanitizeText("[1, 2, 3, ]", *three).verdict, TextVerdict::doubt);
    EXPECT_EQ(SanitizeText("[1, 2, 3, 4", *three).verdict, TextVerdict::doubt);
    EXPECT_EQ(SanitizeText("[1, 2, 3, 4}", *three).verdict, TextVerdict::doubt);
    // A full array around a text in a string does not make arrays in the text full.
    const auto open =
        MakePolicy(R"({"version": 1, "rules": [{"path": "**", "action": "json"}], "limits": {"items": 2}})");
    EXPECT_EQ(SanitizeText(R"({"a": [1, "[2, [3], 4]"]})", *open).document["a"],
              Json::parse("[1, [2, [3]]]"));
    EXPECT_EQ(SanitizeText(R"({"a": [1, " \"two\" "]})", *open).document["a"], Json::parse("[1, \"two\"]"));
}

// A member that lost all its tokens still counts and has a position among the others.
TEST(JsonText, OrdersMembersThatHaveLostTheirTokens)
{
    const auto policy = MakePolicy(
        R"({"version": 1, "limits": {"members": 2, "items": 10000}, "budget": {"max_bytes": 256}})");
    constexpr int items_until_all_are_shed = 4094;
    std::string shed = '"' + std::string(300, 'x') + '"';
    for (int i = 1; i < items_until_all_are_shed; ++i)
        shed += ",\"" + std::string(300, 'x') + '"';
    const auto empty = [](int from) {
        std::string members;
        for (int i = from; i < from + 80; ++i)
            members += ", \"n" + std::to_string(i) + "\": null";
        return members;
    };
    const std::string text =
        "{\"y\": [" + shed + "], \"x\": 1" + empty(100) + ", \"w\": 2" + empty(200) + ", \"v\": 3}";
    Json document = SanitizeText(text, *policy).document;
    document.erase("_sanitized");
    EXPECT_EQ(document, Json::parse(R"({"v": 3, "w": 2})"));
}

TEST(JsonText, ReportsTheLackOfMemory)
{
    const std::string text = R"({"a\n": "b\n", "c": [1e2, "{\"d\": \"\\n\"}"], "call_id": {"e": 1}})";
    for (long left = 0; left < 20; ++left) {
        Heap::left = left;
        Sanitizer sanitizer(KeepAll(), no_keys, Heap::Allocate, MemberOrder::document);
        const TextVerdict verdict = FeedText(text, sanitizer, nullptr);
        const bool complete = sanitizer.Finish();
        Heap::left = -1;
        Heap::blocks.clear();
        EXPECT_EQ(verdict, TextVerdict::done);
        if (complete)
            return;
    }
    FAIL() << "more allocations than there can be";
}

TEST(JsonText, TellsJsonByItsFirstByte)
{
    EXPECT_TRUE(LooksLikeJson(" {"));
    EXPECT_TRUE(LooksLikeJson("\n["));
    EXPECT_TRUE(LooksLikeJson("\"a"));
    EXPECT_FALSE(LooksLikeJson(""));
    EXPECT_FALSE(LooksLikeJson("1"));
    EXPECT_FALSE(LooksLikeJson("x {"));
}

} // namespace
