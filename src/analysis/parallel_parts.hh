// A large capture in parts, which several threads walk at a time, each with tables of its own, and
// which are joined in the order of the file.
//
// Where a part begins is guessed, and never believed: a part counts only when the one before it
// ended exactly there. Whatever else is odd (a damaged record, more flows than a part holds, a
// question that needs to know what came before) ends the parts, too, and the capture is read on
// from the end of the last one that was joined. So parts change how long a walk takes, never what
// it finds.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "analysis/pass.hh"

namespace tl {

class ParallelParts {
 public:
  // Goes on where `reader` is, whose window must be shared. Both must outlive this object.
  ParallelParts(CaptureReader& reader, Walk& walk);
  ParallelParts(const ParallelParts&) = delete;
  ParallelParts& operator=(const ParallelParts&) = delete;

  // Walks as much of the capture as can be walked in parts; then `reader` stands behind that.
  // Rethrows what a walk threw.
  void run();

 private:
  struct Part {
    std::uint64_t number, begin, end;  // bytes of the file, [begin, end)
  };
  struct Walked {
    std::uint64_t packets, end;
    std::unique_ptr<Walk> walk;
  };
  class Reader;
  static constexpr std::uint64_t kNone = UINT64_MAX;

  void work();
  std::optional<Part> claim();
  std::unique_ptr<Walk> empty_walk();
  void finish(const Part& part, Walked walked);
  void give_up(std::uint64_t number);

  CaptureReader& reader_;
  Walk& walk_;
  const unsigned thread_count_;
  const std::uint64_t size_bytes_;
  std::atomic<std::uint64_t> failed_{kNone};  // the first part that cannot be joined
  std::mutex mutex_;                          // guards what follows
  std::condition_variable changed_;
  std::uint64_t claimed_ = 0, claimed_end_;  // parts, and where the next one begins
  std::uint64_t joined_ = 0, joined_end_, joined_packets_ = 0;
  std::map<std::uint64_t, Walked> walked_;  // by number, until those before are joined
  std::vector<std::unique_ptr<Walk>> free_;
  std::exception_ptr thrown_;
};

}  // namespace tl
