#include "core/policy_default.hpp"

namespace callhardening
{

namespace
{

// Made for Dialpad's events. What an operator asks first (which call, which state, when, how long, how good,
// whose) is named first, since the order of the rules is the order of their worth.
constexpr std::string_view default_policy = R"({
  "version": 1,
  "secrets": [],
  "rules": [
    {"path": "**.call_id", "action": "keep"},
    {"path": "**.state", "action": "keep"},
    {"path": "**.status", "action": "keep"},
    {"path": "**.direction", "action": "keep"},
    {"path": "**.event_type", "action": "keep"},
    {"path": "**.event_timestamp", "action": "keep"},
    {"path": "**.date_*", "action": "keep"},
    {"path": "**.duration", "action": "keep"},
    {"path": "**.total_duration", "action": "keep"},
    {"path": "**.talk_time", "action": "keep"},
    {"path": "**.hold_time", "action": "keep"},
    {"path": "**.hangup_cause", "action": "keep"},
    {"path": "**.mos_score", "action": "keep"},
    {"path": "**.csat_score", "action": "keep"},
    {"path": "**.master_call_id", "action": "keep"},
    {"path": "**.entry_point_call_id", "action": "keep"},
    {"path": "**.operator_call_id", "action": "keep"},
    {"path": "**.group_id", "action": "keep"},
    {"path": "**.target_availability_status", "action": "keep"},
    {"path": "**.is_transferred", "action": "keep"},
    {"path": "**.is_internal", "action": "keep"},
    {"path": "**.was_recorded", "action": "keep"},
    {"path": "**.callback_requested", "action": "keep"},
    {"path": "**.labels", "action": "keep"},
    {"path": "**.call_recording_ids", "action": "keep"},
    {"path": "**.voicemail_recording_id", "action": "keep"},

    {"path": "**.external_number", "action": "mask", "keep": 4},
    {"path": "**.internal_number", "action": "mask", "keep": 4},
    {"path": "**.selected_caller_id", "action": "mask", "keep": 4},
    {"path": "**.from", "action": "mask", "keep": 4},
    {"path": "**.to", "action": "mask", "keep": 4},
    {"path": "**.phone_number", "action": "mask", "keep": 4},
    {"path": "**.phone", "action": "mask", "keep": 4},
    {"path": "**.email", "action": "drop"},
    {"path": "**.contact.name", "action": "drop"},
    {"path": "**.*target.name", "action": "drop"},
    {"path": "**.transferred_from.name", "action": "drop"},

    {"path": "**.routing_breadcrumbs.request", "action": "summary"},
    {"path": "**.routing_breadcrumbs.response", "action": "summary"},
    {"path": "**.routing_breadcrumbs.url", "action": "truncate", "length": 60},
    {"path": "**.transcription_text", "action": "truncate", "length": 60},
    {"path": "**.transcript", "action": "truncate", "length": 60},
    {"path": "**.recap_summary", "action": "truncate", "length": 60},
    {"path": "**.recap_*", "action": "summary"},
    {"path": "**.csat_transcriptions", "action": "summary"},
    {"path": "**.integrations", "action": "summary"},
    {"path": "**.custom_data", "action": "json"}
  ],
  "limits": {"depth": 10, "members": 60, "items": 20, "characters": 200}
})";

} // namespace

std::string_view BuiltInPolicy(std::string_view name) noexcept
{
    return name == "default" ? default_policy : std::string_view{};
}

const Policy *DefaultPolicy() noexcept
{
    static constinit const Policy *compiled = nullptr;
    if (compiled == nullptr) {
        PolicyError error;
        compiled = Policy::Compile(default_policy, error);
    }
    return compiled;
}

} // namespace callhardening
