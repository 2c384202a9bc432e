#include "analysis/rtt.hh"

namespace tl {

RttFlow& RttTable::at(std::uint32_t flow) {
  if (flow >= flows_.size()) flows_.resize(std::size_t{flow} + 1);
  auto& slot = flows_[flow];
  if (slot == nullptr) slot = std::make_unique<RttFlow>();
  return *slot;
}

void RttTable::add(std::uint32_t flow, std::uint8_t side, const TcpSegment& segment,
                   std::uint64_t packet_index) {
  if (kept_ + UnackedList::kMost > options_.most_segments) [[unlikely]]
    reclaim();
  RttFlow& state = at(flow);
  state.last_ns = segment.time_ns;
  RttHalf& sent = state.halves[side];
  RttHalf& answered = state.halves[1 - side];
  const std::uint32_t before = sent.capacity();
  if ((segment.flags & (kSyn | kAck)) == kSyn && sent.begins_anew(segment)) [[unlikely]]
    answered.on_peer_restart();
  if (sink_ != nullptr) {
    event_.flow = flow;
    event_.packet_index = packet_index;
    event_.end = side == 0 ? RttEnd::client : RttEnd::server;  // who acknowledges here
  }
  answered.on_received(segment, options_.most_age_ns, sink_ == nullptr ? nullptr : this);
  sent.on_sent(segment);
  kept_ += std::int64_t{sent.capacity()} - before;
}

void RttTable::on_sample(const RttSample& sample) {
  event_.sample = sample;
  sink_->on_rtt(event_);
}

void RttTable::evict(std::uint32_t flow) {
  if (flow >= flows_.size() || flows_[flow] == nullptr) return;
  for (std::size_t end = 0; end < evicted_.size(); ++end) {
    RttHalf& half = flows_[flow]->halves[end];
    kept_ -= half.forget();
    evicted_[end] += half.statistics();
  }
  evictions_ += 1;
  flows_[flow].reset();
}

// Takes the outstanding segments of quiet flows: of a few in turn the one that was quiet longest.
void RttTable::reclaim() {
  constexpr int kLooks = 8;
  while (kept_ + UnackedList::kMost > options_.most_segments && kept_ != 0) {
    RttFlow* victim = nullptr;
    int looks = 0;
    for (std::size_t steps = 0; steps < flows_.size() && looks < kLooks; ++steps) {
      RttFlow* flow = flows_[hand_].get();
      hand_ = (hand_ + 1) % static_cast<std::uint32_t>(flows_.size());
      if (flow == nullptr || flow->halves[0].capacity() + flow->halves[1].capacity() == 0) continue;
      ++looks;
      if (victim == nullptr || flow->last_ns < victim->last_ns) victim = flow;
    }
    if (victim == nullptr) return;
    for (RttHalf& half : victim->halves) kept_ -= half.forget();
  }
}

std::array<RttStatistics, 2> RttTable::totals() const {
  std::array<RttStatistics, 2> sums;
  for (std::size_t end = 0; end < sums.size(); ++end) {
    sums[end] += evicted_[end];
    for (const auto& flow : flows_)
      if (flow != nullptr) sums[end] += flow->halves[end].statistics();
  }
  return sums;
}

std::uint64_t RttTable::unanswered(RttEnd end) const {
  std::uint64_t count = 0;
  for (const auto& flow : flows_)
    if (flow != nullptr) count += flow->halves[static_cast<std::size_t>(end)].unanswered();
  return count;
}

void RttObserver::on_batch(const Batch& batch) {
  // The states of the flows lie apart in memory: all are asked for before the first is needed.
  for (const FlowRef& ref : batch.flows)
    if (const RttFlow* flow = table_.flow(ref.flow())) {
      __builtin_prefetch(flow, 1);
      __builtin_prefetch(&flow->halves[1], 1);
    }
  for (std::size_t i = 0; i < batch.packets.size(); ++i) {
    const PacketInfo& info = batch.infos[i];
    if (!info.is_tcp()) continue;
    if ((info.flags & kFragment) != 0) {
      fragments_ += 1;
      continue;
    }
    if ((batch.packets[i].flags & kNoTime) != 0) {
      untimed_ += 1;
      continue;
    }
    table_.add(batch.flows[i].flow(), batch.flows[i].side(), tcp_segment(batch.packets[i], info),
               batch.first_index + i);
  }
}

}  // namespace tl
