#include "core/traffic/zoom_traffic.hpp"

#include "core/json/json_writer.hpp"
#include "core/traffic/generate_people.hpp"

#include <algorithm>

namespace callhardening
{

namespace
{

enum ZoomEvent : EventKind {
    caller_ringing,
    caller_connected,
    caller_hold,
    caller_unhold,
    callee_ringing,
    callee_answered,
    callee_hold,
    callee_unhold,
    caller_ended,
    callee_ended,
    callee_missed,
    callee_rejected,
    caller_history,
    callee_history,
    recording,
    recording_transcript,
    voicemail,
    voicemail_transcript,
};

constexpr std::string_view event_names[] = {
    "phone.caller_ringing",
    "phone.caller_connected",
    "phone.caller_hold",
    "phone.caller_unhold",
    "phone.callee_ringing",
    "phone.callee_answered",
    "phone.callee_hold",
    "phone.callee_unhold",
    "phone.caller_ended",
    "phone.callee_ended",
    "phone.callee_missed",
    "phone.callee_rejected",
    "phone.caller_call_history_completed",
    "phone.callee_call_history_completed",
    "phone.recording_completed",
    "phone.recording_transcript_completed",
    "phone.voicemail_received",
    "phone.voicemail_transcript_completed",
};

constexpr bool IsZoomEnd(EventKind kind)
{
    return kind >= caller_ended && kind <= callee_rejected;
}

constexpr bool IsCallerEvent(EventKind kind)
{
    return kind <= caller_unhold || kind == caller_ended || kind == caller_history;
}

bool HasMessage(const Leg &leg)
{
    return leg.voicemail_uploaded != 0;
}

// A member of a queue has a leg, but the queue's call id.
bool IsMember(const Leg &leg)
{
    return leg.entry_point_call_id != 0;
}

// -- the events of a call ----------------------------------------------------------------------------------

// All legs of a call have one call id. A transfer is left out: nobody describes the ids after it.
class ZoomTeller
{
public:
    ZoomTeller(PlannedCall &call, Random &random) : call_(call), random_(random) {}

    void Tell()
    {
        call_.events.clear();
        for (Leg &leg : call_.legs)
            if (leg.rang != 0)
                leg.started = leg.rang;
        const Leg &first = call_.legs.front();
        if (IsEntryPoint(first))
            TellQueue();
        else if (first.is_internal)
            TellInternal();
        else if (first.is_outbound)
            TellCaller(0);
        else
            TellCallee(0);
    }

private:
    Leg &At(std::size_t leg) { return call_.legs[leg]; }

    void Add(ZoomEvent kind, std::size_t leg, std::int64_t at)
    {
        call_.events.push_back({at + random_.Between(40, 200), static_cast<std::uint32_t>(leg), kind});
    }

    void TellCaller(std::size_t leg)
    {
        Add(caller_ringing, leg, At(leg).rang);
        if (At(leg).answered != 0) {
            Add(caller_connected, leg, At(leg).answered);
            TellHold(leg, caller_hold);
        }
        Add(caller_ended, leg, At(leg).ended + 300);
        TellAfterCall(leg, caller_history);
    }

    void TellCallee(std::size_t leg)
    {
        TellRing(leg);
        TellAfterCall(leg, callee_history);
    }

    // A caller who leaves a message has ended the call. Zoom only says so with the message itself.
    void TellRing(std::size_t leg)
    {
        if (At(leg).rang != 0)
            Add(callee_ringing, leg, At(leg).rang);
        if (At(leg).answered != 0) {
            Add(callee_answered, leg, At(leg).answered);
            TellHold(leg, callee_hold);
            Add(callee_ended, leg, At(leg).ended);
        } else if (At(leg).end == CallEnd::blocked) {
            Add(callee_rejected, leg, At(leg).ended);
        } else {
            Add(HasMessage(At(leg)) ? callee_ended : callee_missed, leg, At(leg).ended);
        }
    }

