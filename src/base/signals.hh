// SIGINT and SIGTERM as something to wait for, beside other file descriptors, instead of a handler.
#pragma once

#include <optional>

#include "base/clock.hh"
#include "base/fd.hh"

namespace tl {

// Blocks SIGINT, SIGTERM and SIGHUP for this thread and all threads it starts later, and delivers
// them through a signalfd. Make it in main's thread before any other thread. Children started with
// base/process.hh get an empty signal mask. SIGPIPE is ignored, so that a closed pipe is an error
// code and not the end of the process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Readable once a signal has arrived. For poll(2).
  [[nodiscard]] int fd() const { return fd_.get(); }
  // The first signal that arrived, if any; never blocks, and remembers.
  std::optional<int> received();
  // Waits until a signal arrives or the deadline passes.
  std::optional<int> wait(const Deadline& deadline);
  // A second, impatient signal since the first one was reported.
  bool insisted();

 private:
  void drain();
  UniqueFd fd_;
  std::optional<int> first_;
  int count_ = 0;
};

}  // namespace tl
