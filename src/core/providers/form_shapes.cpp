#include "core/providers/form_shapes.hpp"

namespace callhardening
{

// Times are on India's clock. `From` is the leg that is dialled first.
constinit const std::string_view exotel_shape = R"({"version": 1, "zone": "+05:30", "forms": [
  {"name": "callback", "has_one_of": ["Status", "EventType"],
   "fields": {
     "call_id": "CallSid",
     "state": ["Status", {"when": {"EventType": "answered"}, "path": "EventType"}],
     "event_time": "DateUpdated",
     "event_id": {"join": ["CallSid", "EventType"]},
     "from_number": "From",
     "to_number": "To",
     "started_at": "StartTime",
     "ended_at": "EndTime",
     "recording_url": "RecordingUrl"}},

  {"name": "notification", "when": {"event": ["incoming_call", "outbound_call"]},
   "fields": {
     "call_id": "call_sid",
     "state": "event",
     "event_time": "timestamp",
     "direction": "direction",
     "internal_number": "exophone",
     "from_number": "from",
     "to_number": "to",
     "user_id": "user_id"}}]})";

// The times of a call are on the clock of the account, and only the account knows its zone. `SessionStart`
// is UTC. `BillDuration` is rounded up for the bill.
constinit const std::string_view plivo_shape = R"({"version": 1, "forms": [
  {"name": "call", "has_one_of": ["CallStatus", "Event"],
   "fields": {
     "call_id": "CallUUID",
     "state": "CallStatus",
     "direction": "Direction",
     "from_number": "From",
     "to_number": "To",
     "started_at": [{"path": "StartTime", "as": "local"}, {"path": "SessionStart", "zone": "Z"}],
     "connected_at": {"path": "AnswerTime", "as": "local"},
     "ended_at": {"path": "EndTime", "as": "local"},
     "duration": "Duration",
     "master_call_id": "ALegUUID"}}]})";

// The names are Twilio's.
constinit const std::string_view signalwire_shape = R"({"version": 1, "forms": [
  {"name": "relay", "call": "params", "when": {"$.event_type": "calling.call.state"},
   "fields": {
     "call_id": "call_id",
     "state": "call_state",
     "event_time": "$.timestamp",
     "master_call_id": "parent.call_id"}},

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
     "event_id": {"join": ["CallSid", "SequenceNumber"]},
     "sequence": "SequenceNumber",
     "direction": "Direction",
     "from_number": "From",
     "to_number": "To",
     "duration": "CallDuration",
     "recording_url": "RecordingUrl",
     "master_call_id": "ParentCallSid"}}]})";

// A transcription comes long after the call and says `completed` again. It and a recording have their own
// status and duration. After `<Dial>`, `DialCallStatus` is the other leg's: the call itself goes on. The
// sequence of another source is not the call's. `Duration` is in minutes. A call from a browser is inbound
// for Twilio, and outbound for its user.
constinit const std::string_view twilio_shape = R"({"version": 1, "forms": [
  {"name": "transcription", "when": {"TranscriptionSid": "*"},
   "fields": {
     "call_id": "CallSid",
     "event_time": "Timestamp",
     "direction": [{"when": {"From": "client:*", "Direction": "inbound"}, "value": "outbound"}, "Direction"],
     "from_number": ["From", "Caller"],
     "to_number": ["To", "Called"],
     "recording_url": "RecordingUrl",
     "master_call_id": "ParentCallSid"}},

  {"name": "recording", "when": {"RecordingStatus": "*"},
   "fields": {
     "call_id": "CallSid",
     "event_time": "Timestamp",
     "recording_url": {"when": {"RecordingStatus": "completed"}, "path": "RecordingUrl"},
     "was_recorded": {"when": {"RecordingStatus": "completed"}, "value": true},
     "event_id": {"join": ["RecordingSid", "RecordingStatus"]}}},

  {"name": "call", "like": "transcription",
   "fields": {
     "state": "CallStatus",
     "duration": "CallDuration",
     "event_id": {"when": {"CallbackSource": "call-progress-events"}, "join": ["CallSid", "SequenceNumber"]},
     "sequence": {"when": {"CallbackSource": "call-progress-events"}, "path": "SequenceNumber"}}},

  {"name": "event stream", "call": "$[*].data", "when": {"$.type": "com.twilio.voice.*.call.*"},
   "fields": {
     "call_id": "sid",
     "state": [
       {"when": {"$.type": "*.initiated"}, "value": "initiated"},
       {"when": {"$.type": "*.ringing"}, "value": "ringing"},
       {"when": {"$.type": "*.answered"}, "value": "answered"},
       {"when": {"$.type": "*.completed"}, "value": "completed"},
       "$.type"],
     "event_time": "timestamp",
     "event_id": "$.id"}}]})";

} // namespace callhardening
