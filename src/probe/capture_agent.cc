#include "probe/capture_agent.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/netlink.hh"
#include "base/privileges.hh"
#include "base/signals.hh"
#include "bundle/control.hh"
#include "bundle/plan.hh"
#include "probe/capture.hh"

namespace tl {
namespace {

using nlohmann::json;

constexpr std::chrono::hours kLongWait{24};

struct PlannedCapture {
  std::string service;
  std::string device;
  Capture capture;
};

NetNs namespace_of(const PlanPoint& point) {
  NetNs netns = NetNs::of_process(point.pid);
  if (point.netns_inode != 0 && netns.inode() != point.netns_inode)
    throw MeasurementError{fmt::format(
        "capture {}: process {} is no longer in its network namespace", point.service, point.pid)};
  return netns;
}

// The captures of one point: SERVICE.pcap, or SERVICE-DEVICE.pcap when it has several devices.
void open_captures(const PlanPoint& point, const Plan& plan, const std::filesystem::path& folder,
                   std::vector<PlannedCapture>& captures) {
  const NetNs netns = namespace_of(point);
  std::vector<Link> links = netns.run([] { return list_links(); });
  std::erase_if(links, [](const Link& l) { return l.name == "lo" || !l.is_up; });
  for (const Link& link : links) {
    CaptureOptions options;
    options.device = link.name;
    options.file =
        folder / fmt::format("{}{}.pcap", point.service, links.size() == 1 ? "" : "-" + link.name);
    options.filter = plan.filter;
    options.snaplen_bytes = plan.snaplen_bytes;
    options.ring_bytes = plan.ring_bytes;
    captures.push_back({point.service, link.name, Capture{netns, std::move(options)}});
  }
}

json arm(std::vector<PlannedCapture>& captures) {
  json message{{"armed_ns", nullptr}, {"captures", json::array()}};
  for (PlannedCapture& c : captures) {
    const std::int64_t armed_ns = c.capture.arm();
    message["armed_ns"] = armed_ns;  // of the last: from then on all of them count
    message["captures"].push_back(
        {{"service", c.service}, {"device", c.device}, {"armed_ns", armed_ns}});
  }
  return message;
}

// Runs one capture to its end. What ended it early is said at once, and in the account.
json account_of(Capture& capture, const std::atomic<bool>& ending) try {
  capture.run(ending);
  json account = capture.finish();
  if (account.at("outcome") != "ok") spdlog::error("{}", account.at("reason").get<std::string>());
  return account;
} catch (const std::exception& e) {  // the other captures still finish
  spdlog::error("{}", e.what());
  return {{"outcome", "partial"}, {"reason", e.what()}};
}

}  // namespace

ExitCode serve_captures(const std::filesystem::path& run_folder) {
  StopSignals stop;
  const Control control{run_folder};
  control.post("capture.ready", json::object());
  const auto message = control.await("plan", Deadline{kLongWait}, stop.fd());
  if (!message) return ExitCode::pass;  // told to stop before there was anything to do
  const Plan plan = message->get<Plan>();
  check_filter(plan.filter, plan.snaplen_bytes);
  const std::filesystem::path folder = run_folder / "captures";
  std::vector<PlannedCapture> captures;
  for (const PlanPoint& point : plan.points) open_captures(point, plan, folder, captures);
  // Before the files, which then belong to the owner of the folder, and before the threads, which
  // inherit what this one has.
  drop_privileges_to_owner(folder);

  std::atomic<bool> ending = false;
  std::vector<json> accounts(captures.size());
  {
    const json armed = arm(captures);
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < captures.size(); ++i)
      threads.emplace_back([&, i] { accounts[i] = account_of(captures[i].capture, ending); });
    control.post("capture.armed", armed);
    while (!stop.wait(Deadline{kLongWait})) {
    }
    ending = true;
  }
  const bool all_complete = std::all_of(accounts.begin(), accounts.end(), [](const json& account) {
    return account.at("outcome") == "ok";
  });
  return all_complete ? ExitCode::pass : ExitCode::inconclusive;
}

}  // namespace tl
