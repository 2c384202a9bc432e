// Tables for the parts of a capture, and how the table of the whole takes them over.
#include <algorithm>

#include "analysis/flow_table.hh"

namespace tl {

// In a part, where the track holds a run only.
void FlowTable::add_event(const Event& event) {
  if (!is_part_) return take_event(event);
  end_run(event.flow, event.side);
  SequenceTrack& track = flows_.get()[event.flow].sides[event.side].sequence;
  if (event.kind == Event::data) {
    track.start_run(event.run.sequence);
    track.on_run(event.run);
    return;
  }
  if (is_whole()) events_.push_back(event);
  track.start_run(event.run.sequence + 1);
}

void FlowTable::end_run(std::uint32_t index, std::uint8_t side) {
  const SequenceTrack::Run run = flows_.get()[index].sides[side].sequence.run();
  if (run.bytes != 0 && is_whole()) events_.push_back({index, side, Event::data, 0, run});
}

FlowTable FlowTable::part() const {
  FlowTable table{std::min(most_flows_, kMostPartFlows)};
  table.is_part_ = true;
  table.seed_ = seed_;
  return table;
}

void FlowTable::clear() {
  events_.clear();
  std::fill(slots_.begin(), slots_.end(), Slot{});
  size_ = next_serial_ = eviction_hand_ = 0;
  evictions_ = 0;
  evicted_ = not_ip_ = undecoded_ = {};
  evict_callbacks_.clear();
}

FlowTable::Joined FlowTable::join_flow(const Flow& from) {
  const FlowRef found = find(from.key);
  const Joined joined =
      found.is_known() ? Joined{found.flow(), found.side() != 0} : Joined{make(from.key), false};
  last_batch_[joined.index] = batch_;
  Flow& flow = flows_.get()[joined.index];
  flow.fragments += from.fragments;
  for (std::size_t side = 0; side < 2; ++side) {
    FlowSide& half = flow.sides[joined.side(side)];
    half.tally += from.sides[side].tally;
    half.time.add(from.sides[side].time);
  }
  return joined;
}

void FlowTable::join(const FlowTable& part) {
  ++batch_;
  not_ip_ += part.not_ip_;
  undecoded_ += part.undecoded_;
  std::vector<Joined> joined(part.size_);
  for (std::uint32_t i = 0; i < part.size_; ++i) joined[i] = join_flow(part.flow(i));
  for (Event event : part.events_) {
    event.side = joined[event.flow].side(event.side);
    event.flow = joined[event.flow].index;
    take_event(event);
  }
  for (std::uint32_t i = 0; i < part.size_; ++i)
    for (std::size_t side = 0; side < 2; ++side)
      flows_.get()[joined[i].index].sides[joined[i].side(side)].sequence.on_run(
          part.flow(i).sides[side].sequence.run());
}

}  // namespace tl
