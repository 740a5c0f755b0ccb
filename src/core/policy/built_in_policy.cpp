#include "core/policy/built_in_policy.hpp"

namespace callhardening
{

namespace
{

// One policy for all providers: its rules go by what a member means, and no two providers contradict each
// other there. First comes what never stays. The other rules are in the order of their value for an operator:
// which call, which state, when, how long, with whom, how good. The first rules survive longest in a small
// budget. An id, a state or a time is cut and not kept, so detectors search it.
constexpr std::string_view default_policy = R"({
  "version": 1,
  "secrets": [],
  "rules": [
    {"path": "**.email", "action": "drop"},
    {"path": "**.contact.name", "action": "drop"},
    {"path": "**.*target.name", "action": "drop"},
    {"path": "**.transferred_from.name", "action": "drop"},
    {"path": "**.uiCallInfo", "action": "drop"},
    {"path": "**.mobilePickupData", "action": "drop"},
    {"path": "**.number.messages", "action": "drop"},

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

    {"path": "**.external_number", "action": "mask", "keep": 4},
    {"path": "**.internal_number", "action": "mask", "keep": 4},
    {"path": "**.selected_caller_id", "action": "mask", "keep": 4},

    {"path": "**.master_call_id", "action": "keep"},
    {"path": "**.entry_point_call_id", "action": "keep"},
    {"path": "**.operator_call_id", "action": "keep"},
    {"path": "**.group_id", "action": "keep"},
    {"path": "**.mos_score", "action": "keep"},
    {"path": "**.csat_score", "action": "keep"},
    {"path": "**.target_availability_status", "action": "keep"},
    {"path": "**.is_transferred", "action": "keep"},
    {"path": "**.is_internal", "action": "keep"},
    {"path": "**.was_recorded", "action": "keep"},
    {"path": "**.callback_requested", "action": "keep"},
    {"path": "**.contact.id", "action": "keep"},
    {"path": "**.contact.type", "action": "keep"},
    {"path": "**.*target.id", "action": "keep"},
    {"path": "**.*target.type", "action": "keep"},
    {"path": "**.labels", "action": "keep"},
    {"path": "**.call_recording_ids", "action": "keep"},
    {"path": "**.voicemail_recording_id", "action": "keep"},

    {"path": "id", "action": "truncate", "length": 200},
    {"path": "uuid", "action": "truncate", "length": 200},
    {"path": "type", "action": "truncate", "length": 200},
    {"path": "event", "action": "truncate", "length": 200},
    {"path": "time", "action": "truncate", "length": 200},
    {"path": "timestamp", "action": "truncate", "length": 200},
    {"path": "**.event*", "action": "truncate", "length": 200},
    {"path": "**.Event*", "action": "truncate", "length": 200},
    {"path": "**.*all_id", "action": "truncate", "length": 200},
    {"path": "**.*allId", "action": "truncate", "length": 200},
    {"path": "**.*allSid", "action": "truncate", "length": 200},
    {"path": "**.*call_sid", "action": "truncate", "length": 200},
    {"path": "**.*all_uuid", "action": "truncate", "length": 200},
    {"path": "**.*allUUID", "action": "truncate", "length": 200},
    {"path": "**.uuid", "action": "truncate", "length": 200},
    {"path": "**.*ession_id", "action": "truncate", "length": 200},
    {"path": "**.*essionId", "action": "truncate", "length": 200},
    {"path": "**.*tatus", "action": "truncate", "length": 200},
    {"path": "**.*call_state", "action": "truncate", "length": 200},
    {"path": "**.*irection", "action": "truncate", "length": 200},
    {"path": "**.personality", "action": "truncate", "length": 200},
    {"path": "**.*result", "action": "truncate", "length": 200},
    {"path": "**.*eason", "action": "truncate", "length": 200},
    {"path": "**.*ause", "action": "truncate", "length": 200},
    {"path": "**.missed*", "action": "truncate", "length": 200},
    {"path": "**.*equence*", "action": "truncate", "length": 200},
    {"path": "**.*tart*ime", "action": "truncate", "length": 200},
    {"path": "**.*nswer*ime", "action": "truncate", "length": 200},
    {"path": "**.*nd*ime", "action": "truncate", "length": 200},
    {"path": "**.*_at", "action": "truncate", "length": 200},
    {"path": "**.*At", "action": "truncate", "length": 200},
    {"path": "**.start_epoch", "action": "truncate", "length": 200},
    {"path": "**.answer_epoch", "action": "truncate", "length": 200},
    {"path": "**.end_epoch", "action": "truncate", "length": 200},
    {"path": "**.*uration", "action": "truncate", "length": 200},
    {"path": "**.billsec", "action": "truncate", "length": 200},
    {"path": "**.id", "action": "truncate", "length": 200},
    {"path": "**.sid", "action": "truncate", "length": 200},
    {"path": "**.*user_id", "action": "truncate", "length": 200},
    {"path": "**.*userId", "action": "truncate", "length": 200},
    {"path": "**.*xtensionId", "action": "truncate", "length": 200},
    {"path": "**.bridge_uuid", "action": "truncate", "length": 200},
    {"path": "**.raw_digits", "action": "truncate", "length": 200},
    {"path": "**.*number", "action": "truncate", "length": 200},
    {"path": "**.*Number", "action": "truncate", "length": 200},
    {"path": "**.*time", "action": "truncate", "length": 200},
    {"path": "**.*Time", "action": "truncate", "length": 200},
    {"path": "**.*timestamp", "action": "truncate", "length": 200},
    {"path": "**.*Timestamp", "action": "truncate", "length": 200},
    {"path": "**.*date", "action": "truncate", "length": 200},
    {"path": "**.*Date", "action": "truncate", "length": 200},
    {"path": "**.Date*", "action": "truncate", "length": 200},
    {"path": "**.*epoch", "action": "truncate", "length": 200},
    {"path": "**.*sec", "action": "truncate", "length": 200},
    {"path": "**.*secs", "action": "truncate", "length": 200},
    {"path": "**.*_id", "action": "truncate", "length": 200},
    {"path": "**.*Id", "action": "truncate", "length": 200},
    {"path": "**.*ID", "action": "truncate", "length": 200},
    {"path": "**.*Sid", "action": "truncate", "length": 200},
    {"path": "**.*uuid", "action": "truncate", "length": 200},
    {"path": "**.*UUID", "action": "truncate", "length": 200},
    {"path": "**.*ids", "action": "truncate", "length": 200},
    {"path": "**.*Ids", "action": "truncate", "length": 200},
    {"path": "**.*Arn", "action": "truncate", "length": 200},

    {"path": "**.from.name", "action": "mask", "keep": 0},
    {"path": "**.to.name", "action": "mask", "keep": 0},
    {"path": "**.from.location", "action": "mask", "keep": 0},
    {"path": "**.to.location", "action": "mask", "keep": 0},
    {"path": "**.from", "action": "mask", "keep": 4},
    {"path": "**.to", "action": "mask", "keep": 4},
    {"path": "**.phone_number", "action": "mask", "keep": 4},
    {"path": "**.phone", "action": "mask", "keep": 4},
    {"path": "**.phone_numbers.value", "action": "mask", "keep": 4},
    {"path": "**.From", "action": "mask", "keep": 4},
    {"path": "**.To", "action": "mask", "keep": 4},
    {"path": "**.Caller", "action": "mask", "keep": 4},
    {"path": "**.Called", "action": "mask", "keep": 4},

    {"path": "**.*user.name", "action": "mask", "keep": 0},
    {"path": "**.*agent.name", "action": "mask", "keep": 0},
    {"path": "**.*customer.name", "action": "mask", "keep": 0},
    {"path": "**.owner.name", "action": "mask", "keep": 0},
    {"path": "**.member.name", "action": "mask", "keep": 0},
    {"path": "**.caller.name", "action": "mask", "keep": 0},
    {"path": "**.callee.name", "action": "mask", "keep": 0},
    {"path": "**.connected.name", "action": "mask", "keep": 0},
    {"path": "**.caller_info.name", "action": "mask", "keep": 0},
    {"path": "**.*arty.name", "action": "mask", "keep": 0},
    {"path": "**.parti*.name", "action": "mask", "keep": 0},
    {"path": "**.*_by.name", "action": "mask", "keep": 0},
    {"path": "**.*_to.name", "action": "mask", "keep": 0},
    {"path": "**.speaker*.name", "action": "mask", "keep": 0},
    {"path": "**.*caller_name", "action": "mask", "keep": 0},
    {"path": "**.*callee_name", "action": "mask", "keep": 0},
    {"path": "**.*contact_name", "action": "mask", "keep": 0},
    {"path": "**.*customer_name", "action": "mask", "keep": 0},
    {"path": "**.*agent_name", "action": "mask", "keep": 0},
    {"path": "**.*operator_name", "action": "mask", "keep": 0},
    {"path": "**.*caller_id_name", "action": "mask", "keep": 0},
    {"path": "**.sip_*_display", "action": "mask", "keep": 0},
    {"path": "**.CallerName", "action": "mask", "keep": 0},
    {"path": "**.fromName", "action": "mask", "keep": 0},
    {"path": "**.toName", "action": "mask", "keep": 0},
    {"path": "**.*isplayName", "action": "mask", "keep": 0},
    {"path": "**.*display_name", "action": "mask", "keep": 0},
    {"path": "**.first_name", "action": "mask", "keep": 0},
    {"path": "**.last_name", "action": "mask", "keep": 0},
    {"path": "**.full_name", "action": "mask", "keep": 0},
    {"path": "**.firstName", "action": "mask", "keep": 0},
    {"path": "**.lastName", "action": "mask", "keep": 0},
    {"path": "**.fullName", "action": "mask", "keep": 0},
    {"path": "**.emails", "action": "mask", "keep": 0},
    {"path": "**.device_name", "action": "mask", "keep": 0},
    {"path": "**.*_city", "action": "mask", "keep": 0},
    {"path": "**.*_zip", "action": "mask", "keep": 0},
    {"path": "**.*City", "action": "mask", "keep": 0},
    {"path": "**.*Zip", "action": "mask", "keep": 0},
    {"path": "**.responseBody", "action": "mask", "keep": 0},

    {"path": "**.transcription_text", "action": "truncate", "length": 60},
    {"path": "**.transcript", "action": "truncate", "length": 60},
    {"path": "**.recap_summary", "action": "truncate", "length": 60},
    {"path": "**.TranscriptionText", "action": "truncate", "length": 60},
    {"path": "**.transcription", "action": "truncate", "length": 60},
    {"path": "**.dialogue", "action": "truncate", "length": 60},
    {"path": "**.summary", "action": "truncate", "length": 60},
    {"path": "**.nextSteps", "action": "truncate", "length": 60},
    {"path": "**.insights", "action": "truncate", "length": 60},
    {"path": "**.comments", "action": "truncate", "length": 60},
    {"path": "**.routing_breadcrumbs.url", "action": "truncate", "length": 60},
    {"path": "**.routing_breadcrumbs.request", "action": "summary"},
    {"path": "**.routing_breadcrumbs.response", "action": "summary"},
    {"path": "**.*sdp", "action": "summary"},
    {"path": "**.*_sdp_*", "action": "summary"},
    {"path": "**.app_log", "action": "summary"},
    {"path": "**.recap_*", "action": "summary"},
    {"path": "**.csat_transcriptions", "action": "summary"},
    {"path": "**.integrations", "action": "summary"},
    {"path": "**.custom_data", "action": "json"}
  ],
  "detectors": {"phone": "mask", "email": "mask", "card": "mask"},
  "limits": {"depth": 10, "members": 400, "items": 20, "characters": 200},
  "budget": {"max_bytes": 1000}
})";

