// Reads small invented bodies by each provider's shape.
#include "core/providers/built_in_shapes.hpp"
#include "core/words/status.hpp"
#include "test/unit/json_body.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

using namespace callhardening;

namespace
{

using Row = std::map<std::string, std::string>; // field to value, as text

// All fields of the shape in a body.
Row RowOf(const Shape &shape, std::string_view text)
{
    JsonBody body(text);
    FieldValue values[field_count];
    Row row;
    if (ShapeReader(body).Read(shape, ~FieldSet{0}, values) == nullptr)
        return row;
    for (std::size_t i = 0; i < field_count; ++i) {
        const FieldFacts &facts = FactsOf(static_cast<Field>(i));
        const bool is_number =
            IsTime(facts.reading) || IsDuration(facts.reading) || facts.reading == Reading::flag;
        const FieldValue &value = values[i];
        if (value.known)
            row[std::string(facts.name)] =
                is_number ? std::to_string(IsTime(facts.reading) ? value.number / 1000000 : value.number)
                          : std::string(value.text);
    }
    return row;
}

Row RowOf(std::string_view provider, std::string_view text)
{
    return RowOf(*BuiltInShape(provider), text);
}

std::string ValueOf(std::string_view provider, const std::string &field, std::string_view text)
{
    const Row row = RowOf(provider, text);
    const auto found = row.find(field);
    return row.empty() ? "no form" : found == row.end() ? "-" : found->second;
}

std::string StateOf(std::string_view provider, std::string_view text)
{
    return ValueOf(provider, "state", text);
}

// 1 January 2026, midnight, plus `seconds`.
std::string At(int seconds)
{
    return std::to_string(1767225600 + seconds);
}

TEST(ProviderShapes, Aircall)
{
    EXPECT_EQ(RowOf("aircall", R"({"event": "call.ended", "timestamp": 1767225640, "token": "t", "data": {
        "id": 77, "direction": "inbound", "status": "done", "started_at": 1767225600, "answered_at": 1767225605,
        "ended_at": 1767225620, "duration": 20, "raw_digits": "+44 20 7000 0000", "user": {"id": 5},
        "number": {"digits": "+43 720 000 000"}, "recording": "https://r.example/1",
        "voicemail": "https://v.example/1", "transferred_by": {"id": 6}}})"),
              (Row{{"call_id", "77"},
                   {"state", "call.ended"},
                   {"event_time", At(40)},
                   {"direction", "inbound"},
                   {"external_number", "+44 20 7000 0000"},
                   {"internal_number", "+43 720 000 000"},
                   {"user_id", "5"},
                   {"started_at", At(0)},
                   {"connected_at", At(5)},
                   {"ended_at", At(20)},
                   {"duration", "20"},
                   {"recording_url", "https://r.example/1"},
                   {"voicemail_url", "https://v.example/1"},
                   {"is_transferred", "1"}}));
    const auto state = [](const std::string &event, const std::string &more) {
        return StateOf("aircall",
                       R"({"event": ")" + event + R"(", "data": {"id": 1, "status": "done")" + more + "}}");
    };
    EXPECT_EQ(state("call.hungup", R"(, "answered_at": null)"), "-") << "a message may follow";
    EXPECT_EQ(state("call.ended", R"(, "answered_at": null)"), "missed");
    EXPECT_EQ(state("call.ended", R"(, "answered_at": null, "missed_call_reason": "short_abandoned")"),
              "missed");
    EXPECT_EQ(state("call.ended", R"(, "answered_at": null, "voicemail": "https://v.example/1")"),
              "voicemail");
    EXPECT_EQ(state("call.hungup", R"(, "answered_at": 5)"), "call.hungup");
    for (const char *later : {"call.archived", "call.tagged", "call.commented"}) {
        EXPECT_EQ(state(later, R"(, "answered_at": null)"), later);
        EXPECT_EQ(NormalizeStatus(later, "aircall"), Status::none) << "ends nothing";
    }
    EXPECT_EQ(ValueOf("aircall", "is_transferred",
                      R"({"event": "call.created", "data": {"id": 1, "transferred_by": {}}})"),
              "-");
    EXPECT_EQ(StateOf("aircall", R"({"event": "user.created", "data": {"id": 1}})"), "no form");
}

TEST(ProviderShapes, RingCentral)
{
    const Row session = {{"call_id", "p-1-2"},   {"state", "Answered"},
                         {"event_time", At(5)},  {"event_id", "9213733942374901991"},
                         {"sequence", "6"},      {"direction", "Inbound"},
                         {"from_number", "101"}, {"to_number", "+12025550100"},
                         {"user_id", "62"},      {"master_call_id", "s-1"},
                         {"was_recorded", "1"},  {"is_transferred", "1"}};
    const std::string body = R"("body": {"telephonySessionId": "s-1", "sequence": 6, "sessionId": "9",
        "eventTime": "2026-01-01T00:00:05.100Z", "parties": [{"id": "p-1-2", "direction": "Inbound",
        "extensionId": "62", "from": {"phoneNumber": "101"}, "to": {"phoneNumber": "+12025550100"},
        "status": {"code": "Answered", "reason": "BlindTransfer"}, "missedCall": false,
        "recordings": [{"id": "3"}]}]})";
    const std::string head = R"("uuid": "9213733942374901991", "timestamp": "2026-01-01T00:00:09Z", )";
    EXPECT_EQ(RowOf("ringcentral", "{" + head + body + "}"), session);
    EXPECT_EQ(RowOf("ringcentral", R"({"uuid": "1", "pn_apns": {)" + head + body + "}}"), session);
    const auto state = [](const std::string &party) {
        return StateOf("ringcentral",
                       R"({"body": {"telephonySessionId": "s", "parties": [{"id": "p", )" + party + "}]}}");
    };
    EXPECT_EQ(state(R"("status": {"code": "Disconnected"}, "missedCall": true)"), "missed");
    EXPECT_EQ(state(R"("status": {"code": "Disconnected"}, "missedCall": false)"), "Disconnected");
    EXPECT_EQ(state(R"("status": {"code": "Answered"}, "missedCall": true)"), "Answered");
    EXPECT_EQ(ValueOf("ringcentral", "was_recorded",
                      R"({"body": {"telephonySessionId": "s", "parties": [{"id": "p", "recordings": []}]}})"),
              "-");
}

