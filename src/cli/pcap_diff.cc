#include <fmt/core.h>

#include "analysis/capture_pair.hh"
#include "analysis/exchange_report.hh"
#include "analysis/run_diff_report.hh"
#include "base/messages.hh"
#include "base/units.hh"
#include "cli/pcap.hh"

namespace tl {
namespace {

struct DiffFlags {
  PathPair paths;
  FormFlags form;
  std::string as = "auto", window = "10s", interval = "10ms";
  ExchangeOptions exchange;
  RunDiffOptions runs;
  RunDiffReportOptions report;
  std::vector<std::string> tolerances;
};

void bind(CLI::App& app, DiffFlags& flags) {
  app.add_option("A", flags.paths[0], "pcap or pcapng, also compressed; a file")->required();
  app.add_option("B", flags.paths[1], "the same")->required();
  flags.form.bind(app);
  app.add_option("--as", flags.as,
                 "exchange: the same packets seen at two places; runs: different traffic; auto: "
                 "exchange if they share packets")
      ->check(CLI::IsMember({"auto", "exchange", "runs"}))
      ->capture_default_str();
  app.add_option("--window", flags.window,
                 "exchange: a packet not seen there within this time is missing")
      ->capture_default_str();
  app.add_flag("--whole", flags.exchange.is_whole,
               "exchange: both captures covered all of it, so what is missing at the ends is lost");
  app.add_option("--max-waiting", flags.exchange.most_waiting,
                 "exchange: memory limit, packets that wait for their counterpart")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1} << 28))
      ->capture_default_str();
  app.add_option("--tolerance", flags.tolerances,
                 "runs: PERCENT% for all metrics or NAME=PERCENT% for those that begin so; exit "
                 "code 1 if any is beyond");
  app.add_flag("--ignore-client-port", flags.runs.ignore_client_port,
               "runs: flows without the client's port");
  app.add_option("--interval", flags.interval, "runs: of the series compared")
      ->capture_default_str();
  app.add_option("--top", flags.report.top, "runs: so many ports and flows that differ; 0: all")
      ->capture_default_str();
  app.add_option("--max-flows", flags.runs.most_flows,
                 "runs: memory limit, at most so many flows at a time, never fewer than 256")
      ->capture_default_str();
  app.footer(
      "Example: trafficlab pcap diff client.pcap server.pcap\n"
      "Two runs: trafficlab pcap diff --as runs --ignore-client-port --tolerance 5% --tolerance "
      "rtt=20% before.pcap after.pcap");
}

void open_json(const Write& write, const DiffFlags& flags, const char* as) {
  write(fmt::format("{{\"schema\": \"trafficlab.pcap.diff.{}/1\",\n\"a\": {},\n\"b\": {},\n", as,
                    json_text(flags.paths[0]), json_text(flags.paths[1])));
}

void close_json(const Write& write, const std::array<Stop, 2>& stops) {
  write(fmt::format(",\n\"stops\": {{\"a\": {}, \"b\": {}}}}}\n", stop_json(stops[0]).dump(),
                    stop_json(stops[1]).dump()));
}

ExitCode judge_both(const PathPair& paths, const std::array<Stop, 2>& stops) {
  const ExitCode a = judge(paths[0], stops[0], nullptr, nullptr);
  const ExitCode b = judge(paths[1], stops[1], nullptr, nullptr);
  return a == ExitCode::pass ? b : a;
}

ExitCode diff_exchange(const DiffFlags& flags) {
  const PacketPrinter printer{common_bytes(flags.paths)};
  ExchangeDiff diff{flags.exchange, printer};
  const std::array<Stop, 2> stops = compare_exchange(flags.paths, diff);
  StdoutWriter out;
  const bool json = flags.form.json;
  if (json) open_json(out.function(), flags, "exchange");
  write_exchange(out.function(), flags.form.form(), diff);
  if (json) close_json(out.function(), stops);
  out.flush();
  ExitCode code = judge_both(flags.paths, stops);
  std::uint64_t given_up = 0;
  for (const PathDiff& path : diff.paths())
    given_up += path.given_up[0].packets + path.given_up[1].packets;
  if (given_up != 0) {
    print_message(
        "trafficlab: pcap diff: {} packets were given up for want of memory (raise "
        "--max-waiting, or lower --window)\n",
        given_up);
    code = ExitCode::inconclusive;
  }
  return code;
}

ExitCode diff_runs(const DiffFlags& flags) {
  const RunDiff diff = compare_runs(flags.paths, flags.runs);
  StdoutWriter out;
  const bool json = flags.form.json;
  if (json) open_json(out.function(), flags, "runs");
  write_run_diff(out.function(), flags.form.form(), diff, flags.report);
  if (json) close_json(out.function(), diff.stops);
  out.flush();
  ExitCode code = judge_both(flags.paths, diff.stops);
  for (std::size_t i = 0; i < flags.paths.size(); ++i)
    if (diff.evictions[i] != 0) {
      print_message("trafficlab: read {}: {} flows did not fit (raise --max-flows)\n",
                    flags.paths[i], diff.evictions[i]);
      code = ExitCode::inconclusive;
    }
  if (code != ExitCode::pass) return code;
  return exceeds_tolerance(diff, flags.report.tolerances) ? ExitCode::check_failed : ExitCode::pass;
}

}  // namespace

ExitCode command_pcap_diff(const Args& args) {
  CLI::App app{"What differs between two captures: of one exchange, or of two runs",
               "trafficlab pcap diff"};
  DiffFlags flags;
  bind(app, flags);
  if (const auto done = parse(app, args)) return *done;
  for (const std::string& path : flags.paths)
    if (path == "-") throw UsageError{"pcap diff: files are read twice: not standard input"};
  flags.exchange.window_ns = parse_duration(flags.window, "window").count();
  flags.runs.interval = parse_duration(flags.interval, "interval");
  for (const std::string& text : flags.tolerances)
    flags.report.tolerances.push_back(parse_tolerance(text));
  const bool exchange =
      flags.as == "exchange" || (flags.as == "auto" && is_one_exchange(flags.paths));
  return exchange ? diff_exchange(flags) : diff_runs(flags);
}

}  // namespace tl
