#include "core/traffic/twilio_traffic.hpp"

#include "core/traffic/generate_people.hpp"

#include <algorithm>
#include <iterator>

namespace callhardening
{

namespace
{

enum TwilioEvent : EventKind {
    voice_request,
    dial_action,
    initiated,
    ringing,
    in_progress,
    final_status,
    recording,
    transcription,
};

bool IsTwilioEnd(EventKind kind)
{
    return kind == final_status;
}

// The legs of operators and of called colleagues. Twilio dials them for the parent.
bool IsChild(const Leg &leg)
{
    return leg.entry_point_call_id != 0 || (leg.is_internal && !leg.is_outbound);
}

// Calls that come to Twilio: of strangers, and of colleagues from their browsers. Twilio asks what to do with
// them.
bool IsIncoming(const Leg &leg)
{
    return !IsChild(leg) && (!leg.is_outbound || leg.is_internal);
}

// The time when Twilio counts the leg as answered: by a person, a queue or a recorded voice.
std::int64_t AnswerOf(const Leg &leg)
{
    if (leg.connected != 0)
        return leg.connected;
    return leg.voicemail_began;
}

// Without an answer the body of the end may leave the duration out.
bool TellsDuration(const Leg &leg)
{
    return AnswerOf(leg) != 0 || leg.seed % 4 != 0;
}

std::int64_t SecondsOf(const Leg &leg)
{
    return AnswerOf(leg) != 0 ? (leg.ended - AnswerOf(leg)) / 1000 : 0;
}

// How a leg ends, and what that word means.
struct TwilioEnd {
    std::string_view word;
    Status status;
};

TwilioEnd EndOf(const Leg &leg)
{
    constexpr TwilioEnd completed{"completed", Status::ended}, busy{"busy", Status::rejected},
        no_answer{"no-answer", Status::missed}, canceled{"canceled", Status::missed},
        failed{"failed", Status::ended};
    if (AnswerOf(leg) != 0)
        return completed;
    if (leg.end == CallEnd::blocked)
        return busy;
    if (leg.entry_point_call_id != 0 && leg.end == CallEnd::hung_up)
        return canceled;
    if (leg.end == CallEnd::missed || IsIncoming(leg))
        return no_answer;
    constexpr TwilioEnd unanswered[] = {busy,      busy,      failed,    canceled,
                                        no_answer, no_answer, no_answer, no_answer};
    return unanswered[leg.seed % std::size(unanswered)];
}

// -- the events of a call ----------------------------------------------------------------------------------

class TwilioTeller
{
public:
    TwilioTeller(PlannedCall &call, Random &random) : call_(call), random_(random) {}

    void Tell()
    {
        call_.events.clear();
        for (std::size_t i = 0; i < call_.legs.size(); ++i) {
            if (IsIncoming(At(i)))
                TellIncoming(i);
            else
                TellDialed(i);
            TellRecording(i);
        }
    }

private:
    Leg &At(std::size_t leg) { return call_.legs[leg]; }

    void Add(TwilioEvent kind, std::size_t leg, std::int64_t at)
    {
        call_.events.push_back({at, static_cast<std::uint32_t>(leg), kind});
    }

    // Of such a call only the request for instructions and the end are told. The outcome of a dialed leg is
    // told while the call goes on.
    void TellIncoming(std::size_t leg)
    {
        Add(voice_request, leg, At(leg).started);
        if (IsEntryPoint(At(leg))) {
            for (std::size_t i = 1; i < call_.legs.size(); ++i)
                if (At(i).ended < At(leg).ended)
                    Add(dial_action, i, At(i).ended);
        } else if (At(leg).answered != 0 && !At(leg).is_internal) {
            Add(dial_action, leg, At(leg).ended - random_.Between(300, 900));
        }
        Add(final_status, leg, At(leg).ended + random_.Between(0, 800));
    }

    void TellDialed(std::size_t leg)
    {
        Add(initiated, leg, At(leg).started);
        Add(ringing, leg, At(leg).rang);
        if (At(leg).answered != 0)
            Add(in_progress, leg, At(leg).answered);
        Add(final_status, leg, At(leg).ended);
    }