TEST(ProviderShapes, RingCentralsCallLog)
{
    EXPECT_EQ(RowOf("ringcentral", R"({"id": "L1", "sessionId": "9", "telephonySessionId": "s-1",
        "startTime": "2026-01-01T00:00:00.000Z", "duration": 55, "direction": "Outbound", "result": "Accepted",
        "from": {"phoneNumber": "+12025550100"}, "to": {"phoneNumber": "102"}, "extension": {"id": 62},
        "recording": {"contentUri": "https://r.example/1"}})"),
              (Row{{"call_id", "L1"},
                   {"state", "Accepted"},
                   {"direction", "Outbound"},
                   {"from_number", "+12025550100"},
                   {"to_number", "102"},
                   {"user_id", "62"},
                   {"started_at", At(0)},
                   {"duration", "55"},
                   {"recording_url", "https://r.example/1"},
                   {"master_call_id", "s-1"}}));
}

TEST(ProviderShapes, ZoomPhone)
{
    const std::string sides = R"("caller": {"phone_number": "+12025550100", "user_id": "ua"},
        "callee": {"extension_number": 1002, "user_id": "ub"}, "ringing_start_time": "2026-01-01T00:00:00Z",
        "call_end_time": "2026-01-01T00:00:20Z")";
    Row row = {{"call_id", "7000000000000000123"},
               {"state", "phone.callee_ended"},
               {"event_time", At(21)},
               {"direction", "inbound"},
               {"from_number", "+12025550100"},
               {"to_number", "1002"},
               {"user_id", "ub"},
               {"started_at", At(0)},
               {"connected_at", At(5)},
               {"ended_at", At(20)}};
    EXPECT_EQ(RowOf("zoom_phone",
                    R"({"event": "phone.callee_ended", "event_ts": 1767225621000, "payload": {"object": {
        "call_id": "7000000000000000123", "answer_start_time": "2026-01-01T00:00:05Z", )" +
                        sides + "}}}"),
              row);
    row["state"] = "phone.caller_connected";
    row["direction"] = "outbound";
    row["user_id"] = "ua";
    EXPECT_EQ(RowOf("zoom_phone", R"({"event": "phone.caller_connected", "event_ts": 1767225621000, "payload":
        {"object": {"call_id": "7000000000000000123", "connected_start_time": "2026-01-01T00:00:05Z", )" +
                                      sides + "}}}"),
              row);
}

// In a queue one member answers, and the others have missed the same call.
TEST(ProviderShapes, ZoomPhonesQueueMembersMissNoCall)
{
    const auto state = [](const std::string &event, const std::string &more) {
        return StateOf("Zoom Phone", R"({"event": ")" + event +
                                         R"(", "payload": {"object": {"call_id": "1")" + more + "}}}");
    };
    EXPECT_EQ(state("phone.callee_missed", ""), "phone.callee_missed");
    EXPECT_EQ(state("phone.callee_missed", R"(, "forwarded_by": {"extension_number": "900"})"), "-");
    EXPECT_EQ(state("phone.callee_rejected", R"(, "forwarded_by": {"extension_number": "900"})"), "-");
    EXPECT_EQ(state("phone.callee_answered", R"(, "forwarded_by": {"extension_number": "900"})"),
              "phone.callee_answered");
    EXPECT_EQ(state("phone.callee_rejected", R"(, "forwarded_by": {})"), "phone.callee_rejected");
    const auto end = [](const std::string &forwarded) {
        return ValueOf("zoom_phone", "ended_at",
                       R"({"event": "phone.callee_missed", "payload": {"object": {"call_id": "1",
                           "call_end_time": "2026-01-01T00:00:09Z")" +
                           forwarded + "}}}");
    };
    EXPECT_EQ(end(""), At(9));
    EXPECT_EQ(end(R"(, "forwarded_by": {"extension_number": "900"})"), "-") << "the call goes on";
    EXPECT_EQ(state("phone.blind_transfer_initiated", ""), "phone.blind_transfer_initiated");
}

// A late miss would be the newest event, with a member and a number that are not those of the answer.
TEST(ProviderShapes, ZoomPhonesQueueMemberWhoMissedIsNotTheUserOfTheCall)
{
    EXPECT_EQ(RowOf("zoom_phone",
                    R"({"event": "phone.callee_missed", "event_ts": 1767225609000, "payload": {"object":
        {"call_id": "1", "forwarded_by": {"extension_number": "900"}, "caller": {"phone_number": "+12025550100"},
        "callee": {"user_id": "ub", "phone_number": "+12025550101"}, "ringing_start_time": "2026-01-01T00:00:01Z",
        "call_end_time": "2026-01-01T00:00:09Z"}}})"),
              (Row{{"call_id", "1"},
                   {"event_time", At(9)},
                   {"direction", "inbound"},
                   {"from_number", "+12025550100"},
                   {"started_at", At(1)}}));
}

