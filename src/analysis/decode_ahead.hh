// The first half of a pass in a thread of its own: reading and decoding do not depend on what was
// seen before, so they run ahead of the flow table and the observers, by a few batches.
//
// Both threads also share the reading itself: whoever has to wait reads a chunk of the file.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>

#include "analysis/pass.hh"

namespace tl {

class DecodeAhead {
 public:
  // Below this a thread costs more than it gives.
  static constexpr std::uint64_t kWorthwhileBytes = std::uint64_t{1} << 20;

  // Goes on where `reader` is, whose window must be shared. Both must outlive this object and are
  // not to be used otherwise meanwhile, except for what Walk allows.
  DecodeAhead(CaptureReader& reader, const Walk& walk);
  ~DecodeAhead();
  DecodeAhead(const DecodeAhead&) = delete;
  DecodeAhead& operator=(const DecodeAhead&) = delete;

  // The next batch, valid until the next call; null at the end. Rethrows what reading threw.
  const DecodedBatch* next();

 private:
  // Batches are announced some at a time: the two threads' caches meet less often.
  [[nodiscard]] std::uint64_t announced_step() const { return batch_count_ / 8; }
  // A count that the other thread can wait for. Who counts up rings seldom: see ring().
  struct alignas(64) Counter {
    std::atomic<std::uint64_t> count{0};
    std::atomic<std::uint32_t> bell{0};
    void ring();
  };
  struct Over {};

  bool make(DecodedBatch& batch);
  void run();
  void produce();
  void announce();
  void wait_for_taken(std::uint64_t count);
  void before_move(std::uint64_t moves);

  CaptureReader& reader_;
  const Walk& walk_;
  const std::uint64_t batch_count_;
  std::unique_ptr<DecodedBatch[]> batches_;
  Counter announced_, taken_;  // batches so far, by the decoding and by the taking thread
  std::atomic<bool> over_{false}, stopping_{false};
  std::exception_ptr thrown_;  // written before over_
  // Of the decoding thread: batches made, and how many there were before the latest moves of the
  // window, the present one last.
  std::uint64_t made_ = 0;
  std::array<std::uint64_t, ByteWindow::kMostMovesKept + 1> made_before_move_{};
  // Of the taking thread.
  std::uint64_t next_ = 0;
  std::thread thread_;  // without one (there may be none to be had) next() decodes by itself
};

}  // namespace tl
