// The keys of pseudonyms, and the server's HMAC for the core.
//
//     const Pseudonyms *pseudonyms = open_pseudonyms();
//     ... the core signs with them, and raises nothing ...
//     close_pseudonyms(pseudonyms);
//
// After an error between the two, the resource owner frees the HMAC.
#pragma once

#include "core/findings/pseudonym.hpp"

#include "pg/base/postgres.hpp"

namespace callhardening
{

// The keys, perhaps none (has_key()), in the current memory context. They are valid until the next SQL
// command. The function checks no privilege.
const Pseudonyms *open_pseudonyms();
void close_pseudonyms(const Pseudonyms *pseudonyms);

// Raises 42501 if the current role may not execute call_pseudonym. A role that can hash its own values can
// find the value of a token by trying.
void require_pseudonym_privilege();

} // namespace callhardening
