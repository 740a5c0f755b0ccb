// A path against names: the tree of segments agrees with a comparison of the segments one by one.
//
// The input is two paths and a name's own path, a line each.
#include "core/policy/policy.hpp"

#include "fuzz.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>

using namespace callhardening;

namespace
{

std::vector<std::string> Split(const std::string &text, char separator)
{
    std::vector<std::string> pieces;
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1)
        pieces.push_back(text.substr(begin, end - begin));
    pieces.push_back(text.substr(begin));
    return pieces;
}

// Keeps one row of the table of matching beginnings: each row needs only the row before.
template <typename Pattern, typename Text, typename IsMany, typename MatchesOne>
bool MatchesSequence(const Pattern &pattern, const Text &text, IsMany is_many, MatchesOne matches_one)
{
    std::vector<char> row(text.size() + 1, 0);
    row[0] = 1;
    for (const auto &piece : pattern) {
        std::vector<char> next(text.size() + 1, 0);
        for (std::size_t i = 0; i <= text.size(); ++i) {
            if (is_many(piece))
                next[i] = row[i] || (i > 0 && next[i - 1]);
            else
                next[i] = i > 0 && row[i - 1] && matches_one(piece, text[i - 1]);
        }
        row = next;
    }
    return row[text.size()] != 0;
}

bool MatchesName(const std::string &segment, const std::string &name)
{
    return MatchesSequence(
        segment, name, [](char c) { return c == '*'; }, [](char a, char b) { return a == b; });
}

bool MatchesPath(const std::string &path, const std::vector<std::string> &names)
{
    return MatchesSequence(
        Split(path, '.'), names, [](const std::string &segment) { return segment == "**"; }, MatchesName);
}

// No rule matches the root: a path matches members.
RuleIndex Expected(const std::vector<std::string> &paths, const std::vector<std::string> &names)
{
    RuleIndex first = no_rule;
    for (std::size_t depth = 1; depth <= names.size(); ++depth)
        for (std::size_t rule = 0; rule < paths.size(); ++rule)
            if (MatchesPath(paths[rule], {names.begin(), names.begin() + static_cast<std::ptrdiff_t>(depth)}))
                first = std::min(first, static_cast<RuleIndex>(rule));
    return first;
}

RuleIndex Found(const Policy &policy, const std::vector<std::string> &names)
{
    std::vector<PathNode> here(policy.max_reached()), next(policy.max_reached());
    PathNodes reached = policy.start();
    RuleIndex rule = no_rule;
    for (const std::string &name : names) {
        const Step step = policy.Enter(reached, name, next.data());
        rule = std::min(rule, step.rule);
        reached = step.reached;
        here.swap(next);
    }
    return rule;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string input(ToText(data, size));
    if (!IsText(input))
        return 0;
    std::vector<std::string> paths = Split(input, '\n');
    const std::vector<std::string> names = Split(paths.back(), '.');
    paths.pop_back();
    if (paths.empty() || paths.size() > 8 || names.size() > max_depth)
        return 0;
    nlohmann::json rules = nlohmann::json::array();
    for (const std::string &path : paths)
        rules.push_back({{"path", path}, {"action", "keep"}});
    SettingError error;
    const Policy *policy = Policy::Compile(nlohmann::json{{"version", 1}, {"rules", rules}}.dump(), error);
    if (policy != nullptr)
        Require(Found(*policy, names) == Expected(paths, names),
                "the tree finds another rule than the paths do");
    Policy::Delete(policy);
    return 0;
}
