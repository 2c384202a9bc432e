#include "report/markdown.hh"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "analysis/rate_statistics.hh"
#include "base/units.hh"

namespace tl {
namespace {

using nlohmann::json;

// Text in a cell or a line: what Markdown or HTML would read as markup is escaped.
std::string plain(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (std::string_view{"\\`*_{}[]<>()#|!&~"}.find(c) != std::string_view::npos) safe += '\\';
    safe += c == '\n' || c == '\r' ? ' ' : c;
  }
  return safe;
}

std::string row(const std::vector<std::string>& cells) {
  return fmt::format("| {} |\n", fmt::join(cells, " | "));
}

std::string verdict_lines(const json& d) {
  const json& outcome = d.at("outcome");
  if (!outcome.is_object()) return "**inconclusive**: the manifest has no outcome\n";
  const std::string verdict = outcome.value("verdict", "inconclusive");
  const json reason = outcome.value("reason", json());
  return fmt::format("**{}**{}\n", plain(verdict),
                     reason.is_string() ? ": " + plain(reason.get<std::string>()) : "");
}

std::string traffic_lines(const json& summary) {
  if (!summary.contains("traffic")) return "";
  const json& t = summary.at("traffic");
  const json goodput = t.value("goodput_bps", json());
  const json retransmits = t.value("retransmits", json());
  std::string text = "\n| traffic | |\n|---|---:|\n";
  text +=
      row({"goodput", goodput.is_number() ? human_bitrate(goodput.get<double>()) : "not measured"});
  if (!goodput.is_number()) return text;  // then the rest is not measured either
  text += row({"received", human_bytes(t.value("bytes_received", std::uint64_t{0}))});
  text += row({"length", fmt::format("{:.2f} s", t.value("seconds", 0.0))});
  if (retransmits.is_number()) text += row({"retransmits", retransmits.dump()});
  return text;
}

std::string rate_row(const std::string& name, const json& statistics, double interval_s) {
  const auto quantiles = statistics.at("quantiles").get<std::vector<std::uint64_t>>();
  std::vector<std::string> cells{plain(name)};
  for (const std::size_t per_200 : {0U, 10U, 100U, 198U, 200U})
    cells.push_back(human_bitrate(static_cast<double>(quantiles.at(per_200)) * 8 / interval_s));
  return row(cells);
}

std::string rate_lines(const json& timeline) {
  if (timeline.contains("missing"))
    return "\nRates: not in this bundle. " + plain(timeline.at("missing").get<std::string>()) +
           "\n";
  const auto interval_ns = timeline.at("interval_ns").get<std::int64_t>();
  std::string text = fmt::format("\n| {} rates | min | p5 | median | p99 | max |\n",
                                 format_duration(std::chrono::nanoseconds{interval_ns})) +
                     "|---|---:|---:|---:|---:|---:|\n";
  for (const json& series : timeline.at("series"))
    for (const auto& [column, label] : {std::pair{"rx_bytes", " RX"}, {"tx_bytes", " TX"}}) {
      const json& statistics = series.at("statistics").at(column);
      if (statistics.at("buckets") == 0) continue;
      text += rate_row(series.at("name").get<std::string>() + label, statistics,
                       static_cast<double>(interval_ns) / 1e9);
    }
  const json& stalls = timeline.at("stalls");
  text += fmt::format(
      "\nStalls of at least {}: {}\n",
      format_duration(std::chrono::nanoseconds{stalls.at("shortest_ns").get<std::int64_t>()}),
      stalls.at("count").dump());
  return text;
}

std::string metric_lines(const json& metrics) {
  if (!metrics.contains("metrics")) return "";
  std::string text = "\n| metric | value | unit |\n|---|---:|---|\n";
  for (const json& m : metrics.at("metrics")) {
    const json value = m.value("value", json());
    const json reason = m.value("reason", json());
    text += row({plain(m.value("name", "")),
                 value.is_null() ? "not measured" + (reason.is_string()
                                                         ? ": " + plain(reason.get<std::string>())
                                                         : std::string{})
                                 : plain(value.dump()),
                 plain(m.value("unit", ""))});
  }
  return text;
}

std::string reconciliation_lines(const json& reconciliation) {
  if (!reconciliation.contains("identities")) return "\nReconciliation: not in this bundle.\n";
  std::map<std::string, std::map<std::string, std::size_t>> verdicts;  // by identity, by verdict
  for (const json& identity : reconciliation.at("identities"))
    ++verdicts[identity.value("name", "")][identity.value("verdict", "")];
  std::string text =
      "\n| sources agree | exact | explained | unexplained | not checked |\n"
      "|---|---:|---:|---:|---:|\n";
  for (auto& [name, counts] : verdicts)
    text += row({plain(name), std::to_string(counts["exact"]), std::to_string(counts["explained"]),
                 std::to_string(counts["unexplained"]), std::to_string(counts["not_checked"])});
  return text;
}

std::string capture_lines(const json& summary) {
  if (!summary.contains("captures")) return "";
  std::string text = "\n| capture | written | dropped | unexplained |\n|---|---:|---:|---:|\n";
  for (const auto& [name, c] : summary.at("captures").items())
    text += row({plain(name), c.value("written", json()).dump(),
                 c.value("kernel_dropped", json()).dump(), c.value("unexplained", json()).dump()});
  return text;
}

}  // namespace

std::string markdown_summary(const json& d) {
  const json& run = d.at("run");
  const std::string name = run.at("name").get<std::string>();
  return fmt::format("# {}\n\n", plain(name)) + verdict_lines(d) +
         fmt::format("\n{} · {} engine · trafficlab {}\n", run.at("started").get<std::string>(),
                     run.at("engine").get<std::string>(),
                     run.at("version").is_string() ? run.at("version").get<std::string>() : "–") +
         traffic_lines(d.at("summary")) + rate_lines(d.at("timeline")) +
         metric_lines(d.at("metrics")) + reconciliation_lines(d.at("reconciliation")) +
         capture_lines(d.at("summary")) +
         fmt::format("\nRepeat it: `trafficlab run results/{}`\n", name);
}

}  // namespace tl
