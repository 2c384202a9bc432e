#include "live/qos_probes.hh"

#include <fmt/format.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "base/messages.hh"
#include "live/schedule.hh"

namespace tl::live {
namespace {

bool has_probe(const QosTarget& t, const std::string& probe) {
  if (probe == "ping") return !t.ping.empty();
  if (probe == "iperf") return !t.iperf_server.empty();
  return !(t.http_ping_url + t.http_download_url + t.http_upload_url).empty();
}

void pause_seconds(double seconds) {
  (void)::poll(nullptr, 0, static_cast<int>(std::lround(seconds * 1000)));
}

HttpRound http_round(const QosConfig& config, const QosTarget& target) {
  HttpRound round;
  HttpProbeOptions options;
  options.ca_file = config.http_ca_file;
  options.timeout = config.http_ping_timeout;
  if (!target.http_ping_url.empty()) round.ping = http_get(target.http_ping_url, options);
  options.timeout = config.http_download_timeout;
  if (!target.http_download_url.empty())
    round.download = http_get(target.http_download_url, options);
  options.timeout = config.http_upload_timeout;
  if (!target.http_upload_url.empty())
    round.upload = http_upload(target.http_upload_url, config.upload_bytes, options);
  return round;
}

QosRow probe_target(const QosConfig& config, const std::string& probe, const QosTarget& target) {
  const std::int64_t now_ns = realtime_ns();
  if (probe == "ping")
    return ping_row(target.name, now_ns, ping(target.ping, config.ping), config.style);
  if (probe == "http")
    return http_row(target.name, now_ns, http_round(config, target), config.style);
  IperfProbeOptions options = config.iperf;
  options.server = target.iperf_server;
  options.port = target.iperf_port;
  return iperf_row(target.name, now_ns, probe_iperf(options, iperf_client(), pause_seconds),
                   config.style);
}

void sleep_until(std::int64_t mono_ns) {
  const timespec moment{mono_ns / 1'000'000'000, mono_ns % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, nullptr) == EINTR) {
  }
}

}  // namespace

std::vector<std::string> targets_of(const QosConfig& config, const std::string& probe) {
  std::vector<std::string> names;
  for (const QosTarget& target : config.targets)
    if (has_probe(target, probe)) names.push_back(target.name);
  return names;
}

std::chrono::milliseconds interval_of(const QosConfig& config, const std::string& probe) {
  if (probe == "ping") return config.every_ping;
  return probe == "http" ? config.every_http : config.every_iperf;
}

std::chrono::milliseconds offset_of(const QosConfig& config, const std::string& probe) {
  if (probe == "ping") return std::chrono::milliseconds{0};
  return interval_of(config, probe) / (probe == "http" ? 12 : 4);
}

void run_round(const QosConfig& config, const std::string& probe,
               const std::function<void(const QosRow&)>& take) {
  for (const QosTarget& target : config.targets)
    if (has_probe(target, probe)) take(probe_target(config, probe, target));
}

void serve_probe(const QosConfig& config, const std::string& probe, std::int64_t origin_ns) {
  Schedule schedule{origin_ns, interval_of(config, probe), offset_of(config, probe)};
  std::uint64_t reported = 0;
  while (true) {
    const std::int64_t due_ns = schedule.next(monotonic_ns());
    if (schedule.skipped() > reported)
      print_message("trafficlab qos: {}: {} rounds skipped: one takes longer than {} ms\n", probe,
                    schedule.skipped() - reported, interval_of(config, probe).count());
    reported = schedule.skipped();
    sleep_until(due_ns);
    // One write a row: a pipe takes up to 4096 bytes whole, so a killed process leaves no half row.
    run_round(config, probe, [](const QosRow& row) {
      write_all(STDOUT_FILENO,
                to_json(row).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n",
                "stdout");
    });
  }
}

}  // namespace tl::live