    void TellHold(std::size_t leg, int hold)
    {
        if (At(leg).held == 0)
            return;
        Add(static_cast<ZoomEvent>(hold), leg, At(leg).held);
        Add(static_cast<ZoomEvent>(hold + 1), leg, At(leg).held + At(leg).hold_time);
    }

    void TellAfterCall(std::size_t leg, ZoomEvent history)
    {
        Add(history, leg, At(leg).ended + random_.Between(2000, 20000));
        if (At(leg).recorded != 0)
            Add(recording, leg, At(leg).recorded);
        if (HasMessage(At(leg))) {
            Add(voicemail, leg, At(leg).voicemail_uploaded);
            Add(voicemail_transcript, leg, At(leg).transcribed);
        } else if (At(leg).transcribed != 0) {
            Add(recording_transcript, leg, At(leg).transcribed);
        }
    }

    // Each side knows the other as its entry point.
    void TellInternal()
    {
        At(0).entry_point_target = At(1).target;
        At(1).entry_point_target = At(0).target;
        At(1).hold_time = At(0).hold_time;
        TellCaller(0);
        TellCallee(1);
    }

    // All members ring at once. Who does not answer is missed when somebody answers, or when the caller
    // leaves.
    void TellQueue()
    {
        call_.legs.erase(
            std::remove_if(call_.legs.begin(), call_.legs.end(),
                           [](const Leg &leg) { return leg.transferred_from.kind != PartyKind::none; }),
            call_.legs.end());
        Leg &queue = At(0);
        const Leg &last = call_.legs.back();
        const std::int64_t rang = At(1).rang;
        const std::int64_t settled = last.answered != 0 ? last.answered : last.ended;
        TakeAnswer(queue, last);
        queue.rang = queue.started = rang;
        for (std::size_t i = 1; i < call_.legs.size(); ++i) {
            At(i).rang = rang;
            if (At(i).answered == 0) {
                At(i).ended = settled;
                queue.missed_users[queue.missed_count++] = static_cast<std::uint8_t>(At(i).target.number);
            }
            TellRing(i);
        }
        TellAfterCall(0, callee_history);
    }

    static void TakeAnswer(Leg &queue, const Leg &member)
    {
        queue.connected = queue.answered = member.answered;
        queue.hold_time = member.hold_time;
        queue.recorded = member.recorded;
        queue.operator_call_id = 0;
        if (member.answered != 0) {
            queue.ended = member.ended;
            queue.transcribed = member.transcribed;
            queue.transcript_bytes = member.transcript_bytes;
            queue.proxy_target = member.target;
        }
    }

    PlannedCall &call_;
    Random &random_;
};

void TellZoomCall(PlannedCall &call, Random &random)
{
    ZoomTeller(call, random).Tell();
}

// If the receiver does not answer, Zoom tries again after 5, 20 and 60 minutes. The receiver may have the
// first one already.
DeliveryTimes DeliverZoomEvent(const Leg &, const PlannedEvent &event, Random &random)
{
    constexpr std::int64_t minute = 60000;
    DeliveryTimes times;
    const std::int64_t at = event.at + Latency(random);
    const std::uint32_t fault = random.Below(10000);
    if (fault >= 250 || fault < 120)
        times.Add(at);
    if (fault < 250) {
        const std::uint32_t tries = random.Below(100);
        times.Add(at + (tries < 70 ? 5 * minute : tries < 90 ? 20 * minute : 60 * minute));
    }
    return times;
}

// -- one body ----------------------------------------------------------------------------------------------

std::string ZoomId(std::uint64_t kind, std::uint64_t number)
{
    Random random(DeriveSeed(DeriveSeed(0x7a6f6f6d, kind), number));
    return RandomLetters(random, 22);
}

enum ZoomIdKind : std::uint64_t {
    account_id,
    extension_id,
    user_id,
    device_id,
    record_id,
    path_id,
    recording_id
};

std::string IdOfParty(ZoomIdKind kind, Party party)
{
    return ZoomId(kind, static_cast<std::uint64_t>(party.kind) << 32 | party.number);
}

// 19 digits.
std::string ZoomCallId(const Leg &leg)
{
    std::int64_t id = leg.call_id;
    if (leg.entry_point_call_id != 0)
        id = leg.entry_point_call_id;
    else if (leg.is_internal && leg.master_call_id != 0)
        id = leg.master_call_id;
    return std::to_string(7000000000000000000 + id);
}

std::int64_t ExtensionOf(Party party)
{
    constexpr std::int64_t first[] = {0, 1000, 800, 820, 100}; // by kind
    return first[static_cast<int>(party.kind)] + party.number;
}

class ZoomBodyWriter
{
public:
    ZoomBodyWriter(const Leg &leg, EventKind kind, std::int64_t at, std::string &out)
        : leg_(leg), kind_(kind), at_(at), json_(out)
    {
    }