    void TellRecording(std::size_t leg)
    {
        const bool is_message = At(leg).voicemail_uploaded != 0;
        if (At(leg).recorded != 0 || is_message)
            Add(recording, leg, is_message ? At(leg).voicemail_uploaded : At(leg).recorded);
        if (is_message)
            Add(transcription, leg, At(leg).transcribed);
    }

    PlannedCall &call_;
    Random &random_;
};

void TellTwilioCall(PlannedCall &call, Random &random)
{
    TwilioTeller(call, random).Tell();
}

// Without its answer the call does not go on, so a voice request or an action is never late. Callbacks do not
// wait for each other. Few receivers ask for retries.
DeliveryTimes DeliverTwilioEvent(const Leg &leg, const PlannedEvent &event, Random &random)
{
    DeliveryTimes times;
    std::int64_t at = event.at + Latency(random);
    const bool is_callback = event.kind >= initiated;
    if (event.kind >= initiated && event.kind < final_status && random.Chance(150))
        at = std::max(at, leg.ended + random.Between(1000, 60000));
    else if (is_callback && random.Chance(150))
        at += random.Between(5000, 180000);
    times.Add(at);
    if (is_callback && random.Chance(50))
        times.Add(at + random.Between(1000, 15000));
    return times;
}

// -- one body ----------------------------------------------------------------------------------------------

// A prefix and 32 hexadecimal digits.
std::string Sid(std::string_view prefix, std::uint64_t number)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string sid(prefix);
    for (const std::uint64_t half : {Scatter(number), Scatter(number + 0x7477696c696f)})
        for (int shift = 60; shift >= 0; shift -= 4)
            sid += digits[half >> shift & 15];
    return sid;
}

std::string CallSid(std::int64_t call_id)
{
    return Sid("CA", static_cast<std::uint64_t>(call_id));
}

struct Place {
    std::string_view city, state, zip, country;
};
constexpr Place company_place{"SAN FRANCISCO", "CA", "94105", "US"};
constexpr Place us_places[] = {{"NEW YORK", "NY", "10004", "US"},
                               {"LOS ANGELES", "CA", "90012", "US"},
                               {"ST. LOUIS", "MO", "", "US"},
                               {"", "TX", "", "US"},
                               {"CA\xc3\x91ON CITY", "CO", "81212", "US"}};
constexpr Place british_place{"", "", "", "GB"};

const Place &PlaceOfContact(std::uint32_t contact)
{
    return contact >= us_contacts ? british_place : us_places[contact / 100 % std::size(us_places)];
}

class TwilioBodyWriter
{
public:
    TwilioBodyWriter(const Leg &leg, EventKind kind, std::int64_t at, std::string &out)
        : leg_(leg), kind_(kind), at_(at), out_(out)
    {
    }

    void Write()
    {
        Pair("AccountSid", Sid("AC", 1));
        if (kind_ == recording)
            return WriteRecording();
        if (kind_ == transcription)
            return WriteTranscription();
        Pair("ApiVersion", "2010-04-01");
        WriteCall();
        if (kind_ == voice_request)
            WritePlaces();
        else if (kind_ == dial_action)
            WriteDialedCall();
        else
            WriteProgress();
    }

private:
    // Of a dial action: the parent.
    bool IsOfParent() const { return kind_ == dial_action && IsChild(leg_); }
    bool IsChildCall() const { return IsChild(leg_) && !IsOfParent(); }

    void Pair(std::string_view name, std::string_view value)
    {
        if (!out_.empty())
            out_ += '&';
        out_ += name;
        out_ += '=';
        Escape(value);
    }

    // A space is a plus or %20. Either is right, but one leg has the same one always.
    void Escape(std::string_view value)
    {
        constexpr char digits[] = "0123456789ABCDEF";
        for (const char c : value) {
            const auto byte = static_cast<unsigned char>(c);
            const bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                                  (byte >= 'a' && byte <= 'z') || c == '-' || c == '_' || c == '.';
            if (is_plain) {
                out_ += c;
            } else if (c == ' ' && leg_.seed % 2 == 0) {
                out_ += '+';
            } else {
                out_ += '%';
                out_ += digits[byte >> 4];
                out_ += digits[byte & 15];
            }
        }
    }

