#include "cli/pcap.hh"

namespace tl {

ExitCode command_pcap_flows(const Args& args) {
  CLI::App app{"Packets, bytes, retransmissions and gaps per flow, both directions",
               "trafficlab pcap flows"};
  std::string path, sort = "bytes";
  FormFlags form;
  FlowListOptions options;
  std::uint32_t most_flows = FlowTable::kDefaultMostFlows;
  app.add_option("FILE", path, "pcap or pcapng, also compressed; - is stdin")->required();
  form.bind(app);
  app.add_option("--sort", sort, "bytes (largest first) or first (as they appear)")
      ->check(CLI::IsMember({"bytes", "first"}))
      ->capture_default_str();
  app.add_option("--top", options.top, "only so many flows, the rest summed; 0: all")
      ->capture_default_str();
  app.add_option("--max-flows", most_flows,
                 "memory limit: at most so many flows at a time, never fewer than 256")
      ->capture_default_str();
  app.footer("Example: trafficlab pcap flows --top 10 capture.pcap");
  if (const auto done = parse(app, args)) return *done;
  if (sort == "first") options.order = FlowOrder::first;

  CaptureReader reader = CaptureReader::open(path);
  Pass pass{reader, most_flows};
  pass.want_flows();
  const Stop& stop = pass.run();
  StdoutWriter out;
  const bool json = form.form() == ReportForm::json;
  if (json) out.write("{\"schema\": \"trafficlab.pcap.flows/1\",\n");
  write_flows(out.function(), form.form(), pass.flows(), options);
  if (json) out.write(",\n\"stop\": " + stop_json(stop).dump() + "}\n");
  out.flush();
  return judge(path, stop, &pass.flows(), nullptr);
}

}  // namespace tl