    void Write()
    {
        json_.Open('{');
        json_.Key("event").Text(event_names[kind_]);
        json_.Key("event_ts").Number(at_);
        json_.Key("payload").Open('{');
        json_.Key("account_id").Text(ZoomId(account_id, 0));
        json_.Key("object").Open('{');
        if (kind_ <= callee_rejected)
            WriteLive();
        else if (kind_ <= callee_history)
            WriteHistory();
        else if (kind_ <= recording_transcript)
            WriteRecordings();
        else
            WriteVoicemail();
        json_.Close('}');
        json_.Close('}');
        json_.Close('}');
    }

private:
    bool IsOutbound() const { return leg_.is_outbound; }
    Party Colleague() const { return leg_.entry_point_target; } // the other side of an internal call
    // The answering member, if the leg is a queue's.
    Party User() const { return leg_.proxy_target.kind == PartyKind::user ? leg_.proxy_target : leg_.target; }
    std::string ExternalPhone() const
    {
        return leg_.is_internal ? PhoneOfParty(Colleague()) : PhoneOfContact(leg_.contact);
    }
    std::string ExternalName() const
    {
        return leg_.is_internal ? NameOf(Colleague()) : NameOfPerson(leg_.contact);
    }
    bool KnowsName() const { return leg_.is_internal || leg_.contact % 3 == 0; }
    std::string CallerPhone() const { return IsOutbound() ? PhoneOfParty(User()) : ExternalPhone(); }
    std::string CalleePhone() const { return IsOutbound() ? ExternalPhone() : PhoneOfParty(User()); }

    void WriteTime(std::string_view name, std::int64_t time)
    {
        std::string text;
        AppendIsoTime(text, time);
        json_.Key(name).Text(text);
    }

    // -- events of a running call ------------------------------------------------------------------------

    bool IsHold() const
    {
        return kind_ == caller_hold || kind_ == caller_unhold || kind_ == callee_hold ||
               kind_ == callee_unhold;
    }

    void WriteLive()
    {
        json_.Key("call_id").Text(ZoomCallId(leg_));
        const bool is_caller = IsCallerEvent(kind_);
        json_.Key(is_caller ? "callee" : "caller").Open('{');
        WriteOtherSide();
        json_.Close('}');
        json_.Key(is_caller ? "caller" : "callee").Open('{');
        WriteUser(leg_.target);
        json_.Close('}');
        if (IsHold())
            WriteTime("date_time", at_);
        else
            WriteLiveTimes();
        if (IsMember(leg_))
            WriteForwardedBy();
        if (kind_ == callee_rejected)
            json_.Key("handup_result").Text("Rejected");
        else if (kind_ == caller_ended && leg_.answered != 0)
            json_.Key("handup_result").Text("Call connected");
    }