TEST(ProviderShapes, ZoomPhonesRecordsRecordingsAndVoicemails)
{
    Row row = {{"call_id", "1"},
               {"state", "phone.callee_call_history_completed"},
               {"event_time", At(30)},
               {"direction", "inbound"},
               {"from_number", "+12025550100"},
               {"to_number", "+12025550101"},
               {"user_id", "ub"},
               {"started_at", At(0)},
               {"connected_at", At(5)},
               {"ended_at", At(20)},
               {"talk_time", "15"},
               {"was_recorded", "1"}};
    EXPECT_EQ(
        RowOf("zoom_phone", R"({"event": "phone.callee_call_history_completed", "event_ts": 1767225630000,
        "payload": {"object": {"user_id": "ub", "call_logs": [{"id": "r", "call_id": "1", "call_path_id": "p",
        "direction": "inbound", "caller_did_number": "+12025550100", "callee_did_number": "+12025550101",
        "start_time": "2026-01-01T00:00:00Z", "answer_time": "2026-01-01T00:00:05Z",
        "end_time": "2026-01-01T00:00:20Z", "talk_time": 15, "recording_id": "x"}]}}})"),
        row);
    row["state"] = "phone.caller_call_log_completed";
    row.erase("talk_time");
    row.erase("was_recorded");
    EXPECT_EQ(RowOf("zoom_phone", R"({"event": "phone.caller_call_log_completed", "event_ts": 1767225630000,
        "payload": {"object": {"user_id": "ub", "call_logs": [{"id": "r", "call_id": "1", "direction": "inbound",
        "caller_number": "+12025550100", "callee_number": "+12025550101", "date_time": "2026-01-01T00:00:00Z",
        "answer_start_time": "2026-01-01T00:00:05Z", "call_end_time": "2026-01-01T00:00:20Z"}]}}})"),
              row);
    EXPECT_EQ(
        RowOf("zoom_phone", R"({"event": "phone.recording_completed", "event_ts": 1767225630000, "payload":
        {"object": {"recordings": [{"id": "r", "call_id": "1", "download_url": "https://r.example/1",
        "direction": "outbound", "caller_number": "101", "callee_number": "+12025550100", "owner": {"id": "u"},
        "date_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:09Z", "duration": 9}]}}})"),
        (Row{{"call_id", "1"},
             {"state", "phone.recording_completed"},
             {"event_time", At(30)},
             {"direction", "outbound"},
             {"from_number", "101"},
             {"to_number", "+12025550100"},
             {"user_id", "u"},
             {"recording_url", "https://r.example/1"}}));
    EXPECT_EQ(
        RowOf("zoom_phone", R"({"event": "phone.voicemail_received", "event_ts": 1767225630000, "payload":
        {"object": {"id": "v", "call_id": "1", "download_url": "https://v.example/1", "caller_number": "+12025550100",
        "callee_number": "102", "callee_user_id": "u", "date_time": "2026-01-01T00:00:25Z", "duration": 9}}})"),
        (Row{{"call_id", "1"},
             {"state", "phone.voicemail_received"},
             {"event_time", At(25)},
             {"from_number", "+12025550100"},
             {"to_number", "102"},
             {"user_id", "u"},
             {"voicemail_url", "https://v.example/1"}}));
}

TEST(ProviderShapes, Quo)
{
    EXPECT_EQ(RowOf("openphone_quo",
                    R"({"id": "EV1", "type": "call.completed", "createdAt": "2026-01-01T00:00:30.000Z",
        "data": {"object": {"id": "AC1", "object": "call", "direction": "incoming", "from": "+12025550100",
        "to": "+12025550101", "participants": ["+12025550100"], "phoneNumberId": "PN1", "userId": "US1",
        "createdAt": "2026-01-01T00:00:00Z", "answeredAt": "2026-01-01T00:00:05Z",
        "completedAt": "2026-01-01T00:00:20Z", "duration": 15, "media": [{"url": "https://r.example/1"}],
        "voicemail": {"url": "https://v.example/1"}}}})"),
              (Row{{"call_id", "AC1"},
                   {"state", "call.completed"},
                   {"event_time", At(30)},
                   {"event_id", "EV1"},
                   {"direction", "incoming"},
                   {"external_number", "+12025550100"},
                   {"from_number", "+12025550100"},
                   {"to_number", "+12025550101"},
                   {"user_id", "US1"},
                   {"started_at", At(0)},
                   {"connected_at", At(5)},
                   {"ended_at", At(20)},
                   {"duration", "15"},
                   {"recording_url", "https://r.example/1"},
                   {"voicemail_url", "https://v.example/1"}}));
    EXPECT_EQ(
        RowOf("openphone_quo", R"({"id": "EV2", "type": "callTranscript", "createdAt": "2026-01-01T00:00:30Z",
        "data": {"object": {"callId": "AC1", "createdAt": "2026-01-01T00:00:29Z", "duration": 5,
        "status": "completed"}}})"),
        (Row{{"call_id", "AC1"},
             {"state", "call.transcript.completed"},
             {"event_time", At(30)},
             {"event_id", "EV2"}}));
    EXPECT_EQ(StateOf("openphone_quo", R"({"type": "callSummary", "data": {"object": {"callId": "AC1"}}})"),
              "call.summary.completed");
    const auto call = [](const std::string &type, const std::string &more, const std::string &field) {
        return ValueOf("openphone_quo", field,
                       R"({"type": ")" + type + R"(", "data": {"object": {"id": "AC1")" + more + "}}}");
    };
    EXPECT_EQ(call("call.completed", R"(, "answeredAt": null)", "state"), "missed");
    EXPECT_EQ(call("call.completed", R"(, "answeredAt": null, "voicemail": {"url": "u"})", "state"),
              "voicemail");
    EXPECT_EQ(call("call.recording.completed", R"(, "answeredAt": null)", "state"),
              "call.recording.completed");
    EXPECT_EQ(call("call.ringing", R"(, "completedAt": "2026-01-01T00:00:20Z")", "ended_at"), "-");
    EXPECT_EQ(call("call.ringing", R"(, "duration": 15)", "duration"), "-");
}

