#include "run/describe.hh"

#include <fmt/format.h>

#include "base/units.hh"

namespace tl {
namespace {

using nlohmann::json;

std::string traffic_line(const json& traffic) {
  const json& goodput = traffic.value("goodput_bps", json());
  const json& retransmits = traffic.value("retransmits", json());
  return fmt::format(
      "  traffic   {} received in {:.2f} s, goodput {}{}\n",
      human_bytes(traffic.value("bytes_received", std::uint64_t{0})), traffic.value("seconds", 0.0),
      goodput.is_number() ? human_bitrate(goodput.get<double>()) : "not measured",
      retransmits.is_number() ? fmt::format(", {} retransmits", retransmits.get<std::int64_t>())
                              : "");
}

std::string service_line(const std::string& name, const json& s) {
  const auto number = [&](const char* key) { return s.at(key).get<std::uint64_t>(); };
  const bool equal =
      s.at("rx_bytes") == s.at("device_rx_bytes") && s.at("tx_bytes") == s.at("device_tx_bytes");
  return fmt::format(
      "  {:<13} RX {} in {} packets, TX {} in {} packets; {} its device's statistics\n", name,
      human_bytes(number("rx_bytes")), number("rx_packets"), human_bytes(number("tx_bytes")),
      number("tx_packets"), equal ? "equal to" : "DIFFERENT from");
}

// How many identities between the sources hold (docs/reconciliation.md).
std::string agreement_line(const json& verdicts) {
  const int exact = verdicts.value("exact", 0), explained = verdicts.value("explained", 0),
            unexplained = verdicts.value("unexplained", 0),
            skipped = verdicts.value("not checked", 0);
  return fmt::format("  sources   {} of {} identities hold, {} with a named cause{}\n",
                     exact + explained, exact + explained + unexplained, explained,
                     skipped == 0 ? "" : fmt::format("; {} not checked", skipped));
}

}  // namespace

std::string describe(const Findings& findings, const Outcome& outcome) {
  std::string text = fmt::format("verdict: {}{}{}\n", outcome.verdict,
                                 outcome.reason.empty() ? "" : ": ", outcome.reason);
  const json& d = findings.document;
  if (d.contains("traffic")) text += traffic_line(d.at("traffic"));
  if (d.contains("services"))
    for (const auto& [name, service] : d.at("services").items())
      text += service_line(name, service);
  if (d.contains("counters") && d.at("counters").contains("rows"))
    text += fmt::format("  counters  {} buckets of {} ns in every container series\n",
                        d.at("counters").at("rows").value("container.csv", 0),
                        d.at("counters").at("interval_ns").dump());
  if (d.contains("captures"))
    for (const auto& [name, c] : d.at("captures").items())
      text += fmt::format("  capture   {}: {} packets written, {} dropped, {} unexplained\n", name,
                          c.at("written").dump(), c.at("kernel_dropped").dump(),
                          c.at("unexplained").dump());
  if (d.contains("reconciliation")) text += agreement_line(d.at("reconciliation"));
  for (std::size_t i = 0; i < findings.problems.size() && i < 3; ++i)
    text += "  problem   " + findings.problems[i] + "\n";
  return text;
}

}  // namespace tl
