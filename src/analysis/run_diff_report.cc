#include "analysis/run_diff_report.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/errors.hh"

namespace tl {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSeriesDistance = "series_distance_ppm";

std::string text_of(const std::optional<std::int64_t>& value, const char* absent) {
  return value ? std::to_string(*value) : absent;
}

const char* verdict(const std::optional<bool>& within) {
  if (!within) return "";
  return *within ? "within" : "beyond";
}

std::size_t listed(const std::vector<RunPart>& parts, std::size_t top) {
  const auto differ = static_cast<std::size_t>(std::count_if(
      parts.begin(), parts.end(), [](const RunPart& part) { return !part.is_equal(); }));
  return top == 0 ? differ : std::min(top, differ);  // those that differ come first
}

std::size_t equal_count(const std::vector<RunPart>& parts) {
  return parts.size() - listed(parts, 0);
}

std::string percent(std::int64_t ppm) {
  return fmt::format("{:.4f}", static_cast<double>(ppm) / 1e4);
}

void write_parts_csv(const Write& write, const char* kind, const std::vector<RunPart>& parts,
                     std::size_t top) {
  for (std::size_t i = 0; i < listed(parts, top); ++i) {
    const RunPart& part = parts[i];
    std::string line = fmt::format("{},{}", kind, part.name);
    for (const auto* side : {&part.from_client, &part.from_server})
      for (const Tally& tally : *side)
        line += fmt::format(",{},{},{}", tally.packets, tally.frame_bytes, tally.payload_bytes);
    write(line + "\n");
  }
}

void write_csv(const Write& write, const RunDiff& diff, const RunDiffReportOptions& options) {
  write("metric,a,b,difference,distance_ppm,verdict\n");
  for (const RunMetric& metric : diff.metrics)
    write(fmt::format("{},{},{},{},{},{}\n", metric.name, text_of(metric.values[0], ""),
                      text_of(metric.values[1], ""), text_of(metric.difference(), ""),
                      metric.name == kSeriesDistance ? diff.series.ppm() : metric.distance_ppm(),
                      verdict(is_within(metric, options.tolerances))));
  std::string line = "\nkind,name";
  for (const char* side : {"client", "server"})
    for (const char* run : {"a", "b"})
      line += fmt::format(",{0}_{1}_packets,{0}_{1}_frame_bytes,{0}_{1}_payload_bytes", side, run);
  write(line + "\n");
  write_parts_csv(write, "port", diff.ports, options.top);
  write_parts_csv(write, "flow", diff.flows, options.top);
}

Json tally_json(const Tally& tally) {
  return {{"packets", tally.packets},
          {"frame_bytes", tally.frame_bytes},
          {"payload_bytes", tally.payload_bytes}};
}

Json parts_json(const std::vector<RunPart>& parts, std::size_t top) {
  Json list = Json::array();
  for (std::size_t i = 0; i < listed(parts, top); ++i) {
    Json object{{"name", parts[i].name}};
    for (unsigned run = 0; run < 2; ++run)
      object[run == 0 ? "a" : "b"] = {{"from_client", tally_json(parts[i].from_client[run])},
                                      {"from_server", tally_json(parts[i].from_server[run])}};
    list.push_back(std::move(object));
  }
  return {{"count", parts.size()}, {"equal", equal_count(parts)}, {"different", std::move(list)}};
}

void write_json(const Write& write, const RunDiff& diff, const RunDiffReportOptions& options) {
  write(fmt::format("\"identical\": {},\n\"metrics\": {{", diff.is_identical()));
  std::string_view between = "\n";
  const auto value = [](const std::optional<std::int64_t>& v) { return v ? Json(*v) : Json(); };
  for (const RunMetric& metric : diff.metrics) {
    Json object{{"a", value(metric.values[0])},
                {"b", value(metric.values[1])},
                {"difference", value(metric.difference())},
                {"distance_ppm", metric.distance_ppm()}};
    if (metric.name == kSeriesDistance) object["distance_ppm"] = diff.series.ppm();
    const auto within = is_within(metric, options.tolerances);
    object["within"] = within ? Json(*within) : Json(nullptr);
    write(fmt::format("{}\"{}\": {}", between, metric.name, object.dump()));
    between = ",\n";
  }
  const Json series{{"bins", diff.series.bins},
                    {"different_bins", diff.series.different_bins},
                    {"difference_bytes", diff.series.difference_bytes},
                    {"sum_bytes", diff.series.sum_bytes},
                    {"distance_ppm", diff.series.ppm()}};
  write(fmt::format("\n}},\n\"series\": {},\n\"ports\": {},\n\"flows\": {}", series.dump(),
                    parts_json(diff.ports, options.top).dump(),
                    parts_json(diff.flows, options.top).dump()));
}

void write_parts_text(const Write& write, const char* kind, const std::vector<RunPart>& parts,
                      std::size_t top) {
  write(fmt::format("\n{}: {}, of which {} are equal\n", kind, parts.size(), equal_count(parts)));
  if (listed(parts, top) != 0)
    write(fmt::format("{:>12} {:>12} {:>16} {:>16}\n", "A packets", "B packets", "A frame bytes",
                      "B frame bytes"));
  for (std::size_t i = 0; i < listed(parts, top); ++i)
    write(fmt::format("{:>12} {:>12} {:>16} {:>16}  {}\n", parts[i].total(0).packets,
                      parts[i].total(1).packets, parts[i].total(0).frame_bytes,
                      parts[i].total(1).frame_bytes, parts[i].name));
}

void write_text(const Write& write, const RunDiff& diff, const RunDiffReportOptions& options) {
  write(diff.is_identical() ? "two runs, equal in everything compared\n\n" : "two runs\n\n");
  write(fmt::format("{:<26} {:>16} {:>16} {:>16} {:>10}\n", "", "A", "B", "B - A", "percent"));
  for (const RunMetric& metric : diff.metrics) {
    if (metric.name == kSeriesDistance) continue;
    write(fmt::format("{:<26} {:>16} {:>16} {:>16} {:>10}  {}\n", metric.name,
                      text_of(metric.values[0], "-"), text_of(metric.values[1], "-"),
                      text_of(metric.difference(), "-"), percent(metric.distance_ppm()),
                      verdict(is_within(metric, options.tolerances))));
  }
  const RunMetric& last = diff.metrics.back();
  write(fmt::format("{:<26} {} % of all bytes lie in other intervals, {} of {} differ  {}\n",
                    "series distance", percent(diff.series.ppm()), diff.series.different_bins,
                    diff.series.bins, verdict(is_within(last, options.tolerances))));
  write_parts_text(write, "ports", diff.ports, options.top);
  write_parts_text(write, "flows", diff.flows, options.top);
}

}  // namespace

