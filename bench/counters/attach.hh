// What bench_counters attaches: the counters, the peers beside which they are measured, and
// bpftrace.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/process.hh"
#include "meter.hh"
#include "peers.skel.h"
#include "probe/counter_points.hh"
#include "probe/counter_session.hh"
#include "traffic.hh"

namespace tl::bench {

void wait_seconds(double seconds);

// bpftrace with one script, attached once its program is in the kernel.
class Bpftrace {
 public:
  explicit Bpftrace(const std::string& script, const std::filesystem::path& output = "/dev/null");
  ~Bpftrace();
  Bpftrace(const Bpftrace&) = delete;
  Bpftrace& operator=(const Bpftrace&) = delete;
  [[nodiscard]] std::vector<std::uint32_t> program_ids() const;

 private:
  std::vector<std::uint32_t> before_;
  Child child_;
};

inline constexpr const char* kSumRx = "tracepoint:net:netif_receive_skb { @ = sum(args->len); }";
inline constexpr const char* kSumTx = "tracepoint:net:net_dev_start_xmit { @ = sum(args->len); }";

// A counting session on all devices of both ends.
struct Ours {
  Ours(const Fan& fan, const CounterLayout& layout);
  std::vector<CounterPoint> points;
  CounterSession session;
};

CounterLayout layout_of(const Fan& fan, CountedAt place, bool ports, bool count_unknown = true);

// Attaches what is measured, tells the meter its programs, and keeps it attached for as long as the
// result lives.
using Attach = std::function<std::shared_ptr<void>(Meter&)>;
using Attached = std::vector<std::shared_ptr<void>>;

// Programs at both devices by themselves.
std::shared_ptr<void> attach_taps(const Fan& fan, int program);
std::shared_ptr<void> attach_tcx(const Fan& fan, int rx_program, int tx_program);

// One of the peers: at both trace events, of which each has a program, or at both devices.
std::shared_ptr<void> attach_at_events(const std::string& name, const peers& peer, Meter& meter);
std::shared_ptr<void> attach_at_devices(const std::string& name, const peers& peer, const Fan& fan,
                                        CountedAt place, Meter& meter);

// Programs of the counters that count a device by itself and that a function loads, by their names.
std::map<std::string, UniqueFd> loaded_by(const std::function<void()>& load);

// The counters at the trace events.
std::shared_ptr<Ours> attach_our_events(const std::shared_ptr<Ours>& ours, const std::string& name,
                                        Meter& meter);
// A session of its own. Its programs at the trace events see that a device is counted by itself.
std::shared_ptr<Ours> attach_our_own(const Fan& fan, CountedAt place, bool ports,
                                     const std::string& name, Meter& meter);
std::shared_ptr<void> attach_bpftrace(Meter& meter);

}  // namespace tl::bench
