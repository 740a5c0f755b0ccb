// The keys of pseudonyms, and the server's HMAC for the core.
//
//     const Pseudonyms *pseudonyms = open_pseudonyms();
//     ... the core signs with them, and raises nothing ...
//     close_pseudonyms(pseudonyms);
//
// After an error between the two, the resource owner frees what was opened.
#pragma once

#include "core/findings/pseudonym.hpp"

#include "pg/base/postgres.hpp"

namespace callhardening
{

// The keys, or none where there is none (has_key()). In the current memory context, and good until the next
// SQL command runs. No privilege is asked for.
const Pseudonyms *open_pseudonyms();
void close_pseudonyms(const Pseudonyms *pseudonyms);

// 42501 where the current role may not execute call_pseudonym: whoever can have values of his own hashed can
// find out by trying whose token one is.
void require_pseudonym_privilege();

} // namespace callhardening
