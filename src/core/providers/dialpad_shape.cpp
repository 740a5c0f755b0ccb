#include "core/providers/dialpad_shape.hpp"

namespace callhardening
{

// Dialpad's durations are milliseconds. `talk_time` is the reliable one: `duration` includes the time in the
// menu. Integrations send the call under `call` or `data.call`, or flat, with Dialpad's names or their own.
// Their durations are seconds. At the top level an `id` may belong to anything: it is the call's beside the
// state of a call. A recording or a voicemail with a call id has its own status and duration.
constinit const std::string_view dialpad_shape = R"({"version": 1, "forms": [
  {"name": "event",
   "has_one_of": ["event_timestamp", "date_started", "date_connected", "date_ended", "talk_time", "target",
                  "external_number", "internal_number"],
   "fields": {
     "call_id": "call_id",
     "state": ["state", "event_type", "$.event_type"],
     "event_time": "event_timestamp",
     "direction": "direction",
     "external_number": "external_number",
     "internal_number": "internal_number",
     "from_number": "from",
     "to_number": "to",
     "user_id": ["target.id", "user_id"],
     "user_type": "target.type",
     "started_at": ["date_started", "started_at"],
     "connected_at": "date_connected",
     "ended_at": "date_ended",
     "talk_time": {"path": "talk_time", "as": "milliseconds"},
     "duration": {"path": "duration", "as": "milliseconds"},
     "recording_url": ["recording_url", "recording_details.url", "admin_recording_urls"],
     "recording_type": "recording_details.recording_type",
     "voicemail_url": "voicemail_link",
     "was_recorded": "was_recorded",
     "is_transferred": "is_transferred",
     "master_call_id": "master_call_id",
     "entry_point_call_id": "entry_point_call_id",
     "operator_call_id": "operator_call_id"}},

  {"name": "flat",
   "has_one_of": ["from", "to", "user_id", "started_at", "start_time", "ended_at", "end_time", "created_at",
                  "caller", "callee", "owner", "from_number", "to_number", "duration_seconds", "recording",
                  "voicemail", "answered_at", "voicemail_url"],
   "fields": {
     "call_id": "call_id",
     "state": ["state", "status", "$.event_type", "$.event"],
     "event_time": ["event_timestamp", "$.event_timestamp", "$.timestamp"],
     "direction": "direction",
     "external_number": "external_number",
     "internal_number": "internal_number",
     "from_number": ["from", "from_number", "caller", "caller.number", "caller.phone_number"],
     "to_number": ["to", "to_number", "callee", "callee.number", "callee.phone_number"],
     "user_id": ["user_id", "owner.id"],
     "user_type": "owner.type",
     "started_at": ["started_at", "start_time", "date_started", "created_at"],
     "connected_at": ["connected_at", "answered_at", "date_connected"],
     "ended_at": ["ended_at", "end_time", "date_ended"],
     "duration": ["duration", "duration_seconds"],
     "recording_url": ["recording_url", "recording.url", "recording.download_url", "recordings.url",
                       "$.recording.url", "$.recording.download_url"],
     "recording_type": "recording.type",
     "voicemail_url": ["voicemail_url", "voicemail.url", "voicemail.download_url", "$.voicemail.url",
                       "$.voicemail.download_url"],
     "was_recorded": "was_recorded",
     "is_transferred": "is_transferred"}},

  {"name": "call id alone", "like": "event"},

  {"name": "call", "call": "call", "like": "flat",
   "fields": {"call_id": ["call_id", "id"]}},

  {"name": "data.call", "call": "data.call", "like": "call",
   "fields": {
     "state": ["state", "status", "$.data.event_type", "$.data.event", "$.event_type", "$.event"],
     "recording_url": ["recording_url", "recording.url", "recording.download_url", "recordings.url",
                       "$.data.recording.url", "$.data.recording.download_url"],
     "voicemail_url": ["voicemail_url", "voicemail.url", "voicemail.download_url", "$.data.voicemail.url",
                       "$.data.voicemail.download_url"]}},

  {"name": "recording", "call": "recording",
   "fields": {
     "call_id": ["call_id", "call.id"],
     "state": ["$.event_type", "$.event"],
     "event_time": ["event_timestamp", "$.event_timestamp", "$.timestamp", "created_at"],
     "recording_url": ["url", "download_url", "recording_url"],
     "recording_type": ["type", "recording_type"]}},

  {"name": "data.recording", "call": "data.recording", "like": "recording",
   "fields": {"state": ["$.event_type", "$.event", "$.data.event_type", "$.data.event"]}},

  {"name": "voicemail", "call": "voicemail",
   "fields": {
     "call_id": ["call_id", "call.id"],
     "state": ["$.event_type", "$.event"],
     "event_time": ["event_timestamp", "$.event_timestamp", "$.timestamp", "created_at"],
     "direction": "direction",
     "from_number": ["from", "from_number", "caller", "caller.number"],
     "to_number": ["to", "to_number", "callee", "callee.number"],
     "user_id": ["user_id", "owner.id"],
     "user_type": "owner.type",
     "voicemail_url": ["url", "download_url", "voicemail_url", "recording_url"]}},

  {"name": "data.voicemail", "call": "data.voicemail", "like": "voicemail",
   "fields": {"state": ["$.event_type", "$.event", "$.data.event_type", "$.data.event"]}},

  {"name": "data event", "call": "data", "like": "event",
   "has_one_of": ["event_timestamp", "date_started", "date_connected", "date_ended", "talk_time", "target",
                  "external_number", "internal_number"]},

  {"name": "data flat", "call": "data", "like": "flat",
   "has_one_of": ["from", "to", "user_id", "started_at", "start_time", "ended_at", "end_time", "created_at",
                  "caller", "callee", "owner", "from_number", "to_number", "duration_seconds", "recording",
                  "voicemail", "answered_at", "voicemail_url"]},

  {"name": "data call id alone", "call": "data", "like": "event"},

  {"name": "event id", "like": "event",
   "when": {"state": ["calling", "ringing", "preanswer", "queued", "connected", "hold", "hangup", "missed", "voicemail",
                     "completed"]},
   "has_one_of": ["event_timestamp", "date_started", "date_connected", "date_ended", "talk_time", "target",
                  "external_number", "internal_number"],
   "fields": {"call_id": "id"}},

  {"name": "flat id", "like": "flat",
   "when": {"state": ["calling", "ringing", "preanswer", "queued", "connected", "hold", "hangup", "missed", "voicemail",
                     "completed"]},
   "fields": {"call_id": "id"}}]})";

} // namespace callhardening