    void WriteTime(std::string_view name, std::int64_t time)
    {
        constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        const ClockTime clock = ClockTimeOf(time);
        std::string text(days[clock.weekday]);
        text += ", ";
        AppendNumber(text, clock.day, 2);
        text += ' ';
        text += months[clock.month - 1];
        text += ' ' + std::to_string(clock.year) + ' ';
        AppendNumber(text, clock.hour, 2);
        text += ':';
        AppendNumber(text, clock.minute, 2);
        text += ':';
        AppendNumber(text, clock.second, 2);
        Pair(name, text + " +0000");
    }

    std::int64_t CallId() const { return IsOfParent() ? leg_.entry_point_call_id : leg_.call_id; }

    std::string ParentSid() const
    {
        return CallSid(leg_.entry_point_call_id != 0 ? leg_.entry_point_call_id : leg_.master_call_id);
    }

    // A colleague calls from a browser, and has no number there.
    std::string From() const
    {
        if (leg_.is_internal)
            return leg_.is_outbound ? "client:agent" + std::to_string(leg_.target.number)
                                    : PhoneOfParty(office);
        if (leg_.is_outbound)
            return PhoneOfParty(leg_.target);
        return leg_.seed % 128 == 0 ? "anonymous" : PhoneOfContact(leg_.contact);
    }

    std::string To() const
    {
        if (leg_.is_internal && leg_.is_outbound)
            return PhoneOfParty({PartyKind::user, leg_.contact % party_count[1]});
        if (leg_.is_outbound)
            return PhoneOfContact(leg_.contact);
        return PhoneOfParty(IsOfParent() ? leg_.entry_point_target : leg_.target);
    }

    std::string_view DirectionWord() const
    {
        if (IsChildCall())
            return "outbound-dial";
        return leg_.is_outbound && !leg_.is_internal ? "outbound-api" : "inbound";
    }

    std::string_view StatusWord() const
    {
        constexpr std::string_view words[] = {"ringing", "in-progress", "initiated", "ringing",
                                              "in-progress"};
        return kind_ == final_status ? EndOf(leg_).word : words[kind_];
    }

    void WriteCall()
    {
        Pair("CallSid", CallSid(CallId()));
        if (IsChildCall())
            Pair("ParentCallSid", ParentSid());
        const std::string from = From(), to = To();
        Pair("From", from);
        Pair("To", to);
        Pair("Called", to);
        Pair("Caller", from);
        Pair("Direction", DirectionWord());
        Pair("CallStatus", StatusWord());
    }

    void WritePlace(const std::string &side, const Place &place)
    {
        Pair(side + "City", place.city);
        Pair(side + "State", place.state);
        Pair(side + "Zip", place.zip);
        Pair(side + "Country", place.country);
    }

    void WritePlaces()
    {
        const Place &contact = PlaceOfContact(leg_.contact);
        for (const char *side : {"From", "Caller"})
            WritePlace(side, leg_.is_outbound ? company_place : contact);
        for (const char *side : {"To", "Called"})
            WritePlace(side, leg_.is_outbound ? contact : company_place);
        if (!leg_.is_outbound && leg_.contact % 3 == 0)
            Pair("CallerName", NameOfPerson(leg_.contact));
    }

    // What became of the dialed leg. The parent goes on, so its status is no end.
    void WriteDialedCall()
    {
        const bool is_of_parent = IsOfParent();
        Pair("DialCallSid", is_of_parent ? CallSid(leg_.call_id) : Sid("CA", leg_.seed));
        Pair("DialCallStatus", is_of_parent ? EndOf(leg_).word : "completed");
        if (leg_.answered != 0)
            Pair("DialCallDuration", std::to_string((leg_.ended - leg_.answered) / 1000));
    }

    // Only calls that Twilio places have the events before the end.
    int SequenceNumber() const
    {
        if (kind_ != final_status)
            return kind_ - initiated;
        if (IsIncoming(leg_))
            return 0;
        return leg_.answered != 0 ? 3 : 2;
    }

    void WriteProgress()
    {
        Pair("CallbackSource", "call-progress-events");
        Pair("SequenceNumber", std::to_string(SequenceNumber()));
        WriteTime("Timestamp", at_);
        if (kind_ != final_status)
            return;
        if (TellsDuration(leg_)) {
            Pair("Duration", std::to_string((SecondsOf(leg_) + 59) / 60)); // minutes
            Pair("CallDuration", std::to_string(SecondsOf(leg_)));
        }
        WritePlaces();
        if (EndOf(leg_).word == "busy")
            Pair("SipResponseCode", "486");
    }

