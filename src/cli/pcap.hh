// What the subcommands of `trafficlab pcap` share.
#pragma once

#include <string>

#include "analysis/capture_report.hh"
#include "cli/command.hh"

namespace tl {

ExitCode command_pcap_summary(const Args& args);
ExitCode command_pcap_bandwidth(const Args& args);
ExitCode command_pcap_series(const Args& args);
ExitCode command_pcap_flows(const Args& args);
ExitCode command_pcap_rtt(const Args& args);
ExitCode command_pcap_diff(const Args& args);

// --json and --csv, which exclude each other.
struct FormFlags {
  bool json = false;
  bool csv = false;
  void bind(CLI::App& app);
  [[nodiscard]] ReportForm form() const;
};

// --by, --origin, --local, --max-bins.
struct SeriesFlags {
  std::string interval = "10ms", by = "total", origin;
  std::vector<std::string> local;
  std::uint64_t most_bins = SeriesOptions{}.most_bins;
  void bind(CLI::App& app);
  [[nodiscard]] SeriesOptions options() const;
};

// Own addresses, as --local takes them. Throws UsageError for what is none.
std::vector<std::pair<Address16, std::uint8_t>> parse_addresses(
    const std::vector<std::string>& texts);
// A JSON string, whatever bytes the text has.
std::string json_text(const std::string& text);

// Collects what is written and hands it to stdout in large pieces. Throws MachineError when stdout
// does not take it.
class StdoutWriter {
 public:
  StdoutWriter() = default;
  StdoutWriter(const StdoutWriter&) = delete;
  StdoutWriter& operator=(const StdoutWriter&) = delete;
  void write(std::string_view text);
  void flush();
  Write function() {
    return [this](std::string_view text) { write(text); };
  }

 private:
  std::string pending_;
};

// Says on stderr what makes the result partial: reading stopped early, flows evicted, bins over the
// limit. Returns inconclusive if anything does, else pass.
ExitCode judge(const std::string& path, const Stop& stop, const FlowTable* flows,
               const TimeSeries* series);

}  // namespace tl
