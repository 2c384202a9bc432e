#include "pace/pace_config.hh"

#include <fmt/format.h>

#include "base/errors.hh"
#include "base/units.hh"
#include "live/config_file.hh"

namespace tl::pace {
namespace {

using live::ConfigFile;
using live::Setting;

Setting nanoseconds_setting(std::chrono::nanoseconds& to) {
  return [&to](const YAML::Node& value) { to = parse_duration(value.as<std::string>()); };
}

Setting number_setting(std::uint64_t& to) {
  return [&to](const YAML::Node& value) { to = parse_bytes(value.as<std::string>()); };
}

Setting path_setting(std::filesystem::path& to) {
  return [&to](const YAML::Node& value) { to = value.as<std::string>(); };
}

MetricSetting read_metric(const ConfigFile& file, const YAML::Node& node) {
  MetricSetting metric;
  if (node.IsScalar()) {
    metric.expression = node.as<std::string>();
  } else {
    file.read_map(node, {{"query", live::text_setting(metric.expression)},
                         {"interval", nanoseconds_setting(metric.interval)}});
  }
  if (metric.expression.empty()) file.refuse(node, "a metric has no query");
  return metric;
}

}  // namespace

TimeStyle parse_time_style(const std::string& text) {
  if (text == "local") return TimeStyle::local;
  if (text == "utc") return TimeStyle::utc;
  if (text == "iso") return TimeStyle::iso;
  throw UsageError{fmt::format("time '{}': expected local, utc or iso", text)};
}

PaceConfig read_pace_config(const std::filesystem::path& path) {
  PaceConfig c;
  const ConfigFile file{path};
  const Setting metrics = [&](const YAML::Node& list) {
    if (!list.IsSequence()) file.refuse(list, "metrics: expected a list");
    for (const YAML::Node& node : list) c.metrics.push_back(read_metric(file, node));
  };
  const Setting password = [&](const YAML::Node& value) {
    c.prometheus.password = live::Secret::from_file(value.as<std::string>());
  };
  const Setting time = [&](const YAML::Node& value) {
    c.style.time = parse_time_style(value.as<std::string>());
  };
  file.read(
      {{"prometheus", file.section({{"url", live::text_setting(c.prometheus.url)},
                                    {"user", live::text_setting(c.prometheus.user)},
                                    {"password_file", password},
                                    {"ca_file", live::text_setting(c.prometheus.ca_file)},
                                    {"timeout", live::duration_setting(c.prometheus.timeout)}})},
       {"metrics", metrics},
       {"interval", nanoseconds_setting(c.interval)},
       {"shortest", nanoseconds_setting(c.limits.shortest)},
       {"longest", nanoseconds_setting(c.limits.longest)},
       {"first", nanoseconds_setting(c.limits.first)},
       {"requests_per_second", number_setting(c.budget.requests_per_second)},
       {"bytes_per_second", number_setting(c.budget.bytes_per_second)},
       {"csv", path_setting(c.csv)},
       {"samples", path_setting(c.samples)},
       {"extended", live::flag_setting(c.style.extended)},
       {"time", time}});
  return c;
}

void check_pace_config(const PaceConfig& config) {
  if (config.metrics.empty())
    throw UsageError{"pace: no metric is named (give --metric, or metrics in the file)"};
  if (config.limits.shortest > config.limits.longest)
    throw UsageError{fmt::format("pace: the shortest interval {} is over the longest {}",
                                 format_duration(config.limits.shortest),
                                 format_duration(config.limits.longest))};
}

}  // namespace tl::pace
