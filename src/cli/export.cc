#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "base/messages.hh"
#include "base/signals.hh"
#include "base/version.hh"
#include "cli/command.hh"
#include "lab/docker_api.hh"
#include "live/exporter_config.hh"
#include "live/live_counters.hh"
#include "probe/counter_kernel.hh"
#include "probe/ports.hh"

namespace tl {
namespace {

struct ExportFlags {
  std::string file, listen;
  std::vector<std::string> destinations, containers;
  std::vector<std::uint16_t> ports;
  bool counters = false;
};

void bind_export(CLI::App& app, ExportFlags& flags) {
  app.footer(
      "Example: trafficlab export --dest 198.18.0.2 --dest 198.18.0.3\n"
      "         trafficlab export --container web --counters --port 80\n"
      "         curl -s http://127.0.0.1:9469/metrics");
  app.add_option("--config", flags.file, "YAML file")->check(CLI::ExistingFile);
  app.add_option("--listen", flags.listen, "ADDRESS:PORT (default 127.0.0.1:9469; port 0: any)");
  app.add_option("--dest", flags.destinations, "ping this host (may stand several times)");
  app.add_option("--container", flags.containers,
                 "statistics of this Docker container's devices (may stand several times)");
  app.add_flag("--counters", flags.counters,
               "count containers and namespaces in the kernel, too; without any: this one");
  app.add_option("--port", flags.ports, "with --counters: traffic of this port; up to 64");
}

live::ExporterConfig export_configuration(const ExportFlags& flags) {
  live::ExporterConfig config =
      flags.file.empty() ? live::ExporterConfig{} : live::read_exporter_config(flags.file);
  if (!flags.listen.empty()) live::parse_listen(flags.listen, config.server);
  if (!flags.destinations.empty()) config.pings.destinations = flags.destinations;
  for (const std::string& name : flags.containers)
    config.containers.push_back(
        {name, fmt::format("/proc/{}/ns/net", DockerApi{default_docker_host()}.pid_of(name))});
  config.counters = config.counters || flags.counters;
  if (!flags.ports.empty()) config.ports = distinct_ports(flags.ports);
  live::check_exporter_config(config);
  return config;
}

std::unique_ptr<live::LiveCounters> start_counters(const live::ExporterConfig& config) {
  if (!config.counters) return nullptr;
  require_counter_privileges();
  std::vector<live::CountedNamespace> namespaces;
  for (const live::NamedNamespace& each : config.containers)
    namespaces.push_back({each.container, NetNs::open(each.path)});
  if (namespaces.empty()) namespaces.push_back({"host", NetNs::current()});
  return std::make_unique<live::LiveCounters>(std::move(namespaces), config.ports);
}

void add_containers(live::Registry& registry, const live::ExporterConfig& config,
                    const live::LiveCounters* counters) {
  std::vector<live::ContainerSource> sources;
  if (!config.containers.empty()) sources.push_back(live::namespace_source(config.containers));
  if (counters != nullptr) {
    sources.push_back(counters->containers());
    registry.add(counters->collector());
  }
  if (!sources.empty()) registry.add(live::container_collector(live::joined(std::move(sources))));
}

}  // namespace

ExitCode command_export(const Args& args) {
  CLI::App app{"Prometheus exporter: pings, devices, containers, this process",
               "trafficlab export"};
  ExportFlags flags;
  bind_export(app, flags);
  if (const auto done = parse(app, args)) return *done;

  const live::ExporterConfig config = export_configuration(flags);
  StopSignals stop;
  allow_many_descriptors();  // of whom counts many containers
  const std::unique_ptr<live::LiveCounters> counters = start_counters(config);
  live::Registry registry;
  registry.info({"trafficlab_build_info", "Version of trafficlab.", ""})
      .with({})
      .set({{"version", kVersion}});
  registry.add(live::device_collector());
  registry.add(live::process_collector());
  add_containers(registry, config, counters.get());
  const live::MetricsServer server{registry, config.server};
  const live::PingRounds pings{registry, config.pings};
  const bool is_ipv6 = config.server.address.find(':') != std::string::npos;
  print_message("trafficlab export: {}://{}{}{}:{}/metrics\n",
                config.server.certificate_file.empty() ? "http" : "https", is_ipv6 ? "[" : "",
                config.server.address, is_ipv6 ? "]" : "", server.port());
  while (!stop.wait(Deadline{std::chrono::hours{1}})) {
  }
  return ExitCode::pass;
}

}  // namespace tl
