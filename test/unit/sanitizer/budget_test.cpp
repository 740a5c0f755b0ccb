#include "test/unit/sanitize.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

using namespace callhardening;
using namespace callhardening::test;

namespace
{

std::shared_ptr<const Policy> WithBudget(std::uint32_t max_bytes)
{
    Json policy = Json::parse(R"({"version": 1, "limits": {"depth": 20, "members": 200, "items": 200},
        "rules": [{"path": "**.id", "action": "keep"}, {"path": "**.state", "action": "keep"},
                  {"path": "**.x", "action": "truncate", "length": 30}]})");
    policy["budget"]["max_bytes"] = max_bytes;
    return MakePolicy(policy.dump());
}

// Documents with many leaves, so every budget sheds some.
class Generator
{
public:
    explicit Generator(unsigned seed) : random_(seed) {}

    Json Object(int depth)
    {
        static constexpr const char *names[] = {"id", "state", "x", "y", "zz", "note", "list", "inner"};
        Json object = Json::object();
        for (std::size_t i = Pick(9); i > 0; --i)
            object[names[Pick(std::size(names))] + std::string(Pick(3), 'q')] = Value(depth + 1);
        return object;
    }

private:
    std::size_t Pick(std::size_t n) { return random_() % n; }

    Json Value(int depth)
    {
        switch (Pick(depth > 5 ? 4 : 7)) {
        case 0:
            return Pick(2) == 0;
        case 1:
            return random_() % 100000;
        case 2:
            return std::string(Pick(60), "ab\"\n\x01\\ "[Pick(7)]);
        case 3:
            return nullptr;
        case 4: {
            Json array = Json::array();
            for (std::size_t i = Pick(12); i > 0; --i)
                array.push_back(Value(depth + 1));
            return array;
        }
        default:
            return Object(depth);
        }
    }

    std::mt19937 random_;
};

// Each leaf with its path. Paths leave out positions in arrays: a shed item moves the later ones.
void Leaves(const Json &value, const std::string &path, std::multiset<std::string> &leaves)
{
    if (value.is_object() && !value.empty()) {
        for (const auto &[name, member] : value.items())
            if (path != "" || name != "_sanitized")
                Leaves(member, path + "/" + name, leaves);
    } else if (value.is_array() && !value.empty()) {
        for (const Json &item : value)
            Leaves(item, path + "[]", leaves);
    } else {
        leaves.insert(path + "=" + value.dump());
    }
}

bool IsLeast(const Json &document)
{
    return document.contains("type") && document.contains("length");
}

TEST(Budget, HoldsAndASmallerOneNeverShowsMore)
{
    const std::uint32_t budgets[] = {256, 257, 300, 400, 700, 1500, 5000, 1000000};
    for (unsigned seed = 0; seed < 200 && !HasFailure(); ++seed) {
        const Json document = Generator(seed).Object(0);
        std::multiset<std::string> smaller;
        for (const std::uint32_t budget : budgets) {
            const auto policy = WithBudget(budget);
            const SanitizeResult result = Sanitize(document, policy.get());
            EXPECT_LE(result.printed, budget) << document;
            EXPECT_FALSE(Sanitize(result.document, policy.get()).changed) << document << result.document;
            EXPECT_EQ(result.document, Sanitize(document, policy.get(), MemberOrder::document).document);
            std::multiset<std::string> leaves;
            if (!IsLeast(result.document))
                Leaves(result.document, "", leaves);
            EXPECT_TRUE(std::includes(leaves.begin(), leaves.end(), smaller.begin(), smaller.end()))
                << "seed " << seed << " budget " << budget << document << result.document;
            smaller = leaves;
        }
    }
}

