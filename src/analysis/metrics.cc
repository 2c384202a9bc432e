#include "analysis/metrics.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/rate_statistics.hh"

namespace tl {
namespace {

using nlohmann::json;

constexpr double kNanosPerSecond = 1e9;
constexpr double kBytesPerGigabyte = 1e9;
constexpr std::int64_t kFineNs = 1'000'000, kCoarseNs = 10'000'000;
constexpr std::uint64_t kSteadyPercent = 90;

using Counts = std::vector<std::uint64_t>;

// Sums of `factor` counts each; a rest at the end is left out.
Counts coarser(const Counts& counts, std::size_t factor) {
  Counts sums(counts.size() / factor);
  for (std::size_t i = 0; i < sums.size() * factor; ++i) sums[i / factor] += counts[i];
  return sums;
}

// Of sorted values, by nearest rank.
std::uint64_t percentile(const Counts& sorted, std::size_t percent) {
  const std::size_t rank = (sorted.size() * percent + 99) / 100;
  return sorted[rank == 0 ? 0 : rank - 1];
}

// Runs of buckets that each carry more than the mean of all.
struct Bursts {
  Counts buckets, bytes;  // of each burst, sorted
};
Bursts bursts_of(const Counts& counts) {
  const std::uint64_t sum = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  Bursts bursts;
  bool inside = false;
  for (const std::uint64_t count : counts) {
    const bool is_above = count * counts.size() > sum;
    if (is_above && !inside) {
      bursts.buckets.push_back(0);
      bursts.bytes.push_back(0);
    }
    if (is_above) {
      bursts.buckets.back() += 1;
      bursts.bytes.back() += count;
    }
    inside = is_above;
  }
  std::sort(bursts.buckets.begin(), bursts.buckets.end());
  std::sort(bursts.bytes.begin(), bursts.bytes.end());
  return bursts;
}

// Between the first and the last bucket that hold anything: what lies outside is the test's edge.
std::size_t longest_silence(const Counts& counts) {
  std::size_t longest = 0, now = 0;
  bool has_begun = false;
  for (const std::uint64_t count : counts) {
    if (count != 0 && has_begun) longest = std::max(longest, now);
    has_begun |= count != 0;
    now = count == 0 ? now + 1 : 0;
  }
  return longest;
}

class Catalogue {
 public:
  explicit Catalogue(const MetricInput& input) : in_{input} {}

  std::vector<Metric> metrics() {
    direction_ = in_.evidence.traffic && in_.evidence.traffic->is_reverse ? "server_to_client"
                                                                          : "client_to_server";
    goodput();
    rates();
    bursts(kCoarseNs, "10ms");
    bursts(kFineNs, "1ms");
    transport();
    delays();
    cpu();
    losses();
    return std::move(metrics_);
  }

 private:
  // What is common to a metric; its value comes with `put`.
  struct Head {
    const char* name;
    const char* unit;
    Better better;
    const char* definition;
  };

  void put(const Head& head, std::optional<double> value, const std::string& reason,
           const std::string& direction) {
    metrics_.push_back({head.name, head.unit, direction, head.better, value, value ? "" : reason,
                        head.definition});
  }
  void put(const Head& head, std::optional<double> value, const std::string& reason) {
    put(head, value, reason, direction_);
  }

  [[nodiscard]] const ServiceEvidence* service(const std::string& name) const {
    const auto& all = in_.evidence.services;
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const ServiceEvidence& e) { return e.service == name; });
    return found == all.end() ? nullptr : &*found;
  }
  [[nodiscard]] const ServiceEvidence* sender() const {
    return in_.evidence.traffic ? service(in_.evidence.traffic->sender) : nullptr;
  }

  [[nodiscard]] double seconds() const { return in_.client.seconds; }

