#include "core/providers/provider_support.hpp"

#include "core/ingest/signature.hpp"
#include "core/providers/built_in_shapes.hpp"
#include "core/words/vocabulary.hpp"

namespace callhardening
{

// Each provider has words: without a word for a state, no event of the provider could be applied.
std::size_t ProviderCount() noexcept
{
    return vocabulary_providers.size();
}

ProviderSupport SupportOfProvider(std::size_t number) noexcept
{
    const std::string_view provider = vocabulary_providers[number];
    return {provider, true, HasEventShape(provider), SignsBodies(provider)};
}

bool HasEventShape(std::string_view provider) noexcept
{
    return !BuiltInShapeText(provider).empty();
}

} // namespace callhardening
