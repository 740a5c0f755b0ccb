#include "core/traffic/aircall_traffic.hpp"

#include "core/json/json_writer.hpp"
#include "core/traffic/generate_people.hpp"
#include "core/traffic/generate_words.hpp"

#include <algorithm>
#include <iterator>

namespace callhardening
{

namespace
{

enum AircallEvent : EventKind {
    created,
    ringing_on_agent,
    answered,
    hold,
    unhold,
    transferred,
    hungup,
    ended,
    voicemail_left,
    tagged,
    commented,
    archived,
};

constexpr std::string_view event_names[] = {
    "call.created",        "call.ringing_on_agent", "call.answered",  "call.hold",
    "call.unhold",         "call.transferred",      "call.hungup",    "call.ended",
    "call.voicemail_left", "call.tagged",           "call.commented", "call.archived",
};

constexpr std::int64_t second = 1000;
constexpr std::int64_t minute = 60 * second;

bool IsAircallEnd(EventKind kind)
{
    return kind == hungup || kind == ended;
}

bool HasMessage(const Leg &leg)
{
    return leg.voicemail_uploaded != 0;
}

// -- the events of a call ----------------------------------------------------------------------------------

// The whole call has one id, and every body has all of it. The first leg becomes the call: `target` is the
// user and `entry_point_target` the number. A leg for each rung user differs in the user only.
class AircallTeller
{
public:
    AircallTeller(PlannedCall &call, Random &random) : call_(call), random_(random), told_(call.legs.front())
    {
    }

    void Tell()
    {
        call_.events.clear();
        told_.entry_point_target = told_.target;
        if (IsEntryPoint(told_))
            TakeAnswer();
        else if (told_.target.kind == PartyKind::office)
            told_.target = {PartyKind::user, told_.contact % party_count[1]};
        TellUntilAnswer();
        if (told_.answered != 0)
            TellTalk();
        TellEnd();
        call_.legs.resize(rung_.size() + 1);
        call_.legs.front() = told_;
        std::copy(rung_.begin(), rung_.end(), call_.legs.begin() + 1);
    }

private:
    void Add(AircallEvent kind, std::int64_t at, std::size_t leg = 0)
    {
        call_.events.push_back({at, static_cast<std::uint32_t>(leg), kind});
    }

    // The operator who answers, or the colleague after a transfer, is the user in the end.
    void TakeAnswer()
    {
        told_.target = {};
        for (const Leg &leg : call_.legs) {
            if (leg.entry_point_call_id == 0 || leg.answered == 0)
                continue;
            if (leg.transferred_from.kind == PartyKind::none)
                told_.hold_time = leg.hold_time;
            else
                told_.transferred_from = leg.transferred_from;
            told_.target = leg.target;
            told_.held = std::max(told_.held, leg.held);
            told_.recorded = std::max(told_.recorded, leg.recorded);
        }
    }

    void TellUntilAnswer()
    {
        Add(created, told_.started);
        if (told_.is_outbound)
            return;
        if (!IsEntryPoint(call_.legs.front()))
            return Ring(call_.legs.front(), told_.target);
        for (const Leg &leg : call_.legs)
            if (leg.entry_point_call_id != 0)
                Ring(leg, leg.target);
    }

    void Ring(const Leg &leg, Party user)
    {
        if (leg.rang == 0)
            return;
        rung_.push_back(told_);
        rung_.back().target = user;
        Add(ringing_on_agent, leg.rang, rung_.size());
    }

    void TellTalk()
    {
        Add(answered, told_.answered);
        if (told_.held != 0) {
            Add(hold, told_.held);
            Add(unhold, told_.held + told_.hold_time);
        }
        for (const Leg &leg : call_.legs)
            if (leg.transferred_from.kind != PartyKind::none)
                Add(transferred, leg.rang);
    }

    void TellEnd()
    {
        Add(hungup, told_.ended);
        Add(ended, told_.ended + random_.Between(28 * second, 34 * second));
        if (HasMessage(told_))
            Add(voicemail_left, told_.ended + random_.Between(30 * second, 40 * second));
        std::int64_t at = told_.ended + random_.Between(40 * second, 10 * minute);
        if (random_.Chance(1500))
            Add(tagged, at);
        if (random_.Chance(800))
            Add(commented, at + random_.Between(5 * second, 2 * minute));
        if (random_.Chance(5000))
            Add(archived, at + random_.LongTail(minute, 20 * minute, 4));
    }

