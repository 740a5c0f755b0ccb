#include "core/words/provider.hpp"

#include "core/base/text.hpp"
#include "core/words/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace callhardening
{

namespace
{

// A name in its form for comparing. A name too long for a misspelt provider becomes empty.
class FoldedName
{
public:
    explicit FoldedName(std::string_view name) noexcept
    {
        FoldedLetters letters(name);
        for (unsigned char letter = letters.Next(); letter != 0; letter = letters.Next()) {
            if (size_ == most) {
                size_ = 0;
                return;
            }
            letters_[size_++] = static_cast<char>(letter);
        }
    }

    std::string_view Text() const noexcept { return {letters_.data(), size_}; }

    static constexpr std::size_t most = 40;

private:
    std::array<char, most> letters_{};
    std::size_t size_ = 0;
};

// The number of letters to insert, leave out, replace, or exchange with their neighbour.
std::size_t Distance(std::string_view a, std::string_view b) noexcept
{
    std::array<std::array<std::size_t, FoldedName::most + 1>, FoldedName::most + 1> cost{};
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                                   cost[i - 1][j - 1] + static_cast<std::size_t>(a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

// Only few letters may be wrong.
std::string_view NearestBySpelling(std::string_view name) noexcept
{
    std::size_t nearest = std::min<std::size_t>(3, name.size() / 2) + 1;
    std::string_view found;
    for (const std::string_view provider : vocabulary_providers) {
        const std::size_t distance = Distance(name, FoldedName(provider).Text());
        if (distance < nearest) {
            nearest = distance;
            found = provider;
        }
    }
    return found;
}

// "zoom" is zoom_phone, "twilio voice" is twilio.
std::string_view NearestByPart(std::string_view name) noexcept
{
    constexpr std::size_t shortest = 3;
    if (name.size() < shortest)
        return {};
    const auto found = std::ranges::find_if(vocabulary_providers, [name](std::string_view provider) {
        const FoldedName folded(provider);
        return folded.Text().find(name) != std::string_view::npos ||
               name.find(folded.Text()) != std::string_view::npos;
    });
    return found == vocabulary_providers.end() ? std::string_view{} : *found;
}

} // namespace

std::string_view KnownProvider(std::string_view provider) noexcept
{
    const auto found =
        std::lower_bound(vocabulary_providers.begin(), vocabulary_providers.end(), provider,
                         [](std::string_view a, std::string_view b) { return CompareFolded(a, b) < 0; });
    return found != vocabulary_providers.end() && EqualFolded(*found, provider) ? *found : std::string_view{};
}

bool IsKnownProvider(std::string_view provider) noexcept
{
    return !KnownProvider(provider).empty();
}

std::string_view NearestProvider(std::string_view name) noexcept
{
    const FoldedName folded(name);
    if (folded.Text().empty())
        return {};
    const std::string_view spelled = NearestBySpelling(folded.Text());
    return spelled.empty() ? NearestByPart(folded.Text()) : spelled;
}

} // namespace callhardening
