#include "serve/live_watch.hh"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tl {
namespace {

using nlohmann::json;

constexpr std::size_t kMostMessageBytes = 4U << 20;

// The form of the HTML standard's section 9.2.
std::string event(const char* type, const json& data) {
  return fmt::format("event: {}\ndata: {}\n\n", type, data.dump());
}

// Drops the first `count` values of every array.
json without_first(json services, std::size_t count) {
  for (json& service : services)
    for (json& values : service)
      values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count));
  return services;
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
  const json window = message.value("window", json{});
  if (!window.is_object() || window.at("services").empty()) return "";
  const auto first = window.at("first").get<std::uint64_t>();
  const std::size_t count = window.at("services").front().at("rx_bytes").size();
  const std::uint64_t from = std::max(first, next_epoch_);
  if (from >= first + count) return "";
  next_epoch_ = first + count;
  return event("rates", {{"interval_ns", message.at("interval_ns")},
                         {"first", from},
                         {"services", without_first(window.at("services"), from - first)}});
}

}  // namespace tl