TEST(ProviderShapes, CallRail)
{
    const auto row = [](const std::string &more) {
        return RowOf("callrail",
                     R"({"id": "CAL1", "direction": "inbound", "customer_phone_number": "+12025550100",
            "tracking_phone_number": "+12025550101", "business_phone_number": "+12025550102",
            "start_time": "2025-12-31T19:00:00.000-05:00", "recording": "https://r.example/1",
            "recording_duration": "27")" +
                         more + "}");
    };
    Row answered = {{"call_id", "CAL1"},
                    {"state", "ended"},
                    {"direction", "inbound"},
                    {"external_number", "+12025550100"},
                    {"internal_number", "+12025550101"},
                    {"started_at", At(0)},
                    {"duration", "36"},
                    {"recording_url", "https://r.example/1"},
                    {"was_recorded", "1"}};
    EXPECT_EQ(row(R"(, "answered": true, "voicemail": false, "duration": 36)"), answered);
    answered["state"] = "missed";
    EXPECT_EQ(row(R"(, "answered": false, "voicemail": false, "duration": 36)"), answered);
    answered["state"] = "voicemail";
    answered["voicemail_url"] = "https://r.example/1";
    answered.erase("recording_url");
    EXPECT_EQ(row(R"(, "answered": false, "voicemail": true, "duration": 36)"), answered);
    EXPECT_EQ(row(R"(, "answered": null, "duration": 36)")["state"], "ended");
    EXPECT_EQ(row(R"(, "answered": null, "duration": null)")["state"], "ringing");
    EXPECT_EQ(row(R"(, "answered": true, "duration": null)")["state"], "active");
}

TEST(ProviderShapes, JustCall)
{
    const auto row = [](const std::string &type, const std::string &outcome) {
        return RowOf("justcall", R"({"request_id": "r1", "type": ")" + type + R"(", "data": {"id": 178,
            "contact_number": "12025550100", "justcall_number": "12025550101", "agent_id": 10,
            "call_date": "2026-01-01", "call_time": "00:00:30", "call_user_time": "07:00:30",
            "call_info": {"direction": "Incoming", "type": ")" +
                                     outcome + R"("},
            "call_duration": {"total_duration": 223}}})");
    };
    Row call = {{"call_id", "178"},
                {"state", "call.completed"},
                {"event_time", At(30)},
                {"direction", "Incoming"},
                {"external_number", "12025550100"},
                {"internal_number", "12025550101"},
                {"user_id", "10"},
                {"duration", "223"}};
    EXPECT_EQ(row("call.completed", "answered"), call);
    call["state"] = "voicemail";
    EXPECT_EQ(row("call.completed", "voicemail"), call);
    EXPECT_EQ(row("call.completed", "missed")["state"], "missed");
    EXPECT_EQ(row("call.missed", "missed")["state"], "call.missed");
}

TEST(ProviderShapes, WebexCalling)
{
    EXPECT_EQ(RowOf("webex_calling", R"({"id": "hook", "resource": "telephony_calls", "event": "updated",
        "created": "2025-01-01T00:00:00Z", "actorId": "person", "data": {"callId": "leg", "callSessionId": "call",
        "personality": "originator", "state": "connected", "eventType": "answered",
        "eventTimestamp": "2026-01-01T00:00:06Z", "created": "2026-01-01T00:00:00Z",
        "answered": "2026-01-01T00:00:05Z", "remoteParty": {"number": "+12025550100"}, "completedElsewhere": true}})"),
              (Row{{"call_id", "leg"},
                   {"state", "connected"},
                   {"event_time", At(6)},
                   {"direction", "originator"},
                   {"external_number", "+12025550100"},
                   {"user_id", "person"},
                   {"started_at", At(0)},
                   {"connected_at", At(5)},
                   {"master_call_id", "call"}}));
    EXPECT_EQ(StateOf("webex_calling", R"({"resource": "messages", "data": {"callId": "x"}})"), "no form");
}

TEST(ProviderShapes, Vonage)
{
    EXPECT_EQ(RowOf("vonage", R"({"uuid": "u1", "conversation_uuid": "CON-1", "status": "completed",
        "direction": "outbound", "from": "442079460000", "to": "447700900000", "timestamp": "2026-01-01T00:00:21.000Z",
        "start_time": "2026-01-01T00:00:05Z", "end_time": "2026-01-01T00:00:20Z", "duration": "15",
        "recording_url": "https://r.example/1"})"),
              (Row{{"call_id", "u1"},
                   {"state", "completed"},
                   {"event_time", At(21)},
                   {"direction", "outbound"},
                   {"from_number", "442079460000"},
                   {"to_number", "447700900000"},
                   {"started_at", At(5)},
                   {"ended_at", At(20)},
                   {"duration", "15"},
                   {"recording_url", "https://r.example/1"},
                   {"master_call_id", "CON-1"}}));
    EXPECT_EQ(RowOf("vonage", R"({"call_uuid": "u1", "conversation_uuid": "CON-1", "status": "human"})"),
              (Row{{"call_id", "u1"}, {"state", "human"}, {"master_call_id", "CON-1"}}));
    EXPECT_EQ(RowOf("vonage", R"({"call_uuid": "u1", "conversation_uuid": "CON-1", "recording_uuid": "r",
        "recording_url": "https://r.example/1", "start_time": "2026-01-01T00:00:07Z", "timestamp": "2026-01-01T00:00:18Z",
        "end_time": "2026-01-01T00:00:17Z", "size": 9})"),
              (Row{{"call_id", "u1"},
                   {"event_time", At(18)},
                   {"recording_url", "https://r.example/1"},
                   {"master_call_id", "CON-1"}}))
        << "the times are the recording's";
    EXPECT_EQ(StateOf("vonage", R"({"conversation_uuid_from": "CON-1", "uuid": "u1"})"), "-");
    EXPECT_EQ(StateOf("vonage", R"({"recording_uuid": "r", "conversation_uuid": "CON-1"})"), "no form")
        << "it names no call";
}