// Only makes payloads small. It cuts, summarizes or limits bulky values, also those about persons. It lists
// the most useful members first, so a budget sheds them last.
constexpr std::string_view size_only_policy = R"({
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
    {"path": "**.external_number", "action": "keep"},
    {"path": "**.internal_number", "action": "keep"},
    {"path": "**.master_call_id", "action": "keep"},
    {"path": "**.entry_point_call_id", "action": "keep"},
    {"path": "**.operator_call_id", "action": "keep"},
    {"path": "**.group_id", "action": "keep"},
    {"path": "**.mos_score", "action": "keep"},
    {"path": "**.csat_score", "action": "keep"},
    {"path": "**.target_availability_status", "action": "keep"},
    {"path": "**.is_transferred", "action": "keep"},
    {"path": "**.is_internal", "action": "keep"},
    {"path": "**.was_recorded", "action": "keep"},
    {"path": "**.callback_requested", "action": "keep"},
    {"path": "**.contact.id", "action": "keep"},
    {"path": "**.contact.type", "action": "keep"},
    {"path": "**.*target.id", "action": "keep"},
    {"path": "**.*target.type", "action": "keep"},

    {"path": "**.transcription_text", "action": "truncate", "length": 500},
    {"path": "**.transcript", "action": "truncate", "length": 500},
    {"path": "**.transcripts", "action": "truncate", "length": 500},
    {"path": "**.transcriptions", "action": "truncate", "length": 500},
    {"path": "**.recap_*", "action": "truncate", "length": 500},

    {"path": "**.audio", "action": "summary"},
    {"path": "**.audio_data", "action": "summary"},
    {"path": "**.audio_content", "action": "summary"},
    {"path": "**.*base64", "action": "summary"},
    {"path": "**.binary", "action": "summary"},
    {"path": "**.recording_data", "action": "summary"},
    {"path": "**.recording.data", "action": "summary"},
    {"path": "**.recordings.data", "action": "summary"},
    {"path": "**.voicemail.data", "action": "summary"},
    {"path": "**.media.data", "action": "summary"},
    {"path": "**.media_content", "action": "summary"},
    {"path": "**.attachments.content", "action": "summary"},

    {"path": "**.metadata", "action": "json"},
    {"path": "**.custom_data", "action": "json"}
  ],
  "detectors": {"phone": "keep", "email": "keep", "card": "keep"},
  "limits": {"depth": 8, "members": 60, "items": 20, "characters": 1000},
  "budget": {"max_bytes": 4000}
})";

