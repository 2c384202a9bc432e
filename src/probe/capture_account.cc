#include "probe/capture_account.hh"

#include <algorithm>
#include <cstdlib>

namespace tl {
namespace {

using nlohmann::json;

constexpr std::size_t kMostReadings = 512;  // so that an account stays small enough to read
constexpr std::size_t kMostSteps = 64;
constexpr std::int64_t kStepNs = 1'000'000;  // adjtimex(2) slews by at most 0.5 ms a second

json sum_json(const PacketSum& sum) { return {{"packets", sum.packets}, {"bytes", sum.bytes}}; }

void add_to(PacketSum& sum, std::uint32_t length) {
  ++sum.packets;
  sum.bytes += length;
}

}  // namespace

void CaptureTally::add(const RingPacket& packet) {
  if (packets() == 0) {
    first_ns_ = earliest_ns_ = latest_ns_ = last_ns_ = packet.time_ns;
  } else if (packet.time_ns < last_ns_) {
    ++backsteps_;
    largest_backstep_ns_ = std::max(largest_backstep_ns_, last_ns_ - packet.time_ns);
  }
  last_ns_ = packet.time_ns;
  earliest_ns_ = std::min(earliest_ns_, packet.time_ns);
  latest_ns_ = std::max(latest_ns_, packet.time_ns);
  kept_bytes_ += packet.kept;
  truncated_ += packet.kept < packet.length ? 1 : 0;
  if (packet.length > longest_frame_bytes_) add_to(over_mtu_, packet.length);
  // As the file has it, with the tag that the kernel keeps beside the packet.
  if (packet.has_vlan) add_to(vlan_, packet.frame_length());
  add_to(packet.is_outgoing ? tx_ : rx_, packet.frame_length());
}

json CaptureTally::to_json() const {
  const auto time = [this](std::int64_t ns) { return packets() == 0 ? json() : json(ns); };
  return {{"bytes", rx_.bytes + tx_.bytes},
          {"kept_bytes", kept_bytes_},
          {"truncated_packets", truncated_},
          {"over_mtu_packets", over_mtu_.packets},
          {"over_mtu_bytes", over_mtu_.bytes},
          {"vlan_packets", vlan_.packets},
          {"tx", sum_json(tx_)},
          {"rx", sum_json(rx_)},
          {"first_ns", time(first_ns_)},
          {"last_ns", time(last_ns_)},
          {"earliest_ns", time(earliest_ns_)},
          {"latest_ns", time(latest_ns_)},
          {"time_backsteps", backsteps_},
          {"largest_backstep_ns", largest_backstep_ns_}};
}

void ClockRecord::note(const ClockPair& now) {
  if (last_) {
    const std::int64_t change = now.offset_ns() - last_->offset_ns();
    if (std::abs(change) > kStepNs) {
      ++step_count_;
      if (steps_.size() < kMostSteps) steps_.push_back({now.mono_ns, change});
    }
  }
  last_ = now;
  if (readings_++ % stride_ != 0) return;
  kept_.push_back(now);
  if (kept_.size() < kMostReadings) return;
  for (std::size_t i = 0; 2 * i < kept_.size(); ++i) kept_[i] = kept_[2 * i];
  kept_.resize(kept_.size() / 2);
  stride_ *= 2;
}

json ClockRecord::to_json() const {
  json offsets = json::array(), steps = json::array();
  const auto row = [](const ClockPair& p) -> json {
    return {{"monotonic_ns", p.mono_ns},
            {"offset_ns", p.offset_ns()},
            {"uncertainty_ns", p.uncertainty_ns}};
  };
  for (const ClockPair& p : kept_) offsets.push_back(row(p));
  if (last_ && (kept_.empty() || kept_.back().mono_ns != last_->mono_ns))
    offsets.push_back(row(*last_));
  for (const Step& s : steps_)
    steps.push_back({{"monotonic_ns", s.mono_ns}, {"change_ns", s.change_ns}});
  return {{"offsets", offsets},
          {"readings", readings_},
          {"steps", steps},
          {"step_count", step_count_},
          {"is_stepped", step_count_ != 0}};
}

json to_json(const LinkStatistics& s) {
  return {{"rx_bytes", s.rx_bytes},         {"rx_packets", s.rx_packets},
          {"tx_bytes", s.tx_bytes},         {"tx_packets", s.tx_packets},
          {"rx_errors", s.rx_errors},       {"tx_errors", s.tx_errors},
          {"rx_dropped", s.rx_dropped},     {"tx_dropped", s.tx_dropped},
          {"rx_nohandler", s.rx_nohandler}, {"rx_missed_errors", s.rx_missed_errors}};
}

}  // namespace tl
