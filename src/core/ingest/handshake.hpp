// Answers handshakes: requests of a provider that bring no event, but ask for a text.
#pragma once

#include "core/ingest/webhook.hpp"

namespace callhardening
{

// True if the request asks for an answer instead of bringing an event.
bool IsHandshake(const Scheme &scheme, const WebhookRequest &request) noexcept;

struct HandshakeAnswer {
    WebhookFlaw flaw;
    std::string_view text; // of the room
};

inline constexpr std::size_t longest_handshake_token = 1024;
inline constexpr std::size_t longest_handshake_answer = 4096;

// For a handshake. `room` has longest_handshake_answer bytes. `secret` can be empty if the answer needs none.
HandshakeAnswer AnswerHandshake(const Scheme &scheme, const WebhookRequest &request, std::string_view secret,
                                const WebhookHasher &hasher, std::span<char> room) noexcept;
bool NeedsSecret(const HandshakeScheme &handshake) noexcept;

} // namespace callhardening