TEST(ProviderShapes, DialpadsIdBesideTheStateOfACall)
{
    EXPECT_EQ(
        RowOf("dialpad",
              R"({"id": 7, "state": "hangup", "duration": 5000, "external_number": "+12025550100"})"),
        (Row{{"call_id", "7"}, {"state", "hangup"}, {"duration", "5"}, {"external_number", "+12025550100"}}));
    EXPECT_EQ(
        RowOf("dialpad", R"({"id": 7, "state": "hangup", "duration": 5, "from": "+12025550100"})"),
        (Row{{"call_id", "7"}, {"state", "hangup"}, {"duration", "5"}, {"from_number", "+12025550100"}}));
    EXPECT_EQ(ValueOf("dialpad", "call_id", R"({"id": 7, "state": "hangup", "call": {"id": 8}})"), "8");
    EXPECT_EQ(ValueOf("dialpad", "call_id", R"({"id": 7, "state": "hangup", "call_id": 8})"), "8");
    for (const char *other :
         {R"({"id": 7, "direction": "inbound", "text": "a message", "target": {"id": 5}})",
          R"({"id": 7, "state": "active", "name": "an office"})"})
        EXPECT_EQ(StateOf("dialpad", other), "no form");
}

TEST(ProviderShapes, Telnyx)
{
    EXPECT_EQ(RowOf("telnyx", R"({"data": {"id": "e1", "event_type": "call.hangup",
        "occurred_at": "2026-01-01T00:00:21.996306Z", "payload": {"call_leg_id": "leg", "call_session_id": "call",
        "call_control_id": "v3:x", "direction": "incoming", "state": "hangup", "from": "sip:a@h.example",
        "to": "+12025550100", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:20Z",
        "hangup_cause": "user_busy", "recording_urls": {"mp3": null, "wav": "https://r.example/1"}}}})"),
              (Row{{"call_id", "leg"},
                   {"state", "user_busy"},
                   {"event_time", At(21)},
                   {"event_id", "e1"},
                   {"direction", "incoming"},
                   {"from_number", "sip:a@h.example"},
                   {"to_number", "+12025550100"},
                   {"started_at", At(0)},
                   {"ended_at", At(20)},
                   {"recording_url", "https://r.example/1"},
                   {"master_call_id", "call"}}));
    const auto state = [](const std::string &event, const std::string &cause) {
        return StateOf("telnyx",
                       R"({"data": {"event_type": ")" + event +
                           R"(", "payload": {"call_leg_id": "leg", "state": "parked", "hangup_cause": ")" +
                           cause + R"("}}})");
    };
    EXPECT_EQ(state("call.hangup", "originator_cancel"), "originator_cancel");
    EXPECT_EQ(state("call.hangup", "normal_clearing"), "call.hangup");
    EXPECT_EQ(state("call.hangup", "a_new_cause"), "call.hangup");
    EXPECT_EQ(state("call.initiated", ""), "call.initiated");
    for (const char *event : {"call.playback.ended", "call.speak.ended", "call.refer.completed"}) {
        EXPECT_EQ(state(event, ""), event);
        EXPECT_EQ(NormalizeStatus(event, "telnyx"), Status::none) << "ends nothing";
    }
    EXPECT_EQ(RowOf("telnyx", R"({"CallSid": "v2:x", "CallStatus": "completed", "CallDuration": "2",
        "From": "+12025550100", "To": "+12025550101", "SequenceNumber": "0",
        "Timestamp": "2026-01-01 00:00:18.731479Z"})"),
              (Row{{"call_id", "v2:x"},
                   {"state", "completed"},
                   {"event_time", At(18)},
                   {"from_number", "+12025550100"},
                   {"to_number", "+12025550101"},
                   {"duration", "2"}}));
    EXPECT_EQ(
        RowOf("telnyx", R"({"id": "e1", "event_type": "call_initiated", "created_at": "2026-01-01T00:00:09Z",
        "payload": {"call_leg_id": "leg", "call_session_id": "call", "direction": "incoming", "from": "+12025550100",
        "occurred_at": "2026-01-01T00:00:05Z"}})"),
        (Row{{"call_id", "leg"},
             {"state", "call_initiated"},
             {"event_time", At(5)},
             {"event_id", "e1"},
             {"direction", "incoming"},
             {"from_number", "+12025550100"},
             {"master_call_id", "call"}}));
}

