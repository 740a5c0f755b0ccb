#include "pg/shared/wake.hpp"
#include "pg/shared/shared_memory.hpp"

extern "C" {
#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// -- the places of waiters ------------------------------------------------------------------------

constexpr uint32 most_places = 256;

// `idle`: the session looks or works. `woken`: it has not looked since.
enum PlaceState : uint32 { place_free, place_idle, place_waiting, place_woken };

// The owner changes the other members only while it is idle. The number of its turn is in the state. So who
// has read the members knows by a compare and exchange that they were of this turn.
struct Place {
    pg_atomic_uint32 turn; // number of the turn * 4 + PlaceState
    Waiter waiter;
    Oid database;
    int pid;
    Latch *latch;
    bool is_blocked;
};

struct Places {
    pg_atomic_uint32 registered; // waiting or woken; 0: a commit need not look
    pg_atomic_uint32 used;       // no place from here on was ever taken
    Place places[most_places];
};

void initialize(void *memory)
{
    auto *places = static_cast<Places *>(memory);
    memset(places, 0, sizeof *places);
    pg_atomic_init_u32(&places->registered, 0);
    pg_atomic_init_u32(&places->used, 0);
    for (Place &place : places->places)
        pg_atomic_init_u32(&place.turn, place_free);
}

constinit SharedMemory shared = {"callhardening waiters 1", sizeof(Places), initialize, nullptr, 0};
constinit Place *own = nullptr; // of this session

Places *attached_places()
{
    return static_cast<Places *>(shared.address);
}

PlaceState state_of(uint32 turn)
{
    return static_cast<PlaceState>(turn % 4);
}

bool is_registered(uint32 turn)
{
    return state_of(turn) == place_waiting || state_of(turn) == place_woken;
}

// -- waking --------------------------------------------------------------------------------------
//
// Also called in callbacks at the end of a transaction, where an error would end the server: nothing here
// allocates, waits for a lock or raises an error.

constexpr int32 all_logs = 0;

struct Wake {
    int32 log_id; // or all_logs of the database
    int32 consumer_id;
    bool only_blocked;
    uint32 count;
    Waiter served[most_places]; // these kinds and consumers have a waiter that will look
};

bool is_served(const Wake &wake, const Waiter &waiter)
{
    for (uint32 i = 0; i < wake.count; ++i) {
        const Waiter &other = wake.served[i];
        if (other.log_id == waiter.log_id && other.consumer_id == waiter.consumer_id &&
            other.kind == waiter.kind)
            return true;
    }
    return false;
}

// A waiter for all logs waits as the default consumer of each.
bool is_about(const Wake &wake, const Waiter &waiter)
{
    if (waiter.log_id == every_log)
        return wake.consumer_id == all_consumers || wake.consumer_id == wake.log_id;
    return (wake.log_id == all_logs || waiter.log_id == wake.log_id) &&
           (wake.consumer_id == all_consumers || waiter.consumer_id == wake.consumer_id);
}

bool is_meant(const Wake &wake, const Place &place)
{
    return place.database == MyDatabaseId && is_about(wake, place.waiter) &&
           (!wake.only_blocked || place.is_blocked) && &place != own && !is_served(wake, place.waiter);
}

// A waiter that was woken before, and has not looked since, will find this work too.
void try_to_wake(Wake *wake, Place *place)
{
    for (uint32 turn = pg_atomic_read_u32(&place->turn); is_registered(turn);) {
        pg_read_barrier();
        const Waiter waiter = place->waiter;
        Latch *latch = place->latch;
        if (!is_meant(*wake, *place))
            return;
        const bool was_woken = state_of(turn) == place_woken;
        // On failure, `turn` is the present one.
        if (!pg_atomic_compare_exchange_u32(&place->turn, &turn, turn - state_of(turn) + place_woken))
            continue;
        wake->served[wake->count++] = waiter;
        if (!was_woken)
            SetLatch(latch);
        return;
    }
}

void wake_waiters(int32 log_id, int32 consumer_id, bool only_blocked)
{
    Places *places = attached_places();
    if (places == nullptr)
        return;
    pg_memory_barrier(); // the commit is visible before the waiters are read
    if (pg_atomic_read_u32(&places->registered) == 0)
        return;
    Wake wake;
    wake.log_id = log_id;
    wake.consumer_id = consumer_id;
    wake.only_blocked = only_blocked;
    wake.count = 0;
    const uint32 used = Min(pg_atomic_read_u32(&places->used), most_places);
    for (uint32 i = 0; i < used; ++i)
        try_to_wake(&wake, &places->places[i]);
}

// -- what a transaction has to do at its end --------------------------------------------------------

struct Note {
    int32 log_id;
    int32 consumer_id;
    bool at_commit; // there is new work
    bool at_end;    // a lane is free again
};

constexpr int most_notes = 8;
Note notes[most_notes];
int note_count = 0; // with more, the last one is for all logs and consumers

void forget_notes()
{
    note_count = 0;
}

void end_transaction(XactEvent event, void *)
{
    if (note_count == 0)
        return;
    const bool is_commit = event == XACT_EVENT_COMMIT;
    if (is_commit || event == XACT_EVENT_ABORT)
        for (int i = 0; i < note_count; ++i)
            if ((is_commit && notes[i].at_commit) || notes[i].at_end)
                wake_waiters(notes[i].log_id, notes[i].consumer_id, !is_commit || !notes[i].at_commit);
    if (is_commit || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
        forget_notes();
}

void register_callback()
{
    static bool is_registered = false;
    if (!is_registered)
        RegisterXactCallback(end_transaction, nullptr);
    is_registered = true;
}

Note *note_of(int32 log_id, int32 consumer_id)
{
    register_callback();
    attach_shared_memory(&shared);
    for (int i = 0; i < note_count; ++i)
        if (notes[i].log_id == all_logs || (notes[i].log_id == log_id && notes[i].consumer_id == consumer_id))
            return &notes[i];
    if (note_count < most_notes) {
        notes[note_count] = {log_id, consumer_id, false, false};
        return &notes[note_count++];
    }
    Note *last = &notes[most_notes - 1];
    last->log_id = all_logs;
    last->consumer_id = all_consumers;
    return last;
}

} // namespace

void wake_at_commit(int32 log_id, int32 consumer_id)
{
    note_of(log_id, consumer_id)->at_commit = true;
}

void wake_at_end(int32 log_id, int32 consumer_id)
{
    note_of(log_id, consumer_id)->at_end = true;
}

// -- waiting -------------------------------------------------------------------------------------

namespace
{

void leave_place(int, Datum)
{
    stop_waiting();
    const uint32 turn = pg_atomic_read_u32(&own->turn);
    pg_atomic_write_u32(&own->turn, turn - state_of(turn) + place_free);
    own = nullptr;
}

Place *find_free_place(Places *places)
{
    for (uint32 i = 0; i < most_places; ++i) {
        Place *place = &places->places[i];
        uint32 turn = pg_atomic_read_u32(&place->turn);
        if (state_of(turn) != place_free ||
            !pg_atomic_compare_exchange_u32(&place->turn, &turn, turn - state_of(turn) + place_idle))
            continue;
        for (uint32 used = pg_atomic_read_u32(&places->used);
             used <= i && !pg_atomic_compare_exchange_u32(&places->used, &used, i + 1);) {
        }
        return place;
    }
    return nullptr;
}

} // namespace

bool take_waiting_place()
{
    auto *places = static_cast<Places *>(attach_shared_memory(&shared));
    if (own != nullptr || places == nullptr)
        return own != nullptr;
    own = find_free_place(places);
    if (own == nullptr)
        return false;
    own->database = MyDatabaseId;
    own->waiter = {}; // of the last owner: call_event_waiters would show it as this session's
    own->pid = MyProcPid;
    own->latch = MyLatch;
    before_shmem_exit(leave_place, Datum{0});
    return true;
}

void start_waiting(const Waiter &waiter)
{
    if (own == nullptr)
        return;
    const uint32 turn = pg_atomic_read_u32(&own->turn);
    if (is_registered(turn))
        pg_atomic_exchange_u32(&own->turn, turn - state_of(turn) + place_idle);
    else
        pg_atomic_fetch_add_u32(&attached_places()->registered, 1);
    own->waiter = waiter;
    own->is_blocked = true;
    // A full barrier: the look that follows comes after the registration.
    pg_atomic_exchange_u32(&own->turn, turn - state_of(turn) + 4 + place_waiting);
}

void set_blocked(bool is_blocked)
{
    if (own != nullptr)
        own->is_blocked = is_blocked;
}

bool is_woken()
{
    return own != nullptr && state_of(pg_atomic_read_u32(&own->turn)) == place_woken;
}

void sleep_until(TimestampTz until)
{
    static uint32 wait_event = 0;
    if (wait_event == 0)
        wait_event = named_wait_event("CallEvents");
    const long milliseconds = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, wait_event);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

void stop_waiting()
{
    if (own == nullptr || !is_registered(pg_atomic_read_u32(&own->turn)))
        return;
    const uint32 turn = pg_atomic_read_u32(&own->turn);
    const uint32 last = pg_atomic_exchange_u32(&own->turn, turn - state_of(turn) + place_idle);
    pg_atomic_fetch_sub_u32(&attached_places()->registered, 1);
    if (state_of(last) == place_woken)
        wake_waiters(own->waiter.log_id, own->waiter.consumer_id, false);
}

} // namespace callhardening

