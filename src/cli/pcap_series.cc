#include "analysis/time_series.hh"
#include "cli/pcap.hh"

namespace tl {

ExitCode command_pcap_series(const Args& args) {
  CLI::App app{"Packets and bytes per interval; empty intervals have no row",
               "trafficlab pcap series"};
  std::string path;
  FormFlags form;
  SeriesFlags flags;
  std::uint32_t most_flows = FlowTable::kDefaultMostFlows;
  app.add_option("FILE", path, "pcap or pcapng, also compressed; - is stdin")->required();
  app.add_option("--interval", flags.interval, "width of a bin")->capture_default_str();
  flags.bind(app);
  form.bind(app);
  app.add_option("--max-flows", most_flows,
                 "memory limit: at most so many flows at a time, never fewer than 256")
      ->capture_default_str();
  app.footer("Example: trafficlab pcap series --interval 10ms --by port --csv capture.pcap");
  if (const auto done = parse(app, args)) return *done;

  CaptureReader reader = CaptureReader::open(path);
  Pass pass{reader, most_flows};
  TimeSeries series{flags.options(), pass.flows()};
  pass.add(series);
  const Stop& stop = pass.run();
  StdoutWriter out;
  const bool json = form.form() == ReportForm::json;
  if (json) out.write("{\"schema\": \"trafficlab.pcap.series/1\",\n");
  write_series(out.function(), form.form(), series);
  if (json) out.write(",\n\"stop\": " + stop_json(stop).dump() + "}\n");
  out.flush();
  return judge(path, stop, nullptr, &series);
}

}  // namespace tl