    PlannedCall &call_;
    Random &random_;
    Leg told_;
    std::vector<Leg> rung_;
};

void TellAircallCall(PlannedCall &call, Random &random)
{
    AircallTeller(call, random).Tell();
}

// A slow answer brings the same bytes again.
DeliveryTimes DeliverAircallEvent(const Leg &leg, const PlannedEvent &event, Random &random)
{
    DeliveryTimes times;
    std::int64_t at = event.at + Latency(random);
    if (event.kind < hungup && random.Chance(150))
        at = std::max(at, leg.ended + random.Between(second, minute));
    else if (random.Chance(150))
        at += random.Between(5 * second, 3 * minute);
    times.Add(at);
    if (random.Chance(300))
        times.Add(at + (random.Chance(1000) ? random.Between(minute, 10 * minute)
                                            : random.Between(5 * second, 30 * second)));
    return times;
}

// -- one body ----------------------------------------------------------------------------------------------

// "+1 415 555 0123", "+44 20 7946 0123"
std::string Spaced(std::string_view phone)
{
    constexpr std::size_t us[] = {2, 5, 8, 12}, british[] = {3, 5, 9, 13};
    const auto &ends = phone.starts_with("+44") ? british : us;
    std::string spaced;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        spaced += spaced.empty() ? "" : " ";
        spaced += phone.substr(begin, end - begin);
        begin = end;
    }
    return spaced;
}

std::int64_t SmallId(Party party)
{
    constexpr std::int64_t first[] = {0, 731000, 397000, 397100, 397200}; // by kind
    return first[static_cast<int>(party.kind)] + party.number;
}

std::string HexToken(std::uint64_t seed)
{
    constexpr char digits[] = "0123456789abcdef";
    Random random(seed);
    std::string token;
    for (int i = 0; i < 32; ++i)
        token += digits[random.Below(16)];
    return token;
}

class AircallBodyWriter
{
public:
    AircallBodyWriter(const Leg &leg, EventKind kind, std::int64_t at, std::string &out)
        : leg_(leg), kind_(kind), at_(at), is_over_(kind >= hungup), json_(out)
    {
    }

    // The token is the webhook's, the same in every body.
    void Write()
    {
        json_.Open('{');
        json_.Key("resource").Text("call");
        json_.Key("event").Text(event_names[kind_]);
        json_.Key("timestamp").Number(at_ / second);
        json_.Key("token").Text(HexToken(0x61697263));
        json_.Key("data").Open('{');
        WriteCall();
        json_.Close('}');
        json_.Close('}');
    }

private:
    bool IsAnswered() const { return leg_.answered != 0 && at_ >= leg_.answered; }
    bool HasLinks() const { return kind_ >= ended; }

    void WriteCall()
    {
        json_.Key("id").Number(leg_.call_id);
        json_.Key("direct_link").Text("https://api.aircall.io/v1/calls/" + std::to_string(leg_.call_id));
        json_.Key("direction").Text(leg_.is_outbound ? "outbound" : "inbound");
        json_.Key("status").Text(is_over_ ? "done" : IsAnswered() ? "answered" : "initial");
        WriteMissedReason();
        WriteTimes();
        json_.Key("cost").Text("0.0");
        json_.Key("hangup_cause").Null();
        WriteLinks();
        json_.Key("raw_digits").Text(RawDigits());
        if (leg_.is_outbound || IsAnswered() || kind_ == ringing_on_agent)
            WriteUser("user", leg_.target);
        WriteNumber();
        if (leg_.transferred_from.kind != PartyKind::none && kind_ >= transferred)
            WriteUser("transferred_by", leg_.transferred_from);
        json_.Key("archived").Literal(kind_ == archived ? "true" : "false");
        json_.Key("teams").Literal("[]");
        WriteComments();
        WriteTags();
    }

    // It can be missing.
    void WriteMissedReason()
    {
        json_.Key("missed_call_reason");
        if (!is_over_ || leg_.answered != 0 || leg_.is_outbound || leg_.seed % 4 == 0)
            json_.Null();
        else if (leg_.end == CallEnd::blocked)
            json_.Text("short_abandoned");
        else
            json_.Text(leg_.seed % 4 == 1 ? "no_available_agent" : "agents_did_not_answer");
    }

    void WriteTime(std::string_view name, std::int64_t time, bool is_known)
    {
        json_.Key(name);
        if (is_known)
            json_.Number(time / second);
        else
            json_.Null();
    }

    void WriteTimes()
    {
        WriteTime("started_at", leg_.started, true);
        WriteTime("answered_at", leg_.answered, IsAnswered());
        WriteTime("ended_at", leg_.ended, is_over_);
        json_.Key("duration").Number(is_over_ ? leg_.ended / second - leg_.started / second : 0);
    }

    void WriteLinks()
    {
        json_.Key("voicemail");
        if (HasLinks() && HasMessage(leg_))
            json_.Text(SignedLink("voicemail"));
        else
            json_.Null();
        json_.Key("recording");
        const bool is_recorded = HasLinks() && leg_.recorded != 0;
        if (is_recorded)
            json_.Text(SignedLink("recording"));
        else
            json_.Null();
        json_.Key("asset");
        if (is_recorded || (HasLinks() && HasMessage(leg_)))
            json_.Text("https://assets.example.com/calls/" + std::to_string(leg_.call_id));
        else
            json_.Null();
    }

