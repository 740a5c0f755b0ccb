#include "core/traffic/dialpad_traffic.hpp"

#include "core/json/json_writer.hpp"
#include "core/traffic/generate_people.hpp"
#include "core/traffic/generate_words.hpp"

#include <algorithm>
#include <iterator>

namespace callhardening
{

namespace
{

// Each part of a body has its own random numbers, so that it is the same in every event of the leg.
enum Part : std::uint64_t {
    event_part,
    transcript_part,
    breadcrumb_part,
    integration_part,
    custom_data_part,
    recording_part,
    voicemail_part,
    recap_part,
    quality_part,
    review_part,
};

constexpr std::string_view KindName(PartyKind kind)
{
    constexpr std::string_view names[] = {"", "user", "callcenter", "department", "office"};
    return names[static_cast<int>(kind)];
}

// A conversation: turns with a time and a speaker.
std::string Conversation(const Leg &leg)
{
    Random random(DeriveSeed(leg.seed, transcript_part));
    const std::string agent = NameOf(leg.target), customer = NameOfPerson(leg.contact);
    std::string text;
    text.reserve(leg.transcript_bytes + 400);
    for (int turn = 0; text.size() < leg.transcript_bytes; ++turn) {
        const std::int64_t seconds = static_cast<std::int64_t>(text.size()) / 24;
        AppendNumber(text, seconds / 60, 2);
        text += ':';
        AppendNumber(text, seconds % 60, 2);
        text += ' ';
        text += turn % 2 == 0 ? agent : customer;
        text += ": ";
        for (std::uint32_t i = 0; i <= random.Below(4); ++i)
            AppendSentence(text, random);
        if (random.Chance(300))
            AppendPersonalDetail(text, random);
        text.back() = '\n';
    }
    return text;
}

// A list of orders as in the answer of a shop or a CRM: one JSON document of about `bytes` bytes.
void WriteRecords(JsonWriter &json, const std::string &text, std::size_t bytes, Random &random)
{
    json.Open('[');
    for (const std::size_t begin = text.size(); text.size() - begin < bytes;) {
        json.Open('{');
        json.Key("order_id").Number(random.Between(100000, 999999));
        json.Key("status").Text(random.Chance(7000) ? "delivered" : "open");
        json.Key("total").Number(random.LongTail(20, 90, 5));
        json.Key("phone").Text(PhoneOfContact(random.Below(contact_count)));
        json.Key("address").Null();
        std::string note;
        AppendSentence(note, random);
        json.Key("note").Text(note);
        json.Close('}');
    }
    json.Close(']');
}

std::string Document(std::string_view first_member, std::string_view first_value, std::size_t bytes,
                     Random &random)
{
    std::string text;
    text.reserve(bytes + 600);
    JsonWriter json(text);
    json.Open('{');
    json.Key(first_member).Text(first_value);
    json.Key("orders");
    WriteRecords(json, text, bytes, random);
    json.Close('}');
    return text;
}

// -- one body ----------------------------------------------------------------------------------------------

class BodyWriter
{
public:
    BodyWriter(const Leg &leg, CallState state, std::int64_t at, std::string &out)
        : leg_(leg), state_(state), at_(at),
          random_(DeriveSeed(DeriveSeed(leg.seed, event_part),
                             static_cast<std::uint64_t>(at) * 32 + static_cast<std::uint64_t>(state))),
          out_(out), json_(out)
    {
    }

    void Write();

private:
    bool IsKnown(std::int64_t time) const { return time != 0 && time <= at_; }
    bool IsOver() const { return IsKnown(leg_.ended); }
    Random RandomOf(Part part) const { return Random(DeriveSeed(leg_.seed, part)); }

    void WriteId(std::string_view name, std::int64_t id);
    void WriteTime(std::string_view name, std::int64_t time);
    void WriteFlag(std::string_view name, bool value);
    void WriteDuration(std::string_view name, std::int64_t milliseconds);
    void WriteLink(std::string_view name, std::string_view path, Random &random);
    void WriteEmpty(std::string_view name, std::string_view brackets) { json_.Key(name).Literal(brackets); }