  void goodput() {
    const bool is_usable = in_.evidence.traffic && seconds() > 0;
    put({"goodput", "bit/s", Better::higher,
         "payload that iperf's receiver took, over iperf's own time"},
        is_usable ? std::optional{static_cast<double>(in_.evidence.traffic->bytes_received) * 8 /
                                  seconds()}
                  : std::nullopt,
        "iperf left no complete result");
  }

  // The receiver's RX bytes of the buckets inside the traffic window.
  [[nodiscard]] Counts received() const {
    if (!in_.evidence.traffic || !in_.timeline.missing.empty()) return {};
    for (const TimelineSeries& series : in_.timeline.series)
      if (series.name == in_.evidence.traffic->receiver) {
        const BucketRange range =
            buckets_inside(in_.timeline, in_.window.start_ns, in_.window.end_ns);
        const Counts& all = series[Column::rx_bytes];
        if (range.empty()) return {};
        return {all.begin() + static_cast<std::ptrdiff_t>(range.begin),
                all.begin() + static_cast<std::ptrdiff_t>(range.end)};
      }
    return {};
  }

  // The same in buckets of `width_ns`; empty when the run's are wider or do not divide it.
  [[nodiscard]] Counts received(std::int64_t width_ns) const {
    const std::int64_t interval_ns = in_.timeline.interval_ns;
    if (interval_ns <= 0 || width_ns % interval_ns != 0) return {};
    return coarser(received(), static_cast<std::size_t>(width_ns / interval_ns));
  }

  void rates() {
    const Counts counts = received(kCoarseNs);
    Counts sorted = counts;
    std::sort(sorted.begin(), sorted.end());
    const std::string reason = "no counter stream that divides 10 ms covers the traffic window";
    const double to_bits = 8 * kNanosPerSecond / static_cast<double>(kCoarseNs);
    const auto rate = [&](std::size_t percent) {
      return sorted.empty()
                 ? std::nullopt
                 : std::optional{static_cast<double>(percentile(sorted, percent)) * to_bits};
    };
    put({"rate_p5", "bit/s", Better::higher,
         "5th percentile of the receiver's RX rate over 10 ms (frames, Ethernet header included)"},
        rate(5), reason);
    put({"rate_p50", "bit/s", Better::higher, "median of the same"}, rate(50), reason);
    put({"rate_p99", "bit/s", Better::neither, "99th percentile of the same"}, rate(99), reason);
    const double sum =
        std::accumulate(counts.begin(), counts.end(), 0.0,
                        [](double s, std::uint64_t c) { return s + static_cast<double>(c); });
    const double mean = counts.empty() ? 0 : sum / static_cast<double>(counts.size());
    double squares = 0;
    for (const std::uint64_t c : counts)
      squares += (static_cast<double>(c) - mean) * (static_cast<double>(c) - mean);
    put({"rate_cov", "1", Better::lower, "standard deviation of the same over its mean"},
        mean > 0 ? std::optional{std::sqrt(squares / static_cast<double>(counts.size())) / mean}
                 : std::nullopt,
        reason);
    put({"longest_stall", "s", Better::lower,
         "longest run of 10 ms buckets without a byte at the receiver, between its first and its "
         "last"},
        counts.empty() ? std::nullopt
                       : std::optional{static_cast<double>(longest_silence(counts)) *
                                       static_cast<double>(kCoarseNs) / kNanosPerSecond},
        reason);
    ramp(counts, sorted, reason);
  }

  void ramp(const Counts& counts, const Counts& sorted, const std::string& reason) {
    std::optional<double> value;
    if (!sorted.empty()) {
      const std::uint64_t median = percentile(sorted, 50);
      const auto reached = std::find_if(counts.begin(), counts.end(), [&](std::uint64_t c) {
        return c * 100 >= median * kSteadyPercent;
      });
      value = static_cast<double>(reached - counts.begin()) * static_cast<double>(kCoarseNs) /
              kNanosPerSecond;
    }
    put({"ramp_to_90", "s", Better::lower,
         "from the opening of the gate to the first 10 ms bucket with 90 % of the median rate"},
        value, reason);
  }

