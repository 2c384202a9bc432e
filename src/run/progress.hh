// What a person sees while a run goes on, on stderr: a bar with live rates on a terminal, one line
// a phase elsewhere. A run does not need anybody who sees it: writing never fails.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "base/clock.hh"

namespace tl {

class Progress {
 public:
  explicit Progress(std::FILE* to);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // A phase begins; `text` says what happens in it.
  void phase(const std::string& name, const std::string& text);
  // During traffic: how far, and the receiving rate since the last call; nothing off a terminal.
  void traffic(std::chrono::nanoseconds elapsed, std::chrono::nanoseconds total, double rx_bps,
               double tx_bps, std::uint64_t drops);
  // A line that stands by itself, such as a warning.
  void note(const std::string& text);

 private:
  void clear_bar();
  std::FILE* to_;
  bool is_terminal_;
  bool bar_shown_ = false;
  std::int64_t begin_ns_ = monotonic_ns();
};

}  // namespace tl
