// The rates of a run in progress as server-sent events, for one watcher.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "serve/result_folder.hh"

namespace tl {

class LiveWatch {
 public:
  // `folder` must outlive this object; `name` is that of the run's folder, which ends in
  // ".partial".
  LiveWatch(const ResultFolder& folder, std::string name)
      : folder_{folder}, name_{std::move(name)} {}

  // What is new since the last call as the text of events; empty when nothing is. "rates" carries
  // {"interval_ns", "first": epoch of the first bucket, "services": {NAME: {"rx_bytes": […],
  // "tx_bytes": […]}}}, each bucket once; "end" carries {"bundle": NAME or null} and is the last.
  // Throws a std::exception for a message that no counters agent writes.
  [[nodiscard]] std::string next();
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  [[nodiscard]] std::string end();
  const ResultFolder& folder_;
  std::string name_;
  std::int64_t modified_ns_ = 0;
  std::uint64_t next_epoch_ = 0;
  bool has_ended_ = false;
};

}  // namespace tl
