// The calls table that events are applied to: reading a call and writing it back.
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
    const char *provider; // whose words the status and direction of the events are
    const Shape *shape;   // of the events' bodies; nullptr where we know none
    const EventLog *log;
    KeyKind key;
    CallColumns columns;                // present: and of a type that can hold it
    Oid column_type[call_column_count]; // base type
    bool fills_new_rows; // by defaults or triggers of its own: a new row may know more than we do
    const char *select;  // the statements, with the columns that the table has
    const char *select_nowait;
    const char *insert;
    const char *update;
};

// Opens the calls table of a log for writing; 55000 where it is not hardened, or its call id is not unique.
// Strings live in the current memory context. Close with table_close.
void open_calls_table(const EventLog &log, CallsTable *table);

// Locks and reads the call; false where there is none. `waits`: for a row that another session has locked;
// that is 55P03 otherwise. Needs an open SPI connection, like the two below.
bool read_call(const CallsTable &table, const char *call_id, bool waits, Call *call);

// Writes a new call, with the columns that it takes over from event `seq`; false where there is one by now.
bool insert_call(const CallsTable &table, const char *call_id, const Call &call, Datum payload, int64 seq);

// Writes what has changed; `payload` is NULL where it stays. False where the row was not to be written.
// `refines_the_end`: the status follows `ended`, which the graph allows to nobody else.
bool update_call(const CallsTable &table, const char *call_id, const Call &call, const Datum *payload,
                 bool refines_the_end);

} // namespace callhardening
