#include "probe/traffic.hh"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <array>
#include <charconv>
#include <sstream>

#include "base/fd.hh"
#include "base/process.hh"
#include "base/signals.hh"
#include "bundle/control.hh"
#include "bundle/iperf_result.hh"
#include "bundle/traffic_order.hh"

namespace tl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kListenLimit{10};
constexpr std::chrono::hours kGateLimit{24};  // the controller ends the service long before
constexpr seconds kStopGrace{3};

// Whether a TCP socket listens on the port in this network namespace: proc(5), /proc/net/tcp, state
// 0A.
bool is_listening(std::uint16_t port) {
  for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    std::istringstream lines{read_value(table)};
    std::string slot, local, remote, state, line;
    while (std::getline(lines, line)) {
      std::istringstream fields{line};
      fields >> slot >> local >> remote >> state;
      const std::size_t colon = local.rfind(':');
      unsigned found = 0;
      if (state != "0A" || colon == std::string::npos) continue;
      std::from_chars(local.data() + colon + 1, local.data() + local.size(), found, 16);
      if (found == port) return true;
    }
  }
  return false;
}

// One side of the test: the child that runs iperf, and what the controller hears about it.
class IperfService {
 public:
  IperfService(const std::filesystem::path& run_folder, std::string side)
      : control_{run_folder},
        side_{std::move(side)},
        result_{run_folder / "iperf" / (side_ + ".json")} {
    const auto order = control_.await("traffic", Deadline{seconds{10}}, stop_.fd());
    if (!order)
      throw MeasurementError{"read order: no message 'traffic' in " + control_.folder().native()};
    order_ = order->get<TrafficOrder>();
  }

  ExitCode serve_server() {
    Child child = start(order_.server_options);
    const Deadline limit{kListenLimit};
    // Nothing announces a listening socket; the table is looked at until it shows.
    while (!is_listening(order_.port)) {
      if (child.wait(milliseconds{2}) || stop_.received()) return finish(child);
      if (limit.passed())
        throw TrafficError{"start iperf server: no socket listens on port " +
                           std::to_string(order_.port)};
    }
    control_.post("iperf-server.ready", nlohmann::json::object());
    return finish(child);
  }

  ExitCode serve_client() {
    control_.post("iperf-client.ready", nlohmann::json::object());
    const auto gate = control_.await("gate", Deadline{kGateLimit}, stop_.fd());
    if (!gate) return ExitCode::pass;  // told to stop before the test began
    std::vector<std::string> options{"--client", gate->at("server").get<std::string>()};
    options.insert(options.end(), order_.client_options.begin(), order_.client_options.end());
    Child child = start(options);
    return finish(child);
  }

 private:
  Child start(const std::vector<std::string>& options) const {
    std::filesystem::create_directories(result_.parent_path());
    std::filesystem::remove(result_);  // iperf appends to its log file
    Argv argv{"/proc/self/exe", "traffic", "iperf", "--json", "--logfile", result_.native()};
    argv.insert(argv.end(), options.begin(), options.end());
    return Child{argv};
  }

  // Waits for the test's end, reports it, and stays until SIGTERM.
  ExitCode finish(Child& child) {
    std::array<pollfd, 2> wanted{pollfd{child.pidfd(), POLLIN, 0}, pollfd{stop_.fd(), POLLIN, 0}};
    while (!child.poll_status() && !stop_.received()) ::poll(wanted.data(), wanted.size(), -1);
    const bool cut_short = !child.poll_status();
    const ExitStatus status = child.terminate(kStopGrace);
    std::optional<std::string> error = read_iperf(result_).error;
    if (cut_short) error = "stopped before the test ended";
    if (!error && !status.ok()) error = "iperf ended with " + status.text();
    control_.post("iperf-" + side_ + ".done",
                  {{"error", error ? nlohmann::json(*error) : nlohmann::json()}});
    if (error) spdlog::error("iperf {}: {}", side_, *error);
    while (!stop_.received()) (void)stop_.wait(Deadline{kGateLimit});
    return error ? ExitCode::traffic : ExitCode::pass;
  }

  StopSignals stop_;
  Control control_;
  std::string side_;
  std::filesystem::path result_;
  TrafficOrder order_;
};

}  // namespace

ExitCode serve_iperf_server(const std::filesystem::path& run_folder) {
  return IperfService{run_folder, "server"}.serve_server();
}

ExitCode serve_iperf_client(const std::filesystem::path& run_folder) {
  return IperfService{run_folder, "client"}.serve_client();
}

}  // namespace tl
