#include "pg/shared/counters.hpp"
#include "pg/base/versions.hpp"
#include "pg/shared/shared_memory.hpp"

#include <cstdlib>

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// The columns of counts, created in sql/log/consumer.sql.
enum CountsColumn { counts_consumer = 1, counts_since, counts_numbers, counts_columns = counts_numbers };
constexpr CatalogColumn columns_of_counts[] = {
    {"consumer_id", INT4OID}, {"counted_since", TIMESTAMPTZOID}, {"numbers", INT8ARRAYOID}};
static_assert(lengthof(columns_of_counts) == counts_columns, "each column is here");

// -- memory of all sessions -----------------------------------------------------------------------

constexpr int most_slots = 256;
constexpr uint64 no_key = 0, cleared_key = 1;

// `flushed`: the part of `numbers` that the table has. For a moment the row of a committed flush is visible,
// and `flushed` does not have it yet. `flushing` and `moves` show this to readers.
struct Slot {
    pg_atomic_uint64 key;
    pg_atomic_uint64 since;
    pg_atomic_uint64 flushed_at;
    pg_atomic_uint32 flushing; // the transaction that has written the row; 0 after its callback
    pg_atomic_uint32 moves;    // odd while a callback changes `flushed`
    pg_atomic_uint32 is_unsaved;
    pg_atomic_uint64 tried_at; // when the launcher has last started a process to save it
    pg_atomic_uint64 numbers[counter_numbers];
    pg_atomic_uint64 flushed[counter_numbers];
    Oid database;
    CountedConsumer consumer;
};

struct Slots {
    pg_atomic_uint64 watcher; // the latch of the launcher; 0: nobody saves in time
    Slot slots[most_slots];
};

void clear_slot(Slot *slot)
{
    for (int i = 0; i < counter_numbers; ++i) {
        pg_atomic_write_u64(&slot->numbers[i], 0);
        pg_atomic_write_u64(&slot->flushed[i], 0);
    }
    pg_atomic_write_u32(&slot->flushing, InvalidTransactionId);
    pg_atomic_write_u32(&slot->is_unsaved, 0);
}

void initialize(void *memory)
{
    auto *slots = static_cast<Slots *>(memory);
    memset(slots, 0, sizeof *slots);
    pg_atomic_init_u64(&slots->watcher, 0);
    for (Slot &slot : slots->slots) {
        for (pg_atomic_uint64 *number : {&slot.key, &slot.since, &slot.flushed_at, &slot.tried_at})
            pg_atomic_init_u64(number, 0);
        for (pg_atomic_uint32 *number : {&slot.flushing, &slot.moves, &slot.is_unsaved})
            pg_atomic_init_u32(number, 0);
        for (int i = 0; i < counter_numbers; ++i) {
            pg_atomic_init_u64(&slot.numbers[i], 0);
            pg_atomic_init_u64(&slot.flushed[i], 0);
        }
    }
}

constinit SharedMemory shared = {"callhardening counters 2", sizeof(Slots), initialize, nullptr, 0};

// The schema is another one after the extension was created again: its logs have the same numbers.
uint64 key_of(const CountedConsumer &consumer)
{
    const uint32 parts[] = {MyDatabaseId, own_schema(), consumer.events,
                            static_cast<uint32>(consumer.consumer_id)};
    const uint64 hash = hash_bytes_extended(reinterpret_cast<const unsigned char *>(parts), sizeof parts, 0);
    return hash > cleared_key ? hash : hash + 2;
}

Slot *find_slot(Slots *slots, uint64 key)
{
    for (int i = 0; i < most_slots; ++i) {
        Slot *slot = &slots->slots[(key + static_cast<uint64>(i)) % most_slots];
        if (pg_atomic_read_u64(&slot->key) == key)
            return slot;
    }
    return nullptr;
}

