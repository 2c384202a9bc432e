// `trafficlab pace scrape`: watches metrics and paces the scrapes of their jobs.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "pace/pace_config.hh"
#include "pace/scrape_pacer.hh"

namespace tl::pace {

// Until `stop_fd` is readable or `duration` has passed. The longest interval of the plan is lowered
// to what the server's look-back allows. Returns how often Prometheus was reloaded. Throws
// MachineError when the server does not answer at the start.
std::uint64_t run_scrape_pacing(const PaceConfig& config, ScrapePlan plan,
                                const std::filesystem::path& file,
                                std::optional<std::chrono::nanoseconds> duration, int stop_fd,
                                const ScrapePacer::Say& say);

}  // namespace tl::pace
