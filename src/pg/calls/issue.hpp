// Problems without an error: rows of call_issues. They are written at commit, so a rollback leaves none. The
// caller needs no right on the table.
#pragma once

#include "pg/base/catalog_table.hpp"
#include "pg/base/postgres.hpp"

namespace callhardening
{

extern const CatalogLayout issues_layout;

enum class IssueKind : unsigned char {
    refused_status,
    refused_call_id,
    refined_status,
    unknown_status,
    unknown_direction,
    unparsable_body,
    body_without_call,
    dead_event,
};

// Values need not be printable: unless a value looks like a word, only its length is written.
struct Issue {
    IssueKind kind;
    Oid table;                                  // the calls table, a partition of it, or the event log
    OptionalText call_id, old_value, new_value; // none: NULL, or unknown to the caller
    int64 event_seq;                            // 0: no event of a log
    const char *detail;                         // or NULL
};

// The first hundred issues of one kind and table in a transaction get a row each, the rest one row together.
// Otherwise an UPDATE of a million rows would write a million issues.
void note_issue(const Issue &issue);

// The reason why no worker can take an event, by its lane.
void note_event_without_lane(Oid events, int64 event_seq, int lane, OptionalText call_id);

} // namespace callhardening
