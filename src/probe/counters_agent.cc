#include "probe/counters_agent.hh"

#include <algorithm>

#include "base/fd.hh"
#include "base/netlink.hh"
#include "base/privileges.hh"
#include "base/signals.hh"
#include "bundle/control.hh"
#include "bundle/plan.hh"
#include "probe/counter_points.hh"
#include "probe/environment.hh"
#include "probe/live_rates.hh"

namespace tl {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::chrono::hours kPlanLimit{24};
constexpr milliseconds kLiveStep{250}, kQuietLimit{3000};
constexpr int kStartAttempts = 50;

// Every device of the calling thread's namespace that leads somewhere.
void shape(const Shaping& link) {
  if (link.is_none()) return;
  for (const Link& device : list_links())
    if (device.name != "lo" && device.is_up) shape_device(device.name, link);
}

class CountersAgent {
 public:
  explicit CountersAgent(const std::filesystem::path& run_folder)
      : folder_{run_folder}, control_{run_folder} {}

  ExitCode serve() {
    control_.post("counters.ready", json::object());
    const auto message = control_.await("plan", Deadline{kPlanLimit}, stop_.fd());
    if (!message) return ExitCode::pass;  // told to stop before there was anything to do
    const Plan plan = message->get<Plan>();
    attach(plan);
    if (!control_.await("open", Deadline{kPlanLimit}, stop_.fd())) return ExitCode::pass;
    open(plan);
    count();
    finish();
    return is_exact_ ? ExitCode::pass : ExitCode::inconclusive;
  }

 private:
  void attach(const Plan& plan) {
    json environment = json::object();
    for (const PlanPoint& p : plan.points) {
      points_.push_back(open_point(p.service, NetNs::of_process(p.pid)));
      points_.back().netns.run([&] { shape(plan.link); });
      environment[p.service] = describe_namespace(points_.back().netns);
    }
    control_.post("environment", environment);
    CounterLayout layout;
    layout.interval_ns = plan.interval.count();
    layout.ports = plan.ports;
    layout.refused = true;
    session_.emplace(layout);
    spool_.emplace(folder_ / "counters");
    for (CounterPoint& point : points_)
      name_devices(point, session_->kernel(), LoopbackPorts::ignored);
    if (!statistics_tell_refused(points_)) session_->kernel().count_refused();
  }

  void open(const Plan& plan) {
    start_between_packets();
    control_.post("counters.armed",
                  {{"armed_ns", session_->grid().time_of(session_->first_epoch())},
                   {"interval_ns", plan.interval.count()},
                   {"is_exact", is_exact_}});
    drop_privileges_to_owner(folder_ / "counters");
  }

  // Opens the gate at a moment when no packet passes the points, so that counters and device
  // statistics begin with the same packet. In a lab whose traffic waits at its gate the first
  // attempt succeeds.
  void start_between_packets() {
    for (int attempt = 0; attempt < kStartAttempts; ++attempt) {
      const auto before = wait_quiet(points_, milliseconds{2}, milliseconds{100});
      for (CounterPoint& point : points_) point.devices_before = point.read_devices();
      attempt == 0 ? session_->start() : session_->restart();
      is_exact_ = statistics_of(points_) == before && recorded_statistics(points_) == before;
      if (is_exact_) return;
    }
  }

  void count() {
    const auto keep = [this](const Bucket& bucket) {
      spool_->append(bucket);
      live_.add(bucket);
    };
    Deadline next_live{milliseconds{0}};
    while (!stop_.wait(Deadline{session_->drain_step()})) {
      session_->drain(keep);
      if (!next_live.passed()) continue;
      post_live();
      next_live = Deadline{kLiveStep};
    }
    is_exact_ = close_between_packets(keep) && is_exact_;
  }

  // What the kernel and the counters say when nothing passes.
  struct QuietMoment {
    std::int64_t mono_ns = 0;
    std::vector<std::vector<Link>> devices;  // by point
    std::vector<CounterValues> counted;      // by device
  };

  // Nothing when packets never cease.
  std::optional<QuietMoment> await_quiet_moment(const CounterSession::Visit& keep) {
    for (const Deadline limit{kQuietLimit}; !limit.passed(); session_->drain(keep)) {
      const auto before = wait_quiet(points_, milliseconds{20}, milliseconds{50});
      QuietMoment moment{monotonic_ns(), read_devices(), counted_at(points_, session_->totals())};
      if (statistics_of(points_) == before) return moment;
    }
    return std::nullopt;
  }

  // Ends with device statistics of the moment up to which packets count. The gate takes a grace
  // period to close, in which a packet may come. Whether it counts or not, the statistics of one
  // side of the gate are right: those behind it when as much was counted as they have grown, those
  // in front of it when nothing was.
  bool close_between_packets(const CounterSession::Visit& keep) {
    auto quiet = await_quiet_moment(keep);
    session_->close();
    keep_devices(read_devices());
    session_->stop(keep);
    if (!quiet) return false;
    const auto after = final_statistics(points_);
    const std::vector<CounterValues> counted = counted_at(points_, session_->totals());
    if (counted == quiet->counted) {
      session_->close_as_of(quiet->mono_ns);
      keep_devices(std::move(quiet->devices));
      return true;
    }
    std::vector<LinkStatistics> before;
    for (const auto& devices : quiet->devices)
      for (const Link& link : devices) before.push_back(link.statistics);
    return grew_alike(before, after, quiet->counted, counted);
  }

  [[nodiscard]] std::vector<std::vector<Link>> read_devices() const {
    std::vector<std::vector<Link>> devices;
    for (const CounterPoint& point : points_) devices.push_back(point.read_devices());
    return devices;
  }
  void keep_devices(std::vector<std::vector<Link>> devices) {
    for (std::size_t i = 0; i < points_.size(); ++i)
      points_[i].devices_after = std::move(devices[i]);
  }

  void post_live() {
    const std::vector<CounterValues> totals = session_->totals();
    json services = json::object();
    for (const CounterPoint& point : points_) {
      const CounterValues sum = sum_of_point(point, totals);
      services[point.service] = {{"rx_bytes", sum.rx_bytes}, {"tx_bytes", sum.tx_bytes}};
    }
    // Not synced: the ring holds some seconds, and a busy disk may take longer.
    control_.post("live",
                  {{"services", services},
                   {"interval_ns", session_->grid().interval_ns},
                   {"window", live_.window()}},
                  Sync::no);
  }

  void finish() {
    write_counter_files(folder_ / "counters", *spool_, session_->grid(),
                        series_names(points_, session_->kernel()));
    json account = session_->account();
    account["schema"] = "trafficlab.counters/1";
    account["interval_ns"] = session_->grid().interval_ns;
    account["armed_ns"] = session_->grid().time_of(session_->first_epoch());
    account["quiesced_ns"] = session_->grid().time_of(session_->end_epoch());
    account["statistics_are_exact"] = is_exact_;
    account["points"] = describe_points(points_, session_->totals(), session_->failed());
    write_file_atomic(folder_ / "counters" / "counters.json", account.dump(1) + "\n");
  }

  StopSignals stop_;
  std::filesystem::path folder_;
  Control control_;
  std::vector<CounterPoint> points_;
  LiveRates live_{points_};
  std::optional<CounterSession> session_;
  std::optional<CounterSpool> spool_;
  bool is_exact_ = false;
};

}  // namespace

ExitCode serve_counters(const std::filesystem::path& run_folder) {
  return CountersAgent{run_folder}.serve();
}

}  // namespace tl
