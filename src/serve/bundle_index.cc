#include "serve/bundle_index.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.hh"
#include "base/errors.hh"
#include "base/units.hh"
#include "bundle/manifest.hh"
#include "serve/json_members.hh"
#include "spec/parse.hh"

namespace tl {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 5> kManifestMembers{"schema", "outcome", "started", "engine",
                                                           "experiment"};
constexpr std::array<std::string_view, 1> kMetricsMembers{"metrics"};
constexpr std::size_t kMostDocumentBytes = 16U << 20;
// The counters agent renews its live message every 250 ms.
constexpr std::int64_t kLiveFor_ns = 5'000'000'000;

std::string describe_traffic(const Experiment& e) {
  std::string text = fmt::format("{}, {}", e.protocol == Protocol::tcp ? "TCP" : "UDP",
                                 format_duration(e.duration));
  if (e.parallel != 1) text += fmt::format(", {} streams", e.parallel);
  if (e.bitrate_bps != 0)
    text += fmt::format(", {} a stream", human_bitrate(static_cast<double>(e.bitrate_bps)));
  if (e.reverse) text += ", reverse";
  return text;
}

// A member that is text, or "": what bundles hold may have any type.
std::string text_in(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The first value of the metric `name`; null when the bundle has none.
json metric_of(const json& document, const std::string& name) {
  if (!document.is_object() || !document.contains("metrics")) return nullptr;
  for (const json& metric : document.at("metrics"))
    if (text_in(metric, "name") == name)
      return metric.contains("value") && metric.at("value").is_number() ? metric.at("value")
                                                                        : json{};
  return nullptr;
}

json unreadable_row(const std::string& name, const std::string& why) {
  return {{"name", name}, {"state", "finished"}, {"verdict", "inconclusive"}, {"reason", why}};
}

// Calls work(0 … count − 1) from as many threads as there are CPUs: a first look at many bundles is
// all parsing. `work` must not throw: nothing above a helper would catch it.
void in_parallel(std::size_t count, const std::function<void(std::size_t)>& work) {
  constexpr std::size_t kFewest = 32;  // below this a thread costs more than it saves
  std::atomic<std::size_t> next = 0;
  const auto take = [&] {
    for (std::size_t i = 0; (i = next++) < count;) work(i);
  };
  std::vector<std::jthread> helpers;
  const std::size_t threads = count < kFewest ? 1 : std::thread::hardware_concurrency();
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(take);
  take();
}

}  // namespace

std::string BundleIndex::traffic_of(const std::string& experiment) const {
  constexpr std::size_t kMostTexts = 1000;
  {
    const std::lock_guard lock{traffic_mutex_};
    if (const auto found = traffic_.find(experiment); found != traffic_.end()) return found->second;
  }
  const std::string text = describe_traffic(parse_experiment_text(experiment, "experiment"));
  const std::lock_guard lock{traffic_mutex_};
  if (traffic_.size() >= kMostTexts) traffic_.clear();
  return traffic_.emplace(experiment, text).first->second;
}

json BundleIndex::read_row(const std::string& name) const {
  json row = {{"name", name}, {"state", "finished"}, {"verdict", "inconclusive"}};
  const auto text = folder_.read(name + "/manifest.json", kMostDocumentBytes);
  const json manifest = text ? json_members(*text, kManifestMembers) : json{};
  if (text_in(manifest, "schema") != kBundleSchema)
    return unreadable_row(name, "manifest.json is not one of this trafficlab");
  try {
    const json& outcome = manifest.at("outcome");
    row["verdict"] = outcome.at("verdict").get<std::string>();
    row["reason"] = text_in(outcome, "reason");
    row["started"] = manifest.value("started", "");
    row["engine"] = manifest.value("engine", json::object()).value("name", "");
    row["traffic"] = traffic_of(manifest.at("experiment").get<std::string>());
  } catch (const std::exception& e) {
    row["reason"] = std::string{"manifest.json: "} + e.what();
  }
  const auto metrics = folder_.read(name + "/metrics.json", kMostDocumentBytes);
  row["goodput_bps"] =
      metrics ? metric_of(json_members(*metrics, kMetricsMembers), "goodput") : json{};
  row["has_report"] = folder_.open(name + "/report.html").has_value();
  if (name.ends_with(".partial")) row["state"] = "abandoned";
  return row;
}

void BundleIndex::refresh(const std::string& name, Known& known) const {
  const auto manifest = folder_.open(name + "/manifest.json");
  if (!manifest) {
    const auto live = folder_.open(name + "/control/live.json");
    const bool is_running = live && realtime_ns() - live->modified_ns < kLiveFor_ns;
    const bool is_run = is_running || folder_.open(name + "/experiment.yaml");
    known = {};
    if (is_run)
      known.row = {
          {"name", name}, {"state", is_running ? "running" : "abandoned"}, {"verdict", ""}};
    return;
  }
  if (known.modified_ns != manifest->modified_ns || known.inode != manifest->inode ||
      known.bytes != manifest->bytes)
    known = {manifest->modified_ns, manifest->inode, manifest->bytes, read_row(name)};
}

json BundleIndex::list() {
  const std::lock_guard lock{mutex_};
  std::map<std::string, Known, std::greater<>> now;  // a bundle's name begins with its start
  for (const std::string& name : folder_.names()) now[name] = std::move(known_[name]);
  known_ = std::move(now);
  std::vector<std::pair<const std::string, Known>*> entries;
  for (auto& entry : known_) entries.push_back(&entry);
  in_parallel(entries.size(), [&](std::size_t i) {
    auto& [name, known] = *entries[i];
    try {
      refresh(name, known);
    } catch (const std::exception& e) {
      known = {};
      known.row = unreadable_row(name, e.what());
    }
  });
  json rows = json::array();
  for (const auto& [name, known] : known_)
    if (!known.row.is_null()) rows.push_back(known.row);
  return rows;
}

}  // namespace tl
