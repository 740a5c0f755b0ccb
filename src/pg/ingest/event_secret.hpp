// The secrets of event logs, and the tables about signatures that only their owner can read.
#pragma once

#include "core/ingest/webhook.hpp"

#include "pg/base/spi.hpp"
#include "pg/log/event_log.hpp"

extern "C" {
#include "utils/relcache.h"
}

namespace callhardening
{

inline constexpr size_t most_event_secrets = most_secrets; // of a log

struct EventSecrets {
    size_t count;
    std::string_view secrets[most_event_secrets]; // in the current memory context
    size_t newest;
};

// The log's secrets of one kind. A public key never counts as a secret: everybody could sign with it.
void read_event_secrets(int32 log_id, bool is_public, EventSecrets *secrets);

// Overwrites them.
void forget_event_secrets(EventSecrets *secrets);

// Raises 42501 unless the caller owns the log's table.
void require_log_owner(const EventLog *log);

// Opens a table of secrets or schemes by name. Raises 55000 if it was altered.
Relation open_signature_table(const char *name, std::initializer_list<Oid> types);

// Runs `write` with the rights of the owner of the secrets: no other role can write there.
void write_as_owner_of_secrets(void (*write)(void *state), void *state);

} // namespace callhardening
