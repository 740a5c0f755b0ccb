// The extension's own tables, read and written by key as the server does with its catalogs: what is found
// does not depend on statistics, a row costs some microseconds, and the caller needs no right on the table.
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

// The schema that the extension creates and keeps its tables and internal functions in, found by its name.
// InvalidOid where the extension is gone: a schema of that name that somebody else made is none of ours.
Oid own_schema();

// The schema that CREATE EXTENSION was given, with what users call. InvalidOid as above.
Oid users_schema();

struct CatalogTable {
    Relation heap;
    Relation index; // the one that rows are found by
};

struct CatalogColumn {
    const char *name;
    Oid type;
};

// A table and its columns as a script in sql/ creates it. Rows are read and written by the number of a
// column. check_call_hardening compares the layouts with the catalogs: src/pg/module.cpp.
struct CatalogLayout {
    const char *name;
    const CatalogColumn *columns;
    int count;

    template <int size>
    constexpr CatalogLayout(const char *table, const CatalogColumn (&list)[size])
        : name(table), columns(list), count(size)
    {
    }
};

// Opens a table of our own schema with `index`; 55000 where somebody altered it in a way that these
// functions cannot follow. A table that the transaction has written to has to be closed with NoLock.
CatalogTable open_catalog_table(const CatalogLayout &layout, const char *index, LOCKMODE lock);

// The same for what must not stop its caller: false, and a WARNING that says what was altered, or no word
// where the table is gone or its lock is not to be had at once.
bool try_open_catalog_table(const CatalogLayout &layout, const char *index, LOCKMODE lock,
                            CatalogTable *table);
void close_catalog_table(const CatalogTable &table, LOCKMODE lock);

// A condition on the index column `column`, from 1.
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
Key time_key(int column, TimestampTz value, StrategyNumber strategy);

// The rows with the given keys, in the order of the index.
struct KeyScan {
    IndexScanDesc scan;
    TupleTableSlot *slot; // the present row
    MemoryContext memory; // a scan allocates as it goes, and is used from contexts that live shorter
};

// Where scans live: some 30 kB each.
MemoryContext scan_memory();

KeyScan begin_key_scan(const CatalogTable &table, Snapshot snapshot, std::initializer_list<Key> keys);
// The same scan with other keys, as many as before: a scan is some 30 kB of memory, and a claim looks at many
// lanes.
void restart_key_scan(const KeyScan &scan, Snapshot snapshot, std::initializer_list<Key> keys);
bool next_row(const KeyScan &scan, ScanDirection direction = ForwardScanDirection);
void end_key_scan(const KeyScan &scan);

void init_scan_key(ScanKeyData *scan_key, const Key &key);

// A value of the present row; columns count from 1.
Datum row_value(TupleTableSlot *slot, int column, bool *is_null);
int32 row_int4(TupleTableSlot *slot, int column); // 0 where it is NULL, as those below
int64 row_int8(TupleTableSlot *slot, int column);
bool row_bool(TupleTableSlot *slot, int column);
char *row_text(TupleTableSlot *slot, int column); // in the current memory context; NULL where it is

// Whether somebody added an index or a CHECK, which may refuse a row.
bool may_refuse_rows(const CatalogTable &table);

// Rows go to all indexes that the table has, whoever made them. Their expressions and conditions run as the
// table's owner.
void insert_row(const CatalogTable &table, const Datum *values, const bool *nulls);

// One column of a row that is written anew.
struct Change {
    int column;
    Datum value;
    bool is_null;
};

// The present row of a scan. Who writes has to hold a lock that keeps others from writing the same row.
void update_row(const CatalogTable &table, const KeyScan &scan, std::initializer_list<Change> changes);
void delete_row(const CatalogTable &table, const KeyScan &scan);

// Locks the present row FOR NO KEY UPDATE until the end of the transaction. False where it is locked by
// another and `wait` is LockWaitSkip, or where it is gone.
bool lock_row(const CatalogTable &table, const KeyScan &scan, Snapshot snapshot, LockWaitPolicy wait);

// What is committed now, and what this transaction has done so far. Registered: to be given to
// UnregisterSnapshot.
Snapshot take_snapshot();

} // namespace callhardening
