#include "core/policy/built_in_policy.hpp"
#include "core/policy/policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace callhardening;

namespace
{

std::string Mistake(const std::string &text)
{
    SettingError error;
    const Policy *policy = Policy::Compile(text, error);
    if (policy != nullptr) {
        Policy::Delete(policy);
        return "none";
    }
    return std::string(error.field) + ": " + error.reason;
}

std::string RuleMistake(const std::string &rule)
{
    return Mistake(R"({"version": 1, "rules": [{"path": "a", "action": "keep"}, )" + rule + "]}");
}

TEST(Policy, NamesThePlaceOfAMistake)
{
    EXPECT_EQ(Mistake(""), "document: is no JSON, or has a number out of range");
    EXPECT_EQ(Mistake("{\"version\": 1"), "document: is no JSON, or has a number out of range");
    EXPECT_EQ(Mistake("[]"), "document: must be an object");
    EXPECT_EQ(Mistake("{}"), "version: is missing");
    EXPECT_EQ(Mistake(R"({"version": 2})"), "version: must be 1");
    EXPECT_EQ(Mistake(R"({"version": 1, "rule": []})"), "document: has an unknown member \"rule\"");
    EXPECT_EQ(Mistake(R"({"version": 1, "+1 415 555 0100": []})"),
              "document: has an unknown member of 15 bytes");
    EXPECT_EQ(Mistake(R"({"version": 1, "rules": {}})"), "rules: must be an array of at most 1000 rules");
    EXPECT_EQ(Mistake(R"({"version": 1, "secrets": ["a", " _"]})"), "secrets[1]: must be a name");
    for (const char *name : {"type", "Length", "_sanitized"})
        EXPECT_EQ(Mistake(R"({"version": 1, "secrets": [")" + std::string(name) + "\"]}"),
                  "secrets[0]: must not be a name that the sanitizer writes: type, length, _sanitized");
    EXPECT_EQ(Mistake(R"({"version": 1, "limits": {"depth": 65}})"),
              "limits.depth: must be a whole number from 1 to 64");
    EXPECT_EQ(Mistake(R"({"version": 1, "limits": {"items": -1}})"),
              "limits.items: must be a whole number from 1 to 1000000");
    EXPECT_EQ(Mistake(R"({"version": 1, "limits": {"bytes": 1}})"),
              "limits: has an unknown member \"bytes\"");
    EXPECT_EQ(Mistake(R"({"version": 1, "detectors": ["phone"]})"), "detectors: must be an object");
    EXPECT_EQ(Mistake(R"({"version": 1, "detectors": {"phone": "drop"}})"),
              "detectors.phone: must be one of keep, mask, hash");
    EXPECT_EQ(Mistake(R"({"version": 1, "detectors": {"card": true}})"),
              "detectors.card: must be one of keep, mask, hash");
    EXPECT_EQ(Mistake(R"({"version": 1, "detectors": {"vat": "mask"}})"),
              "detectors: has an unknown member \"vat\"");
    EXPECT_EQ(Mistake(R"({"version": 1, "budget": 1000})"), "budget: must be an object");
    EXPECT_EQ(Mistake(R"({"version": 1, "budget": {"bytes": 1000}})"),
              "budget: has an unknown member \"bytes\"");
    EXPECT_EQ(Mistake(R"({"version": 1})"), "none");
}

// A policy may hold each of these as JSON, but not as a size.
TEST(Policy, ASizeIsAWholeNumberInItsRange)
{
    const std::string refused = "budget.max_bytes: must be a whole number from 256 to 1000000";
    for (const char *bytes : {"255", "1000001", "1e9", "1e3", "-1000", "-0", "1000.0", "1000.5", "true",
                              "null", "\"1000\"", "[1000]", "18446744073709551616", "1e-400"})
        EXPECT_EQ(Mistake(std::string(R"({"version": 1, "budget": {"max_bytes": )") + bytes + "}}"), refused)
            << bytes;
    for (const char *bytes : {"256", "1000", "1000000"})
        EXPECT_EQ(Mistake(std::string(R"({"version": 1, "budget": {"max_bytes": )") + bytes + "}}"), "none")
            << bytes;
    EXPECT_EQ(Mistake(R"({"version": 1, "budget": {"max_bytes": 1e400}})"),
              "document: is no JSON, or has a number out of range");
    for (const char *version : {"0", "1.0", "true", "\"1\"", "[1]", "{}", "null"})
        EXPECT_EQ(Mistake(std::string(R"({"version": )") + version + "}"), "version: must be 1") << version;
}

