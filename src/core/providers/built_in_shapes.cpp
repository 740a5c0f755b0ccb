#include "core/providers/built_in_shapes.hpp"

#include "core/base/text.hpp"
#include "core/providers/dialpad_shape.hpp"
#include "core/providers/form_shapes.hpp"
#include "core/providers/office_shapes.hpp"
#include "core/providers/platform_shapes.hpp"

#include <iterator>

namespace callhardening
{

namespace
{

constexpr BuiltInShapeDocument documents[] = {
    {"dialpad", &dialpad_shape},
    {"aircall", &aircall_shape},
    {"amazon_connect", &amazon_connect_shape},
    {"asterisk", &asterisk_shape},
    {"bandwidth", &bandwidth_shape},
    {"callrail", &callrail_shape},
    {"exotel", &exotel_shape},
    {"freeswitch", &freeswitch_shape},
    {"justcall", &justcall_shape},
    {"openphone_quo", &quo_shape},
    {"plivo", &plivo_shape},
    {"ringcentral", &ringcentral_shape},
    {"signalwire", &signalwire_shape},
    {"telnyx", &telnyx_shape},
    {"twilio", &twilio_shape},
    {"vonage", &vonage_shape},
    {"webex_calling", &webex_shape},
    {"zoom_phone", &zoom_shape},
};

// The index of the provider among the documents. Their number: it is not there.
std::size_t FindDocument(std::string_view provider) noexcept
{
    std::size_t i = 0;
    while (i < std::size(documents) && !EqualFolded(documents[i].provider, provider))
        ++i;
    return i;
}

} // namespace

std::span<const BuiltInShapeDocument> BuiltInShapeDocuments() noexcept
{
    return documents;
}

std::string_view BuiltInShapeText(std::string_view provider) noexcept
{
    const std::size_t i = FindDocument(provider);
    return i < std::size(documents) ? *documents[i].json : std::string_view{};
}

const Shape *BuiltInShape(std::string_view provider) noexcept
{
    static constinit const Shape *compiled[std::size(documents)] = {};
    const std::size_t i = FindDocument(provider);
    if (i == std::size(documents))
        return nullptr;
    if (compiled[i] == nullptr) {
        SettingError error;
        compiled[i] = Shape::Compile(*documents[i].json, error);
    }
    return compiled[i];
}

} // namespace callhardening