// If the slot came free and two sessions take two of them, both count.
Slot *take_free_slot(Slots *slots, uint64 key, const CountedConsumer &consumer)
{
    for (int i = 0; i < most_slots; ++i) {
        Slot *slot = &slots->slots[(key + static_cast<uint64>(i)) % most_slots];
        uint64 free = no_key;
        if (!pg_atomic_compare_exchange_u64(&slot->key, &free, key)) {
            if (free == key)
                return slot;
            continue;
        }
        slot->consumer = consumer;
        pg_write_barrier(); // who reads the database reads its consumer
        slot->database = MyDatabaseId;
        const auto now = static_cast<uint64>(GetCurrentTimestamp());
        pg_atomic_write_u64(&slot->since, now);
        pg_atomic_write_u64(&slot->flushed_at, now);
        return slot;
    }
    return nullptr;
}

// No database: another session is taking the slot.
bool is_of_dropped(const Slot &slot)
{
    const Oid database = slot.database;
    pg_read_barrier();
    if (!OidIsValid(database))
        return false;
    if (!SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database)))
        return true;
    return database == MyDatabaseId && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(slot.consumer.events));
}

void free_slot(Slot *slot, uint64 key)
{
    if (!pg_atomic_compare_exchange_u64(&slot->key, &key, cleared_key))
        return;
    clear_slot(slot);
    slot->database = InvalidOid;
    pg_write_barrier();
    pg_atomic_write_u64(&slot->key, no_key);
}

// Frees the slots of dropped databases and logs.
void free_slots(Slots *slots)
{
    for (Slot &slot : slots->slots) {
        const uint64 key = pg_atomic_read_u64(&slot.key);
        if (key > cleared_key && is_of_dropped(slot))
            free_slot(&slot, key);
    }
}

// nullptr: the server has no room, or 256 consumers count already. Then the session tries again after a
// minute.
Slot *slot_of(uint64 key, const CountedConsumer &consumer)
{
    static TimestampTz full_at = 0;
    auto *slots = static_cast<Slots *>(attach_shared_memory(&shared));
    if (slots == nullptr)
        return nullptr;
    Slot *slot = find_slot(slots, key);
    if (slot != nullptr || GetCurrentTimestamp() - full_at < USECS_PER_MINUTE)
        return slot;
    slot = take_free_slot(slots, key, consumer);
    if (slot == nullptr) {
        free_slots(slots);
        slot = take_free_slot(slots, key, consumer);
    }
    full_at = slot == nullptr ? GetCurrentTimestamp() : 0;
    return slot;
}

Slot *find_own_slot(const CountedConsumer &consumer)
{
    auto *slots = static_cast<Slots *>(attach_shared_memory(&shared));
    return slots == nullptr ? nullptr : find_slot(slots, key_of(consumer));
}

// -- numbers of a transaction ---------------------------------------------------------------------

// They live in TopTransactionContext. The newest is the first, so levels only fall.
struct Pending {
    Pending *older;
    int level; // nesting level of its subtransaction
    CountedConsumer consumer;
    uint64 key;
    Slot *slot; // nullptr: it does not count
    bool is_dropped;
    int64 numbers[counter_numbers];
    int64 *flushed; // what this transaction has added to the table, with its own; nullptr: nothing
    TimestampTz flushed_at;
};

constinit Pending *pending = nullptr;

bool is_same(const CountedConsumer &a, const CountedConsumer &b)
{
    return a.events == b.events && a.consumer_id == b.consumer_id;
}

void add_numbers(Pending *to, const Pending &from)
{
    for (int i = 0; i < counter_numbers; ++i)
        to->numbers[i] += from.numbers[i];
    to->is_dropped = to->is_dropped || from.is_dropped;
}

// Adds the numbers of a subtransaction to its parent's.
void hand_to_parent(int level)
{
    Pending **link = &pending;
    while (*link != nullptr && (*link)->level >= level) {
        Pending *child = *link;
        child->level = level - 1;
        Pending *parent = child->older;
        while (parent != nullptr &&
               !(parent->level == level - 1 && is_same(parent->consumer, child->consumer)))
            parent = parent->older;
        if (parent == nullptr) {
            link = &child->older;
            continue;
        }
        add_numbers(parent, *child);
        *link = child->older;
    }
}