TEST(Budget, ShedsWhatNoRuleMatchedFirstAndTheFirstRulesMatchesLast)
{
    const Json document{{"id", std::string(70, 'i')},
                        {"state", std::string(93, 's')},
                        {"x", std::string(29, 'x')},
                        {"a", std::string(70, 'a')},
                        {"b", std::string(70, 'b')}};
    const auto names = [&](std::uint32_t max_bytes) {
        const Json result = Sanitize(document, WithBudget(max_bytes).get()).document;
        std::string shown;
        for (const auto &member : result.items())
            shown += member.key() + " ";
        return shown;
    };
    EXPECT_EQ(names(1000), "a b id state x ");
    EXPECT_EQ(names(340), "_sanitized a id state x ");
    EXPECT_EQ(names(270), "_sanitized id state x ");
    EXPECT_EQ(names(256), "_sanitized id state ");
}

TEST(Budget, TakesContainersThatHaveLostEverything)
{
    const Json document{{"id", 1},
                        {"list", {{{"y", std::string(300, 'y')}}, {{"y", std::string(300, 'y')}}}}};
    const Json result = Sanitize(document, WithBudget(256).get()).document;
    EXPECT_EQ(result.size(), 2u) << result;
    EXPECT_EQ(RecordedCounts(result), "0,0,0,2");
}

TEST(Budget, LeavesASummaryWhereNothingFits)
{
    const std::string long_text(900, 'x');
    EXPECT_EQ(Sanitize(Json{{"a", long_text}}, WithBudget(256).get()).document["type"], "object");
    EXPECT_EQ(Sanitize(Json::array({long_text, 1}), WithBudget(256).get()).document,
              Json::parse(R"({"type": "array", "length": 2})"));
    EXPECT_EQ(Sanitize(Json(long_text), WithBudget(256).get()).document,
              Json::parse(R"({"type": "string", "length": 900})"));
    EXPECT_EQ(Sanitize(Json{{"_sanitized", long_text}}, WithBudget(256).get()).document["length"], 1);
}

// Documents much larger than their budget are pruned on the way. The result must be the same, with less
// memory.
TEST(Budget, IsTheSameWhenShedOnTheWay)
{
    const auto policy = MakePolicy(R"({"version": 1, "budget": {"max_bytes": 3000},
        "limits": {"depth": 20, "members": 1000000, "items": 1000000},
        "rules": [{"path": "**.id", "action": "keep"}]})");
    for (unsigned seed = 0; seed < 2 && !HasFailure(); ++seed) {
        Json list = Json::array();
        Generator generator(seed);
        for (int i = 0; i < 3000; ++i)
            list.push_back(generator.Object(0));
        const SanitizeResult sorted = Sanitize(Json{{"a", list}, {"list", list}}, policy.get());
        const SanitizeResult unsorted =
            Sanitize(Json{{"list", list}, {"a", list}}, policy.get(), MemberOrder::document);
        EXPECT_EQ(sorted.document, unsorted.document);
        EXPECT_LE(sorted.printed, policy->max_bytes());
        EXPECT_GT(sorted.counts.shed, 10000u);
    }
}

// Leaves after the pruning go first, however small they are.
TEST(Budget, TakesNoSmallerMembersAfterOneWasShedOnTheWay)
{
    Json list = Json::array();
    for (int i = 0; i < 10000; ++i)
        list.push_back(i % 2 == 0 ? Json(std::string(60, 'x')) : Json(1));
    for (std::uint32_t max_bytes = 256; max_bytes < 400; max_bytes += 9) {
        const auto policy =
            MakePolicy(R"({"version": 1, "limits": {"items": 100000}, "budget": {"max_bytes": )" +
                       std::to_string(max_bytes) + "}}");
        const Json items = Sanitize(list, policy.get()).document;
        for (std::size_t i = 0; i < items.size(); ++i)
            EXPECT_EQ(items[i], list[i]) << max_bytes;
        for (const MemberOrder order : {MemberOrder::jsonb, MemberOrder::document}) {
            const Json members = Sanitize(Json{{"a", list}, {"b", 1}}, policy.get(), order).document;
            EXPECT_EQ(members.size(), 2u) << members;
            for (std::size_t i = 0; i < members["a"].size(); ++i)
                EXPECT_EQ(members["a"][i], list[i]) << max_bytes;
        }
    }
}

} // namespace
