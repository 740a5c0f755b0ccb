// What went wrong without an error: rows of call_issues. They are written when the transaction commits, so
// that what was rolled back leaves none, and the caller needs no right on the table.
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

// No word needs to be printable: what does not look like one is written as its length.
struct Issue {
    IssueKind kind;
    Oid table;                                  // the calls table, a partition of it, or the event log
    OptionalText call_id, old_value, new_value; // none: NULL, or unknown to the caller
    int64 event_seq;                            // 0: no event of a log
    const char *detail;                         // a text of ours, or NULL
};

// The first hundred of one kind and table in a transaction have a row each, the
// others are counted in one: an UPDATE of a million rows must not write a million issues.
void note_issue(const Issue &issue);

// The words of an event that no worker can take, by its lane.
void note_event_without_lane(Oid events, int64 event_seq, int lane, OptionalText call_id);

} // namespace callhardening