    // Signed for the day of the call, so that all events have the same link.
    std::string SignedLink(const std::string &what) const
    {
        Random random(DeriveSeed(leg_.seed, what.size()));
        std::string time;
        AppendIsoTime(time, leg_.ended);
        std::erase(time, '-');
        std::erase(time, ':');
        std::string link = "https://recordings.s3.us-west-2.example.com/companies/1/recordings/call-" +
                           std::to_string(leg_.call_id) + "-" + what +
                           ".mp3?X-Amz-Algorithm=AWS4-HMAC-SHA256" + "&X-Amz-Credential=ASIA" +
                           HexToken(leg_.seed).substr(0, 16) + "%2F" + time.substr(0, 8) +
                           "%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date=" + time +
                           "&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=";
        link += RandomLetters(random, what == "voicemail" ? 900 : 600);
        link += "&X-Amz-Signature=";
        return link + HexToken(leg_.seed + 1) + HexToken(leg_.seed + 2);
    }

    std::string RawDigits() const
    {
        if (leg_.seed % 128 == 0)
            return "anonymous";
        return Spaced(leg_.is_internal ? PhoneOfParty({PartyKind::user, leg_.contact % party_count[1]})
                                       : PhoneOfContact(leg_.contact));
    }

    void WriteUser(std::string_view name, Party user)
    {
        json_.Key(name).Open('{');
        json_.Key("id").Number(SmallId(user));
        json_.Key("direct_link").Text("https://api.aircall.io/v1/users/" + std::to_string(SmallId(user)));
        json_.Key("name").Text(NameOf(user));
        json_.Key("email").Text(EmailOf(user));
        json_.Key("available").Literal("true");
        json_.Key("availability_status").Text("available");
        json_.Key("language").Text("en-US");
        json_.Key("wrap_up_time").Number(0);
        json_.Close('}');
    }

    void WriteNumber()
    {
        const Party number = leg_.entry_point_target;
        json_.Key("number").Open('{');
        json_.Key("id").Number(SmallId(number));
        json_.Key("direct_link").Text("https://api.aircall.io/v1/numbers/" + std::to_string(SmallId(number)));
        json_.Key("name").Text(NameOf(number));
        json_.Key("digits").Text(Spaced(PhoneOfParty(number)));
        json_.Key("country").Text("US");
        json_.Key("time_zone").Text("America/Los_Angeles");
        json_.Key("open").Literal("true");
        json_.Key("availability_status").Text("open");
        json_.Key("is_ivr").Literal(number.kind == PartyKind::callcenter ? "true" : "false");
        json_.Key("live_recording_activated").Literal("false");
        WriteMessages();
        json_.Close('}');
    }

    void WriteMessages()
    {
        json_.Key("messages").Open('{');
        for (const std::string_view name :
             {"welcome", "waiting", "ivr", "voicemail", "closed", "callback_later"})
            json_.Key(name).Text("https://media.example.com/tts/en/" + std::string(name) + ".mp3");
        json_.Close('}');
    }

    void WriteComments()
    {
        json_.Key("comments").Open('[');
        if (kind_ == commented) {
            Random random(DeriveSeed(leg_.seed, commented));
            json_.Open('{');
            json_.Key("id").Number(random.Between(10000000, 99999999));
            json_.Key("content").Text(Speech(random.Next(), 80));
            json_.Key("posted_at").Number(at_ / second);
            if (leg_.target.kind != PartyKind::none)
                WriteUser("posted_by", leg_.target);
            json_.Close('}');
        }
        json_.Close(']');
    }

    // A rule of the company can tag a call: then nobody has.
    void WriteTags()
    {
        json_.Key("tags").Open('[');
        if (kind_ == tagged) {
            json_.Open('{');
            json_.Key("id").Number(60000 + static_cast<std::int64_t>(leg_.seed % std::size(labels)));
            json_.Key("name").Text(labels[leg_.seed % std::size(labels)]);
            if (leg_.seed % 3 == 0 || leg_.target.kind == PartyKind::none)
                json_.Key("tagged_by").Literal("{}");
            else
                WriteUser("tagged_by", leg_.target);
            json_.Key("tagged_at").Number(at_ / second);
            json_.Close('}');
        }
        json_.Close(']');
    }

    const Leg &leg_;
    EventKind kind_;
    std::int64_t at_;
    bool is_over_;
    JsonWriter json_;
};

void WriteAircallBody(const Leg &leg, EventKind kind, std::int64_t at, std::string &out)
{
    AircallBodyWriter(leg, kind, at, out).Write();
}

// -- what the receiver must see ----------------------------------------------------------------------------

// Every event arrives at least once. A finished call without an answer has been missed, also an outbound one.
Status AircallStatus(const Leg &leg)
{
    if (leg.answered != 0)
        return Status::ended;
    return HasMessage(leg) ? Status::voicemail : Status::missed;
}

// The duration includes the ringing.
void DescribeAircallCall(const PlannedCall &call, const bool *, std::vector<CallFacts> &facts)
{
    const Leg &leg = call.legs.front();
    facts.push_back({std::to_string(leg.call_id), AircallStatus(leg),
                     leg.is_outbound ? Direction::outbound : Direction::inbound, leg.started, leg.answered,
                     leg.ended, leg.ended / second - leg.started / second});
}

} // namespace

constinit const TrafficProvider aircall_traffic{
    "aircall",          false, 0, IsAircallEnd, TellAircallCall, DeliverAircallEvent, WriteAircallBody,
    DescribeAircallCall};

} // namespace callhardening
