// The bodies of office telephony: systems with users, numbers and voicemail.
#pragma once

#include <string_view>

namespace callhardening
{

extern const std::string_view aircall_shape, callrail_shape, justcall_shape, quo_shape, ringcentral_shape,
    webex_shape, zoom_shape;

} // namespace callhardening
