// The identity of an event: a digest, by which a redelivery is recognized.
#pragma once

#include "pg/base/postgres.hpp"
#include "pg/base/text.hpp"
#include "pg/log/event.hpp"
#include "pg/log/event_log.hpp"

namespace callhardening
{

enum class BodyKind : char { json = 'j', other = 'o', binary = 'b' };

bytea *digest_of_key(std::string_view event_key);

bytea *digest_of_body(Jsonb *body, BodyKind kind, OptionalText event_type);

// By the provider's id of the event and the id of the call. NULL: the body has no event id, or one of more
// than 255 bytes.
bytea *digest_of_event_id(const EventLog &log, const Shape *shape, Jsonb *body);

// Of several events with the digest `whole`, each has a number from 0. The first one has `whole` itself.
bytea *digest_of_part(bytea *whole, int64 number);

bool is_same_digest(const bytea *left, const bytea *right);

} // namespace callhardening
