#include "pg/workers/kept_order.hpp"

extern "C" {
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
}

namespace callhardening
{

namespace
{

constexpr const char *memory_name = "callhardening kept workers";

struct OrderSlot {
    bool is_used;
    pg_atomic_uint32 holder; // the process that stops the workers; 0: none
    KeptOrder order;
};

struct ScanFault {
    Oid database;
    ScanResult fault;
};

struct OrderMemory {
    LWLock *lock;                  // for the slots and faults
    pg_atomic_uint64 launcher;     // its latch; 0: it does not run
    pg_atomic_uint32 requests[64]; // databases to scan; 0: free
    pg_atomic_uint32 scans_all;    // there was no free request, or the launcher has just started
    pg_atomic_uint32 worker_ended; // since the launcher has looked
    pg_atomic_uint32 scan_result;  // of the running scanner
    ScanFault faults[64];          // as many as fit: only the view reads them
    OrderSlot slots[most_orders];
};

OrderMemory *memory = nullptr;
shmem_request_hook_type next_request_hook = nullptr;
shmem_startup_hook_type next_startup_hook = nullptr;

void request_memory()
{
    if (next_request_hook != nullptr)
        next_request_hook();
    RequestAddinShmemSpace(MAXALIGN(sizeof(OrderMemory)));
    RequestNamedLWLockTranche(memory_name, 1);
}

void initialize_memory()
{
    memset(memory, 0, sizeof *memory);
    memory->lock = &GetNamedLWLockTranche(memory_name)->lock;
    pg_atomic_init_u64(&memory->launcher, 0);
    pg_atomic_init_u32(&memory->scans_all, 0);
    pg_atomic_init_u32(&memory->worker_ended, 0);
    pg_atomic_init_u32(&memory->scan_result, 0);
    for (pg_atomic_uint32 &request : memory->requests)
        pg_atomic_init_u32(&request, 0);
    for (OrderSlot &slot : memory->slots)
        pg_atomic_init_u32(&slot.holder, 0);
}

// Runs again after a crash of the server. All that was known about failures is gone then.
void start_memory()
{
    bool found;
    if (next_startup_hook != nullptr)
        next_startup_hook();
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    memory = static_cast<OrderMemory *>(ShmemInitStruct(memory_name, sizeof(OrderMemory), &found));
    if (!found)
        initialize_memory();
    LWLockRelease(AddinShmemInitLock);
}

void forget_launcher(int, Datum)
{
    pg_atomic_write_u64(&memory->launcher, 0);
}

OrderSlot *find_slot(Oid database, int32 consumer_id)
{
    for (OrderSlot &slot : memory->slots)
        if (slot.is_used && slot.order.worker.database == database && slot.order.consumer_id == consumer_id)
            return &slot;
    return nullptr;
}

OrderSlot *free_slot()
{
    for (OrderSlot &slot : memory->slots)
        if (!slot.is_used)
            return &slot;
    return nullptr;
}

// A hold stays: the session that stops the workers has not committed yet.
bool place_order(const KeptOrder &order)
{
    OrderSlot *slot = find_slot(order.worker.database, order.consumer_id);
    if (slot == nullptr) {
        slot = free_slot();
        if (slot == nullptr)
            return false;
        pg_atomic_write_u32(&slot->holder, 0);
    }
    slot->order = order;
    slot->is_used = true;
    return true;
}

bool is_among(const KeptOrder &order, const KeptOrder *orders, int count)
{
    for (int i = 0; i < count; ++i)
        if (is_same_order(order, orders[i]))
            return true;
    return false;
}

} // namespace

const char *text_of(Obstacle obstacle)
{
    switch (obstacle) {
    case Obstacle::none:
        return nullptr;
    case Obstacle::ended:
        return "a worker ended: the server log has the reason";
    case Obstacle::no_process:
        return "no background worker slot is left (max_worker_processes)";
    case Obstacle::limit:
        return "the limit callhardening.max_workers is reached";
    case Obstacle::no_role:
        return "the role was dropped";
    case Obstacle::no_login:
        return "the role is not permitted to log in";
    case Obstacle::no_connect:
        return "the role is not permitted to connect to the database";
    case Obstacle::closed_database:
        return "the database accepts no connections";
    case Obstacle::locked_database:
        return "another session locks the database";
    }
    return nullptr;
}

void reserve_order_memory()
{
    next_request_hook = shmem_request_hook;
    shmem_request_hook = request_memory;
    next_startup_hook = shmem_startup_hook;
    shmem_startup_hook = start_memory;
}

bool is_preloaded()
{
    return memory != nullptr;
}

// -- sessions and workers -----------------------------------------------------------------------

// Called at the commit, when an error would end the server.
void request_scan(Oid database)
{
    if (memory == nullptr)
        return;
    bool is_noted = false;
    for (size_t i = 0; i < lengthof(memory->requests) && !is_noted; ++i) {
        uint32 present = 0;
        is_noted =
            pg_atomic_compare_exchange_u32(&memory->requests[i], &present, database) || present == database;
    }
    if (!is_noted)
        pg_atomic_write_u32(&memory->scans_all, 1);
    wake_launcher();
}

// The latch can be another process's by now. It would wake up for nothing.
void wake_launcher()
{
    if (memory == nullptr)
        return;
    pg_memory_barrier();
    if (const uint64 latch = pg_atomic_read_u64(&memory->launcher); latch != 0)
        SetLatch(reinterpret_cast<Latch *>(latch));
}

void report_worker_end()
{
    if (memory == nullptr)
        return;
    pg_atomic_write_u32(&memory->worker_ended, 1);
    wake_launcher();
}

void hold_order(Oid database, int32 consumer_id)
{
    LWLockAcquire(memory->lock, LW_EXCLUSIVE);
    if (OrderSlot *slot = find_slot(database, consumer_id); slot != nullptr)
        pg_atomic_write_u32(&slot->holder, static_cast<uint32>(MyProcPid));
    LWLockRelease(memory->lock);
    wake_launcher();
}

// Without a lock, as it runs at the commit.
void let_orders_go()
{
    for (OrderSlot &slot : memory->slots) {
        auto holder = static_cast<uint32>(MyProcPid);
        pg_atomic_compare_exchange_u32(&slot.holder, &holder, 0);
    }
}

bool is_launcher_running()
{
    return memory != nullptr && pg_atomic_read_u64(&memory->launcher) != 0;
}

int read_orders(Oid database, KeptOrder **orders)
{
    auto *copies = static_cast<KeptOrder *>(palloc(sizeof(KeptOrder) * most_orders));
    int count = 0;
    LWLockAcquire(memory->lock, LW_SHARED);
    for (const OrderSlot &slot : memory->slots)
        if (slot.is_used && slot.order.worker.database == database)
            copies[count++] = slot.order;
    LWLockRelease(memory->lock);
    *orders = copies;
    return count;
}

// -- the launcher and its scanners ----------------------------------------------------------------

void announce_launcher()
{
    before_shmem_exit(forget_launcher, Datum{0});
    pg_atomic_write_u64(&memory->launcher, reinterpret_cast<uint64>(MyLatch));
}

Oid take_scan_request()
{
    for (pg_atomic_uint32 &request : memory->requests)
        if (const Oid database = pg_atomic_exchange_u32(&request, 0); OidIsValid(database))
            return database;
    return InvalidOid;
}

bool take_request_for_all()
{
    return pg_atomic_exchange_u32(&memory->scans_all, 0) != 0;
}

bool take_worker_end()
{
    return pg_atomic_exchange_u32(&memory->worker_ended, 0) != 0;
}

bool read_order(int slot, KeptOrder *order, bool *is_held)
{
    OrderSlot *present = &memory->slots[slot];
    LWLockAcquire(memory->lock, LW_SHARED);
    const bool is_used = present->is_used;
    *order = present->order;
    *is_held = pg_atomic_read_u32(&present->holder) != 0;
    LWLockRelease(memory->lock);
    return is_used;
}

// A scanner may have written a newer order meanwhile. It keeps its parameters.
void update_order(const KeptOrder &order)
{
    LWLockAcquire(memory->lock, LW_EXCLUSIVE);
    if (OrderSlot *slot = find_slot(order.worker.database, order.consumer_id); slot != nullptr) {
        slot->order.failures = order.failures;
        slot->order.next_try = order.next_try;
        slot->order.obstacle = order.obstacle;
        slot->order.failed_at = order.failed_at;
    }
    LWLockRelease(memory->lock);
}

bool find_order(Oid database, int32 consumer_id, KeptOrder *order)
{
    LWLockAcquire(memory->lock, LW_SHARED);
    const OrderSlot *slot = find_slot(database, consumer_id);
    if (slot != nullptr)
        *order = slot->order;
    LWLockRelease(memory->lock);
    return slot != nullptr;
}

int replace_orders(Oid database, const KeptOrder *orders, int count)
{
    int homeless = 0;
    LWLockAcquire(memory->lock, LW_EXCLUSIVE);
    for (OrderSlot &slot : memory->slots)
        if (slot.is_used && slot.order.worker.database == database && !is_among(slot.order, orders, count))
            slot.is_used = false;
    for (int i = 0; i < count; ++i)
        homeless += place_order(orders[i]) ? 0 : 1;
    LWLockRelease(memory->lock);
    return homeless;
}

void begin_scan_result()
{
    set_scan_result(ScanResult::failed);
}

void set_scan_result(ScanResult result)
{
    pg_atomic_write_u32(&memory->scan_result, static_cast<uint32>(result));
}

ScanResult scan_result()
{
    return static_cast<ScanResult>(pg_atomic_read_u32(&memory->scan_result));
}

void set_scan_fault(Oid database, ScanResult fault)
{
    ScanFault *place = nullptr;
    LWLockAcquire(memory->lock, LW_EXCLUSIVE);
    for (ScanFault &known : memory->faults)
        if (known.database == database || (place == nullptr && !OidIsValid(known.database)))
            place = &known;
    if (place != nullptr)
        *place = {fault == ScanResult::done ? InvalidOid : database, fault};
    LWLockRelease(memory->lock);
}

ScanResult scan_fault(Oid database)
{
    ScanResult fault = ScanResult::done;
    LWLockAcquire(memory->lock, LW_SHARED);
    for (const ScanFault &known : memory->faults)
        if (known.database == database)
            fault = known.fault;
    LWLockRelease(memory->lock);
    return fault;
}

} // namespace callhardening
