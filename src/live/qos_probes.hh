// The three probes of `trafficlab qos`: what one round of each is, and when rounds happen.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "live/qos_config.hh"

namespace tl::live {

inline constexpr std::array<const char*, 3> kQosProbes{"ping", "http", "iperf"};

// The targets that have this probe, by name; empty: it need not run.
std::vector<std::string> targets_of(const QosConfig& config, const std::string& probe);
std::chrono::milliseconds interval_of(const QosConfig& config, const std::string& probe);
// From the common origin: HTTP and iperf begin a twelfth and a quarter of the interval after ping,
// so that the load of an iperf test does not distort the other two.
std::chrono::milliseconds offset_of(const QosConfig& config, const std::string& probe);

// One round: each target in turn, a row each. Takes as long as the probes' timeouts allow.
void run_round(const QosConfig& config, const std::string& probe,
               const std::function<void(const QosRow&)>& take);

// The loop of one probe process: rounds at their fixed times from `origin_ns` (monotonic) on, rows
// as JSON lines on stdout, until it is ended by a signal or stdout closes. Never returns otherwise.
void serve_probe(const QosConfig& config, const std::string& probe, std::int64_t origin_ns);

}  // namespace tl::live