TEST(ProviderShapes, Bandwidth)
{
    const auto row = [](const std::string &type, const std::string &more) {
        return RowOf("bandwidth", R"({"eventType": ")" + type + R"(", "eventTime": "2026-01-01T00:00:21Z",
            "callId": "c-1", "parentCallId": "c-0", "direction": "outbound", "from": "+12025550100",
            "to": "+12025550101", "startTime": "2026-01-01T00:00:00Z", "answerTime": "2026-01-01T00:00:05Z",
            "endTime": "2026-01-01T00:00:20Z")" +
                                      more + "}");
    };
    Row call = {{"call_id", "c-1"},        {"state", "disconnect"},         {"event_time", At(21)},
                {"direction", "outbound"}, {"from_number", "+12025550100"}, {"to_number", "+12025550101"},
                {"started_at", At(0)},     {"connected_at", At(5)},         {"ended_at", At(20)},
                {"master_call_id", "c-0"}};
    EXPECT_EQ(row("disconnect", R"(, "cause": "hangup")"), call);
    EXPECT_EQ(row("disconnect", R"(, "cause": "busy")")["state"], "busy");
    EXPECT_EQ(row("transferComplete", R"(, "cause": "busy")")["state"], "transferComplete");
    EXPECT_EQ(row("bridgeComplete", R"(, "cause": "busy")")["state"], "bridgeComplete");
    // The times and the duration are the recording's.
    call["state"] = "recordingAvailable";
    call["recording_url"] = "https://r.example/1";
    for (const char *field : {"started_at", "connected_at", "ended_at"})
        call.erase(field);
    EXPECT_EQ(row("recordingAvailable",
                  R"(, "recordingId": "r-1", "mediaUrl": "https://r.example/1", "duration": "PT2M5.1S")"),
              call);
}

TEST(ProviderShapes, AmazonConnect)
{
    EXPECT_EQ(RowOf("amazon_connect", R"({"id": "e1", "time": "2026-01-01T00:00:05Z", "detail": {
        "eventType": "CONNECTED_TO_AGENT", "contactId": "c1", "initialContactId": "c0", "channel": "VOICE",
        "initiationMethod": "INBOUND", "AgentInfo": {"AgentArn": "arn:agent"}}})"),
              (Row{{"call_id", "c1"},
                   {"state", "CONNECTED_TO_AGENT"},
                   {"event_time", At(5)},
                   {"event_id", "e1"},
                   {"direction", "INBOUND"},
                   {"user_id", "arn:agent"},
                   {"master_call_id", "c0"}}));
    EXPECT_EQ(
        ValueOf("amazon_connect", "user_id",
                R"({"detail": {"contactId": "c", "channel": "Voice", "agentInfo": {"agentArn": "arn:a"}}})"),
        "arn:a");
    for (const char *channel : {"CHAT", "TASK"})
        EXPECT_EQ(StateOf("amazon_connect",
                          R"({"detail": {"contactId": "c", "channel": ")" + std::string(channel) + "\"}}"),
                  "no form");
}

TEST(ProviderShapes, Exotel)
{
    Row callback = {{"call_id", "c1"},
                    {"state", "completed"},
                    {"event_time", At(100)},
                    {"event_id", "c1 terminal"},
                    {"from_number", "09990000001"},
                    {"to_number", "09990000002"},
                    {"started_at", At(0)},
                    {"ended_at", At(95)},
                    {"recording_url", "https://r.example/1"}};
    EXPECT_EQ(
        RowOf("exotel", R"({"CallSid": "c1", "EventType": "terminal", "DateCreated": "2026-01-01 05:29:59",
        "DateUpdated": "2026-01-01 05:31:40", "Status": "completed", "From": "09990000001", "To": "09990000002",
        "StartTime": "2026-01-01 05:30:00", "EndTime": "2026-01-01 05:31:35",
        "RecordingUrl": "https://r.example/1"})"),
        callback);
    EXPECT_EQ(StateOf("exotel", R"({"CallSid": "c1", "EventType": "answered"})"), "answered");
    EXPECT_EQ(StateOf("exotel", R"({"CallSid": "c1", "EventType": "terminal"})"), "-");
    EXPECT_EQ(RowOf("exotel", R"({"event": "incoming_call", "call_sid": "c1", "direction": "inbound",
        "from": "+919000000000", "to": "sip:agent@h.example", "exophone": "+911200000000", "user_id": "agent",
        "timestamp": "2026-01-01T00:00:00.000Z"})"),
              (Row{{"call_id", "c1"},
                   {"state", "incoming_call"},
                   {"event_time", At(0)},
                   {"direction", "inbound"},
                   {"internal_number", "+911200000000"},
                   {"from_number", "+919000000000"},
                   {"to_number", "sip:agent@h.example"},
                   {"user_id", "agent"}}));
}

TEST(ProviderShapes, FreeSwitch)
{
    const std::string variables = R"("variables": {"uuid": "u1", "bridge_uuid": "u2", "direction": "inbound",
        "hangup_cause": "NORMAL_CLEARING", "start_epoch": "1767225600", "answer_epoch": "1767225605",
        "end_epoch": "1767225620", "start_stamp": "2026-01-01 02:00:00", "duration": "20", "billsec": "15"})";
    const std::string profile =
        R"({"caller_profile": {"caller_id_number": "alice", "destination_number": "102"}})";
    const Row row = {{"call_id", "u1"},        {"state", "NORMAL_CLEARING"}, {"event_id", "u1"},
                     {"direction", "inbound"}, {"from_number", "alice"},     {"to_number", "102"},
                     {"started_at", At(0)},    {"connected_at", At(5)},      {"ended_at", At(20)},
                     {"talk_time", "15"},      {"duration", "20"},           {"master_call_id", "u2"}};
    EXPECT_EQ(RowOf("freeswitch", "{" + variables + R"(, "callflow": [)" + profile + "]}"), row);
    EXPECT_EQ(RowOf("freeswitch", "{" + variables + R"(, "callflow": )" + profile + "}"), row)
        << "it came twice";
    EXPECT_EQ(ValueOf("freeswitch", "connected_at", R"({"variables": {"uuid": "u", "answer_epoch": "0"}})"),
              "-");
    EXPECT_EQ(ValueOf("freeswitch", "master_call_id",
                      R"({"variables": {"uuid": "u", "bridge_uuid": "b", "originating_leg_uuid": "a"}})"),
              "a");
}