    void WriteLiveTimes()
    {
        WriteTime("ringing_start_time", leg_.rang != 0 ? leg_.rang : leg_.started);
        if (leg_.answered != 0 && kind_ != caller_ringing && kind_ != callee_ringing)
            WriteTime(kind_ == caller_connected ? "connected_start_time" : "answer_start_time",
                      leg_.answered);
        if (IsZoomEnd(kind_))
            WriteTime("call_end_time", leg_.ended);
    }

    void WriteOtherSide()
    {
        if (leg_.is_internal) {
            json_.Key("extension_id").Text(IdOfParty(extension_id, Colleague()));
            json_.Key("extension_type").Text("user");
            json_.Key("extension_number").Number(ExtensionOf(Colleague()));
        }
        if (KnowsName())
            json_.Key("name").Text(ExternalName());
        json_.Key("phone_number").Text(ExternalPhone());
        json_.Key("connection_type").Text(leg_.is_internal ? "voip" : "pstn_off_net");
    }

    void WriteUser(Party user)
    {
        json_.Key("extension_id").Text(IdOfParty(extension_id, user));
        json_.Key("extension_type").Text(user.kind == PartyKind::user ? "user" : "autoReceptionist");
        json_.Key("user_id").Text(IdOfParty(user_id, user));
        json_.Key("name").Text(NameOf(user));
        json_.Key("phone_number").Text(PhoneOfParty(user));
        json_.Key("extension_number").Number(ExtensionOf(user));
        json_.Key("timezone").Text("America/Los_Angeles");
        if (kind_ <= callee_answered && !IsHold()) {
            json_.Key("device_type")
                .Text(leg_.seed % 2 == 0 ? "MAC_Client(5.17.5.3001)" : "WIN_Client(6.0.2.1105)");
            json_.Key("device_name").Text(NameOf(user) + "'s computer");
        }
        json_.Key("device_id").Text(IdOfParty(device_id, user));
        json_.Key("connection_type").Text("voip");
    }

    void WriteForwardedBy()
    {
        const Party queue = leg_.entry_point_target;
        json_.Key("forwarded_by").Open('{');
        json_.Key("name").Text(NameOf(queue));
        json_.Key("extension_number").Text(std::to_string(ExtensionOf(queue)));
        json_.Key("extension_type").Text("callQueue");
        json_.Close('}');
    }

    // -- after the call ----------------------------------------------------------------------------------

    // A queue's call has a record for each member that rang. The one of the call as a whole is first.
    void WriteHistory()
    {
        json_.Key("user_id").Text(IdOfParty(user_id, User()));
        json_.Key("call_logs").Open('[');
        WriteRecord(User(), leg_.answered);
        for (std::uint8_t i = 0; i < leg_.missed_count; ++i)
            WriteRecord({PartyKind::user, leg_.missed_users[i]}, 0);
        json_.Close(']');
    }

    void WriteRecord(Party user, std::int64_t answered)
    {
        json_.Open('{');
        json_.Key("id").Text(ZoomId(record_id, leg_.seed + ExtensionOf(user)));
        json_.Key("call_path_id").Text(ZoomId(path_id, leg_.seed));
        json_.Key("call_id").Text(ZoomCallId(leg_));
        json_.Key("connect_type").Text(leg_.is_internal ? "internal" : "external");
        json_.Key("call_type").Text("general");
        json_.Key("direction").Text(IsOutbound() ? "outbound" : "inbound");
        json_.Key("hide_caller_id").Literal("false");
        json_.Key("end_to_end").Literal("false");
        WriteRecordSide(IsOutbound() ? "caller" : "callee", user);
        WriteRecordStranger(IsOutbound() ? "callee" : "caller");
        WriteTime("start_time", leg_.started);
        if (answered != 0)
            WriteTime("answer_time", answered);
        WriteTime("end_time", leg_.ended);
        WriteResult(answered != 0);
        const std::int64_t talk = answered != 0 ? leg_.ended - answered - leg_.hold_time : 0;
        json_.Key("talk_time").Number(talk / 1000);
        json_.Key("hold_time").Number(answered != 0 ? leg_.hold_time / 1000 : 0);
        json_.Key("wait_time")
            .Number(((leg_.answered != 0 ? leg_.answered : leg_.ended) - leg_.started) / 1000);
        json_.Close('}');
    }