// An allow-list. Listed members are cut and not kept, so detectors search them. Their own content is unknown
// and becomes a summary. The rule of an object around listed members enters it, and leaves nothing of a text.
constexpr std::string_view strict_policy = R"({
  "version": 1,
  "secrets": [],
  "rules": [
    {"path": "**.*id.*", "action": "summary"},
    {"path": "**.*ids.*", "action": "summary"},
    {"path": "**.state.*", "action": "summary"},
    {"path": "**.status.*", "action": "summary"},
    {"path": "**.direction.*", "action": "summary"},
    {"path": "**.event_type.*", "action": "summary"},
    {"path": "**.*_status.*", "action": "summary"},
    {"path": "**.event_timestamp.*", "action": "summary"},
    {"path": "**.date_*.*", "action": "summary"},
    {"path": "**.*_time.*", "action": "summary"},
    {"path": "**.*duration.*", "action": "summary"},

    {"path": "**.call_id", "action": "truncate", "length": 64},
    {"path": "**.state", "action": "truncate", "length": 64},
    {"path": "**.status", "action": "truncate", "length": 64},
    {"path": "**.direction", "action": "truncate", "length": 64},
    {"path": "**.event_type", "action": "truncate", "length": 64},
    {"path": "**.event_timestamp", "action": "truncate", "length": 64},
    {"path": "**.date_started", "action": "truncate", "length": 64},
    {"path": "**.date_rang", "action": "truncate", "length": 64},
    {"path": "**.date_first_rang", "action": "truncate", "length": 64},
    {"path": "**.date_queued", "action": "truncate", "length": 64},
    {"path": "**.date_connected", "action": "truncate", "length": 64},
    {"path": "**.date_ended", "action": "truncate", "length": 64},
    {"path": "**.date_created", "action": "truncate", "length": 64},
    {"path": "**.date_updated", "action": "truncate", "length": 64},
    {"path": "**.start_time", "action": "truncate", "length": 64},
    {"path": "**.end_time", "action": "truncate", "length": 64},
    {"path": "**.duration", "action": "truncate", "length": 64},
    {"path": "**.total_duration", "action": "truncate", "length": 64},
    {"path": "**.talk_time", "action": "truncate", "length": 64},
    {"path": "**.hold_time", "action": "truncate", "length": 64},
    {"path": "**.id", "action": "truncate", "length": 64},
    {"path": "**.master_call_id", "action": "truncate", "length": 64},
    {"path": "**.entry_point_call_id", "action": "truncate", "length": 64},
    {"path": "**.operator_call_id", "action": "truncate", "length": 64},
    {"path": "**.event_id", "action": "truncate", "length": 64},
    {"path": "**.group_id", "action": "truncate", "length": 64},
    {"path": "**.office_id", "action": "truncate", "length": 64},
    {"path": "**.target_id", "action": "truncate", "length": 64},
    {"path": "**.contact_id", "action": "truncate", "length": 64},
    {"path": "**.call_recording_ids", "action": "truncate", "length": 64},
    {"path": "**.voicemail_recording_id", "action": "truncate", "length": 64},
    {"path": "**.target_availability_status", "action": "truncate", "length": 64},

    {"path": "**.contact.*", "action": "summary"},
    {"path": "**.contact", "action": "mask", "keep": 0},
    {"path": "**.*target.*", "action": "summary"},
    {"path": "**.*target", "action": "mask", "keep": 0},
    {"path": "**.transferred_from.*", "action": "summary"},
    {"path": "**.transferred_from", "action": "mask", "keep": 0},
    {"path": "**.call.*", "action": "summary"},
    {"path": "**.call", "action": "mask", "keep": 0},
    {"path": "**.calls.*", "action": "summary"},
    {"path": "**.calls", "action": "mask", "keep": 0},
    {"path": "**.items.*", "action": "summary"},
    {"path": "**.items", "action": "mask", "keep": 0},
    {"path": "**.payload.*", "action": "summary"},
    {"path": "**.payload", "action": "mask", "keep": 0},
    {"path": "**.data.*", "action": "summary"},
    {"path": "**.data", "action": "mask", "keep": 0},

    {"path": "**.*", "action": "summary"}
  ],
  "detectors": {"phone": "mask", "email": "mask", "card": "mask", "ssn": "mask", "iban": "mask", "ip": "mask"},
  "limits": {"depth": 8, "members": 60, "items": 20, "characters": 64},
  "budget": {"max_bytes": 4000}
})";

constexpr struct {
    std::string_view name;
    std::string_view document;
} policies[] = {
    {"default", default_policy},
    {"size_only", size_only_policy},
    {"strict", strict_policy},
};

} // namespace

std::string_view BuiltInPolicy(std::string_view name) noexcept
{
    for (const auto &policy : policies)
        if (policy.name == name)
            return policy.document;
    return {};
}

const Policy *DefaultPolicy() noexcept
{
    static constinit const Policy *compiled = nullptr;
    if (compiled == nullptr) {
        SettingError error;
        compiled = Policy::Compile(default_policy, error);
    }
    return compiled;
}

} // namespace callhardening
