// Fixed times, whatever a round takes: k x every + offset from an origin. A round that lasts longer
// than an interval skips the times it has missed, so that rounds never pile up and never drift.
#pragma once

#include <chrono>
#include <cstdint>

namespace tl::live {

class Schedule {
 public:
  Schedule(std::int64_t origin_ns, std::chrono::nanoseconds every, std::chrono::nanoseconds offset)
      : first_ns_{origin_ns + offset.count()}, every_ns_{every.count()} {}

  // The first time at or after `now_ns` that was not given before.
  std::int64_t next(std::int64_t now_ns) {
    const std::int64_t ahead = now_ns - first_ns_;
    std::int64_t index = ahead <= 0 ? 0 : (ahead + every_ns_ - 1) / every_ns_;
    if (index < next_index_) index = next_index_;
    if (is_started_) skipped_ += static_cast<std::uint64_t>(index - next_index_);
    is_started_ = true;
    next_index_ = index + 1;
    return first_ns_ + index * every_ns_;
  }
  // Times that passed while a round was running.
  [[nodiscard]] std::uint64_t skipped() const { return skipped_; }

 private:
  std::int64_t first_ns_, every_ns_;
  std::int64_t next_index_ = 0;
  bool is_started_ = false;
  std::uint64_t skipped_ = 0;
};

}  // namespace tl::live
