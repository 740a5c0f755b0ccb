// The consumers of a log. Each consumer settles the events of the log for itself: it has positions, claims,
// retries and dead events of its own. The default consumer is the one of process_call_events. Its number is
// the number of the log. A log of changes has no default consumer, since no function processes its events.
#pragma once

#include "pg/log/event_log.hpp"

namespace callhardening
{

extern const CatalogLayout consumers_layout;

// Makes `log` the log of the consumer in the argument: its number, its limits. NULL is the default consumer.
// Raises 42704 if the log has no such consumer, 55000 if it has no default one.
void choose_consumer(FunctionCallInfo fcinfo, int consumer_argument, EventLog *log);

// The same, by name. False if the log has no such consumer.
bool find_consumer(const char *name, EventLog *log);

bool has_consumer(const EventLog &log, int32 consumer_id);

// The log of the consumer with this number, as this consumer sees it; false if there is none.
bool find_log_of_consumer(int32 consumer_id, EventLog *log);

// The log as the consumer with this number sees it. `log` is as the default consumer sees it. False if the
// consumer was dropped: then its number is all that changes.
bool see_as_consumer(int32 consumer_id, EventLog *log);

// The log as each of its consumers sees it, in the current memory context.
// `log` is as the default consumer sees it.
std::span<const EventLog> consumers_of(const EventLog &log);

// The caller has locked the log (lock_event_log).
void add_consumer(const LockedLog &locked, const char *name, EventLog *log);
void drop_consumer(const LockedLog &locked, int32 consumer_id);

// Workers of a consumer are kept by a room above this one. It sets what happens to them when the consumer is
// dropped.
using ConsumerAction = void (*)(int32 consumer_id);
extern ConsumerAction forget_workers_of_dropped;

} // namespace callhardening
