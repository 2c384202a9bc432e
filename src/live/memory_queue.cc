#include <deque>

#include "live/point_queue.hh"

namespace tl::live {
namespace {

class MemoryQueue final : public PointQueue {
 public:
  explicit MemoryQueue(std::uint64_t most_bytes) : most_bytes_{most_bytes} {}

  void push(const std::string& lines, std::uint64_t points) override {
    records_.push_back({lines, points});
    state_.points += points;
    state_.bytes += lines.size();
    while (state_.bytes > most_bytes_ && records_.size() > 1) {
      state_.dropped_points += records_.front().points;
      drop_front();
    }
  }

  [[nodiscard]] Batch front(std::uint64_t most_points, std::uint64_t most_bytes) const override {
    Batch batch;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const Record& record = records_[i];
      const bool is_over = batch.points + record.points > most_points ||
                           batch.lines.size() + record.lines.size() > most_bytes;
      if (i > 0 && is_over) break;
      batch.lines += record.lines;
      batch.points += record.points;
      batch.last_record = first_ + i;
    }
    return batch;
  }

  void pop(std::uint64_t last_record) override {
    while (!records_.empty() && first_ <= last_record) drop_front();
  }

  [[nodiscard]] QueueState state() const override { return state_; }

 private:
  struct Record {
    std::string lines;
    std::uint64_t points = 0;
  };
  void drop_front() {
    state_.points -= records_.front().points;
    state_.bytes -= records_.front().lines.size();
    records_.pop_front();
    ++first_;
  }
  std::uint64_t most_bytes_;
  std::deque<Record> records_;
  std::uint64_t first_ = 1;  // number of the front record
  QueueState state_;
};

}  // namespace

std::unique_ptr<PointQueue> memory_queue(std::uint64_t most_bytes) {
  return std::make_unique<MemoryQueue>(most_bytes);
}

}  // namespace tl::live
