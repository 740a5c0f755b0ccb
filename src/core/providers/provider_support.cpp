#include "core/providers/provider_support.hpp"

#include "core/base/text.hpp"
#include "core/providers/built_in_schemes.hpp"
#include "core/providers/built_in_shapes.hpp"
#include "core/words/vocabulary.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

// Other providers send texts, or numbers without a documented range. A key of text holds all of them.
constexpr std::string_view with_integer_ids[] = {"aircall", "dialpad"};

} // namespace

// Each provider has words: without a word for a state, no event of the provider could be applied.
std::size_t ProviderCount() noexcept
{
    return vocabulary_providers.size();
}

ProviderSupport SupportOfProvider(std::size_t number) noexcept
{
    const std::string_view provider = vocabulary_providers[number];
    return {provider, true, HasEventShape(provider), FindBuiltInScheme(provider) != nullptr,
            HasIntegerIds(provider)};
}

bool HasIntegerIds(std::string_view provider) noexcept
{
    return std::ranges::any_of(with_integer_ids,
                               [provider](std::string_view name) { return EqualFolded(name, provider); });
}

bool HasEventShape(std::string_view provider) noexcept
{
    return !BuiltInShapeText(provider).empty();
}

} // namespace callhardening
