#include "analysis/time_series.hh"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/errors.hh"

namespace tl {
namespace {

__extension__ using WideNs = __int128;

WideNs floor_divide(WideNs value, std::int64_t by) {
  return value >= 0 ? value / by : -((-value + by - 1) / by);
}

constexpr std::array kDirections{"tx", "rx", "forward", "reverse", "other"};
enum Direction : std::uint32_t { kTx, kRx, kForward, kReverse, kOther };

std::string endpoint_text(const Endpoint& end, std::uint8_t ip_version) {
  const std::string address = address_text(end.address, ip_version);
  return ip_version == 6 ? fmt::format("[{}]:{}", address, end.port)
                         : fmt::format("{}:{}", address, end.port);
}

std::string port_label(const Flow& flow) {
  return flow.server().port == 0 ? "none" : std::to_string(flow.server().port);
}

}  // namespace

std::string flow_label(const Flow& flow) {
  return fmt::format("{} {} {}", protocol_name(flow.key.protocol),
                     endpoint_text(flow.client(), flow.key.ip_version),
                     endpoint_text(flow.server(), flow.key.ip_version));
}

TimeSeries::TimeSeries(SeriesOptions options, const FlowTable& flows)
    : options_{std::move(options)}, flows_{flows} {
  if (options_.interval.count() <= 0) throw UsageError{"series interval: must be more than 0"};
  if (options_.by == SeriesBy::total) labels_.emplace_back("total");
  if (options_.by == SeriesBy::direction) labels_.assign(kDirections.begin(), kDirections.end());
  lines_.resize(labels_.size());
}

Depth TimeSeries::depth() const {
  return options_.by == SeriesBy::total ? Depth::headers : Depth::flows;
}

// Neighbours in a capture mostly share their bin: whole batches go there at once, and what is left
// is summed in registers until the bin changes.
void TimeSeries::on_batch(const Batch& batch) {
  const bool one_line = options_.by == SeriesBy::total;
  const Digest& sum = batch.digest;
  if (one_line && (sum.packet_flags & kNoTime) == 0 && lines_[0].holds(sum.time.first_ns) &&
      lines_[0].holds(sum.time.last_ns)) {
    *lines_[0].bin += sum.tally;
    return;
  }
  Tally* bin = nullptr;
  Tally run;
  for (std::size_t i = 0; i < batch.packets.size(); ++i) {
    const Packet& packet = batch.packets[i];
    Tally* const wanted = bin_of(packet, one_line ? 0 : line_of(batch, i));
    if (wanted != bin) {
      if (bin != nullptr) *bin += run;
      run = {};
      bin = wanted;
    }
    run.add(packet, batch.infos[i]);
  }
  if (bin != nullptr) *bin += run;
}

inline Tally* TimeSeries::bin_of(const Packet& packet, std::uint32_t line_number) {
  if ((packet.flags & kNoTime) != 0) [[unlikely]]
    return &untimed_;
  Line& line = lines_[line_number];
  if (line.holds(packet.time_ns)) return line.bin;
  Tally* const bin = find_bin(line, packet.time_ns);
  return bin != nullptr ? bin : &over_limit_;
}

std::uint32_t TimeSeries::line_of(const Batch& batch, std::size_t i) {
  const FlowRef& ref = batch.flows[i];
  if (options_.by == SeriesBy::direction) return direction_of(batch.infos[i], ref);
  const Flow* flow = ref.is_known() ? &flows_.flow(ref.flow()) : nullptr;
  if (options_.by == SeriesBy::port)
    return numbered(flow == nullptr ? 0 : flow->server().port, port_label, flow);
  return numbered(flow == nullptr ? UINT64_MAX : flow->serial, flow_label, flow);
}

// Local addresses say most; then what the capture recorded; then who opened the flow.
std::uint32_t TimeSeries::direction_of(const PacketInfo& info, const FlowRef& ref) const {
  const auto is_local = [&](const Address16& address) {
    return std::any_of(options_.local.begin(), options_.local.end(), [&](const auto& local) {
      return local.first == address && local.second == info.ip_version;
    });
  };
  if (!options_.local.empty()) {
    if (is_local(info.source)) return kTx;
    return is_local(info.destination) ? kRx : kOther;
  }
  if ((info.flags & kSent) != 0) return kTx;
  if ((info.flags & kReceived) != 0) return kRx;
  if (!ref.is_known()) return kOther;
  return ref.side() == 0 ? kForward : kReverse;
}

std::uint32_t TimeSeries::numbered(std::uint64_t key, std::string (*name)(const Flow&),
                                   const Flow* flow) {
  const auto [found, is_new] =
      numbers_.try_emplace(key, static_cast<std::uint32_t>(labels_.size()));
  if (is_new) {
    labels_.push_back(flow == nullptr ? "none" : name(*flow));
    lines_.emplace_back();
  }
  return found->second;
}

Tally* TimeSeries::find_bin(Line& line, std::int64_t time_ns) {
  const std::int64_t interval = options_.interval.count();
  const WideNs bin = floor_divide(WideNs{time_ns} - options_.origin_ns, interval);
  const WideNs start = bin * interval + options_.origin_ns;
  const auto chunk = static_cast<std::int64_t>(floor_divide(bin, kBinsPerChunk));
  // Edges beyond 64 bits of nanoseconds cannot be written down.
  if (start < INT64_MIN || start + interval > INT64_MAX) return nullptr;
  auto found = line.chunks.find(chunk);
  if (found == line.chunks.end()) {
    if (!has_room(1)) return nullptr;
    chunk_count_ += 1;
    found = line.chunks.try_emplace(chunk).first;
  }
  line.bin = &found->second.bins[bin - WideNs{chunk} * kBinsPerChunk];
  line.start_ns = static_cast<std::int64_t>(start);
  line.end_ns = static_cast<std::int64_t>(start + interval);
  return line.bin;
}

// What a flow is called, and which way is forward, may have shown in a part before.
std::unique_ptr<Observer> TimeSeries::part(const FlowTable& flows) const {
  if (options_.by != SeriesBy::total) return nullptr;
  return std::make_unique<TimeSeries>(options_, flows);
}

bool TimeSeries::can_join(const Observer& part) const {
  return has_room(static_cast<const TimeSeries&>(part).chunk_count_);
}

void TimeSeries::join(const Observer& part) {
  const auto& next = static_cast<const TimeSeries&>(part);
  untimed_ += next.untimed_;
  over_limit_ += next.over_limit_;
  for (const auto& [number, chunk] : next.lines_[0].chunks) {
    const auto [found, is_new] = lines_[0].chunks.try_emplace(number);
    if (is_new) chunk_count_ += 1;
    for (std::int64_t i = 0; i < kBinsPerChunk; ++i) found->second.bins[i] += chunk.bins[i];
  }
}

std::vector<TimeSeries::Row> TimeSeries::rows() const {
  std::vector<Row> rows;
  for (std::uint32_t label = 0; label < lines_.size(); ++label)
    for (const auto& [chunk, content] : lines_[label].chunks)
      for (std::int64_t i = 0; i < kBinsPerChunk; ++i)
        if (content.bins[i].packets != 0)
          rows.push_back(
              {(chunk * kBinsPerChunk + i) * options_.interval.count() + options_.origin_ns, label,
               content.bins[i]});
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.label < b.label;
  });
  return rows;
}

}  // namespace tl
