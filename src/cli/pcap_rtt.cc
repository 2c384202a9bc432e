#include <fmt/core.h>

#include "analysis/rtt_report.hh"
#include "base/units.hh"
#include "cli/pcap.hh"

namespace tl {
namespace {

struct RttFlags {
  std::vector<std::string> paths;
  FormFlags form;
  RttReportOptions report;
  std::vector<std::string> local;
  std::string label_by = "ack", most_age = "60s";
  bool samples = false;
  std::uint32_t most_flows = FlowTable::kDefaultMostFlows;
  RttOptions options;
};

void bind(CLI::App& app, RttFlags& flags) {
  app.add_option("FILE", flags.paths, "pcap or pcapng, also compressed; - is stdin")->required();
  flags.form.bind(app);
  app.add_option("--label-by", flags.label_by,
                 "source and destination are those of the ACK, or of the sender it answers")
      ->check(CLI::IsMember({"ack", "sender"}))
      ->capture_default_str();
  app.add_option("--local", flags.local, "an own address: marks halves as local or remote");
  app.add_flag("--samples", flags.samples, "CSV of every sample instead of the tables");
  app.add_flag("--histograms", flags.report.histograms, "JSON: the histogram of every flow too");
  app.add_option("--top", flags.report.top, "only the halves with the most samples; 0: all")
      ->capture_default_str();
  app.add_option("--max-age", flags.most_age, "later answers are counted as stale")
      ->capture_default_str();
  app.add_option("--max-segments", flags.options.most_segments,
                 "memory limit: outstanding segments remembered over all flows")
      ->check(CLI::Range(std::uint32_t{2 * UnackedList::kMost}, std::uint32_t{1} << 28))
      ->capture_default_str();
  app.add_option("--max-flows", flags.most_flows,
                 "memory limit: at most so many flows at a time, never fewer than 256")
      ->capture_default_str();
  app.footer(
      "Example: trafficlab pcap rtt capture.pcap\n"
      "Every sample: trafficlab pcap rtt --samples capture.pcap > samples.csv");
}

// Of several files each is a part of its own: RTT does not carry over from one to the next.
ExitCode measure(const std::string& path, const RttFlags& flags, StdoutWriter& out) {
  CaptureReader reader = CaptureReader::open(path);
  Pass pass{reader, flags.most_flows};
  RttObserver observer{flags.options};
  const Write write = out.function();
  std::optional<RttSampleWriter> samples;
  if (flags.samples) {
    samples.emplace(write, pass.flows(), flags.report.label_by_sender);
    observer.table().send_samples_to(&*samples);
  }
  pass.add(observer);
  const Stop& stop = pass.run();
  const bool json = flags.form.form() == ReportForm::json;
  if (json) write("{\"file\": " + json_text(path) + ",\n");
  if (!flags.samples) write_rtt(write, flags.form.form(), observer, pass.flows(), flags.report);
  if (json) write(",\n\"stop\": " + stop_json(stop).dump() + "}");
  out.flush();
  return judge(path, stop, &pass.flows(), nullptr);
}

}  // namespace

ExitCode command_pcap_rtt(const Args& args) {
  CLI::App app{"Round-trip times of TCP, with what gave no sample and why", "trafficlab pcap rtt"};
  RttFlags flags;
  bind(app, flags);
  if (const auto done = parse(app, args)) return *done;
  const bool json = flags.form.form() == ReportForm::json;
  if (json && flags.samples) throw UsageError{"pcap rtt: --samples is CSV: leave out --json"};
  flags.report.label_by_sender = flags.label_by == "sender";
  flags.report.local = parse_addresses(flags.local);
  flags.options.most_age_ns = parse_duration(flags.most_age, "largest age").count();

  StdoutWriter out;
  ExitCode code = ExitCode::pass;
  if (json) out.write("{\"schema\": \"trafficlab.pcap.rtt/1\",\n\"captures\": [\n");
  for (std::size_t i = 0; i < flags.paths.size(); ++i) {
    if (json && i > 0) out.write(",\n");
    if (!json && flags.paths.size() > 1)
      out.write(
          fmt::format("{}{}{}\n", i > 0 ? "\n" : "", flags.form.csv ? "# " : "", flags.paths[i]));
    if (measure(flags.paths[i], flags, out) != ExitCode::pass) code = ExitCode::inconclusive;
  }
  if (json) out.write("\n]}\n");
  out.flush();
  return code;
}

}  // namespace tl
