// The calls table of a log: reading a call and writing it back.
#pragma once

#include "core/events/merge.hpp"
#include "core/events/shape.hpp"

#include "pg/base/postgres.hpp"
#include "pg/calls/call_settings.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/rel.h"
}

namespace callhardening
{

struct CallsTable {
    Relation relation;
    CallSettings settings;
    const char *provider; // defines the words of the events' status and direction
    const Shape *shape;   // of the events' bodies; nullptr: unknown
    const EventLog *log;
    KeyKind key;
    std::string_view key_prefix; // of the log's call ids; empty unless the table has several providers' calls
    CallColumns columns;         // present: the table has the column, with a suitable type
    Oid column_type[call_column_count]; // base type
    bool fills_new_rows;                // by defaults or triggers: then a new row is read again
    const char *select;                 // the statements, with the table's columns
    const char *select_nowait;
    const char *insert;
    const char *update;
};

// Opens the calls table of a log; 55000 if it is not hardened, or its call id is not unique.
// Strings live in the current memory context. Close it with table_close.
// With AccessShareLock it is only for reading.
void open_calls_table(const EventLog &log, LOCKMODE lock, CallsTable *table);

// Reads the call, and locks it if the table is open for writing; false if it has no row. `waits`: waits for
// another session's row lock, else raises 55P03. Needs an open SPI connection, like the two below.
bool read_call(const CallsTable &table, const char *call_id, bool waits, Call *call);

// Writes a new call with its carried columns from event `seq`. False if the call has a row by now.
bool insert_call(const CallsTable &table, const char *call_id, const Call &call, Datum payload, int64 seq);

// Writes the changes; `payload` NULL keeps the old one. False if the row was not written. `refines_the_end`:
// the status follows `ended`. The graph allows this only here.
bool update_call(const CallsTable &table, const char *call_id, const Call &call, const Datum *payload,
                 bool refines_the_end);

} // namespace callhardening