// Such depth would overflow the stack of a recursive parser, copy or printout.
TEST(Policy, DepthIsRefusedWithoutRecursion)
{
    constexpr std::size_t depth = 100000;
    const std::string deep = std::string(depth, '[') + std::string(depth, ']');
    EXPECT_EQ(Mistake(deep), "document: must be an object");
    EXPECT_EQ(Mistake("{\"version\": " + deep + "}"), "version: must be 1");
    EXPECT_EQ(Mistake("{\"version\": 1, \"secrets\": [" + deep + "]}"), "secrets[0]: must be a name");
    EXPECT_EQ(RuleMistake("{\"path\": \"a\", \"action\": \"mask\", \"keep\": " + deep + "}"),
              "rules[1].keep: must be a whole number from 0 to 8");
    EXPECT_EQ(Mistake("{\"version\": 1, \"detectors\": {\"phone\": " + deep + "}}"),
              "detectors.phone: must be one of keep, mask, hash");
}

TEST(Policy, SaysWhatIsWrongWithARule)
{
    EXPECT_EQ(RuleMistake("7"), "rules[1]: must be an object");
    EXPECT_EQ(RuleMistake(R"({"action": "keep"})"), "rules[1].path: must be a string");
    EXPECT_EQ(RuleMistake(R"({"path": "a", "action": 1})"), "rules[1].action: must be a string");
    EXPECT_EQ(RuleMistake(R"({"path": "a..b", "action": "keep"})"), "rules[1].path: has an empty segment");
    EXPECT_EQ(RuleMistake(R"({"path": "", "action": "keep"})"), "rules[1].path: has an empty segment");
    EXPECT_EQ(RuleMistake(R"({"path": "a.", "action": "keep"})"), "rules[1].path: has an empty segment");
    EXPECT_EQ(RuleMistake(R"({"path": "**call_id", "action": "keep"})"),
              "rules[1].path: has a ** that is not a segment of its own");
    EXPECT_EQ(RuleMistake(R"({"path": "a", "action": "encrypt"})"),
              "rules[1].action: must be one of keep, drop, mask, hash, truncate, summary, json");
    EXPECT_EQ(RuleMistake(R"({"path": "a", "action": "keep", "length": 3})"),
              "rules[1]: has an unknown member \"length\"");
    EXPECT_EQ(RuleMistake(R"({"path": "a", "action": "truncate"})"),
              "rules[1].length: must be a whole number from 8 to 1000000");
    EXPECT_EQ(RuleMistake(R"({"path": "a", "action": "mask", "keep": 9})"),
              "rules[1].keep: must be a whole number from 0 to 8");
    EXPECT_EQ(RuleMistake(R"({"path": "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", "action": "keep"})"),
              "rules[1].path: has more than 16 segments");
}

// Asks a compiled policy.
template <typename Question>
auto Ask(const std::string &text, Question question)
{
    SettingError error;
    const Policy *policy = Policy::Compile(text, error);
    EXPECT_NE(policy, nullptr) << text << " " << error.field << ": " << error.reason;
    const auto answer = question(*policy);
    Policy::Delete(policy);
    return answer;
}

std::string HashOf(const std::string &text)
{
    return Ask(text, [](const Policy &policy) { return std::string(policy.hash()); });
}

TEST(Policy, HasDetectorsAndABudget)
{
    const auto bytes = [](const Policy &policy) { return policy.max_bytes(); };
    EXPECT_EQ(Ask(R"({"version": 1})", bytes), 16384u);
    EXPECT_EQ(Ask(R"({"version": 1, "budget": {}})", bytes), 16384u);
    EXPECT_EQ(Ask(R"({"version": 1, "budget": {"max_bytes": 300}})", bytes), 300u);

    const auto detectors = [](const Policy &policy) { return policy.detectors(); };
    EXPECT_FALSE(Ask(R"({"version": 1})", detectors).any());
    const Detectors some =
        Ask(R"({"version": 1, "detectors": {"phone": "mask", "email": "hash", "card": "keep"}})", detectors);
    EXPECT_EQ(some.phone, Treatment::mask);
    EXPECT_EQ(some.email, Treatment::hash);
    EXPECT_EQ(some.card, Treatment::keep);

    const auto hashes = [](const Policy &policy) { return policy.hashes(); };
    EXPECT_FALSE(Ask(R"({"version": 1, "detectors": {"phone": "mask"}})", hashes));
    EXPECT_TRUE(Ask(R"({"version": 1, "detectors": {"phone": "hash"}})", hashes));
    EXPECT_TRUE(Ask(R"({"version": 1, "rules": [{"path": "a", "action": "hash"}]})", hashes));
}

TEST(Policy, NamesOfItsOwnAreSecretsFoldedAndWhole)
{
    const std::string policy = R"({"version": 1, "secrets": ["door_code", "Größe"]})";
    const auto is_secret = [&](std::string_view name) {
        return Ask(policy, [&](const Policy &p) {
            return p.secret_names().Has(name) && p.Classify(name) == MemberClass::credential;
        });
    };
    EXPECT_TRUE(is_secret("door_code"));
    EXPECT_TRUE(is_secret("DoorCode"));
    EXPECT_TRUE(is_secret("door-code"));
    EXPECT_TRUE(is_secret("Größe"));
    EXPECT_FALSE(is_secret("front_door_code"));
    EXPECT_FALSE(is_secret("door_codes"));
    EXPECT_FALSE(is_secret("password")); // a credential anyway, not added by the policy
    EXPECT_FALSE(Ask(R"({"version": 1})", [](const Policy &p) { return p.secret_names().Has("door_code"); }));
}

