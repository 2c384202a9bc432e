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

constexpr std::chrono::hours kPlanLimit{24};

// The captures of one point: SERVICE.pcap, or SERVICE-DEVICE.pcap when it has several devices.
void open_captures(const PlanPoint& point, const Plan& plan, const std::filesystem::path& folder,
                   std::vector<Capture>& captures) {
  const NetNs netns = NetNs::of_process(point.pid);
  std::vector<Link> links = netns.run([] { return list_links(); });
  std::erase_if(links, [](const Link& l) { return l.name == "lo" || !l.is_up; });
  for (const Link& link : links) {
    const std::string name =
        links.size() == 1 ? point.service : fmt::format("{}-{}", point.service, link.name);
    captures.emplace_back(netns, CaptureOptions{link.name, folder / (name + ".pcap"), plan.filter,
                                                plan.snaplen_bytes, plan.ring_bytes});
  }
}

}  // namespace

ExitCode serve_captures(const std::filesystem::path& run_folder) {
  StopSignals stop;
  const Control control{run_folder};
  control.post("capture.ready", json::object());
  const auto message = control.await("plan", Deadline{kPlanLimit}, stop.fd());
  if (!message) return ExitCode::pass;  // told to stop before there was anything to do
  const Plan plan = message->get<Plan>();
  check_filter(plan.filter, plan.snaplen_bytes);
  std::vector<Capture> captures;
  for (const PlanPoint& point : plan.points)
    open_captures(point, plan, run_folder / "captures", captures);
  drop_privileges_to_owner(run_folder /
                           "captures");  // before the threads, which inherit what this one has

  std::atomic<bool> ending = false;
  std::vector<json> accounts(captures.size());
  {
    std::vector<std::jthread> arming;
    for (Capture& c : captures) arming.emplace_back([&c] { (void)c.arm(); });
  }
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < captures.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        captures[i].run(ending);
        accounts[i] = captures[i].finish();
      } catch (const std::exception& e) {  // the other captures still finish
        accounts[i] = {{"outcome", "partial"}, {"reason", e.what()}};
      }
    });
  control.post("capture.armed", {{"captures", captures.size()}});
  while (!stop.wait(Deadline{kPlanLimit})) {
  }
  ending = true;
  threads.clear();
  const auto is_partial = [](const json& account) { return account.at("outcome") != "ok"; };
  for (const json& account : accounts)
    if (is_partial(account)) spdlog::error("{}", account.at("reason").get<std::string>());
  return std::any_of(accounts.begin(), accounts.end(), is_partial) ? ExitCode::inconclusive
                                                                   : ExitCode::pass;
}

}  // namespace tl
