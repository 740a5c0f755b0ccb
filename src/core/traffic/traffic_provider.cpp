#include "core/traffic/traffic_provider.hpp"

#include "core/base/text.hpp"
#include "core/traffic/aircall_traffic.hpp"
#include "core/traffic/dialpad_traffic.hpp"
#include "core/traffic/twilio_traffic.hpp"
#include "core/traffic/zoom_traffic.hpp"

namespace callhardening
{

namespace
{

constexpr const TrafficProvider *providers[] = {&dialpad_traffic, &aircall_traffic, &twilio_traffic,
                                                &zoom_traffic};

} // namespace

const TrafficProvider *FindTrafficProvider(std::string_view name) noexcept
{
    for (const TrafficProvider *provider : providers)
        if (EqualFolded(provider->name, name))
            return provider;
    return nullptr;
}

std::string_view TrafficProviderNames() noexcept
{
    return "dialpad, aircall, twilio, zoom_phone";
}

} // namespace callhardening
