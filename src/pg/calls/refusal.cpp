#include "core/words/transition.hpp"

#include "pg/base/relation.hpp"
#include "pg/base/text.hpp"
#include "pg/base/warning.hpp"
#include "pg/calls/refusal.hpp"

extern "C" {
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

using namespace callhardening;

namespace
{

constexpr uint64 logged_one_by_one = 10;

// The number of invalid statuses in one statement.
struct RefusalTally {
    MemoryContext statement;
    uint64 refused;
    RefusalTally *next;
    MemoryContextCallback at_end;
};

// Statements nest if a trigger runs one. The newest is first.
constinit RefusalTally *open_tallies = nullptr;

void close_tally(RefusalTally *tally)
{
    RefusalTally **link = &open_tallies;
    while (*link != tally)
        link = &(*link)->next;
    *link = tally->next;
}

// Called when the statement's memory is freed. In an aborted transaction the changes never happened, so it
// reports nothing.
void report_tally(void *argument)
{
    auto *tally = static_cast<RefusalTally *>(argument);
    close_tally(tally);
    if (tally->refused <= logged_one_by_one || !IsTransactionState())
        return;
    // ereport checks for a cancel request. An error in this callback would leave the memory context half
    // deleted.
    InterruptHoldoffCount = InterruptHoldoffCount + 1;
    ereport(WARNING,
            (errmsg("Invalid status transition: " UINT64_FORMAT " more refused by the same statement",
                    tally->refused - logged_one_by_one)));
    InterruptHoldoffCount = InterruptHoldoffCount - 1;
}

RefusalTally *tally_of(MemoryContext statement)
{
    for (RefusalTally *tally = open_tallies; tally != nullptr; tally = tally->next)
        if (tally->statement == statement)
            return tally;

    auto *tally = static_cast<RefusalTally *>(MemoryContextAllocZero(statement, sizeof(RefusalTally)));
    tally->statement = statement;
    tally->at_end.func = report_tally;
    tally->at_end.arg = tally;
    MemoryContextRegisterResetCallback(statement, &tally->at_end);
    tally->next = open_tallies;
    open_tallies = tally;
    return tally;
}

const char *quoted_status(const TransitionGraph *graph, OptionalText status)
{
    // A status of the table's own graph may have any characters.
    if (status && graph->Find(*status) >= 0)
        return psprintf("\"%s\"", to_cstring(*status));
    return printable_word(status);
}

void add_detail(const Refusal &refusal)
{
    errdetail("Call %s of table \"%s\", column \"%s\".", refusal.call_id, known_name(refusal.calls),
              refusal.column);
    if (refusal.hint != nullptr)
        errhint("%s", refusal.hint);
}

void add_constraint(const Refusal &refusal)
{
    const char *table = known_name(refusal.calls);
    err_generic_string(PG_DIAG_SCHEMA_NAME, get_namespace_name(RelationGetNamespace(refusal.calls)));
    err_generic_string(PG_DIAG_TABLE_NAME, table);
    err_generic_string(PG_DIAG_COLUMN_NAME, refusal.column);
    err_generic_string(PG_DIAG_CONSTRAINT_NAME, psprintf("%s_%s", table, refusal.constraint));
}

} // namespace

const char *callhardening::invalid_transition_message(const TransitionGraph *graph, OptionalText current,
                                                      OptionalText next)
{
    return psprintf("Invalid status transition: %s to %s", quoted_status(graph, current),
                    quoted_status(graph, next));
}

void callhardening::warn_refusal(const Refusal &refusal, MemoryContext statement)
{
    if (++tally_of(statement)->refused > logged_one_by_one)
        return;
    ErrorContextCallback *context = hide_error_context();
    ereport(WARNING, (errmsg_internal("%s", refusal.message), (add_detail(refusal), 0)));
    error_context_stack = context;
}

void callhardening::raise_refusal(const Refusal &refusal)
{
    hide_error_context();
    ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), errmsg_internal("%s", refusal.message),
                    (add_detail(refusal), 0), (add_constraint(refusal), 0)));
}
