#include "core/providers/platform_shapes.hpp"

namespace callhardening
{

// Chats and tasks are contacts too, but no calls. The case of the members varies.
constinit const std::string_view amazon_connect_shape = R"({"version": 1, "forms": [
  {"name": "contact", "call": "detail", "when": {"channel": ["VOICE", "Voice"]},
   "fields": {
     "call_id": "contactId",
     "state": "eventType",
     "event_time": "$.time",
     "event_id": "$.id",
     "direction": "initiationMethod",
     "user_id": ["AgentInfo.AgentArn", "agentInfo.agentArn"],
     "master_call_id": "initialContactId"}}]})";

// A destroyed channel keeps its last state. The causes are those of Q.850: 17 is busy, 18 and 19 are no
// answer, 21 is rejected.
constinit const std::string_view asterisk_shape = R"({"version": 1, "forms": [
  {"name": "channel", "call": "channel", "when": {"$.type": "*"},
   "fields": {
     "call_id": "id",
     "state": [
       {"when": {"$.type": "ChannelDestroyed", "$.cause": ["17", "21"]}, "value": "rejected"},
       {"when": {"$.type": "ChannelDestroyed", "$.cause": ["18", "19"]}, "value": "missed"},
       {"when": {"$.type": "ChannelDestroyed"}, "value": "ended"},
       {"when": {"$.type": ["ChannelCreated", "ChannelStateChange", "StasisStart"]}, "path": "state"}],
     "event_time": "$.timestamp",
     "from_number": "caller.number",
     "to_number": ["dialplan.exten", "connected.number"],
     "started_at": "creationtime"}}]})";

// A recording has its own times. Only a disconnected call has a cause of its own.
constinit const std::string_view bandwidth_shape = R"({"version": 1, "forms": [
  {"name": "recording", "when": {"eventType": "*", "recordingId": "*"},
   "fields": {
     "call_id": "callId",
     "state": "eventType",
     "event_time": "eventTime",
     "direction": "direction",
     "from_number": "from",
     "to_number": "to",
     "recording_url": "mediaUrl",
     "master_call_id": "parentCallId"}},

  {"name": "call", "when": {"eventType": "*"}, "like": "recording",
   "fields": {
     "state": [
       {"when": {"eventType": "disconnect", "cause": ["busy", "cancel", "rejected", "timeout"]}, "path": "cause"},
       "eventType"],
     "started_at": "startTime",
     "connected_at": "answerTime",
     "ended_at": "endTime",
     "recording_url": []}}]})";

// A record of a finished call. `answer_epoch` is "0" if nobody answered. `start_stamp` and the like are in
// the server's zone, but the record does not name it. `callflow` is an array, or it comes twice and jsonb
// keeps one.
constinit const std::string_view freeswitch_shape = R"({"version": 1, "forms": [
  {"name": "record", "call": "variables",
   "fields": {
     "call_id": "uuid",
     "state": "hangup_cause",
     "event_id": "uuid",
     "direction": "direction",
     "from_number": "$.callflow.caller_profile.caller_id_number",
     "to_number": "$.callflow.caller_profile.destination_number",
     "started_at": "start_epoch",
     "connected_at": {"path": "answer_epoch", "none": ["0"]},
     "ended_at": "end_epoch",
     "talk_time": "billsec",
     "duration": "duration",
     "master_call_id": ["originating_leg_uuid", "bridge_uuid"]}}]})";

// Only the first event has the direction. A hangup has a cause. Names ending in `.ended` end no call. A
// callback has the names of Twilio's. The number in its sequence may be zero for every event.
constinit const std::string_view telnyx_shape = R"({"version": 1, "forms": [
  {"name": "call", "call": "data.payload", "when": {"$.data.event_type": "call.*"},
   "fields": {
     "call_id": "call_leg_id",
     "state": [
       {"when": {"$.data.event_type": "call.hangup",
                 "hangup_cause": ["call_rejected", "originator_cancel", "timeout", "user_busy"]},
        "path": "hangup_cause"},
       "$.data.event_type"],
     "event_time": "$.data.occurred_at",
     "event_id": "$.data.id",
     "direction": "direction",
     "from_number": "from",
     "to_number": "to",
     "started_at": "start_time",
     "ended_at": "end_time",
     "recording_url": ["recording_urls.mp3", "recording_urls.wav", "public_recording_urls.mp3",
                       "public_recording_urls.wav"],
     "master_call_id": "call_session_id"}},

  {"name": "first version", "call": "payload", "when": {"$.event_type": "call_*"}, "like": "call",
   "fields": {
     "state": "$.event_type",
     "event_time": "occurred_at",
     "event_id": "$.id"}},

  {"name": "recording", "when": {"RecordingStatus": "*"},
   "fields": {
     "call_id": "CallSid",
     "event_time": "Timestamp",
     "recording_url": {"when": {"RecordingStatus": "completed"}, "path": "RecordingUrl"},
     "was_recorded": {"when": {"RecordingStatus": "completed"}, "value": true},
     "event_id": {"join": ["RecordingSid", "RecordingStatus"]}}},

  {"name": "callback", "has_one_of": ["CallStatus"],
   "fields": {
     "call_id": "CallSid",
     "state": "CallStatus",
     "event_time": "Timestamp",
     "direction": "Direction",
     "from_number": "From",
     "to_number": "To",
     "duration": "CallDuration",
     "recording_url": "RecordingUrl",
     "master_call_id": "ParentCallSid"}}]})";

// Events of transfers and inputs have no status. A recording names the conversation, but no call.
constinit const std::string_view vonage_shape = R"({"version": 1, "forms": [
  {"name": "recording", "when": {"recording_uuid": "*", "status": null},
   "fields": {
     "call_id": ["uuid", "call_uuid"],
     "event_time": "timestamp",
     "recording_url": "recording_url",
     "master_call_id": "conversation_uuid"}},

  {"name": "call", "has_one_of": ["conversation_uuid", "conversation_uuid_from", "status"],
   "fields": {
     "call_id": ["uuid", "call_uuid"],
     "state": "status",
     "event_time": "timestamp",
     "direction": "direction",
     "from_number": "from",
     "to_number": "to",
     "started_at": "start_time",
     "ended_at": "end_time",
     "duration": "duration",
     "recording_url": "recording_url",
     "master_call_id": "conversation_uuid"}}]})";

} // namespace callhardening