Tolerance parse_tolerance(const std::string& text) {
  const auto equals = text.find('=');
  const std::string number = equals == std::string::npos ? text : text.substr(equals + 1);
  char* end = nullptr;
  const double percent = std::strtod(number.c_str(), &end);
  const bool is_number = end != number.c_str() && std::string_view{end} == "%";
  if (!is_number || !(percent >= 0) || percent > 100)
    throw UsageError{"tolerance '" + text + "': expected PERCENT% or NAME=PERCENT%, as rtt=20%"};
  return {equals == std::string::npos ? "" : text.substr(0, equals),
          static_cast<std::int64_t>(std::llround(percent * 1e4))};
}

std::optional<bool> is_within(const RunMetric& metric, const std::vector<Tolerance>& tolerances) {
  const Tolerance* best = nullptr;
  for (const Tolerance& tolerance : tolerances)
    if (metric.name.starts_with(tolerance.prefix) &&
        (best == nullptr || tolerance.prefix.size() >= best->prefix.size()))
      best = &tolerance;
  if (best == nullptr) return std::nullopt;
  const std::int64_t ppm =
      metric.name == kSeriesDistance ? metric.values[1].value_or(0) : metric.distance_ppm();
  return ppm <= best->ppm;
}

bool exceeds_tolerance(const RunDiff& diff, const std::vector<Tolerance>& tolerances) {
  return std::any_of(diff.metrics.begin(), diff.metrics.end(), [&](const RunMetric& metric) {
    return !is_within(metric, tolerances).value_or(true);
  });
}

void write_run_diff(const Write& write, ReportForm form, const RunDiff& diff,
                    const RunDiffReportOptions& options) {
  switch (form) {
    case ReportForm::text:
      return write_text(write, diff, options);
    case ReportForm::csv:
      return write_csv(write, diff, options);
    case ReportForm::json:
      return write_json(write, diff, options);
  }
}

}  // namespace tl