    void WriteWhat();
    void WriteDirection();
    void WriteNumbers();
    void WriteTimes();
    void WriteDurations();
    void WriteContact();
    void WriteParty(std::string_view name, Party party);
    void WriteLegs();
    void WriteFlags();
    void WriteQuality();
    void WriteBreadcrumbs();
    void WriteRouterAnswer();
    void WriteHeaders(std::string_view secret_name, std::string_view scheme, Random &random);
    void WriteVoicemail();
    void WriteTranscription();
    void WriteRecordings();
    void WriteRecordingDetails(std::int64_t id, Random &random);
    void WriteIntegrations();
    void WriteCustomData();
    void WriteShareLinks();
    void WriteResult();
    void WriteActionItems();

    const Leg &leg_;
    CallState state_;
    std::int64_t at_;
    Random random_;
    std::string &out_;
    JsonWriter json_;
};

void BodyWriter::Write()
{
    json_.Open('{');
    WriteWhat();
    WriteNumbers();
    WriteTimes();
    WriteDurations();
    WriteContact();
    WriteParty("target", leg_.target);
    WriteLegs();
    WriteFlags();
    WriteQuality();
    WriteBreadcrumbs();
    json_.Key("event_timestamp").Number(at_);
    WriteVoicemail();
    WriteTranscription();
    WriteRecordings();
    WriteIntegrations();
    WriteCustomData();
    WriteShareLinks();
    WriteResult();
    json_.Close('}');
}

void BodyWriter::WriteId(std::string_view name, std::int64_t id)
{
    json_.Key(name);
    if (id == 0)
        json_.Null();
    else
        json_.Number(id);
}

void BodyWriter::WriteTime(std::string_view name, std::int64_t time)
{
    WriteId(name, IsKnown(time) ? time : 0);
}

void BodyWriter::WriteFlag(std::string_view name, bool value)
{
    json_.Key(name);
    if (leg_.is_old_shape)
        json_.Text(value ? "TRUE" : "FALSE");
    else
        json_.Literal(value ? "true" : "false");
}

// A float of milliseconds with microseconds after the point, or with a binary fraction's rounding error:
// 8951.03 and 8951.029999999999 are both ordinary.
void BodyWriter::WriteDuration(std::string_view name, std::int64_t milliseconds)
{
    json_.Key(name);
    if (milliseconds <= 0)
        return json_.Literal("0");
    constexpr std::size_t significant_digits = 16;
    const std::uint64_t micros = DeriveSeed(leg_.seed, static_cast<std::uint64_t>(milliseconds)) % 1000;
    std::string text = std::to_string(milliseconds) + '.';
    AppendNumber(text, static_cast<std::int64_t>(micros), 3);
    if (micros % 16 == 2)
        text.append(significant_digits + 1 - text.size(), '9');
    while (text.back() == '0')
        text.pop_back();
    if (text.back() == '.')
        text += '0';
    json_.Literal(text);
}

void BodyWriter::WriteLink(std::string_view name, std::string_view path, Random &random)
{
    if (!name.empty())
        json_.Key(name);
    json_.Text("https://dialpad.com/" + std::string(path) + RandomLetters(random, 48));
}

void BodyWriter::WriteWhat()
{
    json_.Key("call_id");
    if (random_.Chance(100))
        json_.Text(std::to_string(leg_.call_id));
    else
        json_.Number(leg_.call_id);
    json_.Key("state").Text(CallStateName(state_));
    WriteDirection();
}

void BodyWriter::WriteDirection()
{
    json_.Key("direction");
    if (leg_.direction == Direction::unknown)
        return json_.Text(unknown_directions[leg_.seed % std::size(unknown_directions)]);
    const bool is_plain = !random_.Chance(600);
    if (leg_.direction == Direction::inbound)
        json_.Text(is_plain ? inbound_words[0] : Pick(inbound_words, random_));
    else
        json_.Text(is_plain ? outbound_words[0] : Pick(outbound_words, random_));
}

void BodyWriter::WriteNumbers()
{
    const bool is_anonymous = leg_.seed % 128 == 0;
    if (is_anonymous)
        json_.Key("external_number").Text("blocked");
    else if (leg_.is_internal)
        json_.Key("external_number").Text(PhoneOfParty({PartyKind::user, leg_.contact % party_count[1]}));
    else
        json_.Key("external_number").Text(PhoneOfContact(leg_.contact));
    json_.Key("internal_number").Text(PhoneOfParty(leg_.target));
    if (leg_.is_old_shape)
        return;
    if (leg_.direction == Direction::outbound && leg_.seed % 8 == 0)
        json_.Key("selected_caller_id").Text(PhoneOfParty(office));
    else if (!IsOver())
        json_.Key("selected_caller_id").Null();
    json_.Key("target_availability_status").Text(leg_.seed % 32 == 0 ? "closed" : "open");
    json_.Key("callback_requested").Literal(IsKnown(leg_.queued) && leg_.seed % 64 == 1 ? "true" : "null");
}

void BodyWriter::WriteTimes()
{
    WriteTime("date_started", leg_.started);
    WriteTime("date_rang", leg_.direction == Direction::outbound ? 0 : leg_.rang);
    if (!leg_.is_old_shape) {
        WriteTime("date_first_rang", leg_.rang);
        WriteTime("date_queued", leg_.queued);
    }
    WriteTime("date_connected", leg_.connected);
    WriteTime("date_ended", leg_.ended);
}

// talk_time is the time of talking. duration and total_duration include the voice menu and the queue.
void BodyWriter::WriteDurations()
{
    const std::int64_t now = IsOver() ? leg_.ended : at_;
    const std::int64_t hold = IsOver() ? leg_.hold_time : 0;
    if (state_ == CallState::calling) {
        for (const std::string_view name : {"talk_time", "hold_time", "duration", "total_duration"})
            json_.Key(name).Null();
        return;
    }
    if (!leg_.is_old_shape) {
        WriteDuration("talk_time", IsKnown(leg_.answered) ? now - leg_.answered - hold : 0);
        WriteDuration("hold_time", hold);
    }
    WriteDuration("duration", IsKnown(leg_.connected) ? now - leg_.connected : 0);
    WriteDuration("total_duration", now - leg_.started);
}

// Dialpad only knows a stranger's number and makes a name of it.
void BodyWriter::WriteContact()
{
    const std::string phone = PhoneOfContact(leg_.contact);
    const bool is_stranger = leg_.contact % 3 != 0;
    json_.Key("contact").Open('{');
    if (leg_.contact % 10 == 9)
        json_.Key("id").Text("shared_contact_pool_Company:" + std::to_string(IdOf(office)) + "_uid_" +
                             std::to_string(leg_.contact));
    else
        json_.Key("id").Number(IdOf(16, leg_.contact));
    json_.Key("type").Text(leg_.is_internal ? "user" : leg_.contact % 10 == 9 ? "shared" : "local");
    json_.Key("email").Text(is_stranger ? "" : "customer" + std::to_string(leg_.contact) + "@example.com");
    json_.Key("phone").Text(phone);
    if (is_stranger && leg_.contact < us_contacts)
        json_.Key("name").Text("(" + phone.substr(2, 3) + ") " + phone.substr(5, 3) + "-" + phone.substr(8));
    else
        json_.Key("name").Text(is_stranger ? phone : NameOfPerson(leg_.contact));
    json_.Close('}');
}

void BodyWriter::WriteParty(std::string_view name, Party party)
{
    json_.Key(name).Open('{');
    if (party.kind != PartyKind::none) {
        json_.Key("id").Number(IdOf(party));
        json_.Key("type").Text(KindName(party.kind));
        json_.Key("email").Text(EmailOf(party));
        json_.Key("phone").Text(PhoneOfParty(party));
        json_.Key("name").Text(NameOf(party));
        json_.Key("office_id").Number(IdOf(office));
    }
    json_.Close('}');
}

// The relations of this leg to the other legs of the human call.
void BodyWriter::WriteLegs()
{
    WriteId("entry_point_call_id", leg_.entry_point_call_id);
    WriteParty("entry_point_target", leg_.entry_point_target);
    WriteId("operator_call_id", IsKnown(leg_.answered) ? leg_.operator_call_id : 0);
    WriteParty("proxy_target", leg_.proxy_target);
    json_.Key("group_id");
    const Party group =
        leg_.entry_point_target.kind != PartyKind::none ? leg_.entry_point_target : leg_.target;
    if (group.kind == PartyKind::user)
        json_.Null();
    else
        json_.Text((group.kind == PartyKind::callcenter   ? "CallCenter:"
                    : group.kind == PartyKind::department ? "Department:"
                                                          : "Office:") +
                   std::to_string(IdOf(group)));
    WriteId("master_call_id", leg_.master_call_id);
}

// Once a call is over, Dialpad omits the empty ones of these.
void BodyWriter::WriteFlags()
{
    const bool is_transferred = leg_.transferred_from.kind != PartyKind::none;
    if (!leg_.is_old_shape && (!IsOver() || leg_.is_internal))
        WriteFlag("is_internal", leg_.is_internal);
    WriteFlag("is_transferred", is_transferred);
    if (!leg_.is_old_shape && (!IsOver() || is_transferred))
        WriteParty("transferred_from", leg_.transferred_from);
    WriteFlag("was_recorded", IsOver() && leg_.recorded != 0);
}

void BodyWriter::WriteQuality()
{
    Random random = RandomOf(quality_part);
    json_.Key("csat_score");
    if (state_ == CallState::csat)
        json_.Number(random.Between(1, 5));
    else
        json_.Null();
    json_.Key("mos_score");
    if (IsOver() && leg_.connected != 0) {
        std::string score = "4.";
        AppendNumber(score, random.Between(1, 45), 2);
        json_.Literal(score);
    } else {
        json_.Null();
    }
    json_.Key("labels").Open('[');
    if (IsOver() && random.Chance(800))
        json_.Text(Pick(labels, random));
    if (state_ == CallState::dispositions)
        json_.Text(Pick(dispositions, random));
    json_.Close(']');
}

void BodyWriter::WriteBreadcrumbs()
{
    json_.Key("routing_breadcrumbs").Open('[');
    if (IsKnown(leg_.queued) || leg_.entry_point_call_id != 0) {
        const Party group = leg_.entry_point_call_id != 0 ? leg_.entry_point_target : leg_.target;
        json_.Open('{');
        json_.Key("breadcrumb_type").Text("ivr");
        json_.Key("date").Number(leg_.started);
        json_.Key("target_id").Number(IdOf(group));
        json_.Key("target_type").Text(KindName(group.kind));
        json_.Close('}');
        if (leg_.breadcrumb_bytes != 0)
            WriteRouterAnswer();
    }
    json_.Close(']');
}

// A whole HTTP exchange, including its credentials.
void BodyWriter::WriteRouterAnswer()
{
    // The same for all legs: the router was asked once.
    const std::int64_t entry = leg_.entry_point_call_id != 0 ? leg_.entry_point_call_id : leg_.call_id;
    Random random(DeriveSeed(static_cast<std::uint64_t>(entry), breadcrumb_part));
    json_.Open('{');
    json_.Key("breadcrumb_type").Text("external_api");
    json_.Key("date").Number(leg_.started);
    json_.Key("url").Text("https://router.example.com/v2/route?call=" + std::to_string(entry) +
                          "&token=" + RandomLetters(random, 32));
    json_.Key("request").Open('{');
    json_.Key("method").Text("POST");
    WriteHeaders("Authorization", "Bearer ", random);
    json_.Key("body").Text("{\"call_id\":" + std::to_string(entry) + ",\"external_number\":\"" +
                           PhoneOfContact(leg_.contact) + "\"}");
    json_.Close('}');
    json_.Key("response").Open('{');
    json_.Key("status").Number(200);
    WriteHeaders("Set-Cookie", "session=", random);
    json_.Key("body").Text(Document("action", "bridge", leg_.breadcrumb_bytes, random));
    json_.Close('}');
    json_.Close('}');
}

void BodyWriter::WriteHeaders(std::string_view secret_name, std::string_view scheme, Random &random)
{
    json_.Key("headers").Open('{');
    json_.Key("Content-Type").Text("application/json");
    json_.Key("X-Request-Id").Text(std::to_string(random.Between(100000000, 999999999)));
    json_.Key(secret_name).Text(std::string(scheme) + RandomLetters(random, 64));
    json_.Close('}');
}

void BodyWriter::WriteVoicemail()
{
    if (!IsKnown(leg_.voicemail_uploaded)) {
        json_.Key("voicemail_link").Null();
        json_.Key("voicemail_recording_id").Null();
        return;
    }
    Random random = RandomOf(voicemail_part);
    WriteLink("voicemail_link", "blob/voicemail/", random);
    WriteLink("voicemail_share_link", "shared/voicemail/", random);
    json_.Key("voicemail_recording_id").Text(std::to_string(IdOf(17, static_cast<std::uint32_t>(leg_.seed))));
}

void BodyWriter::WriteTranscription()
{
    json_.Key("transcription_text");
    if (!IsKnown(leg_.transcribed))
        json_.Null();
    else if (leg_.voicemail_uploaded != 0)
        json_.Text(Speech(DeriveSeed(leg_.seed, transcript_part), leg_.transcript_bytes));
    else
        json_.Text(Conversation(leg_));
}

void BodyWriter::WriteRecordings()
{
    if (!IsKnown(leg_.recorded)) {
        WriteEmpty("call_recording_ids", "[]");
        if (!leg_.is_old_shape)
            WriteEmpty("recording_details", "[]");
        return;
    }
    Random random = RandomOf(recording_part);
    const std::int64_t id = IdOf(18, static_cast<std::uint32_t>(leg_.seed));
    json_.Key("call_recording_ids").Open('[');
    json_.Text(std::to_string(id));
    json_.Close(']');
    WriteRecordingDetails(id, random);
    const bool is_admin = state_ == CallState::admin_recording;
    json_.Key(is_admin ? "admin_recording_urls" : "recording_url").Open('[');
    WriteLink({}, is_admin ? "blob/adminrecording/" : "blob/callrecording/", random);
    json_.Close(']');
    json_.Key(is_admin ? "admin_call_recording_share_links" : "call_recording_share_links").Open('[');
    WriteLink({}, "shared/recording/", random);
    json_.Close(']');
    if (leg_.seed % 16 == 0) {
        json_.Key("screen_recording_urls").Open('[');
        WriteLink({}, "blob/screenrecording/", random);
        json_.Close(']');
    }
}

void BodyWriter::WriteRecordingDetails(std::int64_t id, Random &random)
{
    json_.Key("recording_details").Open('[');
    json_.Open('{');
    json_.Key("id").Text(std::to_string(id));
    json_.Key("url").Text("https://storage.example.com/recordings/" + std::to_string(id) +
                          ".mp3?X-Goog-Expires=604800&X-Goog-Signature=" + RandomLetters(random, 64));
    WriteDuration("duration", leg_.ended - leg_.answered);
    json_.Key("start_time").Number(leg_.answered);
    json_.Key("recording_type")
        .Text(state_ == CallState::admin_recording ? "admincallrecording" : "callrecording");
    json_.Close('}');
    json_.Close(']');
}

void BodyWriter::WriteIntegrations()
{
    if (leg_.is_old_shape)
        return;
    if (leg_.integration_bytes == 0) {
        if (!IsOver())
            WriteEmpty("integrations", "{}");
        return;
    }
    Random random = RandomOf(integration_part);
    json_.Key("integrations").Open('{');
    json_.Key("hubspot").Open('{');
    json_.Key("contact_id").Number(random.Between(100000000, 999999999));
    json_.Key("access_token").Text(RandomLetters(random, 40));
    json_.Key("engagements");
    WriteRecords(json_, out_, leg_.integration_bytes, random);
    json_.Close('}');
    json_.Close('}');
}

// JSON inside a string: Dialpad does not read it.
void BodyWriter::WriteCustomData()
{
    if (leg_.custom_data_bytes == 0)
        return;
    Random random = RandomOf(custom_data_part);
    const std::string key = RandomLetters(random, 32);
    json_.Key("custom_data").Text(Document("api_key", key, leg_.custom_data_bytes, random));
}

void BodyWriter::WriteShareLinks()
{
    if (!IsOver())
        return;
    Random random = RandomOf(review_part);
    WriteLink("company_call_review_share_link", "shared/call/", random);
    WriteLink("public_call_review_share_link", "shared/call/", random);
}

// For events after the call: the member that the event is about.
void BodyWriter::WriteResult()
{
    const std::uint64_t seed = DeriveSeed(leg_.seed, recap_part);
    switch (state_) {
    case CallState::recap_summary:
        return json_.Key("recap_summary").Text(Speech(seed, 300 + leg_.transcript_bytes / 20));
    case CallState::recap_action_items:
        return WriteActionItems();
    case CallState::recap_outcome:
        return json_.Key("recap_outcome").Text(Speech(seed + 1, 60));
    case CallState::recap_purposes:
        return json_.Key("recap_purposes").Text(Speech(seed + 2, 120));
    case CallState::csat:
    case CallState::pcsat:
        json_.Key("csat_transcriptions").Open('[');
        json_.Text(Speech(seed + 3, 80));
        return json_.Close(']');
    default:
        return;
    }
}

void BodyWriter::WriteActionItems()
{
    Random random = RandomOf(recap_part);
    json_.Key("recap_action_items").Open('[');
    for (std::uint32_t i = 0; i <= random.Below(4); ++i)
        json_.Text(Speech(random.Next(), 40));
    json_.Close(']');
}

bool IsDialpadEnd(EventKind kind)
{
    return IsEnd(static_cast<CallState>(kind));
}

// Dialpad tries again after 2, 4 or 8 seconds when an answer was slow. Rarely it tries much later.
DeliveryTimes DeliverDialpadEvent(const Leg &leg, const PlannedEvent &event, Random &random)
{
    DeliveryTimes times;
    std::int64_t at = event.at + Latency(random);
    if (static_cast<CallState>(event.kind) < CallState::missed && random.Chance(150))
        at = std::max(at, leg.ended + random.Between(1000, 60000));
    else if (random.Chance(150))
        at += random.Between(5000, 180000);
    times.Add(at);
    if (random.Chance(200))
        times.Add(at + (random.Chance(1000) ? random.Between(60000, 600000) : 2000 << random.Below(3)));
    return times;
}

void WriteDialpadBody(const Leg &leg, EventKind kind, std::int64_t at, std::string &out)
{
    BodyWriter(leg, static_cast<CallState>(kind), at, out).Write();
}

// True if a delivered event shows the end of the leg.
bool ShowsEnd(const PlannedCall &call, std::size_t leg, bool is_end_lost)
{
    for (const PlannedEvent &event : call.events)
        if (event.leg == leg && event.at >= call.legs[leg].ended &&
            !(is_end_lost && IsDialpadEnd(event.kind)))
            return true;
    return false;
}

Status DialpadStatus(const Leg &leg, bool is_end_lost)
{
    constexpr Status ends[] = {Status::ended, Status::missed, Status::voicemail,
                               Status::rejected}; // of CallEnd
    if (!is_end_lost)
        return ends[static_cast<int>(leg.end)];
    return leg.connected != 0 ? Status::active : Status::ringing;
}

// An older shape has no time of talking, only one with the voice menu and the queue.
std::int64_t DialpadDuration(const Leg &leg)
{
    std::int64_t milliseconds = 0;
    if (leg.is_old_shape)
        milliseconds = leg.connected != 0 ? leg.ended - leg.connected : 0;
    else if (leg.answered != 0)
        milliseconds = leg.ended - leg.answered - leg.hold_time;
    return (milliseconds + 500) / 1000; // rounded, since it is told in milliseconds
}

void DescribeDialpadCall(const PlannedCall &call, const bool *is_end_lost, std::vector<CallFacts> &facts)
{
    for (std::size_t i = 0; i < call.legs.size(); ++i) {
        const Leg &leg = call.legs[i];
        CallFacts leg_facts{std::to_string(leg.call_id), DialpadStatus(leg, is_end_lost[i]), leg.direction,
                            leg.started, leg.connected};
        if (ShowsEnd(call, i, is_end_lost[i])) {
            leg_facts.ended = leg.ended;
            leg_facts.duration = DialpadDuration(leg);
        }
        facts.push_back(leg_facts);
    }
}

} // namespace

constinit const TrafficProvider dialpad_traffic{
    "dialpad", true, 50, IsDialpadEnd, nullptr, DeliverDialpadEvent, WriteDialpadBody, DescribeDialpadCall};

} // namespace callhardening
