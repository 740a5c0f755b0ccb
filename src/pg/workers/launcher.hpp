// The process that starts kept workers with the server, and again when they end.
#pragma once

namespace callhardening
{

// Call it while the library is preloaded.
void register_launcher();

} // namespace callhardening
