// Background workers that process the events of a log.
#pragma once

namespace callhardening
{

// Defines the settings of workers.
void define_worker_settings();

} // namespace callhardening