TEST(ProviderShapes, Asterisk)
{
    EXPECT_EQ(
        RowOf("asterisk", R"({"type": "StasisStart", "timestamp": "2026-01-01T00:00:05.000+0000", "channel": {
        "id": "1767225600.9", "state": "Up", "caller": {"number": "1001"}, "connected": {"number": "1002"},
        "dialplan": {"exten": "900"}, "creationtime": "2026-01-01T00:00:00.000+0000"}})"),
        (Row{{"call_id", "1767225600.9"},
             {"state", "Up"},
             {"event_time", At(5)},
             {"from_number", "1001"},
             {"to_number", "900"},
             {"started_at", At(0)}}));
    const auto state = [](const std::string &type, const std::string &cause) {
        return StateOf("asterisk", R"({"type": ")" + type + R"(", "cause": )" + cause +
                                       R"(, "channel": {"id": "1.2", "state": "Up"}})");
    };
    EXPECT_EQ(state("ChannelDestroyed", "16"), "ended");
    EXPECT_EQ(state("ChannelDestroyed", "17"), "rejected");
    EXPECT_EQ(state("ChannelDestroyed", "19"), "missed");
    EXPECT_EQ(state("ChannelStateChange", "0"), "Up");
    EXPECT_EQ(state("StasisEnd", "0"), "-");
    EXPECT_EQ(
        ValueOf("asterisk", "to_number",
                R"({"type": "ChannelCreated", "channel": {"id": "1.2", "connected": {"number": "1002"}}})"),
        "1002");
}

TEST(ProviderShapes, SignalWire)
{
    EXPECT_EQ(
        RowOf("signalwire", R"({"event_type": "calling.call.state", "timestamp": 1767225605.5, "params": {
        "call_id": "u1", "call_state": "answered", "parent": {"call_id": "u0"}, "start_time": 1767225600000}})"),
        (Row{{"call_id", "u1"}, {"state", "answered"}, {"event_time", At(5)}, {"master_call_id", "u0"}}));
    EXPECT_EQ(RowOf("signalwire", R"({"CallSid": "u1", "CallStatus": "completed", "SequenceNumber": "3",
        "Timestamp": "Thu, 01 Jan 2026 00:00:05 +0000", "CallDuration": "15", "Duration": "1",
        "CallbackSource": "call-progress-events", "Direction": "outbound-dial", "From": "+12025550100",
        "To": "+12025550101", "ParentCallSid": "u0", "RecordingUrl": "https://r.example/1"})"),
              (Row{{"call_id", "u1"},
                   {"state", "completed"},
                   {"event_time", At(5)},
                   {"event_id", "u1 3"},
                   {"sequence", "3"},
                   {"direction", "outbound-dial"},
                   {"from_number", "+12025550100"},
                   {"to_number", "+12025550101"},
                   {"duration", "15"},
                   {"recording_url", "https://r.example/1"},
                   {"master_call_id", "u0"}}));
    const std::string recording = R"({"CallSid": "u1", "RecordingSid": "r1", "RecordingStatus": "completed",
        "RecordingUrl": "https://r.example/1", "RecordingDuration": "3"})";
    for (const char *provider : {"signalwire", "telnyx"})
        EXPECT_EQ(RowOf(provider, recording), (Row{{"call_id", "u1"},
                                                   {"event_id", "r1 completed"},
                                                   {"recording_url", "https://r.example/1"},
                                                   {"was_recorded", "1"}}))
            << provider;
}

TEST(ProviderShapes, Twilio)
{
    const auto callback = [](const std::string &more) {
        return R"({"AccountSid": "AC1", "CallSid": "CA1", "CallbackSource": "call-progress-events",
            "Timestamp": "Thu, 01 Jan 2026 00:00:05 +0000", "SequenceNumber": "3", "From": "+12025550100",
            "To": "+12025550101", "Caller": "+12025550102", "Called": "", )" +
               more + "}";
    };
    Row row = {{"call_id", "CA1"},
               {"state", "completed"},
               {"event_time", At(5)},
               {"event_id", "CA1 3"},
               {"sequence", "3"},
               {"direction", "outbound-dial"},
               {"from_number", "+12025550100"},
               {"to_number", "+12025550101"},
               {"duration", "49"},
               {"recording_url", "https://r.example/1"},
               {"master_call_id", "CA0"}};
    EXPECT_EQ(
        RowOf("twilio", callback(R"("CallStatus": "completed", "Direction": "outbound-dial", "Duration": "1",
        "CallDuration": "49", "ParentCallSid": "CA0", "RecordingUrl": "https://r.example/1", "RecordingSid": "RE1",
        "RecordingDuration": "40")")),
        row);
    // Duration is in minutes.
    EXPECT_EQ(ValueOf("twilio", "duration", callback(R"("CallStatus": "completed", "Duration": "1")")), "-");
    // The sequence of a conference or of a request for instructions is none of the call.
    const std::string other = R"({"CallSid": "CA1", "SequenceNumber": "3", "CallStatus": "in-progress"})";
    EXPECT_EQ(RowOf("twilio", other), (Row{{"call_id", "CA1"}, {"state", "in-progress"}}));
    EXPECT_EQ(ValueOf("twilio", "from_number", R"({"CallSid": "CA1", "From": "", "Caller": "+12025550102"})"),
              "+12025550102");
}