void end_subtransaction(SubXactEvent event, SubTransactionId, SubTransactionId, void *)
{
    const int level = GetCurrentTransactionNestLevel();
    if (event == SUBXACT_EVENT_COMMIT_SUB)
        hand_to_parent(level);
    else if (event == SUBXACT_EVENT_ABORT_SUB)
        while (pending != nullptr && pending->level >= level)
            pending = pending->older;
}

// -- the table ------------------------------------------------------------------------------------

struct StoredCounts {
    TimestampTz since;
    int64 numbers[counter_numbers];
};

Datum array_of(const int64 *numbers)
{
    Datum elements[counter_numbers];
    for (int i = 0; i < counter_numbers; ++i)
        elements[i] = Int64GetDatum(numbers[i]);
    return PointerGetDatum(
        construct_array(elements, counter_numbers, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

// An older version of the extension may have written fewer numbers.
StoredCounts counts_in_slot(TupleTableSlot *slot)
{
    StoredCounts counts = {};
    bool is_null;
    Datum *elements;
    bool *nulls;
    int count;
    counts.since = row_int8(slot, counts_since);
    deconstruct_array(DatumGetArrayTypeP(row_value(slot, counts_numbers, &is_null)), INT8OID, sizeof(int64),
                      FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, &nulls, &count);
    for (int i = 0; i < Min(count, counter_numbers); ++i)
        counts.numbers[i] = nulls[i] ? 0 : DatumGetInt64(elements[i]);
    return counts;
}

KeyScan find_counts(const CatalogTable &table, Snapshot snapshot, int32 consumer_id)
{
    return begin_key_scan(table, snapshot, {int4_key(1, consumer_id)});
}

// False if another session deletes the row, since it drops the log.
bool write_counts(const CatalogTable &table, const Pending &counted)
{
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = find_counts(table, snapshot, counted.consumer.consumer_id);
    const bool exists = next_row(scan);
    const bool is_dropped = exists && !lock_row(table, scan, snapshot, LockWaitSkip);
    StoredCounts counts = {static_cast<TimestampTz>(pg_atomic_read_u64(&counted.slot->since)), {}};
    if (exists)
        counts = counts_in_slot(scan.slot);
    for (int i = 0; i < counter_numbers; ++i)
        counts.numbers[i] += counted.flushed[i];
    if (exists && !is_dropped) {
        update_row(table, scan, {{counts_numbers, array_of(counts.numbers), false}});
    } else if (!exists) {
        const Datum values[] = {Int32GetDatum(counted.consumer.consumer_id),
                                TimestampTzGetDatum(counts.since), array_of(counts.numbers)};
        const bool nulls[counts_columns] = {};
        insert_row(table, values, nulls);
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
    return !is_dropped;
}

LOCKTAG lock_of(const CatalogTable &table, int32 consumer_id)
{
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationGetRelid(table.heap), static_cast<Oid>(consumer_id), 0);
    return tag;
}

bool has_rest(Slot *slot)
{
    for (int i = 0; i < counter_numbers; ++i)
        if (pg_atomic_read_u64(&slot->numbers[i]) != pg_atomic_read_u64(&slot->flushed[i]))
            return true;
    return false;
}

bool is_due(Slot &slot, TimestampTz now)
{
    const auto last = static_cast<TimestampTz>(pg_atomic_read_u64(&slot.flushed_at));
    return std::abs(now - last) >= USECS_PER_MINUTE; // the clock may have been set back
}

// One session at a time adds to the row. Its lock lasts until its commit has moved `flushed`.
void flush_locked(const CatalogTable &table, Pending *counted)
{
    const LOCKTAG tag = lock_of(table, counted->consumer.consumer_id);
    if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
        return;
    counted->flushed_at = GetCurrentTimestamp();
    if (!is_due(*counted->slot, counted->flushed_at))
        return;
    auto *rest = static_cast<int64 *>(palloc(sizeof(int64) * counter_numbers));
    for (int i = 0; i < counter_numbers; ++i)
        rest[i] = static_cast<int64>(pg_atomic_read_u64(&counted->slot->numbers[i]) -
                                     pg_atomic_read_u64(&counted->slot->flushed[i])) +
                  counted->numbers[i];
    counted->flushed = rest;
    if (write_counts(table, *counted))
        pg_atomic_write_u32(&counted->slot->flushing, GetTopTransactionId());
    else
        counted->flushed = nullptr;
}

// The table must not make a webhook wait or fail: if it is locked or altered, the numbers stay in memory.
void flush(Pending *counted)
{
    CatalogTable table;
    if (!try_open_catalog_table(counts_layout, "counts_pkey", RowExclusiveLock, &table))
        return;
    if (!may_refuse_rows(table))
        flush_locked(table, counted);
    close_catalog_table(table, NoLock);
}

// A serializable transaction could fail of the row.
void flush_due()
{
    if (XactReadOnly || RecoveryInProgress() || IsolationIsSerializable())
        return;
    const MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
    for (Pending *counted = pending; counted != nullptr; counted = counted->older)
        if (counted->slot != nullptr && !counted->is_dropped &&
            is_due(*counted->slot, GetCurrentStatementStartTimestamp())) // reads no clock
            flush(counted);
    MemoryContextSwitchTo(caller);
}

// -- the end of a transaction ----------------------------------------------------------------------
//
// After the commit an error would end the server: nothing here allocates, waits for a lock or raises an
// error.

// The launcher can have ended: then another process wakes up for nothing.
void note_unsaved(Slot *slot)
{
    if (pg_atomic_read_u32(&slot->is_unsaved) != 0 || !has_rest(slot) ||
        pg_atomic_exchange_u32(&slot->is_unsaved, 1) != 0)
        return;
    auto *slots = static_cast<Slots *>(shared.address);
    if (const uint64 latch = pg_atomic_read_u64(&slots->watcher); latch != 0)
        SetLatch(reinterpret_cast<Latch *>(latch));
}

// One session at a time: it has the lock of the row.
void move_flushed(const Pending &counted)
{
    Slot *slot = counted.slot;
    for (int i = 0; i < counter_numbers; ++i)
        pg_atomic_fetch_add_u64(&slot->flushed[i], counted.flushed[i]);
    pg_atomic_write_u64(&slot->flushed_at, static_cast<uint64>(counted.flushed_at));
    pg_atomic_write_u32(&slot->flushing, InvalidTransactionId);
    pg_atomic_exchange_u32(&slot->is_unsaved, 0); // a full barrier: what is counted later notes it again
}

// Another session may have freed the slot, if its log was dropped.
void add_to_slot(const Pending &counted)
{
    Slot *slot = counted.slot;
    if (slot == nullptr || pg_atomic_read_u64(&slot->key) != counted.key)
        return;
    if (counted.is_dropped) {
        free_slot(slot, counted.key);
        return;
    }
    if (counted.flushed != nullptr)
        pg_atomic_fetch_add_u32(&slot->moves, 1);
    for (int i = 0; i < counter_numbers; ++i)
        if (counted.numbers[i] != 0)
            pg_atomic_fetch_add_u64(&slot->numbers[i], counted.numbers[i]);
    if (counted.flushed != nullptr) {
        move_flushed(counted);
        pg_atomic_fetch_add_u32(&slot->moves, 1);
    }
    note_unsaved(slot);
}

// A prepared transaction ends in another process. It is rarely rolled back, so it counts when it is prepared.
void end_transaction(XactEvent event, void *)
{
    if (pending == nullptr)
        return;
    if (event == XACT_EVENT_PRE_COMMIT)
        flush_due();
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
        for (const Pending *counted = pending; counted != nullptr; counted = counted->older)
            add_to_slot(*counted);
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_ABORT)
        pending = nullptr;
}

// The last consumer counted by this session. Its slot may have been freed since.
struct Known {
    CountedConsumer consumer;
    uint64 key;
    Slot *slot;
};

constinit Known known = {};

void forget_known(Datum, int, uint32)
{
    known = {};
}

const Known &look_up(const CountedConsumer &consumer)
{
    if (known.slot != nullptr && is_same(known.consumer, consumer) &&
        pg_atomic_read_u64(&known.slot->key) == known.key)
        return known;
    const uint64 key = key_of(consumer);
    known = {consumer, key, slot_of(key, consumer)};
    return known;
}

void register_callbacks()
{
    static bool is_registered = false;
    if (is_registered)
        return;
    RegisterXactCallback(end_transaction, nullptr);
    RegisterSubXactCallback(end_subtransaction, nullptr);
    CacheRegisterSyscacheCallback(NAMESPACEOID, forget_known, Datum{0}); // with the schema, the keys change
    is_registered = true;
}

Pending *pending_of(const CountedConsumer &consumer)
{
    const int level = GetCurrentTransactionNestLevel();
    for (Pending *counted = pending; counted != nullptr && counted->level == level; counted = counted->older)
        if (is_same(counted->consumer, consumer))
            return counted;
    register_callbacks();
    const Known &place = look_up(consumer);
    auto *counted = static_cast<Pending *>(MemoryContextAllocZero(TopTransactionContext, sizeof(Pending)));
    counted->level = level;
    counted->consumer = consumer;
    counted->key = place.key;
    counted->slot = place.slot;
    counted->older = pending;
    return pending = counted;
}

bool is_pending(const CountedConsumer &consumer)
{
    const Pending *counted = pending;
    while (counted != nullptr && !is_same(counted->consumer, consumer))
        counted = counted->older;
    return counted != nullptr;
}

void add_to(Pending *counted, int number, int64 amount)
{
    counted->numbers[number] += amount;
}

} // namespace

constinit const CatalogLayout counts_layout = {"counts", columns_of_counts};

void count_events(const CountedConsumer &consumer, Counter counter, int64 events)
{
    if (events != 0)
        add_to(pending_of(consumer), static_cast<int>(counter), events);
}

void count_lag(const CountedConsumer &consumer, int64 microseconds)
{
    Pending *counted = pending_of(consumer);
    add_to(counted, static_cast<int>(Counter::first_bucket) + LagBucket(microseconds), 1);
    add_to(counted, static_cast<int>(Counter::lag_sum), Max(0, microseconds));
}

void flush_counts_if_due(const CountedConsumer &consumer)
{
    Slot *slot = find_own_slot(consumer);
    if (slot != nullptr && is_due(*slot, GetCurrentTimestamp()) && has_rest(slot))
        pending_of(consumer); // its commit flushes
}

// -- saving in time --------------------------------------------------------------------------------

namespace
{

void stop_watching(int, Datum)
{
    pg_atomic_write_u64(&static_cast<Slots *>(shared.address)->watcher, 0);
}

// A minute after the last save, and a second in which a commit may do it.
TimestampTz save_time_of(Slot *slot, TimestampTz now)
{
    constexpr int64 pause = USECS_PER_MINUTE + USECS_PER_SEC;
    const uint64 last = Max(pg_atomic_read_u64(&slot->flushed_at), pg_atomic_read_u64(&slot->tried_at));
    return Min(static_cast<TimestampTz>(last), now) + pause; // the clock may have been set back
}

} // namespace

void watch_counts()
{
    auto *slots = static_cast<Slots *>(attach_shared_memory(&shared));
    if (slots == nullptr)
        return;
    before_shmem_exit(stop_watching, Datum{0});
    pg_atomic_exchange_u64(&slots->watcher, reinterpret_cast<uint64>(MyLatch));
}

UnsavedCounts next_unsaved_counts(TimestampTz now)
{
    UnsavedCounts next = {InvalidOid, DT_NOEND};
    auto *slots = static_cast<Slots *>(shared.address);
    for (int i = 0; slots != nullptr && i < most_slots; ++i) {
        Slot *slot = &slots->slots[i];
        if (pg_atomic_read_u32(&slot->is_unsaved) == 0 || pg_atomic_read_u64(&slot->key) <= cleared_key)
            continue;
        if (const TimestampTz due = save_time_of(slot, now); due < next.due)
            next = {slot->database, due};
    }
    return next;
}

void note_try_to_save(Oid database, TimestampTz now)
{
    for (Slot &slot : static_cast<Slots *>(shared.address)->slots)
        if (slot.database == database)
            pg_atomic_write_u64(&slot.tried_at, static_cast<uint64>(now));
}

void forget_counts_of(Oid database)
{
    auto *slots = static_cast<Slots *>(shared.address);
    for (int i = 0; slots != nullptr && i < most_slots; ++i)
        if (const uint64 key = pg_atomic_read_u64(&slots->slots[i].key);
            key > cleared_key && slots->slots[i].database == database)
            free_slot(&slots->slots[i], key);
}

void save_counts()
{
    auto *slots = static_cast<Slots *>(attach_shared_memory(&shared));
    for (int i = 0; slots != nullptr && i < most_slots; ++i) {
        Slot *slot = &slots->slots[i];
        const uint64 key = pg_atomic_read_u64(&slot->key);
        if (key <= cleared_key || slot->database != MyDatabaseId)
            continue;
        if (key != key_of(slot->consumer)) // the extension was dropped
            free_slot(slot, key);
        else if (!has_rest(slot)) {
            pg_atomic_exchange_u32(&slot->is_unsaved, 0);
            note_unsaved(slot);
        } else if (is_due(*slot, GetCurrentTimestamp()))
            pending_of(slot->consumer); // the commit flushes
    }
}

void drop_counts(const CountedConsumer &consumer)
{
    const CatalogTable table = open_catalog_table(counts_layout, "counts_pkey", RowExclusiveLock);
    const LOCKTAG tag = lock_of(table, consumer.consumer_id);
    LockAcquire(&tag, ExclusiveLock, false, false); // a flush may be writing the row
    delete_rows(table, {int4_key(1, consumer.consumer_id)});
    close_catalog_table(table, NoLock);
    pending_of(consumer)->is_dropped = true;
}

namespace
{

// -- reading --------------------------------------------------------------------------------------

struct Reader {
    CatalogTable table;
    int32 consumer_id;
    uint64 key;
    Slots *slots;         // nullptr: there is no shared memory
    StoredCounts counts;  // of the row, and then with the rest in memory
    TransactionId writer; // of the row; 0: there is none
    bool is_counted;
};

void read_row(Reader *reader)
{
    bool is_null;
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = find_counts(reader->table, snapshot, reader->consumer_id);
    reader->counts = {};
    reader->writer = InvalidTransactionId;
    if (next_row(scan)) {
        reader->counts = counts_in_slot(scan.slot);
        reader->writer =
            DatumGetTransactionId(slot_getsysattr(scan.slot, MinTransactionIdAttributeNumber, &is_null));
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

// Adds the rest in memory. False if the consumer does not count.
bool add_rest(Slots *slots, uint64 key, StoredCounts *counts)
{
    bool is_free = RecoveryInProgress();
    if (slots == nullptr)
        return is_free;
    for (Slot &slot : slots->slots) {
        const uint64 present = pg_atomic_read_u64(&slot.key);
        is_free = is_free || present == no_key || present == key;
        if (present != key)
            continue;
        if (counts->since == 0)
            counts->since = static_cast<TimestampTz>(pg_atomic_read_u64(&slot.since));
        for (int i = 0; i < counter_numbers; ++i)
            counts->numbers[i] += static_cast<int64>(pg_atomic_read_u64(&slot.numbers[i]) -
                                                     pg_atomic_read_u64(&slot.flushed[i]));
    }
    return is_free;
}

// Of a consumer's slots: only one of them moves at a time.
uint32 moves_of(Slots *slots, uint64 key)
{
    uint32 moves = 0;
    pg_memory_barrier();
    for (int i = 0; slots != nullptr && i < most_slots; ++i)
        if (pg_atomic_read_u64(&slots->slots[i].key) == key)
            moves += pg_atomic_read_u32(&slots->slots[i].moves);
    pg_memory_barrier();
    return moves;
}

bool is_flushing(Slots *slots, uint64 key, TransactionId writer)
{
    bool found = false;
    for (int i = 0; slots != nullptr && TransactionIdIsValid(writer) && i < most_slots; ++i)
        found = found || (pg_atomic_read_u64(&slots->slots[i].key) == key &&
                          pg_atomic_read_u32(&slots->slots[i].flushing) == writer);
    return found;
}

// False if the row and the memory do not fit together: a flush has just committed.
bool try_to_read(Reader *reader)
{
    const uint32 before = moves_of(reader->slots, reader->key);
    read_row(reader);
    reader->is_counted = add_rest(reader->slots, reader->key, &reader->counts);
    return before % 2 == 0 && !is_flushing(reader->slots, reader->key, reader->writer) &&
           moves_of(reader->slots, reader->key) == before;
}

} // namespace

} // namespace callhardening

using namespace callhardening;

// Without the lock of the row: a flush has it while its commit waits for standbys.
CALLHARDENING_FUNCTION(total_counts)
{
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "total_counts must return a row");
    const CountedConsumer consumer = {PG_GETARG_OID(0), PG_GETARG_INT32(1)};
    Reader reader = {};
    reader.table = open_catalog_table(counts_layout, "counts_pkey", AccessShareLock);
    reader.consumer_id = consumer.consumer_id;
    reader.key = key_of(consumer);
    reader.slots = static_cast<Slots *>(attach_shared_memory(&shared));
    while (!try_to_read(&reader)) {
        CHECK_FOR_INTERRUPTS();
        pg_usleep(100);
    }
    close_catalog_table(reader.table, AccessShareLock);
    Datum values[] = {TimestampTzGetDatum(reader.counts.since), array_of(reader.counts.numbers)};
    bool nulls[] = {!reader.is_counted || reader.counts.since == 0, !reader.is_counted};
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

// For the trigger that forgets a dropped log: the numbers of its consumers, and its own.
CALLHARDENING_FUNCTION(drop_counts)
{
    Datum *ids;
    bool *nulls;
    int count;
    deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), INT4OID, sizeof(int32), true, TYPALIGN_INT, &ids, &nulls,
                      &count);
    for (int i = 0; i < count; ++i)
        if (!nulls[i])
            drop_counts({PG_GETARG_OID(0), DatumGetInt32(ids[i])});
    PG_RETURN_VOID();
}