    std::string RecordingUrl() const
    {
        return "https://api.twilio.com/2010-04-01/Accounts/" + Sid("AC", 1) + "/Recordings/" +
               Sid("RE", leg_.seed);
    }

    void WriteRecording()
    {
        const bool is_message = leg_.voicemail_uploaded != 0;
        const std::int64_t begin = is_message ? leg_.voicemail_began : leg_.answered;
        Pair("CallSid", CallSid(leg_.call_id));
        Pair("RecordingSource", is_message ? "RecordVerb" : "DialVerb");
        Pair("RecordingSid", Sid("RE", leg_.seed));
        Pair("RecordingUrl", RecordingUrl());
        Pair("RecordingStatus", "completed");
        Pair("RecordingChannels", is_message ? "1" : "2");
        Pair("ErrorCode", "0");
        WriteTime("RecordingStartTime", begin);
        Pair("RecordingDuration", std::to_string((leg_.ended - begin) / 1000));
    }

    void WriteTranscription()
    {
        Pair("ApiVersion", "2010-04-01");
        WriteCallOfTranscription();
        Pair("TranscriptionType", "fast");
        Pair("TranscriptionSid", Sid("TR", leg_.seed));
        Pair("TranscriptionUrl", RecordingUrl() + "/Transcriptions/" + Sid("TR", leg_.seed));
        Pair("TranscriptionStatus", "completed");
        Pair("RecordingSid", Sid("RE", leg_.seed));
        Pair("RecordingUrl", RecordingUrl());
        Pair("TranscriptionText", Speech(leg_.seed, std::min<std::uint32_t>(leg_.transcript_bytes, 400)));
    }

    void WriteCallOfTranscription()
    {
        Pair("CallSid", CallSid(leg_.call_id));
        Pair("From", From());
        Pair("Called", To());
        Pair("Direction", DirectionWord());
        Pair("CallStatus", "completed");
    }

    const Leg &leg_;
    EventKind kind_;
    std::int64_t at_;
    std::string &out_;
};

void WriteTwilioBody(const Leg &leg, EventKind kind, std::int64_t at, std::string &out)
{
    TwilioBodyWriter(leg, kind, at, out).Write();
}

// -- what the receiver must see ----------------------------------------------------------------------------

// True if an event tells that the leg is answered. The outcome of a child tells it of the parent.
bool IsAnswerTold(const PlannedCall &call, std::size_t leg)
{
    for (const PlannedEvent &event : call.events) {
        const bool is_of_parent = event.kind == dial_action && IsChild(call.legs[event.leg]);
        const std::size_t told = is_of_parent ? 0 : event.leg;
        if (told == leg && (event.kind == in_progress || event.kind == dial_action))
            return true;
    }
    return false;
}

// For its user a browser's call goes out. A dialed leg goes out as well, also to a colleague.
Direction TwilioDirection(const Leg &leg)
{
    return IsIncoming(leg) && !leg.is_internal ? Direction::inbound : Direction::outbound;
}

// Before the end nobody tells a duration.
void DescribeTwilioCall(const PlannedCall &call, const bool *is_end_lost, std::vector<CallFacts> &facts)
{
    for (std::size_t i = 0; i < call.legs.size(); ++i) {
        const Leg &leg = call.legs[i];
        CallFacts leg_facts{CallSid(leg.call_id), EndOf(leg).status, TwilioDirection(leg),
                            leg.started,          AnswerOf(leg),     leg.ended};
        if (is_end_lost[i]) {
            leg_facts.status = IsAnswerTold(call, i) ? Status::active : Status::ringing;
            leg_facts.ended = 0;
        } else if (TellsDuration(leg)) {
            leg_facts.duration = SecondsOf(leg);
        }
        facts.push_back(leg_facts);
    }
}

} // namespace

constinit const TrafficProvider twilio_traffic{
    "twilio", true, 50, IsTwilioEnd, TellTwilioCall, DeliverTwilioEvent, WriteTwilioBody, DescribeTwilioCall};

} // namespace callhardening