TEST(ProviderShapes, TwilioAfterADialledLeg)
{
    EXPECT_EQ(RowOf("twilio", R"({"CallSid": "CA1", "CallStatus": "in-progress", "Direction": "inbound",
        "DialCallSid": "CA2", "DialCallStatus": "completed", "DialCallDuration": "30",
        "RecordingUrl": "https://r.example/1"})"),
              (Row{{"call_id", "CA1"},
                   {"state", "in-progress"},
                   {"direction", "inbound"},
                   {"recording_url", "https://r.example/1"}}));
}

TEST(ProviderShapes, TwilioFromABrowser)
{
    const auto direction = [](const std::string &from, const std::string &word) {
        return ValueOf("twilio", "direction",
                       R"({"CallSid": "CA1", "CallStatus": "ringing", "From": ")" + from +
                           R"(", "Direction": ")" + word + R"("})");
    };
    EXPECT_EQ(direction("client:alice", "inbound"), "outbound");
    EXPECT_EQ(direction("client:alice", "outbound-dial"), "outbound-dial");
    EXPECT_EQ(direction("+12025550100", "inbound"), "inbound");
}

TEST(ProviderShapes, TwilioRecordingsAndTranscriptions)
{
    const auto recording = [](const std::string &status) {
        return RowOf("twilio", R"({"CallSid": "CA1", "RecordingSid": "RE1", "RecordingStatus": ")" + status +
                                   R"(", "RecordingUrl": "https://r.example/1", "RecordingDuration": "3",
            "RecordingStartTime": "Thu, 01 Jan 2026 00:00:05 +0000"})");
    };
    EXPECT_EQ(recording("completed"), (Row{{"call_id", "CA1"},
                                           {"event_id", "RE1 completed"},
                                           {"recording_url", "https://r.example/1"},
                                           {"was_recorded", "1"}}));
    for (const char *status : {"in-progress", "absent", "failed"})
        EXPECT_EQ(recording(status), (Row{{"call_id", "CA1"}, {"event_id", std::string("RE1 ") + status}}));
    EXPECT_EQ(
        RowOf("twilio", R"({"CallSid": "CA1", "TranscriptionSid": "TR1", "TranscriptionStatus": "completed",
        "RecordingSid": "RE1", "RecordingUrl": "https://r.example/1", "CallStatus": "completed",
        "Direction": "inbound", "From": "+12025550100", "Called": "+12025550101"})"),
        (Row{{"call_id", "CA1"},
             {"direction", "inbound"},
             {"from_number", "+12025550100"},
             {"to_number", "+12025550101"},
             {"recording_url", "https://r.example/1"}}));
}

TEST(ProviderShapes, TwilioEventStreams)
{
    const auto row = [](const std::string &word) {
        return RowOf("twilio", R"([{"specversion": "1.0", "id": "NO1", "time": "2026-01-01T00:00:09Z",
            "type": "com.twilio.voice.webhook.status-callback.call.)" +
                                   word +
                                   R"(", "data": {"sid": "CA1", "timestamp": "2026-01-01T00:00:05.000Z"}}])");
    };
    for (const char *word : {"initiated", "ringing", "answered", "completed"}) {
        EXPECT_EQ(row(word),
                  (Row{{"call_id", "CA1"}, {"state", word}, {"event_time", At(5)}, {"event_id", "NO1"}}));
        EXPECT_NE(NormalizeStatus(word, "twilio"), Status::unknown);
    }
    EXPECT_EQ(StateOf("twilio", R"([{"type": "com.twilio.messaging.x", "data": {"sid": "CA1"}}])"),
              "no form");
}

TEST(ProviderShapes, Plivo)
{
    const std::string body = R"({"CallUUID": "u1", "ALegUUID": "u0", "RequestUUID": "u2", "Event": "Hangup",
        "CallStatus": "completed", "Direction": "outbound", "From": "910000000001", "To": "910000000002",
        "StartTime": "2026-01-01 05:30:00", "AnswerTime": "2026-01-01 05:30:05",
        "EndTime": "2026-01-01 05:31:00", "SessionStart": "2026-01-01 00:00:02.910772", "Duration": "55",
        "BillDuration": "60"})";
    const Row row = {{"call_id", "u1"},
                     {"state", "completed"},
                     {"direction", "outbound"},
                     {"from_number", "910000000001"},
                     {"to_number", "910000000002"},
                     {"started_at", At(2)},
                     {"duration", "55"},
                     {"master_call_id", "u0"}};
    EXPECT_EQ(RowOf("plivo", body), row) << "nobody has given the zone of the account";
    Row in_zone = row;
    in_zone["started_at"] = At(0);
    in_zone["connected_at"] = At(5);
    in_zone["ended_at"] = At(60);
    std::string document(BuiltInShapeText("plivo"));
    document.replace(0, 1, R"({"zone": "+05:30", )");
    SettingError error;
    const Shape *shape = Shape::Compile(document, error);
    ASSERT_NE(shape, nullptr);
    EXPECT_EQ(RowOf(*shape, body), in_zone);
    Shape::Delete(shape);
    EXPECT_EQ(StateOf("plivo", R"({"CallUUID": "u1", "RecordUrl": "https://r.example/1"})"), "no form");
}

} // namespace
