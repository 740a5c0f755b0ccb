// Background workers that process the events of a log.
#pragma once

namespace callhardening
{

// The settings that workers go by.
void define_worker_settings();

} // namespace callhardening
