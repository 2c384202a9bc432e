#include "analysis/pass.hh"

#include <algorithm>

namespace tl {

void Pass::add(Observer& observer) {
  observers_.push_back(&observer);
  depth_ = std::max(depth_, observer.depth());
  flow_table_.on_evict(
      [&observer](std::uint32_t index, const Flow& flow) { observer.on_evict(index, flow); });
}

const Stop& Pass::run() {
  for (auto packets = reader_.next_batch(); !packets.empty(); packets = reader_.next_batch()) {
    Batch batch{packets, {}, {}, reader_.first_index()};
    if (depth_ >= Depth::headers) {
      for (std::size_t i = 0; i < packets.size(); ++i) {
        // Headers lie a packet apart, which no hardware prefetcher follows.
        if (i + 8 < packets.size()) __builtin_prefetch(packets[i + 8].data);
        decode(packets[i], infos_[i]);
      }
      batch.infos = std::span{infos_}.first(packets.size());
    }
    if (depth_ >= Depth::flows) {
      const auto refs = std::span{refs_}.first(packets.size());
      flow_table_.add(packets, batch.infos, refs);
      batch.flows = refs;
    }
    for (Observer* observer : observers_) observer->on_batch(batch);
  }
  return reader_.stop();
}

}  // namespace tl
