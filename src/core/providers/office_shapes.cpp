#include "core/providers/office_shapes.hpp"

namespace callhardening
{

// Every event has the whole call. Events long after the call (tagged, commented, archived) say `done` in
// `status`, so the event's name is the state. If a finished call has no time of the answer, nobody has
// answered. But a hangup does not know yet if there is a message: `ended` knows it some 30 seconds later.
// `duration` includes the ringing.
constinit const std::string_view aircall_shape = R"({"version": 1, "forms": [
  {"name": "call", "call": "data", "when": {"$.event": "call.*"},
   "fields": {
     "call_id": "id",
     "state": [
       {"when": {"$.event": ["call.hungup", "call.ended"], "answered_at": null, "voicemail": "*"},
        "value": "voicemail"},
       {"when": {"$.event": "call.ended", "answered_at": null}, "value": "missed"},
       {"when": {"$.event": "call.hungup", "answered_at": null}, "value": null},
       "$.event"],
     "event_time": "$.timestamp",
     "direction": "direction",
     "external_number": "raw_digits",
     "internal_number": "number.digits",
     "user_id": "user.id",
     "started_at": "started_at",
     "connected_at": "answered_at",
     "ended_at": "ended_at",
     "duration": "duration",
     "recording_url": "recording",
     "voicemail_url": "voicemail",
     "is_transferred": {"when": {"transferred_by": "*"}, "value": true}}}]})";

// Bodies have no event name, no event time and no word for the state. A body comes before the call, on its
// routing, after it, or after a change.
constinit const std::string_view callrail_shape = R"({"version": 1, "forms": [
  {"name": "call", "has_one_of": ["customer_phone_number", "tracking_phone_number"],
   "fields": {
     "call_id": "id",
     "state": [
       {"when": {"voicemail": true}, "value": "voicemail"},
       {"when": {"answered": true, "duration": "*"}, "value": "ended"},
       {"when": {"answered": true}, "value": "active"},
       {"when": {"answered": false}, "value": "missed"},
       {"when": {"duration": "*"}, "value": "ended"},
       {"value": "ringing"}],
     "direction": "direction",
     "external_number": "customer_phone_number",
     "internal_number": "tracking_phone_number",
     "started_at": "start_time",
     "duration": "duration",
     "recording_url": [{"when": {"voicemail": true}, "value": null}, "recording"],
     "voicemail_url": {"when": {"voicemail": true}, "path": "recording"},
     "was_recorded": {"when": {"recording": "*"}, "value": true}}}]})";

// `request_id` names the delivery, so it is no id of the event. The outcome of a completed call is in
// `call_info.type`.
constinit const std::string_view justcall_shape = R"({"version": 1, "forms": [
  {"name": "call", "call": "data", "when": {"$.type": "call.*"},
   "fields": {
     "call_id": "id",
     "state": [
       {"when": {"$.type": "call.completed", "call_info.type": ["missed", "unanswered", "voicemail"]},
        "path": "call_info.type"},
       "$.type"],
     "event_time": {"join": ["call_date", "call_time"]},
     "direction": "call_info.direction",
     "external_number": "contact_number",
     "internal_number": "justcall_number",
     "user_id": "agent_id",
     "duration": "call_duration.total_duration"}}]})";

// A summary and a transcript have their own status, time and duration. `phoneNumberId` is an id, not a
// number. The ringing call in the documentation has an end and a duration.
constinit const std::string_view quo_shape = R"({"version": 1, "forms": [
  {"name": "summary", "call": "data.object", "when": {"$.type": ["callSummary", "call.summary.completed"]},
   "fields": {
     "call_id": "callId",
     "state": {"value": "call.summary.completed"},
     "event_time": "$.createdAt",
     "event_id": "$.id"}},

  {"name": "transcript", "call": "data.object", "when": {"$.type": ["callTranscript", "call.transcript.completed"]},
   "like": "summary",
   "fields": {"state": {"value": "call.transcript.completed"}}},

  {"name": "call", "call": "data.object", "when": {"$.type": "call.*"},
   "fields": {
     "call_id": ["callId", "id"],
     "state": [
       {"when": {"$.type": "call.completed", "answeredAt": null, "voicemail": "*"},
        "value": "voicemail"},
       {"when": {"$.type": "call.completed", "answeredAt": null}, "value": "missed"},
       "$.type"],
     "event_time": "$.createdAt",
     "event_id": "$.id",
     "direction": "direction",
     "external_number": "participants[0]",
     "from_number": "from",
     "to_number": "to",
     "user_id": "userId",
     "started_at": "createdAt",
     "connected_at": "answeredAt",
     "ended_at": [{"when": {"$.type": "call.ringing"}, "value": null}, "completedAt"],
     "duration": [{"when": {"$.type": "call.ringing"}, "value": null}, "duration"],
     "recording_url": "media[].url",
     "voicemail_url": "voicemail.url"}}]})";