using namespace callhardening;

// Of this database.
CALLHARDENING_FUNCTION(waiters)
{
    InitMaterializedSRF(fcinfo, 0);
    const auto *result = castNode(ReturnSetInfo, fcinfo->resultinfo);
    auto *places = static_cast<Places *>(attach_shared_memory(&shared));
    for (uint32 i = 0; places != nullptr && i < most_places; ++i) {
        const Place &place = places->places[i];
        const PlaceState state = state_of(pg_atomic_read_u32(&places->places[i].turn));
        const Waiter waiter = place.waiter;
        if (state == place_free || place.database != MyDatabaseId || waiter.log_id == 0)
            continue;
        const char *kind = waiter.kind == WaiterKind::worker ? "worker" : "client";
        Datum values[] = {Int32GetDatum(place.pid), CStringGetTextDatum(kind), Int32GetDatum(waiter.log_id),
                          Int32GetDatum(waiter.consumer_id), BoolGetDatum(state != place_idle)};
        bool nulls[lengthof(values)] = {};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return Datum{0};
}

// NULL: there is no shared memory.
CALLHARDENING_FUNCTION(free_waiting_places)
{
    static_cast<void>(fcinfo);
    auto *places = static_cast<Places *>(attach_shared_memory(&shared));
    int32 count = 0;
    if (places == nullptr)
        PG_RETURN_NULL();
    for (Place &place : places->places)
        count += state_of(pg_atomic_read_u32(&place.turn)) == place_free;
    PG_RETURN_INT32(count);
}