TEST(Policy, TheHashIgnoresHowADocumentIsWritten)
{
    const std::string one = R"({"version": 1, "limits": {"depth": 3, "items": 4}})";
    EXPECT_EQ(HashOf(one), HashOf(R"({ "limits": {"items": 4, "depth": 3},
                                       "version": 1 })"));
    EXPECT_EQ(HashOf(one), HashOf(R"({"version": 1, "limits": 7, "limits": {"depth": 3, "items": 4}})"));
    EXPECT_NE(HashOf(one), HashOf(R"({"version": 1, "limits": {"depth": 4, "items": 3}})"));
    EXPECT_NE(HashOf(one), HashOf(R"({"version": 1})"));
}

// The index of the rule for the member reached by `names`. -1: none.
int RuleOf(const std::vector<std::string> &paths, const std::vector<std::string> &names)
{
    std::string text = R"({"version": 1, "rules": [)";
    for (std::size_t i = 0; i < paths.size(); ++i)
        text += (i > 0 ? "," : "") + std::string(R"({"action": "keep", "path": ")") + paths[i] + "\"}";
    SettingError error;
    const Policy *policy = Policy::Compile(text + "]}", error);
    if (policy == nullptr)
        return -2;
    std::vector<PathNode> from(policy->start().begin(), policy->start().end()), to(policy->max_reached());
    RuleIndex rule = no_rule;
    for (const std::string &name : names) {
        const Step step = policy->Enter(from, name, to.data());
        from.assign(step.reached.begin(), step.reached.end());
        rule = std::min(rule, step.rule);
    }
    Policy::Delete(policy);
    return rule == no_rule ? -1 : rule;
}

TEST(Policy, MatchesPaths)
{
    EXPECT_EQ(RuleOf({"a.b"}, {"a", "b"}), 0);
    EXPECT_EQ(RuleOf({"a.b"}, {"a", "c"}), -1);
    EXPECT_EQ(RuleOf({"a.b"}, {"x", "a", "b"}), -1);
    EXPECT_EQ(RuleOf({"**.b"}, {"b"}), 0);
    EXPECT_EQ(RuleOf({"**.b"}, {"x", "y", "b"}), 0);
    EXPECT_EQ(RuleOf({"a.**.b"}, {"a", "b"}), 0);
    EXPECT_EQ(RuleOf({"a.**.b"}, {"a", "x", "y", "b"}), 0);
    EXPECT_EQ(RuleOf({"a.**"}, {"a"}), 0);
    EXPECT_EQ(RuleOf({"a.*"}, {"a"}), -1);
    EXPECT_EQ(RuleOf({"a.*"}, {"a", "x"}), 0);
    EXPECT_EQ(RuleOf({"**.**.b"}, {"b"}), 0);
    EXPECT_EQ(RuleOf({"**.*.**.b"}, {"b"}), -1);
    EXPECT_EQ(RuleOf({"**.*.**.b"}, {"a", "b"}), 0);
    EXPECT_EQ(RuleOf({"recap_*"}, {"recap_summary"}), 0);
    EXPECT_EQ(RuleOf({"*_li*k"}, {"voicemail_link"}), 0);
    EXPECT_EQ(RuleOf({"*_li*k"}, {"voicemail_links"}), -1);
    EXPECT_EQ(RuleOf({"a"}, {"A"}), -1);
}

TEST(Policy, TheFirstRuleOfAMemberOrOfItsContainersWins)
{
    EXPECT_EQ(RuleOf({"a", "a.b"}, {"a", "b"}), 0);
    EXPECT_EQ(RuleOf({"a.b", "a"}, {"a", "b"}), 0);
    EXPECT_EQ(RuleOf({"a.b", "a"}, {"a", "c"}), 1);
    EXPECT_EQ(RuleOf({"**.b", "a.b"}, {"a", "b"}), 0);
    EXPECT_EQ(RuleOf({"a.b", "**.b", "a.b"}, {"a", "b"}), 0);
}

TEST(Policy, BuiltIn)
{
    ASSERT_NE(DefaultPolicy(), nullptr);
    EXPECT_EQ(DefaultPolicy(), DefaultPolicy());
    EXPECT_EQ(DefaultPolicy()->hash().size(), 6u);
    for (const char *name : {"default", "size_only", "strict"}) {
        EXPECT_EQ(Mistake(std::string(BuiltInPolicy(name))), "none") << name;
        EXPECT_NE(built_in_policies.find(name), std::string_view::npos) << name;
    }
    EXPECT_EQ(HashOf(std::string(BuiltInPolicy("default"))), DefaultPolicy()->hash());
    EXPECT_TRUE(BuiltInPolicy("none").empty());
    EXPECT_TRUE(BuiltInPolicy("").empty());
}

} // namespace
