#include "core/sanitizer/document.hpp"

#include <limits>

namespace callhardening
{

Walk DocumentTokens::BeginObject(std::size_t) noexcept
{
    tokens_.Push(TokenKind::object_begin);
    if (order_ == MemberOrder::document)
        first_members_[depth_++] = members_.size();
    return Walk::enter;
}

Walk DocumentTokens::BeginArray(std::size_t) noexcept
{
    tokens_.Push(TokenKind::array_begin);
    return Walk::enter;
}

void DocumentTokens::EndObject() noexcept
{
    if (order_ == MemberOrder::document) {
        const std::uint32_t first = first_members_[--depth_];
        SanitizeCounts none{};
        if (!arena_.failed())
            members_.Arrange(first, std::numeric_limits<std::uint32_t>::max(), none);
        members_.Truncate(first);
    }
    tokens_.Push(TokenKind::object_end);
}

void DocumentTokens::EndArray() noexcept
{
    tokens_.Push(TokenKind::array_end);
}

void DocumentTokens::Key(std::string_view name) noexcept
{
    if (order_ == MemberOrder::document)
        members_.Push(name, tokens_.size(), {}, true);
    tokens_.Push(TokenKind::key, name);
}

void DocumentTokens::LongNumber(std::size_t printed) noexcept
{
    tokens_.Push({nullptr, static_cast<std::uint32_t>(printed), TokenKind::number_text, no_rule});
}

} // namespace callhardening
