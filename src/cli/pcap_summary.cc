#include <fmt/core.h>

#include <optional>

#include "analysis/capture_summary.hh"
#include "analysis/rtt_report.hh"
#include "analysis/time_series.hh"
#include "base/sha256.hh"
#include "cli/pcap.hh"

namespace tl {
namespace {

struct SummaryFlags {
  std::string path;
  FormFlags form;
  std::string series;
  bool flows = false;
  bool rtt = false;
  bool sha256 = false;
  std::uint32_t mtu = CaptureSummary::kDefaultMtu;
  std::uint32_t most_flows = FlowTable::kDefaultMostFlows;
};

// In text and CSV the tables follow each other after an empty line; in JSON they are members of one
// object.
void write_report(const SummaryFlags& flags, const Pass& pass, const CaptureSummary& summary,
                  const TimeSeries* series, const RttObserver* rtt) {
  StdoutWriter out;
  const Write write = out.function();
  const ReportForm form = flags.form.form();
  const bool json = form == ReportForm::json;
  const std::string_view between = json ? ",\n" : "\n";
  if (json)
    write(fmt::format("{{\"schema\": \"trafficlab.pcap.summary/1\",\n\"file\": {},\n",
                      json_text(flags.path)));
  if (flags.sha256) {
    const std::string digest = sha256_of_file(flags.path);
    if (json) write(fmt::format("\"sha256\": \"{}\",\n", digest));
    if (form == ReportForm::text) write(fmt::format("{:<28} {}\n", "sha256", digest));
  }
  write_summary(write, form, pass.reader(), summary);
  if (flags.sha256 && form == ReportForm::csv)
    write(fmt::format("sha256,{}\n", sha256_of_file(flags.path)));
  if (series != nullptr) {
    write(between);
    write_series(write, form, *series);
  }
  if (flags.flows) {
    write(between);
    write_flows(write, form, pass.flows(), {});
  }
  if (rtt != nullptr) {
    write(between);
    write_rtt(write, form, *rtt, pass.flows(), {});
  }
  if (json) write("}\n");
  out.flush();
}

}  // namespace

ExitCode command_pcap_summary(const Args& args) {
  CLI::App app{"What a capture holds: packets, bytes, times, rates, protocols, damage",
               "trafficlab pcap summary"};
  SummaryFlags flags;
  app.add_option("FILE", flags.path, "pcap or pcapng, also compressed; - is stdin")->required();
  flags.form.bind(app);
  app.add_option("--series", flags.series, "also the time series with this interval, as 10ms");
  app.add_flag("--flows", flags.flows, "also the table of flows");
  app.add_flag("--rtt", flags.rtt, "also the round-trip times of TCP");
  app.add_flag("--sha256", flags.sha256, "also the SHA-256 of the file");
  app.add_option("--mtu", flags.mtu, "IP packets over this are super-packets")
      ->capture_default_str();
  app.add_option("--max-flows", flags.most_flows,
                 "memory limit: at most so many flows at a time, never fewer than 256")
      ->capture_default_str();
  app.footer("Example: trafficlab pcap summary --series 10ms --flows --rtt --json capture.pcap");
  if (const auto done = parse(app, args)) return *done;
  if (flags.sha256 && flags.path == "-")
    throw UsageError{"pcap summary: --sha256 needs a file, not standard input"};

  CaptureReader reader = CaptureReader::open(flags.path);
  Pass pass{reader, flags.most_flows};
  CaptureSummary summary{flags.mtu, flags.flows ? &pass.flows() : nullptr};
  pass.add(summary);
  if (flags.flows) pass.want_flows();
  std::optional<TimeSeries> series;
  if (!flags.series.empty()) {
    SeriesFlags series_flags;
    series_flags.interval = flags.series;
    pass.add(series.emplace(series_flags.options(), pass.flows()));
  }
  std::optional<RttObserver> rtt;
  if (flags.rtt) pass.add(rtt.emplace());
  const Stop& stop = pass.run();
  write_report(flags, pass, summary, series ? &*series : nullptr, rtt ? &*rtt : nullptr);
  return judge(flags.path, stop, &pass.flows(), series ? &*series : nullptr);
}

}  // namespace tl