  void bursts(std::int64_t width_ns, const std::string& width) {
    const Counts counts = received(width_ns);
    const Bursts found = bursts_of(counts);
    const std::string reason = counts.empty() ? "the run's interval does not divide " + width
                                              : "no bucket carried more than the mean";
    const auto value = [](const Counts& sorted, std::size_t percent, double unit) {
      return sorted.empty()
                 ? std::nullopt
                 : std::optional{static_cast<double>(percentile(sorted, percent)) * unit};
    };
    const double seconds_a_bucket = static_cast<double>(width_ns) / kNanosPerSecond;
    const std::string names[] = {"burst_duration_p50_" + width, "burst_duration_p99_" + width,
                                 "burst_size_p50_" + width, "burst_size_p99_" + width};
    const std::string what =
        fmt::format("runs of {} buckets at the receiver above the window's mean: ", width);
    const std::string texts[] = {what + "median duration", what + "99th percentile of duration",
                                 what + "median of their bytes",
                                 what + "99th percentile of their bytes"};
    for (std::size_t i = 0; i < 4; ++i) {
      const bool is_duration = i < 2;
      put({names[i].c_str(), is_duration ? "s" : "B", Better::neither, texts[i].c_str()},
          value(is_duration ? found.buckets : found.bytes, i % 2 == 0 ? 50 : 99,
                is_duration ? seconds_a_bucket : 1),
          reason);
    }
  }

  void transport() {
    std::optional<double> ratio;
    std::string reason = "not TCP, or the sender's capture is missing";
    const ServiceEvidence* e = sender();
    if (e != nullptr && e->capture && in_.evidence.traffic->is_tcp) {
      std::int64_t payload = 0, again = 0;
      for (const CapturedStream& s : e->streams) {
        const CapturedStream::Side& side =
            in_.evidence.traffic->is_reverse ? s.from_server : s.from_client;
        payload += side.payload_bytes;
        again += side.retransmitted_bytes;
      }
      if (payload > 0) ratio = static_cast<double>(again) / static_cast<double>(payload);
    }
    put({"retransmit_ratio", "1", Better::lower,
         "retransmitted over all TCP payload bytes in the sender's capture"},
        ratio, reason);
  }

  void delays() {
    const auto rtt = [&](std::uint32_t per_mille) -> std::optional<double> {
      const ServiceEvidence* e = sender();
      if (e == nullptr || e->rtt_percentiles_ns.empty()) return std::nullopt;
      const auto found = e->rtt_percentiles_ns.find(per_mille);
      return static_cast<double>(found->second) / kNanosPerSecond;
    };
    const std::string no_rtt = "no round-trip time in the sender's capture";
    put({"rtt_p50", "s", Better::lower,
         "median of the round-trip times from the sender's tap to the receiver (docs/pcap-rtt.md)"},
        rtt(500), no_rtt);
    put({"rtt_p99", "s", Better::lower, "99th percentile of the same"}, rtt(990), no_rtt);
    const json path = data_path();
    const auto delay = [&](const char* key) -> std::optional<double> {
      if (!path.is_object() || path.at("delay").value("count", 0) == 0) return std::nullopt;
      return path.at("delay").at(key).get<double>() / kNanosPerSecond;
    };
    const std::string no_delay = "the two captures share no packet of this direction";
    put({"one_way_delay_p50", "s", Better::lower,
         "median time from the sender's tap to the receiver's, of packets that both saw"},
        delay("p50_ns"), no_delay);
    put({"one_way_delay_p99", "s", Better::lower, "99th percentile of the same"}, delay("p99_ns"),
        no_delay);
    std::optional<double> lost;
    if (path.is_object()) {
      const double seen =
          path.at(path.value("upstream", "A") == "A" ? "a" : "b").value("packets", 0.0);
      if (seen > 0) lost = path.value("lost_packets", 0.0) / seen;
    }
    put({"loss_ratio", "1", Better::lower,
         "packets that the sender's capture has and the receiver's has not, over all it has"},
        lost, no_delay);
  }

