#include "cli/pcap.hh"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/fd.hh"
#include "base/messages.hh"
#include "base/units.hh"

namespace tl {
namespace {

struct Verb {
  std::string_view name;
  std::string_view summary;
  ExitCode (*function)(const Args&);
};
constexpr std::array kVerbs{
    Verb{"summary", "what a capture holds; with --series, --flows, --rtt in one pass",
         command_pcap_summary},
    Verb{"bandwidth", "data size and bandwidth over a stated time", command_pcap_bandwidth},
    Verb{"series", "packets and bytes per interval", command_pcap_series},
    Verb{"flows", "packets, bytes, retransmissions and gaps per flow", command_pcap_flows},
    Verb{"rtt", "TCP round-trip times, and what gave none and why", command_pcap_rtt},
    Verb{"diff", "two captures: of one exchange at two places, or of two runs", command_pcap_diff},
};

std::string usage() {
  std::string text =
      "Usage: trafficlab pcap VERB [OPTIONS] FILE…\n\n"
      "FILE is pcap or pcapng, plain or compressed with gzip, zstd or lz4; - is stdin.\n\n";
  for (const Verb& verb : kVerbs) text += fmt::format("  {:<10} {}\n", verb.name, verb.summary);
  return text +
         "\nExample: trafficlab pcap summary --series 10ms --flows --rtt --json capture.pcap\n";
}

}  // namespace

ExitCode command_pcap(const Args& args) {
  const std::string wanted = args.empty() ? "" : args.front();
  if (wanted == "--help" || wanted == "-h") {
    write_all(STDOUT_FILENO, usage(), "standard output");
    return ExitCode::pass;
  }
  const auto* verb =
      std::find_if(kVerbs.begin(), kVerbs.end(), [&](const Verb& v) { return v.name == wanted; });
  if (verb != kVerbs.end()) return verb->function({args.begin() + 1, args.end()});
  std::string known;
  for (const Verb& v : kVerbs) known += fmt::format("{}{}", known.empty() ? "" : ", ", v.name);
  throw UsageError{fmt::format("pcap '{}': expected one of {}", wanted, known)};
}

void FormFlags::bind(CLI::App& app) {
  auto* json_flag = app.add_flag("--json", json, "one JSON object");
  app.add_flag("--csv", csv, "comma-separated values with a header line")->excludes(json_flag);
}

ReportForm FormFlags::form() const {
  if (json) return ReportForm::json;
  return csv ? ReportForm::csv : ReportForm::text;
}

void SeriesFlags::bind(CLI::App& app) {
  app.add_option("--by", by, "a row each: total, direction, port or flow")
      ->check(CLI::IsMember({"total", "direction", "port", "flow"}))
      ->capture_default_str();
  app.add_option("--origin", origin, "ns since the epoch that an edge lies on; default: the epoch");
  app.add_option("--local", local,
                 "an own address, for --by direction: from it is tx, to it is rx");
  app.add_option("--max-bins", most_bins, "memory limit: at most so many bins")
      ->capture_default_str();
}

SeriesOptions SeriesFlags::options() const {
  SeriesOptions options;
  options.interval = parse_duration(interval, "interval");
  if (!origin.empty()) options.origin_ns = parse_integer(origin, 0, INT64_MAX, "origin");
  options.most_bins = most_bins;
  if (by == "direction") options.by = SeriesBy::direction;
  if (by == "port") options.by = SeriesBy::port;
  if (by == "flow") options.by = SeriesBy::flow;
  options.local = parse_addresses(local);
  return options;
}

std::vector<std::pair<Address16, std::uint8_t>> parse_addresses(
    const std::vector<std::string>& texts) {
  std::vector<std::pair<Address16, std::uint8_t>> addresses;
  for (const std::string& text : texts) {
    std::uint8_t version = 0;
    const auto address = address_from_text(text, version);
    if (!address)
      throw UsageError{"local address '" + text + "': expected an IPv4 or IPv6 address"};
    addresses.emplace_back(*address, version);
  }
  return addresses;
}

std::string json_text(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void StdoutWriter::write(std::string_view text) {
  constexpr std::size_t kPiece = std::size_t{64} * 1024;
  pending_ += text;
  if (pending_.size() >= kPiece) flush();
}

void StdoutWriter::flush() {
  write_all(STDOUT_FILENO, pending_, "standard output");
  pending_.clear();
}

ExitCode judge(const std::string& path, const Stop& stop, const FlowTable* flows,
               const TimeSeries* series) {
  ExitCode code = ExitCode::pass;
  const auto taint = [&](const std::string& text) {
    print_message("trafficlab: read {}: {}\n", path, text);
    code = ExitCode::inconclusive;
  };
  if (!stop.clean()) taint(stop_text(stop) + " (the result covers what was read before)");
  if (flows != nullptr && flows->evictions() != 0)
    taint(fmt::format("{} flows did not fit and are summed as evicted (raise --max-flows)",
                      flows->evictions()));
  if (series != nullptr && series->over_limit().packets != 0)
    taint(fmt::format("{} packets lie in bins over the limit (raise --max-bins)",
                      series->over_limit().packets));
  return code;
}

}  // namespace tl
