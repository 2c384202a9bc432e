#include <fmt/format.h>

#include <cstdio>

#include "base/signals.hh"
#include "base/version.hh"
#include "cli/command.hh"
#include "live/exporter_config.hh"

namespace tl {
namespace {

live::ExporterConfig configuration(const std::string& file, const std::string& listen,
                                   const std::vector<std::string>& destinations) {
  live::ExporterConfig config =
      file.empty() ? live::ExporterConfig{} : live::read_exporter_config(file);
  if (!listen.empty()) live::parse_listen(listen, config.server);
  if (!destinations.empty()) config.pings.destinations = destinations;
  live::check_exporter_config(config);
  return config;
}

}  // namespace

ExitCode command_export(const Args& args) {
  CLI::App app{"Prometheus exporter: pings, devices, this process", "trafficlab export"};
  app.footer(
      "Example: trafficlab export --dest 198.18.0.2 --dest 198.18.0.3\n"
      "         curl -s http://127.0.0.1:9469/metrics");
  std::string file, listen;
  std::vector<std::string> destinations;
  app.add_option("--config", file, "YAML file")->check(CLI::ExistingFile);
  app.add_option("--listen", listen, "ADDRESS:PORT (default 127.0.0.1:9469; port 0: any)");
  app.add_option("--dest", destinations, "ping this host (may stand several times)");
  if (const auto done = parse(app, args)) return *done;

  const live::ExporterConfig config = configuration(file, listen, destinations);
  StopSignals stop;
  live::Registry registry;
  registry.info({"trafficlab_build_info", "Version of trafficlab.", ""})
      .with({})
      .set({{"version", kVersion}});
  registry.add(live::device_collector());
  registry.add(live::process_collector());
  if (!config.containers.empty())
    registry.add(live::container_collector(live::namespace_source(config.containers)));
  const live::MetricsServer server{registry, config.server};
  const live::PingRounds pings{registry, config.pings};
  const bool is_ipv6 = config.server.address.find(':') != std::string::npos;
  fmt::print(stderr, "trafficlab export: {}://{}{}{}:{}/metrics\n",
             config.server.certificate_file.empty() ? "http" : "https", is_ipv6 ? "[" : "",
             config.server.address, is_ipv6 ? "]" : "", server.port());
  while (!stop.wait(Deadline{std::chrono::hours{1}})) {
  }
  return ExitCode::pass;
}

}  // namespace tl