  // The path with the most payload is the test's data.
  [[nodiscard]] json data_path() const {
    json best;
    if (!in_.exchange.is_object()) return best;
    const auto payload = [](const json& path) {
      return std::max(path.at("a").value("payload_bytes", std::uint64_t{0}),
                      path.at("b").value("payload_bytes", std::uint64_t{0}));
    };
    for (const json& path : in_.exchange.at("paths"))
      if (best.is_null() || payload(path) > payload(best)) best = path;
    return best;
  }

  void cpu() {
    const auto per_gigabyte = [&](const IperfResult& side) -> std::optional<double> {
      if (!in_.evidence.traffic || side.error || in_.evidence.traffic->bytes_received == 0)
        return std::nullopt;
      const json& end = side.document.value("end", json::object());
      const json& use = end.value("cpu_utilization_percent", json::object());
      if (!use.contains("host_total") || !use.at("host_total").is_number()) return std::nullopt;
      return use.at("host_total").get<double>() / 100 * seconds() * kBytesPerGigabyte /
             static_cast<double>(in_.evidence.traffic->bytes_received);
    };
    const bool reverse = in_.evidence.traffic && in_.evidence.traffic->is_reverse;
    const std::string reason = "iperf did not say how much CPU it used";
    put({"cpu_sender", "s/GB", Better::lower,
         "CPU time of the sending iperf for 10^9 bytes received"},
        per_gigabyte(reverse ? in_.server : in_.client), reason);
    put({"cpu_receiver", "s/GB", Better::lower, "the same of the receiving iperf"},
        per_gigabyte(reverse ? in_.client : in_.server), reason);
  }

  void losses() {
    std::int64_t dropped = 0;
    bool has_capture = false;
    for (const ServiceEvidence& e : in_.evidence.services) {
      has_capture |= e.capture_account.has_value();
      dropped += e.capture_dropped;
    }
    put({"capture_loss", "packets", Better::lower,
         "packets that the kernel dropped before a capture took them, all captures"},
        has_capture ? std::optional{static_cast<double>(dropped)} : std::nullopt,
        "no capture was made", "both");
    std::optional<double> missed;
    if (in_.losses.is_object()) {
      missed = 0;
      for (const char* kind : {"recursion_misses", "without_block"})
        for (const auto& [hook, number] : in_.losses.at(kind).items())
          *missed += number.is_number() ? number.get<double>() : 0;
    }
    put({"counter_loss", "packets", Better::lower,
         "packets that a counter program could not count"},
        missed, "no counters were kept", "both");
  }

  const MetricInput& in_;
  std::string direction_;
  std::vector<Metric> metrics_;
};

const char* text_of(Better better) {
  switch (better) {
    case Better::higher:
      return "higher";
    case Better::lower:
      return "lower";
    case Better::neither:
      return "neither";
  }
  return "";
}

}  // namespace

std::vector<Metric> metrics_of(const MetricInput& input) { return Catalogue{input}.metrics(); }

nlohmann::ordered_json metrics_json(const std::vector<Metric>& metrics) {
  nlohmann::ordered_json out{{"schema", "trafficlab.metrics/1"}};
  out["metrics"] = nlohmann::ordered_json::array();
  for (const Metric& m : metrics) {
    nlohmann::ordered_json one{{"name", m.name},
                               {"unit", m.unit},
                               {"direction", m.direction},
                               {"better", text_of(m.better)}};
    one["value"] = m.value ? nlohmann::ordered_json(*m.value) : nlohmann::ordered_json();
    one["reason"] = m.value ? nlohmann::ordered_json() : nlohmann::ordered_json(m.reason);
    one["definition"] = m.definition;
    out["metrics"].push_back(std::move(one));
  }
  return out;
}

}  // namespace tl
