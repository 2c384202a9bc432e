// The list of bundles with what people choose by. Unchanged bundles are read once.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "serve/result_folder.hh"

namespace tl {

class BundleIndex {
 public:
  // `folder` must outlive this object.
  explicit BundleIndex(const ResultFolder& folder) : folder_{folder} {}

  // Newest first: [{"name", "state": "finished" | "running" | "abandoned", "verdict", "reason",
  // "started", "engine", "traffic": "TCP, 10s, 4 streams", "goodput_bps": number or null,
  // "has_report"}]. A folder that holds neither a bundle nor a running lab is left out; a manifest
  // that cannot be read is listed with the reason. For several threads.
  [[nodiscard]] nlohmann::json list();

 private:
  struct Known {
    std::int64_t modified_ns = 0;
    std::uint64_t inode = 0, bytes = 0;
    nlohmann::json row;
  };
  // Brings what is known of one run up to date.
  void refresh(const std::string& name, Known& known) const;
  [[nodiscard]] nlohmann::json read_row(const std::string& name) const;
  // What an experiment's text says of its traffic; the same text is parsed once. Throws UsageError.
  [[nodiscard]] std::string traffic_of(const std::string& experiment) const;

  const ResultFolder& folder_;
  std::mutex mutex_;
  std::map<std::string, Known, std::greater<>> known_;
  mutable std::mutex traffic_mutex_;
  mutable std::map<std::string, std::string> traffic_;
};

}  // namespace tl