// A call is a party of a session. Nobody answered a disconnected party with `missedCall`. Push wraps the
// event. A record of the call log has its own words in `result`.
constinit const std::string_view ringcentral_shape = R"({"version": 1, "forms": [
  {"name": "session", "call": "body.parties[*]", "when": {"$.body.telephonySessionId": "*"},
   "fields": {
     "call_id": "id",
     "state": [
       {"when": {"status.code": "Disconnected", "missedCall": true}, "value": "missed"},
       "status.code"],
     "event_time": "$.body.eventTime",
     "event_id": "$.uuid",
     "sequence": "$.body.sequence",
     "direction": "direction",
     "from_number": "from.phoneNumber",
     "to_number": "to.phoneNumber",
     "user_id": "extensionId",
     "master_call_id": "$.body.telephonySessionId",
     "was_recorded": {"when": {"recordings": "*"}, "value": true},
     "is_transferred": {"when": {"status.reason": ["BlindTransfer", "AttendedTransfer", "RccTransfer"]},
                        "value": true}}},

  {"name": "pushed session", "call": "pn_apns.body.parties[*]", "when": {"$.pn_apns.body.telephonySessionId": "*"},
   "like": "session",
   "fields": {
     "event_time": "$.pn_apns.body.eventTime",
     "event_id": ["$.pn_apns.uuid", "$.uuid"],
     "sequence": "$.pn_apns.body.sequence",
     "master_call_id": "$.pn_apns.body.telephonySessionId"}},

  {"name": "record", "when": {"result": "*", "sessionId": "*"},
   "fields": {
     "call_id": "id",
     "state": "result",
     "direction": "direction",
     "from_number": "from.phoneNumber",
     "to_number": "to.phoneNumber",
     "user_id": "extension.id",
     "started_at": "startTime",
     "duration": "duration",
     "recording_url": "recording.contentUri",
     "master_call_id": "telephonySessionId"}}]})";

// `id` and `created` at the top belong to the subscription. `eventType` names the event. The state of the
// call is in `state`.
constinit const std::string_view webex_shape = R"({"version": 1, "forms": [
  {"name": "call", "call": "data", "when": {"$.resource": "telephony_calls"},
   "fields": {
     "call_id": "callId",
     "state": "state",
     "event_time": "eventTimestamp",
     "direction": "personality",
     "external_number": "remoteParty.number",
     "user_id": "$.actorId",
     "started_at": "created",
     "connected_at": "answered",
     "master_call_id": "callSessionId"}}]})";

// The event's name tells the side of the call. In a queue one member answers, and every other member is
// missed: of a forwarded ring, neither the member nor the end are those of the call. A recording and a
// voicemail have their own times and duration.
constinit const std::string_view zoom_shape = R"({"version": 1, "forms": [
  {"name": "caller", "call": "payload.object", "when": {"$.event": "phone.caller_*", "call_logs": null},
   "fields": {
     "call_id": "call_id",
     "state": "$.event",
     "event_time": "$.event_ts",
     "direction": {"value": "outbound"},
     "from_number": ["caller.phone_number", "caller.extension_number"],
     "to_number": ["callee.phone_number", "callee.extension_number"],
     "user_id": "caller.user_id",
     "started_at": "ringing_start_time",
     "connected_at": ["answer_start_time", "connected_start_time"],
     "ended_at": "call_end_time"}},

  {"name": "missed member", "call": "payload.object",
   "when": {"$.event": ["phone.callee_missed", "phone.callee_rejected"], "forwarded_by": "*", "call_logs": null},
   "fields": {
     "call_id": "call_id",
     "event_time": "$.event_ts",
     "direction": {"value": "inbound"},
     "from_number": ["caller.phone_number", "caller.extension_number"],
     "started_at": "ringing_start_time"}},

  {"name": "callee", "call": "payload.object", "when": {"$.event": "phone.callee_*", "call_logs": null},
   "like": "caller",
   "fields": {
     "direction": {"value": "inbound"},
     "user_id": "callee.user_id"}},

  {"name": "record", "call": "payload.object.call_logs[*]", "when": {"$.event": "phone.*_completed"},
   "fields": {
     "call_id": "call_id",
     "state": "$.event",
     "event_time": "$.event_ts",
     "direction": "direction",
     "from_number": ["caller_did_number", "caller_number"],
     "to_number": ["callee_did_number", "callee_number"],
     "user_id": "$.payload.object.user_id",
     "started_at": ["start_time", "date_time"],
     "connected_at": ["answer_time", "answer_start_time"],
     "ended_at": ["end_time", "call_end_time"],
     "talk_time": "talk_time",
     "was_recorded": {"when": {"recording_id": "*"}, "value": true}}},

  {"name": "recording", "call": "payload.object.recordings[*]", "when": {"$.event": "phone.recording_*"},
   "fields": {
     "call_id": "call_id",
     "state": "$.event",
     "event_time": "$.event_ts",
     "direction": "direction",
     "from_number": "caller_number",
     "to_number": "callee_number",
     "user_id": "owner.id",
     "recording_url": "download_url"}},

  {"name": "voicemail", "call": "payload.object", "when": {"$.event": "phone.voicemail_*"},
   "fields": {
     "call_id": "call_id",
     "state": "$.event",
     "event_time": ["date_time", "$.event_ts"],
     "from_number": "caller_number",
     "to_number": "callee_number",
     "user_id": "callee_user_id",
     "voicemail_url": "download_url"}},

  {"name": "other", "call": "payload.object", "when": {"$.event": "phone.*"},
   "fields": {
     "call_id": "call_id",
     "state": "$.event",
     "event_time": "$.event_ts"}}]})";

} // namespace callhardening
