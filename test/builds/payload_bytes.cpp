// The sanitizer's results for a corpus, to compare the bytes of different compilers. Each input line is a
// policy, a tab and a document. Each output line has the results of both forms.
#include "core/sanitizer/json_text.hpp"

#include "test/unit/sanitize.hpp"

#include <iostream>
#include <map>
#include <string>

using namespace callhardening;
using callhardening::test::Json;

namespace
{

std::string ByText(const std::string &body, const Policy &policy)
{
    const Pseudonyms no_keys;
    Sanitizer sanitizer(policy, no_keys, test::Heap::Allocate, MemberOrder::document);
    const TextVerdict verdict = FeedText(body, sanitizer, nullptr);
    if (verdict != TextVerdict::done || sanitizer.doubtful() || !sanitizer.Finish())
        return "left to jsonb";
    return test::ToText(sanitizer.tokens());
}

std::string ByDocument(const std::string &body, const Policy &policy)
{
    Json document;
    try {
        document = Json::parse(body);
    } catch (const Json::out_of_range &) {
        return "a number beyond double";
    }
    std::vector<std::unique_ptr<std::string>> texts;
    const Pseudonyms no_keys;
    Sanitizer sanitizer(policy, no_keys, test::Heap::Allocate, MemberOrder::jsonb);
    test::Feed(document, sanitizer, texts, MemberOrder::jsonb);
    return sanitizer.Finish() ? test::ToText(sanitizer.tokens()) : "out of memory";
}

} // namespace

int main()
{
    std::map<std::string, std::shared_ptr<const Policy>> policies;
    for (std::string line; std::getline(std::cin, line);) {
        const std::size_t tab = line.find('\t');
        const std::string text = line.substr(0, tab), body = line.substr(tab + 1);
        std::shared_ptr<const Policy> &policy = policies[text];
        if (policy == nullptr)
            policy = test::MakePolicy(text);
        std::cout << ByText(body, *policy) << '\n' << ByDocument(body, *policy) << '\n';
        test::Heap::blocks.clear();
    }
}