    void WriteResult(bool is_answered)
    {
        json_.Key("event").Text(IsOutbound()             ? "outgoing"
                                : leg_.missed_count != 0 ? "ring_to_member"
                                                         : "incoming");
        if (is_answered)
            json_.Key("result").Text(IsOutbound() ? "connected" : "answered");
        else if (HasMessage(leg_))
            json_.Key("result").Text("voicemail");
        else if (leg_.end == CallEnd::blocked)
            json_.Key("result").Text("rejected");
        else
            json_.Key("result").Text(IsOutbound() ? "no_answer" : "ring_timeout");
        if (leg_.recorded != 0 && is_answered) {
            json_.Key("recording_id").Text(ZoomId(recording_id, leg_.seed));
            json_.Key("recording_type").Text("automatic");
        }
    }

    void WriteRecordSide(const std::string &side, Party user)
    {
        json_.Key(side + "_ext_id").Text(IdOfParty(extension_id, user));
        json_.Key(side + "_name").Text(NameOf(user));
        json_.Key(side + "_email").Text(EmailOf(user));
        json_.Key(side + "_did_number").Text(PhoneOfParty(user));
        json_.Key(side + "_ext_number").Text(std::to_string(ExtensionOf(user)));
        json_.Key(side + "_ext_type").Text("user");
        json_.Key(side + "_number_type").Text("zoom_pstn");
        json_.Key(side + "_device_private_ip").Text("10.20.0." + std::to_string(user.number + 1));
        json_.Key(side + "_device_public_ip").Text("203.0.113." + std::to_string(user.number + 1));
        json_.Key(side + "_device_type").Text("MAC_Client(5.17.5.3001)");
        json_.Key(side + "_country_iso_code").Text("US");
        json_.Key(side + "_country_code").Text("1");
        json_.Key(side + "_department").Text("");
        json_.Key(side + "_cost_center").Text("");
    }

    void WriteRecordStranger(const std::string &side)
    {
        const bool is_us = leg_.is_internal || leg_.contact < us_contacts;
        json_.Key(side + "_name").Text(KnowsName() ? ExternalName() : "");
        json_.Key(side + "_did_number").Text(ExternalPhone());
        json_.Key(side + "_ext_type").Text(leg_.is_internal ? "user" : "external_contact");
        json_.Key(side + "_number_type").Text(leg_.is_internal ? "zoom_pstn" : "external_pstn");
        json_.Key(side + "_country_iso_code").Text(is_us ? "US" : "GB");
        json_.Key(side + "_country_code").Text(is_us ? "1" : "44");
    }

    void WriteRecordings()
    {
        Random random(DeriveSeed(leg_.seed, kind_));
        json_.Key("recordings").Open('[');
        json_.Open('{');
        json_.Key("id").Text(ZoomId(recording_id, leg_.seed));
        WriteNumbers();
        json_.Key("duration").Number((leg_.ended - leg_.answered) / 1000);
        const bool is_recording = kind_ == recording;
        json_.Key(is_recording ? "download_url" : "transcript_download_url")
            .Text("https://zoom.example.com/v2/phone/recording/" +
                  std::string(is_recording ? "download/" : "download_transcript/") +
                  RandomLetters(random, 40));
        WriteTime("date_time", leg_.answered);
        WriteTime("end_time", leg_.ended);
        json_.Key("user_id").Text(IdOfParty(user_id, User()));
        json_.Key("call_id").Text(ZoomCallId(leg_));
        json_.Key("recording_type").Text("Automatic");
        WriteOwner();
        json_.Key("direction").Text(IsOutbound() ? "outbound" : "inbound");
        json_.Close('}');
        json_.Close(']');
    }

