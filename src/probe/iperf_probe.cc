#include "probe/iperf_probe.hh"

#include <fmt/format.h>

#include <random>

#include "base/errors.hh"
#include "base/process.hh"
#include "bundle/iperf_result.hh"

namespace tl {
namespace {

// The receiver's part of a test's end.
const nlohmann::json& receiver(const nlohmann::json& document) {
  static const nlohmann::json kNothing = nlohmann::json::object();
  const auto end = document.find("end");
  if (end == document.end() || !end->is_object()) return kNothing;
  for (const char* name : {"sum_received", "sum"})
    if (const auto found = end->find(name); found != end->end() && found->is_object())
      return *found;
  return kNothing;
}

template <class T>
std::optional<T> number(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<T>();
}

std::vector<std::string> client_options(const IperfProbeOptions& o, bool is_udp) {
  const std::chrono::seconds duration = is_udp ? o.udp_duration : o.duration;
  std::vector<std::string> options{"--client",
                                   o.server,
                                   "--port",
                                   std::to_string(o.port),
                                   "--time",
                                   std::to_string(duration.count()),
                                   "--interval",
                                   "0",
                                   "--connect-timeout",
                                   "5000",
                                   "--json"};
  if (is_udp)
    options.insert(options.end(), {"--udp", "--bitrate", std::to_string(o.udp_bitrate_bps)});
  if (o.reverse) options.emplace_back("--reverse");
  return options;
}

}  // namespace

bool is_busy(const std::string& error) { return error.find("server is busy") != std::string::npos; }

IperfTcp read_iperf_tcp(std::string_view json) {
  const IperfResult result = parse_iperf(json);
  IperfTcp tcp;
  tcp.error = result.error.value_or("");
  if (result.error) return tcp;
  const nlohmann::json& sum = receiver(result.document);
  if (const auto rate = number<double>(sum, "bits_per_second"); rate && *rate > 0) {
    tcp.bandwidth_mbps = *rate / 1e6;
  } else {
    tcp.error = "the receiver reports no rate";
  }
  tcp.retransmits = result.retransmits;
  return tcp;
}

IperfUdp read_iperf_udp(std::string_view json) {
  const IperfResult result = parse_iperf(json);
  IperfUdp udp;
  udp.error = result.error.value_or("");
  if (result.error) return udp;
  const nlohmann::json& sum = receiver(result.document);
  udp.packets = number<std::int64_t>(sum, "packets");
  udp.lost_packets = number<std::int64_t>(sum, "lost_packets");
  // Without a datagram there is no jitter; iperf3 then writes 0.
  if (udp.packets && udp.lost_packets && *udp.packets > *udp.lost_packets)
    udp.jitter_ms = number<double>(sum, "jitter_ms");
  if (!udp.jitter_ms) udp.error = "the receiver reports no jitter";
  return udp;
}

RunIperfClient iperf_client(const std::string& program) {
  return [program](const std::vector<std::string>& options, std::chrono::nanoseconds limit) {
    Argv argv{program, "traffic", "iperf"};
    argv.insert(argv.end(), options.begin(), options.end());
    CommandResult result = run_command(argv, limit);
    if (!result.out.empty()) return std::move(result.out);
    throw MachineError{fmt::format("run iperf: {}: {}", result.status.text(), result.err)};
  };
}

IperfOutcome probe_iperf(const IperfProbeOptions& options, const RunIperfClient& run,
                         const std::function<void(double seconds)>& pause) {
  std::mt19937_64 random{std::random_device{}()};
  const auto attempt = [&](bool is_udp, auto read) {
    const std::chrono::seconds duration = is_udp ? options.udp_duration : options.duration;
    decltype(read("")) outcome;
    double most_seconds = 2;
    for (int i = 0; i < options.attempts; ++i) {
      if (i > 0) {
        pause(std::uniform_real_distribution<double>{0.5, most_seconds}(random));
        most_seconds *= 2;
      }
      try {
        outcome = read(run(client_options(options, is_udp), duration + std::chrono::seconds{5}));
      } catch (const Error& error) {
        outcome = {};
        outcome.error = error.what();
      }
      if (!is_busy(outcome.error)) break;
    }
    return outcome;
  };
  IperfOutcome outcome;
  outcome.tcp = attempt(false, read_iperf_tcp);
  outcome.has_udp = options.udp_duration.count() > 0;
  if (outcome.has_udp) outcome.udp = attempt(true, read_iperf_udp);
  return outcome;
}

}  // namespace tl
