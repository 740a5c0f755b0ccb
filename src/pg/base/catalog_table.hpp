// The extension's own tables, read and written by key, like the server's catalogs. So plans do not depend on
// statistics, a row costs microseconds, and the caller needs no right on the table.
#pragma once

#include "pg/base/postgres.hpp"

#include <initializer_list>

extern "C" {
#include "access/genam.h"
#include "access/relscan.h"
#include "access/sdir.h"
#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "nodes/lockoptions.h"
#include "utils/rel.h"
#include "utils/snapshot.h"
}

namespace callhardening
{

// The extension's internal schema with its tables and functions, found by name. InvalidOid if the extension
// was dropped. A user's schema with this name does not count.
Oid own_schema();

// The schema of CREATE EXTENSION, with the functions for users. InvalidOid if the extension was dropped.
Oid users_schema();

struct CatalogTable {
    Relation heap;
    Relation index; // finds the rows
};

struct CatalogColumn {
    const char *name;
    Oid type;
};

// A table and its columns, created by a script in sql/. Rows are read and written by column number.
// check_call_hardening compares the layouts with the catalogs: src/pg/module.cpp.
struct CatalogLayout {
    const char *name;
    const CatalogColumn *columns;
    int count;
    int least; // columns of the first release: before its update, an older installation lacks the others

    template <int size>
    constexpr CatalogLayout(const char *table, const CatalogColumn (&list)[size], int in_first_release = size)
        : name(table), columns(list), count(size), least(in_first_release)
    {
    }
};

// Opens an internal table with `index`. Raises 55000 if a user's change breaks these functions. A table
// written by the transaction must be closed with NoLock.
CatalogTable open_catalog_table(const CatalogLayout &layout, const char *index, LOCKMODE lock);

// The same without an error, if the caller must go on. Returns false with a WARNING if the table was altered.
// Returns false without a message if it is gone or locked.
bool try_open_catalog_table(const CatalogLayout &layout, const char *index, LOCKMODE lock,
                            CatalogTable *table);
void close_catalog_table(const CatalogTable &table, LOCKMODE lock);

// A condition on the index column `column`, counted from 1.
struct Key {
    int column;
    StrategyNumber strategy;
    RegProcedure function;
    Oid type;
    Datum value;
};

Key int4_key(int column, int32 value, StrategyNumber strategy = BTEqualStrategyNumber);
Key int8_key(int column, int64 value, StrategyNumber strategy = BTEqualStrategyNumber);
Key xid8_key(int column, uint64 value, StrategyNumber strategy = BTEqualStrategyNumber);
Key oid_key(int column, Oid value);
Key name_key(int column, const NameData *value);
Key time_key(int column, TimestampTz value, StrategyNumber strategy);

// The rows with the given keys, in the order of the index.
struct KeyScan {
    IndexScanDesc scan;
    TupleTableSlot *slot; // the present row
    MemoryContext memory; // the scan allocates while it runs, and its callers' contexts live shorter
};

// The memory context of scans. Each takes about 30 kB.
MemoryContext scan_memory();

KeyScan begin_key_scan(const CatalogTable &table, Snapshot snapshot, std::initializer_list<Key> keys);
// Restarts the scan with the same number of other keys. A new scan would cost 30 kB of memory for each of a
// claim's many lanes.
void restart_key_scan(const KeyScan &scan, Snapshot snapshot, std::initializer_list<Key> keys);
bool next_row(const KeyScan &scan, ScanDirection direction = ForwardScanDirection);
void end_key_scan(const KeyScan &scan);

void init_scan_key(ScanKeyData *scan_key, const Key &key);

// A value of the present row; columns count from 1. NULL for a column of a later version.
Datum row_value(TupleTableSlot *slot, int column, bool *is_null);
int32 row_int4(TupleTableSlot *slot, int column); // 0 for NULL, like those below
int64 row_int8(TupleTableSlot *slot, int column);
bool row_bool(TupleTableSlot *slot, int column);
Oid row_oid(TupleTableSlot *slot, int column);
char *row_text(TupleTableSlot *slot, int column); // in the current memory context; NULL for NULL

// Does the table have a user's index or CHECK? These may reject a row.
bool may_refuse_rows(const CatalogTable &table);

// Writes to all indexes of the table, even a user's. Their expressions and conditions run as the table's
// owner.
void insert_row(const CatalogTable &table, const Datum *values, const bool *nulls);

// One changed column of a row.
struct Change {
    int column;
    Datum value;
    bool is_null;
};

// Writes the present row of a scan. The caller must hold a lock against other writers of the row.
void update_row(const CatalogTable &table, const KeyScan &scan, std::initializer_list<Change> changes);
void delete_row(const CatalogTable &table, const KeyScan &scan);

// Deletes all rows with the given keys, after waiting for other writers of them.
void delete_rows(const CatalogTable &table, std::initializer_list<Key> keys);

// Locks the present row FOR NO KEY UPDATE until the end of the transaction. False if the row is gone, or if
// `wait` is LockWaitSkip and another session holds the lock.
bool lock_row(const CatalogTable &table, const KeyScan &scan, Snapshot snapshot, LockWaitPolicy wait);

// The same, but waits, and the present row becomes its newest version. False if the row is gone.
bool lock_newest_row(const CatalogTable &table, const KeyScan &scan, Snapshot snapshot);

// A snapshot of all rows committed now, and of the transaction's own changes. The caller calls
// UnregisterSnapshot.
Snapshot take_snapshot();

} // namespace callhardening
