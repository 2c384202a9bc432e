// How the controller of a run and its services talk: JSON messages as files in the run folder's
// control/ folder, each posted once and atomically. It needs no network (the lab's must carry
// nothing but the test), works the same over a bind mount into a container, and leaves a readable
// trace. Waiting is inotify(7), never sleeping.
//
// Messages of a run, in order:
//   <service>.ready   every service, once it can take orders; {}
//   plan              controller: what to measure where (bundle/plan.hh)
//   capture.armed, counters.armed     the agents, once every packet from now on is counted
//   gate              controller: traffic may start; {"server": address}
//   <service>.done    traffic services, when their test has ended; {"error": text or null}
// Services then stay until SIGTERM, so that their namespaces can be read.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/clock.hh"
#include "base/fd.hh"

namespace tl {

class Control {
 public:
  // `run_folder` must exist; its control/ folder is made when missing.
  explicit Control(const std::filesystem::path& run_folder);

  // Posts a message, replacing an earlier one of that name. Sync::no for one that is renewed all
  // the time by who must not wait for the disk.
  void post(const std::string& name, const nlohmann::json& message, Sync sync = Sync::yes) const;
  // The message, or nullopt when it has not been posted. Throws MeasurementError when it is not
  // JSON.
  [[nodiscard]] std::optional<nlohmann::json> read(const std::string& name) const;
  // Waits for a message. Returns nullopt when the deadline passes, or when `stop_fd` (−1: none)
  // becomes readable.
  [[nodiscard]] std::optional<nlohmann::json> await(const std::string& name,
                                                    const Deadline& deadline,
                                                    int stop_fd = -1) const;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

}  // namespace tl
