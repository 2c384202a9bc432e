#include "serve/live_watch.hh"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/errors.hh"

namespace tl {
namespace {

using nlohmann::json;

constexpr std::size_t kMostMessageBytes = 4U << 20;

// The form of the HTML standard's section 9.2.
std::string event(const char* type, const json& data) {
  return fmt::format("event: {}\ndata: {}\n\n", type, data.dump());
}

// By service, by column: a value a bucket.
using Services = std::map<std::string, std::map<std::string, std::vector<std::uint64_t>>>;

// Drops the first values of every column, of which each has `buckets`, and leaves `kept`.
void keep_last(Services& services, std::size_t buckets, std::size_t kept) {
  for (auto& [service, columns] : services)
    for (auto& [column, values] : columns) {
      if (values.size() != buckets)
        throw UsageError{fmt::format("live message: {}: {} has {} values of {}", service, column,
                                     values.size(), buckets)};
      values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(kept));
    }
}

}  // namespace

std::string LiveWatch::end() {
  has_ended_ = true;
  const std::string final_name = name_.substr(0, name_.rfind(".partial"));
  const bool is_finished = folder_.open(final_name + "/manifest.json").has_value();
  return event("end", {{"bundle", is_finished ? json(final_name) : json{}}});
}

std::string LiveWatch::next() {
  const std::string path = name_ + "/control/live.json";
  const auto file = folder_.open(path);
  if (!file) return folder_.open(name_ + "/experiment.yaml") ? "" : end();
  if (file->modified_ns == modified_ns_) return "";
  const json message =
      json::parse(folder_.read(path, kMostMessageBytes).value_or(""), nullptr, false);
  if (!message.is_object()) return "";
  modified_ns_ = file->modified_ns;
  const auto window = message.find("window");
  if (window == message.end() || !window->is_object()) return "";
  auto services = window->at("services").get<Services>();
  if (services.empty()) return "";
  const auto first = window->at("first").get<std::uint64_t>();
  const std::size_t count = services.begin()->second.at("rx_bytes").size();
  const std::uint64_t from = std::max(first, next_epoch_);
  if (from >= first + count) return "";
  keep_last(services, count, first + count - from);
  next_epoch_ = first + count;
  return event("rates", {{"interval_ns", message.at("interval_ns").get<std::int64_t>()},
                         {"first", from},
                         {"services", services}});
}

}  // namespace tl