    void WriteNumbers()
    {
        json_.Key("caller_number").Text(CallerPhone());
        json_.Key("caller_number_type").Number(IsOutbound() || leg_.is_internal ? 1 : 2);
        json_.Key("caller_name").Text(IsOutbound() ? NameOf(User()) : KnowsName() ? ExternalName() : "");
        json_.Key("callee_number").Text(CalleePhone());
        json_.Key("callee_number_type").Number(!IsOutbound() || leg_.is_internal ? 1 : 2);
        json_.Key("callee_name").Text(!IsOutbound() ? NameOf(User()) : KnowsName() ? ExternalName() : "");
    }

    void WriteOwner()
    {
        json_.Key("owner").Open('{');
        json_.Key("type").Text("user");
        json_.Key("id").Text(IdOfParty(user_id, User()));
        json_.Key("name").Text(NameOf(User()));
        json_.Key("extension_number").Number(ExtensionOf(User()));
        json_.Close('}');
    }

    // The times and the duration are those of the message.
    void WriteVoicemail()
    {
        Random random(DeriveSeed(leg_.seed, kind_));
        json_.Key("id").Text(ZoomId(recording_id, leg_.seed));
        WriteTime("date_time", leg_.voicemail_began);
        WriteNumbers();
        json_.Key("callee_user_id").Text(IdOfParty(user_id, User()));
        json_.Key("callee_id").Text(IdOfParty(extension_id, User()));
        json_.Key("callee_extension_type").Text(User().kind == PartyKind::user ? "user" : "callQueue");
        json_.Key("call_id").Text(ZoomCallId(leg_));
        if (kind_ == voicemail) {
            json_.Key("duration").Number((leg_.ended - leg_.voicemail_began) / 1000);
            json_.Key("download_url")
                .Text("https://zoom.example.com/v2/phone/voice_mails/download/" + RandomLetters(random, 40));
            return;
        }
        json_.Key("transcription").Open('{');
        json_.Key("status").Number(0);
        json_.Key("content").Text(Speech(random.Next(), leg_.transcript_bytes));
        json_.Close('}');
    }

    const Leg &leg_;
    EventKind kind_;
    std::int64_t at_;
    JsonWriter json_;
};

void WriteZoomBody(const Leg &leg, EventKind kind, std::int64_t at, std::string &out)
{
    ZoomBodyWriter(leg, kind, at, out).Write();
}

// -- what the receiver must see ----------------------------------------------------------------------------

// The history ends a call whose own end never arrives. A queue's call has no end but that.
Status ZoomStatus(const Leg &leg, bool is_end_lost)
{
    if (HasMessage(leg))
        return Status::voicemail;
    if (leg.answered != 0 || leg.is_outbound || IsEntryPoint(leg) || is_end_lost)
        return Status::ended;
    return leg.end == CallEnd::blocked ? Status::rejected : Status::missed;
}

void DescribeZoomCall(const PlannedCall &call, const bool *is_end_lost, std::vector<CallFacts> &facts)
{
    const Leg &first = call.legs.front();
    CallFacts call_facts{ZoomCallId(first),
                         ZoomStatus(first, is_end_lost[0]),
                         first.is_outbound ? Direction::outbound : Direction::inbound,
                         first.started,
                         first.answered,
                         first.ended};
    // One call id has the events of both sides. The colleague who is called can miss the call.
    if (first.is_internal) {
        call_facts.direction = Direction::unknown;
        call_facts.status = ZoomStatus(call.legs[1], is_end_lost[1]);
    }
    call_facts.duration = first.answered != 0 ? (first.ended - first.answered - first.hold_time) / 1000 : 0;
    facts.push_back(call_facts);
}

} // namespace

constinit const TrafficProvider zoom_traffic{
    "zoom_phone", false, 50, IsZoomEnd, TellZoomCall, DeliverZoomEvent, WriteZoomBody, DescribeZoomCall};

} // namespace callhardening
