#include "live/exporter_config.hh"

#include "base/errors.hh"
#include "base/units.hh"
#include "live/config_file.hh"
#include "live/secret.hh"
#include "probe/ports.hh"

namespace tl::live {
ExporterConfig read_exporter_config(const std::filesystem::path& path) {
  ExporterConfig config;
  const ConfigFile file{path};
  ServerOptions& server = config.server;
  const Setting count = [&](const YAML::Node& value) {
    config.pings.round.count =
        static_cast<int>(parse_integer(value.as<std::string>(), 1, 1000, "count"));
  };
  const Setting password = [&](const YAML::Node& value) {
    server.password = Secret::from_file(value.as<std::string>()).reveal();
  };
  const Setting containers = [&](const YAML::Node& map) {
    for (const auto& entry : map)
      config.containers.push_back({entry.first.as<std::string>(), entry.second.as<std::string>()});
  };
  const Setting ports = [&](const YAML::Node& list) {
    config.ports = distinct_ports(list.as<std::vector<std::uint16_t>>());
  };
  file.read(
      {{"listen", [&](const YAML::Node& v) { parse_listen(v.as<std::string>(), server); }},
       {"destinations",
        [&](const YAML::Node& v) { config.pings.destinations = v.as<std::vector<std::string>>(); }},
       {"ping", file.section({{"count", count},
                              {"interval", duration_setting(config.pings.round.interval)},
                              {"timeout", duration_setting(config.pings.round.timeout)},
                              {"every", duration_setting(config.pings.every)}})},
       {"tls", file.section({{"certificate_file", text_setting(server.certificate_file)},
                             {"key_file", text_setting(server.key_file)},
                             {"client_ca_file", text_setting(server.client_ca_file)}})},
       {"basic_auth",
        file.section({{"user", text_setting(server.user)}, {"password_file", password}})},
       {"namespaces", containers},
       {"counters", flag_setting(config.counters)},
       {"ports", ports}});
  return config;
}

void check_exporter_config(const ExporterConfig& config) {
  const ServerOptions& server = config.server;
  if (server.certificate_file.empty() != server.key_file.empty())
    throw UsageError{"tls: certificate_file and key_file belong together"};
  if (!server.client_ca_file.empty() && server.certificate_file.empty())
    throw UsageError{"tls: client_ca_file needs certificate_file and key_file"};
  if (!config.ports.empty() && !config.counters) throw UsageError{"ports: they need counters"};
  if (config.ports.size() > 64) throw UsageError{"ports: at most 64"};
  if (server.user.empty() != server.password.empty())
    throw UsageError{"basic_auth: user and password_file belong together"};
}

}  // namespace tl::live