// Makes the consumers of this database with something to save due, and counts nothing for each. So the commit
// flushes them.
CALLHARDENING_FUNCTION(flush_call_event_counts)
{
    static_cast<void>(fcinfo);
    auto *slots = static_cast<Slots *>(attach_shared_memory(&shared));
    for (int i = 0; slots != nullptr && i < most_slots; ++i) {
        Slot *slot = &slots->slots[i];
        const CountedConsumer consumer = slot->consumer;
        if (slot->database != MyDatabaseId || pg_atomic_read_u64(&slot->key) != key_of(consumer))
            continue;
        if (!has_rest(slot) && !is_pending(consumer))
            continue; // a monitor that finds nothing new writes nothing
        pg_atomic_write_u64(&slot->flushed_at, 0);
        pending_of(consumer);
    }
    PG_RETURN_VOID();
}

// The upper bounds of the histogram's buckets, as microseconds; the last one is NULL.
CALLHARDENING_FUNCTION(lag_bounds)
{
    Datum bounds[lag_buckets];
    bool nulls[lag_buckets];
    int count = lag_buckets, lower = 1;
    for (int i = 0; i < lag_buckets; ++i) {
        bounds[i] = Int64GetDatum(LagBound(i));
        nulls[i] = LagBound(i) == 0;
    }
    static_cast<void>(fcinfo);
    PG_RETURN_ARRAYTYPE_P(construct_md_array(bounds, nulls, 1, &count, &lower, INT8OID, sizeof(int64),
                                             FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
