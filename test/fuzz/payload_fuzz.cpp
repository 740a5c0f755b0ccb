// Any text as a webhook body. If the text form decides, the text is JSON, and both forms have the same
// result. The result is within the budget, and a second pass changes nothing. The first byte of the input
// chooses the policy.
#include "core/sanitizer/json_text.hpp"

#include "fuzz.hpp"
#include "test/unit/sanitize.hpp"

#include <optional>
#include <string>

using namespace callhardening;
using callhardening::test::Json;

namespace
{

const Policy &ChoosePolicy(unsigned char byte)
{
    static const std::shared_ptr<const Policy> policies[] = {
        test::MakePolicy(std::string(BuiltInPolicy("default"))),
        test::MakePolicy(std::string(BuiltInPolicy("size_only"))),
        test::MakePolicy(std::string(BuiltInPolicy("strict"))),
        test::MakePolicy(R"({"version": 1, "rules": [{"path": "**", "action": "json"}],
            "limits": {"members": 3, "items": 3, "depth": 4, "characters": 20}, "budget": {"max_bytes": 256}})"),
        test::MakePolicy(R"({"version": 1, "rules": [{"path": "a", "action": "mask", "keep": 3},
            {"path": "**.b*", "action": "truncate", "length": 12}, {"path": "*.c", "action": "drop"}],
            "detectors": {"phone": "mask", "email": "mask", "card": "mask", "ssn": "mask", "iban": "mask", "ip": "mask"},
            "budget": {"max_bytes": 300}})"),
        test::MakePolicy(R"({"version": 1, "limits": {"depth": 64, "members": 1000000, "items": 1000000,
            "characters": 1000000}, "budget": {"max_bytes": 1000000}})"),
    };
    return *policies[byte % std::size(policies)];
}

// nullopt: jsonb would decide.
std::optional<std::string> SanitizeText(std::string_view text, const Policy &policy)
{
    const std::vector<char> bytes(text.begin(),
                                  text.end()); // exactly the text's bytes, so ASan sees a read past the end
    const Pseudonyms no_keys;
    Sanitizer sanitizer(policy, no_keys, test::Heap::Allocate, MemberOrder::document);
    std::optional<std::string> outcome;
    const TextVerdict verdict = FeedText({bytes.data(), bytes.size()}, sanitizer, nullptr);
    Require(verdict != TextVerdict::interrupted, "no reason to stop");
    if (verdict == TextVerdict::done && !sanitizer.doubtful() && sanitizer.Finish())
        outcome = test::ToText(sanitizer.tokens());
    test::Heap::blocks.clear();
    return outcome;
}

std::string SanitizeDocument(const Json &document, const Policy &policy)
{
    std::vector<std::unique_ptr<std::string>> texts;
    const Pseudonyms no_keys;
    Sanitizer sanitizer(policy, no_keys, test::Heap::Allocate, MemberOrder::jsonb);
    test::Feed(document, sanitizer, texts, MemberOrder::jsonb);
    Require(sanitizer.Finish(), "memory is there");
    std::string text = test::ToText(sanitizer.tokens());
    test::Heap::blocks.clear();
    return text;
}

// nlohmann's document keeps the text only of whole numbers.
bool HasFractions(const Json &value)
{
    if (value.is_structured())
        return std::any_of(value.begin(), value.end(), HasFractions);
    return value.is_number_float();
}

// nullopt: a number in it exceeds double. jsonb would accept it.
std::optional<Json> Parse(const std::string &text)
{
    try {
        return Json::parse(text);
    } catch (const Json::out_of_range &) {
        return std::nullopt;
    } catch (const Json::parse_error &) {
        Require(false, "what is no JSON is taken for some");
        return std::nullopt;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string text(ToText(data, size).substr(size > 0 ? 1 : 0));
    if (size == 0 || !IsText(text))
        return 0;
    const Policy &policy = ChoosePolicy(data[0]);
    const std::optional<std::string> once = SanitizeText(text, policy);
    if (!once)
        return 0;
    Require(once->size() <= policy.max_bytes(), "the budget is exceeded");
    const std::optional<Json> document = Parse(text);
    if (document && !HasFractions(*document))
        Require(SanitizeDocument(*document, policy) == *once, "the two forms give two results");
    const std::optional<std::string> twice = SanitizeText(*once, policy);
    if (twice)
        Require(*twice == *once, "a second pass changes something");
    return 0;
}
