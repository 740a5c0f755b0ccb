#include "core/lanes/position.hpp"

#include "pg/base/catalog_table.hpp"
#include "pg/base/relation.hpp"
#include "pg/base/subtransaction.hpp"
#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"
#include "pg/calls/issue.hpp"
#include "pg/citus/origin.hpp"

extern "C" {
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/partition.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}

namespace callhardening
{

namespace
{

// The columns of call_issues, created in sql/calls/issue.sql.
enum IssueColumn {
    issue_happened_at = 1,
    issue_kind,
    issue_table_name,
    issue_call_id,
    issue_old_value,
    issue_new_value,
    issue_event_seq,
    issue_occurrences,
    issue_detail,
    issue_role_name,
    issue_application_name,
    issue_columns = issue_application_name
};
constexpr CatalogColumn columns_of_issues[] = {{"happened_at", TIMESTAMPTZOID},
                                               {"kind", TEXTOID},
                                               {"table_name", TEXTOID},
                                               {"call_id", TEXTOID},
                                               {"old_value", TEXTOID},
                                               {"new_value", TEXTOID},
                                               {"event_seq", INT8OID},
                                               {"occurrences", INT8OID},
                                               {"detail", TEXTOID},
                                               {"role_name", TEXTOID},
                                               {"application_name", TEXTOID}};
static_assert(lengthof(columns_of_issues) == issue_columns, "each column is here");

constexpr const char *kind_names[] = {"refused_status",    "refused_call_id",   "refined_status",
                                      "unknown_status",    "unknown_direction", "unparsable_body",
                                      "body_without_call", "dead_event"};

constexpr int most_rows = 100; // of one kind and table, in one transaction

// -- noting issues in a transaction ---------------------------------------------------------------

// A row to be written. All its pointers are to TopTransactionContext.
struct NotedIssue {
    NotedIssue *older;
    int level; // nesting level of its subtransaction
    bool is_rest;
    TimestampTz happened_at;
    char *call_id, *old_value, *new_value, *detail;
    int64 event_seq;
    int64 occurrences;
    char *role_name, *application_name;
};

// The issues of one kind and table, the newest first. So levels only fall, and those of the present
// subtransaction come first.
struct IssueGroup {
    IssueGroup *next;
    IssueKind kind;
    Oid table;
    const char *table_name;
    int rows; // without the rows for the rest
    NotedIssue *newest;
};

struct Noted {
    IssueGroup *groups;
};

constinit Noted noted = {};

// Issues of a partition have the name of the partitioned table, and those of a shard that of the distributed
// table.
const char *name_of(Oid table)
{
    table = known_table(table);
    if (get_rel_relispartition(table))
        if (const List *ancestors = get_partition_ancestors(table); ancestors != NIL)
            table = llast_oid(ancestors);
    return relation_name(table);
}

IssueGroup *group_of(const Issue &issue)
{
    for (IssueGroup *group = noted.groups; group != nullptr; group = group->next)
        if (group->kind == issue.kind && group->table == issue.table)
            return group;
    auto *group = static_cast<IssueGroup *>(palloc0(sizeof(IssueGroup)));
    group->kind = issue.kind;
    group->table = issue.table;
    group->table_name = name_of(issue.table);
    group->next = noted.groups;
    return noted.groups = group;
}

// A worker inside the server has no application name. The name of a subscription's worker tells the
// subscription.
char *name_of_application()
{
    if (is_between_nodes(application_name))
        return client_between_nodes(application_name);
    if (application_name != nullptr && *application_name != '\0')
        return pstrdup(application_name);
    return MyBgworkerEntry == nullptr ? nullptr : pstrdup(MyBgworkerEntry->bgw_name);
}

NotedIssue *push_issue(IssueGroup *group)
{
    auto *issue = static_cast<NotedIssue *>(palloc0(sizeof(NotedIssue)));
    issue->older = group->newest;
    issue->level = GetCurrentTransactionNestLevel();
    issue->happened_at = GetCurrentTimestamp();
    issue->occurrences = 1;
    // Not the current user: in a SECURITY DEFINER function, that is the function's owner.
    issue->role_name = GetUserNameFromId(GetOuterUserId(), true);
    issue->application_name = name_of_application();
    return group->newest = issue;
}

void add_row(IssueGroup *group, const Issue &issue)
{
    NotedIssue *row = push_issue(group);
    row->call_id = shown_word(issue.call_id);
    row->old_value = shown_word(issue.old_value);
    row->new_value = shown_word(issue.new_value);
    row->detail = issue.detail == nullptr ? nullptr : pstrdup(issue.detail);
    row->event_seq = issue.event_seq;
    ++group->rows;
}

void count_one_more(IssueGroup *group)
{
    NotedIssue *newest = group->newest;
    if (newest->is_rest && newest->level == GetCurrentTransactionNestLevel()) {
        ++newest->occurrences;
        return;
    }
    NotedIssue *rest = push_issue(group);
    rest->is_rest = true;
    rest->detail = pstrdup("more of this kind in the same transaction");
}

// -- the end of a subtransaction -----------------------------------------------------------------

void pop_issue(IssueGroup *group)
{
    NotedIssue *issue = group->newest;
    for (char *text : {issue->call_id, issue->old_value, issue->new_value, issue->detail, issue->role_name,
                       issue->application_name})
        if (text != nullptr)
            pfree(text);
    if (!issue->is_rest)
        --group->rows;
    group->newest = issue->older;
    pfree(issue);
}

void drop_level(IssueGroup *group, int level)
{
    while (group->newest != nullptr && group->newest->level >= level)
        pop_issue(group);
}

void merge_rests(IssueGroup *group)
{
    for (NotedIssue *newest = group->newest, *older = newest->older;
         newest->is_rest && older != nullptr && older->is_rest && older->level == newest->level;
         newest = older, older = newest->older) {
        older->occurrences += newest->occurrences;
        pop_issue(group);
    }
}

void hand_to_parent(IssueGroup *group, int level)
{
    for (NotedIssue *issue = group->newest; issue != nullptr && issue->level >= level; issue = issue->older)
        issue->level = level - 1;
    if (group->newest != nullptr)
        merge_rests(group);
}

void end_subtransaction(SubXactEvent event, SubTransactionId, SubTransactionId, void *)
{
    if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
        return;
    const int level = GetCurrentTransactionNestLevel();
    for (IssueGroup *group = noted.groups; group != nullptr; group = group->next)
        if (event == SUBXACT_EVENT_COMMIT_SUB)
            hand_to_parent(group, level);
        else
            drop_level(group, level);
}

// -- making room ---------------------------------------------------------------------------------

// About 200,000 issues. Above this, each new issue replaces the two oldest. If an old snapshot still sees
// them, their room cannot be used again, and the table may grow by a quarter.
constexpr BlockNumber full_pages = 4096;
constexpr BlockNumber most_pages = full_pages + full_pages / 4;
constexpr Size row_room = 256;

bool is_full(Relation issues, BlockNumber pages)
{
    return RelationGetNumberOfBlocks(issues) >= pages &&
           GetPageWithFreeSpace(issues, row_room) == InvalidBlockNumber;
}

// Begins where the last call ended. Otherwise the scan would read the dead rows of earlier calls again. Rows
// locked by other sessions are skipped.
void remove_oldest(const CatalogTable &issues, int count)
{
    static TimestampTz low = DT_NOBEGIN;
    const Snapshot snapshot = take_snapshot();
    const KeyScan scan = begin_key_scan(issues, snapshot, {time_key(1, low, BTGreaterEqualStrategyNumber)});
    while (count > 0 && next_row(scan)) {
        low = row_int8(scan.slot, issue_happened_at);
        if (!lock_row(issues, scan, snapshot, LockWaitSkip))
            continue;
        delete_row(issues, scan);
        --count;
    }
    end_key_scan(scan);
    UnregisterSnapshot(snapshot);
}

// -- the end of the transaction ------------------------------------------------------------------

void write_issue(const CatalogTable &issues, const IssueGroup &group, const NotedIssue &issue)
{
    bool nulls[issue_columns] = {};
    Datum values[issue_columns];
    const auto set_text = [&](IssueColumn column, const char *text) {
        values[column - 1] = text_or_null(text, &nulls[column - 1]);
    };
    values[issue_happened_at - 1] = TimestampTzGetDatum(issue.happened_at);
    set_text(issue_kind, kind_names[static_cast<size_t>(group.kind)]);
    set_text(issue_table_name, group.table_name == nullptr ? "" : group.table_name);
    set_text(issue_call_id, issue.call_id);
    set_text(issue_old_value, issue.old_value);
    set_text(issue_new_value, issue.new_value);
    values[issue_event_seq - 1] = Int64GetDatum(issue.event_seq);
    nulls[issue_event_seq - 1] = issue.event_seq == 0;
    values[issue_occurrences - 1] = Int64GetDatum(issue.occurrences);
    set_text(issue_detail, issue.detail);
    set_text(issue_role_name, issue.role_name);
    set_text(issue_application_name, issue.application_name);
    insert_row(issues, values, nulls);
}

int count_rows(const IssueGroup *group)
{
    int count = 0;
    for (; group != nullptr; group = group->next)
        for (const NotedIssue *issue = group->newest; issue != nullptr; issue = issue->older)
            ++count;
    return count;
}

void write_group(const CatalogTable &issues, const IssueGroup &group)
{
    for (const NotedIssue *issue = group.newest; issue != nullptr; issue = issue->older)
        write_issue(issues, group, *issue);
}

void write_all(void *issues)
{
    for (const IssueGroup *group = noted.groups; group != nullptr; group = group->next)
        write_group(*static_cast<const CatalogTable *>(issues), *group);
}

// A user's index or CHECK may reject a row. Then the issues are lost with a WARNING. A cancel by the client
// is raised again.
void write_or_warn(CatalogTable *issues)
{
    if (!may_refuse_rows(*issues)) {
        write_all(issues);
        return;
    }
    ErrorData *error = catch_in_subtransaction(write_all, issues);
    if (error == nullptr)
        return;
    if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
        ReThrowError(error);
    ereport(WARNING, (errcode(error->sqlerrcode),
                      errmsg("table \"issues\" of callhardening rejected the issues of a transaction"),
                      errdetail("%s", error->message)));
}

// This table must not make a webhook wait or fail. If it is locked, altered or full, only the server log has
// the issues.
void write_issues()
{
    CatalogTable issues;
    const int count = count_rows(noted.groups);
    if (count == 0 || XactReadOnly || RecoveryInProgress() ||
        !try_open_catalog_table(issues_layout, "idx_issues_happened_at", RowExclusiveLock, &issues))
        return;
    if (is_full(issues.heap, full_pages))
        remove_oldest(issues, 2 * count);
    if (!is_full(issues.heap, most_pages))
        write_or_warn(&issues);
    close_catalog_table(issues, NoLock);
}

void end_transaction(XactEvent event, void *)
{
    if (noted.groups == nullptr)
        return;
    if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) {
        const MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
        write_issues();
        MemoryContextSwitchTo(caller);
    }
    noted = {};
}

void register_callbacks()
{
    static bool is_registered = false;
    if (is_registered)
        return;
    RegisterXactCallback(end_transaction, nullptr);
    RegisterSubXactCallback(end_subtransaction, nullptr);
    is_registered = true;
}

} // namespace

constinit const CatalogLayout issues_layout = {"issues", columns_of_issues};

void note_issue(const Issue &issue)
{
    register_callbacks();
    const MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
    IssueGroup *group = group_of(issue);
    if (group->rows < most_rows)
        add_row(group, issue);
    else
        count_one_more(group);
    MemoryContextSwitchTo(caller);
}

void note_event_without_lane(Oid events, int64 event_seq, int lane, OptionalText call_id)
{
    const no_lane::Reason *reason = no_lane::FindReason(lane);
    const bool is_parsed =
        lane != no_lane::not_json && lane != no_lane::not_an_object && lane != no_lane::malformed_form;
    note_issue({is_parsed ? IssueKind::body_without_call : IssueKind::unparsable_body,
                events,
                call_id,
                {},
                {},
                event_seq,
                reason == nullptr ? nullptr : reason->error});
}

} // namespace callhardening

using namespace callhardening;

CALLHARDENING_FUNCTION(note_event_without_lane)
{
    note_event_without_lane(PG_GETARG_OID(0), PG_GETARG_INT64(1), PG_GETARG_INT32(2),
                            optional_text_argument(fcinfo, 3));
    PG_RETURN_VOID();
}
