// Claiming events: which lanes, how far each has been read, and what comes next in it.
#pragma once

#include "pg/event_log.hpp"

namespace callhardening
{

struct ClaimedEvent {
    int lane;
    uint64 xid;
    int64 seq;
    char *call_id;
    char *event_type;  // what the provider said beside the body, or else in it; NULL: nothing
    int64 received_at; // microseconds since the epoch
    Datum payload;     // as stored: perhaps a pointer into the log's TOAST table
};

// How far a lane has been read. Snapshots in their text form.
struct LanePosition {
    int lane;
    int64 n;             // of its newest record; 0: none yet
    const char *settled; // everything that it sees is done
    const char *reading; // the window being read; NULL between two windows
    uint64 read_xid;     // with read_seq, the last event of the window that was handed out
    int64 read_seq;
    int events; // claimed with this position
};

// Everything lives in the memory context that was current when the claim was made.
struct Claim {
    int event_count;
    int event_room;
    ClaimedEvent *events; // lane by lane, in the order of the log
    int lane_count;
    LanePosition *lanes; // where each lane will stand once its events are settled
};

// Claims up to `max_events` for the rest of the transaction: the lanes they are in stay locked until then.
// Takes at most an eighth of the lanes, from a random start; lanes that others hold are passed over. Where
// nothing is pending, nothing is locked and no transaction id is taken. Needs an open SPI connection and READ
// COMMITTED.
void claim_events(const EventLog *log, int max_events, Claim *claim);

// Settles the claim's events, when the transaction commits.
void settle_claim(const EventLog *log, const Claim *claim);

} // namespace callhardening
