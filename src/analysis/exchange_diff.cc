#include "analysis/exchange_diff.hh"

#include <algorithm>

namespace tl {
namespace {

template <class Packetlike>
void count(Tally& tally, const Packetlike& packet) {
  tally += Tally{1, packet.frame_bytes, packet.ip_bytes, packet.payload_bytes};
}

}  // namespace

std::uint64_t PathDiff::lost_packets() const {
  const unsigned up = upstream();
  // A further copy that did not come through is lost like any other packet.
  return only[up].packets + duplicated[up].packets + partly[up].packets;
}

std::uint64_t PathDiff::lost_bytes() const {
  const unsigned up = upstream();
  return only[up].payload_bytes + duplicated[up].payload_bytes + missing_bytes[up];
}

void ExchangeDiff::add(unsigned capture, const Packet& packet, const PacketInfo& info) {
  if (info.content != Content::ip || (packet.flags & kNoTime) != 0) {
    uncompared_[capture].add(packet, info);
    return;
  }
  time_[capture].add(packet.time_ns);
  expire(packet.time_ns);

  Waiting arrival;
  arrival.print = printer_.print(packet, info);
  arrival.time_ns = packet.time_ns;
  arrival.capture = static_cast<std::uint8_t>(capture);
  arrival.frame_bytes = packet.length_bytes;
  arrival.ip_bytes = info.ip_bytes;
  arrival.payload_bytes = info.payload_bytes;
  arrival.path = path_of(info, arrival.print.path);
  FlowState& flow = flow_of(arrival.print.flow);
  arrival.order = ++flow.next_order[capture];
  if (arrival.print.is_stream) {
    arrival.begin = unwrap(flow, arrival.print.begin);
    arrival.end = arrival.begin + info.payload_bytes;
    arrival.missing = info.payload_bytes;
    flow.longest = std::max<std::int64_t>(flow.longest, info.payload_bytes);
    Segmentation& segmentation = paths_[arrival.path].segmentation[capture];
    segmentation.largest_payload = std::max(segmentation.largest_payload, info.payload_bytes);
  }
  count(paths_[arrival.path].seen[capture], arrival);

  if (match_whole(arrival, flow)) return;
  if (arrival.print.is_stream) {
    match_ranges(arrival, flow);
    if (arrival.missing == 0) return settle(arrival);
  }
  wait(arrival, flow);
}

std::uint32_t ExchangeDiff::path_of(const PacketInfo& info, std::uint64_t hash) {
  const auto found = path_numbers_.find(hash);
  if (found != path_numbers_.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(std::min(paths_.size(), kMostPaths));
  if (number == paths_.size()) {
    PathDiff& path = paths_.emplace_back();
    usual_delay_.push_back({});
    knows_delay_.push_back({});
    if (number < kMostPaths) {
      path.source = info.source;
      path.destination = info.destination;
      path.ip_version = info.ip_version;
    }
  }
  if (number < kMostPaths) path_numbers_.emplace(hash, number);
  return number;
}

// Flows of which nothing waits are forgotten when there are many: little is lost with them.
ExchangeDiff::FlowState& ExchangeDiff::flow_of(std::uint64_t hash) {
  const auto found = flows_.find(hash);
  if (found != flows_.end()) return found->second;
  if (flows_.size() >= sweep_at_) {
    std::erase_if(flows_, [](const auto& entry) {
      return entry.second.waiting[0].empty() && entry.second.waiting[1].empty();
    });
    sweep_at_ = std::max<std::size_t>(65536, flows_.size() * 2);
  }
  return flows_[hash];
}

std::int64_t ExchangeDiff::unwrap(FlowState& flow, std::uint32_t sequence) {
  if (!flow.has_sequence) flow.sequence = sequence;
  flow.has_sequence = true;
  flow.sequence += static_cast<std::int32_t>(sequence - static_cast<std::uint32_t>(flow.sequence));
  return flow.sequence;
}

// Of equal candidates, the one whose delay is nearest to that of the last pair in this direction is
// taken: it tells a packet from its repetition when no number in them does.
bool ExchangeDiff::is_nearer(const Waiting& candidate, const Waiting* best,
                             const Waiting& arrival) const {
  if (best == nullptr) return true;
  if (!knows_delay_[arrival.path][arrival.capture]) return candidate.time_ns < best->time_ns;
  __extension__ using Wide = __int128;
  const auto distance = [&](const Waiting& packet) {
    const Wide off =
        Wide{arrival.time_ns} - packet.time_ns - usual_delay_[arrival.path][arrival.capture];
    return off < 0 ? -off : off;
  };
  return distance(candidate) < distance(*best);
}

bool ExchangeDiff::match_whole(Waiting& arrival, FlowState& flow) {
  const auto [begin, end] = by_print_[1 - arrival.capture].equal_range(arrival.print.whole);
  Waiting* best = nullptr;
  Id best_id = 0;
  for (auto it = begin; it != end; ++it)
    if (is_nearer(pool_[it->second], best, arrival)) {
      best = &pool_[it->second];
      best_id = it->second;
    }
  if (best == nullptr) return false;
  unindex(*best, best_id);
  if (arrival.print.is_stream) {
    Ranges& ranges = flow.waiting[best->capture];
    for (auto it = ranges.find(best->begin); it != ranges.end(); ++it)
      if (it->second.id == best_id) {
        ranges.erase(it);
        break;
      }
  }
  note_pair(*best, arrival, flow);
  best->missing = arrival.missing = 0;
  best->pieces = arrival.pieces = 1;
  settle(*best);
  settle(arrival);
  remember(arrival.print.whole);
  best->generation += 1;
  free_.push_back(best_id);
  return true;
}

// Covers the arrival's bytes with bytes that wait in the other capture. What stays uncovered waits.
void ExchangeDiff::match_ranges(Waiting& arrival, FlowState& flow) {
  Ranges& ranges = flow.waiting[1 - arrival.capture];
  std::int64_t position = arrival.begin;
  uncovered_.clear();
  while (position < arrival.end && !ranges.empty()) {
    const auto range = best_at(ranges, arrival, flow, position);
    if (range == ranges.end()) break;
    const std::int64_t from = std::max(position, range->first);
    const std::int64_t to = std::min(arrival.end, range->second.end);
    if (from > position) uncovered_.emplace_back(position, from);
    consume(ranges, range, from, to, arrival, flow);
    position = to;
  }
  if (position < arrival.end) uncovered_.emplace_back(position, arrival.end);
}

// The waiting range that holds `position`, else the first behind it; end() if there is none.
// Segmentation copies TSval into every segment, so ranges with another are other transmissions.
ExchangeDiff::Ranges::iterator ExchangeDiff::best_at(Ranges& ranges, const Waiting& arrival,
                                                     const FlowState& flow, std::int64_t position) {
  auto best = ranges.end();
  for (auto it = ranges.lower_bound(position - flow.longest);
       it != ranges.end() && it->first < arrival.end; ++it) {
    if (it->second.end <= position) continue;
    const Waiting& packet = pool_[it->second.id];
    if (packet.print.timestamp_value != arrival.print.timestamp_value) continue;
    if (it->first > position) return best != ranges.end() ? best : it;
    if (is_nearer(packet, best == ranges.end() ? nullptr : &pool_[best->second.id], arrival))
      best = it;
  }
  return best;
}

void ExchangeDiff::consume(Ranges& ranges, Ranges::iterator range, std::int64_t from,
                           std::int64_t to, Waiting& arrival, FlowState& flow) {
  const std::int64_t begin = range->first;
  const auto [end, id] = range->second;
  Waiting& packet = pool_[id];
  if (packet.is_indexed) unindex(packet, id);
  ranges.erase(range);
  if (begin < from) ranges.emplace(begin, Range{from, id});
  if (to < end) ranges.emplace(to, Range{end, id});
  const auto bytes = static_cast<std::uint32_t>(to - from);
  packet.missing -= bytes;
  arrival.missing -= bytes;
  packet.pieces += 1;
  arrival.pieces += 1;
  const bool holds_packet = arrival.begin <= packet.begin && packet.end <= arrival.end;
  const bool holds_arrival = packet.begin <= arrival.begin && arrival.end <= packet.end;
  packet.has_larger |= holds_packet && !holds_arrival;
  arrival.has_larger |= holds_arrival && !holds_packet;
  packet.is_crossed |= !holds_packet && !holds_arrival;
  arrival.is_crossed |= !holds_packet && !holds_arrival;
  note_pair(packet, arrival, flow);
  if (packet.missing != 0) return;
  settle(packet);
  packet.generation += 1;
  free_.push_back(id);
}

void ExchangeDiff::note_pair(const Waiting& first, const Waiting& second, FlowState& flow) {
  PathDiff& path = paths_[second.path];
  std::int64_t delay = 0;
  // Times that hostile captures can state; the smallest number has no absolute value.
  if (__builtin_sub_overflow(second.time_ns, first.time_ns, &delay) || delay == INT64_MIN) return;
  usual_delay_[second.path][second.capture] = delay;
  knows_delay_[second.path][second.capture] = true;
  // A capture's own timestamps may step back by a little: then the other saw it first.
  const unsigned upstream = delay >= 0 ? first.capture : second.capture;
  path.delay[upstream].add(std::abs(delay));
  std::uint64_t& highest = flow.highest_order[first.capture];
  if (first.order >= highest) {
    highest = first.order;
    return;
  }
  path.reordered[first.capture] += 1;
  path.reorder_extent[first.capture] =
      std::max(path.reorder_extent[first.capture], highest - first.order);
}

// REQUIRES: everything of it is matched.
void ExchangeDiff::settle(const Waiting& packet) {
  PathDiff& path = paths_[packet.path];
  count(path.matched[packet.capture], packet);
  if (!packet.print.is_stream) return;
  Segmentation& segmentation = path.segmentation[packet.capture];
  if (packet.is_crossed) {
    segmentation.crossed += 1;
  } else if (packet.has_larger) {
    segmentation.joined += 1;
  } else if (packet.pieces == 1) {
    segmentation.same += 1;
  } else {
    segmentation.split += 1;
    segmentation.pieces += packet.pieces;
  }
}

void ExchangeDiff::wait(Waiting arrival, FlowState& flow) {
  const bool is_untouched = !arrival.print.is_stream || arrival.pieces == 0;
  arrival.may_be_copy = is_untouched && matched_prints_.contains(arrival.print.whole);
  Id id = 0;
  if (free_.empty()) {
    id = static_cast<Id>(pool_.size());
    pool_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  arrival.generation = pool_[id].generation;
  arrival.is_indexed = is_untouched;
  if (is_untouched) by_print_[arrival.capture].emplace(arrival.print.whole, id);
  if (arrival.print.is_stream)
    for (const auto& [begin, end] : uncovered_)
      flow.waiting[arrival.capture].emplace(begin, Range{end, id});
  pool_[id] = arrival;
  expiries_.push_back({arrival.time_ns, id, arrival.generation});
  if (pool_.size() - free_.size() <= options_.most_waiting) return;
  while (!expiries_.empty()) {
    const Expiry oldest = expiries_.front();
    expiries_.pop_front();
    if (pool_[oldest.id].generation != oldest.generation) continue;
    return conclude(oldest.id, true);
  }
}

void ExchangeDiff::unindex(Waiting& packet, Id id) {
  packet.is_indexed = false;
  auto& index = by_print_[packet.capture];
  for (auto [it, end] = index.equal_range(packet.print.whole); it != end; ++it)
    if (it->second == id) {
      index.erase(it);
      return;
    }
}

// Whether the other capture did not run when it should have seen the packet.
ExchangeDiff::Absence ExchangeDiff::absence(const Waiting& packet) const {
  const PathDiff& path = paths_[packet.path];
  const unsigned other = 1U - packet.capture, up = path.upstream();
  std::int64_t due_ns = packet.time_ns;
  if (!path.delay[up].empty()) {
    const std::int64_t delay = path.delay[up].minimum_ns();
    if (__builtin_add_overflow(due_ns, packet.capture == up ? delay : -delay, &due_ns))
      due_ns = packet.time_ns;
  }
  if (options_.is_whole) return Absence::none;
  if (due_ns < time_[other].first_ns) return Absence::before;
  return has_ended_[other] && due_ns > time_[other].last_ns ? Absence::beyond : Absence::none;
}

// Nothing more will meet this packet: says why.
void ExchangeDiff::conclude(Id id, bool for_memory) {
  Waiting& packet = pool_[id];
  if (packet.is_indexed) unindex(packet, id);
  if (packet.print.is_stream) {
    Ranges& ranges = flows_[packet.print.flow].waiting[packet.capture];
    for (auto it = ranges.lower_bound(packet.begin); it != ranges.end() && it->first < packet.end;)
      it = it->second.id == id ? ranges.erase(it) : std::next(it);
  }
  PathDiff& path = paths_[packet.path];
  const unsigned mine = packet.capture;
  const Absence why = absence(packet);
  if (packet.pieces != 0) {
    count(path.partly[mine], packet);
    path.missing_bytes[mine] += packet.missing;
  } else if (for_memory) {
    count(path.given_up[mine], packet);
  } else if (packet.may_be_copy) {
    count(path.duplicated[mine], packet);
  } else if (why == Absence::before) {
    count(path.before[mine], packet);
  } else if (why == Absence::beyond) {
    count(path.beyond[mine], packet);
  } else {
    count(path.only[mine], packet);
  }
  packet.generation += 1;
  free_.push_back(id);
}

void ExchangeDiff::expire(std::int64_t now_ns) {
  std::int64_t limit = 0;
  if (__builtin_sub_overflow(now_ns, options_.window_ns, &limit)) return;
  while (!expiries_.empty() && expiries_.front().time_ns < limit) {
    const Expiry oldest = expiries_.front();
    expiries_.pop_front();
    if (pool_[oldest.id].generation == oldest.generation) conclude(oldest.id, false);
  }
}

void ExchangeDiff::finish() {
  has_ended_ = {true, true};
  for (const Expiry& expiry : expiries_)
    if (pool_[expiry.id].generation == expiry.generation) conclude(expiry.id, false);
  expiries_.clear();
}

void ExchangeDiff::remember(std::uint64_t print) {
  constexpr std::size_t kMost = 65536;
  matched_prints_[print] += 1;
  matched_order_.push_back(print);
  if (matched_order_.size() <= kMost) return;
  const auto oldest = matched_prints_.find(matched_order_.front());
  if (--oldest->second == 0) matched_prints_.erase(oldest);
  matched_order_.pop_front();
}

}  // namespace tl
