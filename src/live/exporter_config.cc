#include "live/exporter_config.hh"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <functional>
#include <map>

#include "base/errors.hh"
#include "base/fd.hh"
#include "base/units.hh"
#include "live/pushgateway.hh"

namespace tl::live {
namespace {

using Setter = std::function<void(const YAML::Node&)>;

// Applies the setter of each key of a map; refuses other keys by name and line.
void apply(const std::string& file, const YAML::Node& map,
           const std::map<std::string, Setter>& known) {
  const auto refuse = [&](const YAML::Node& at, const std::string& why) {
    throw UsageError{fmt::format("{}:{}: {}", file, at.Mark().line + 1, why)};
  };
  if (!map.IsMap()) refuse(map, "expected keys and values");
  for (const auto& entry : map) {
    const auto key = known.find(entry.first.Scalar());
    if (key == known.end()) {
      std::string names;
      for (const auto& [name, setter] : known) names += (names.empty() ? "" : ", ") + name;
      refuse(entry.first,
             fmt::format("unknown key '{}' (known here: {})", entry.first.Scalar(), names));
    }
    try {
      key->second(entry.second);
    } catch (const YAML::Exception&) {
      refuse(entry.second, fmt::format("{}: wrong kind of value", key->first));
    } catch (const UsageError& error) {
      if (std::string_view{error.what()}.starts_with(file + ":")) throw;
      refuse(entry.second, error.what());
    }
  }
}

Setter text(std::string& to) {
  return [&to](const YAML::Node& value) { to = value.as<std::string>(); };
}

Setter duration(std::chrono::milliseconds& to) {
  return [&to](const YAML::Node& value) {
    to = std::chrono::ceil<std::chrono::milliseconds>(parse_duration(value.as<std::string>()));
  };
}

}  // namespace

ExporterConfig read_exporter_config(const std::filesystem::path& path) {
  ExporterConfig config;
  const std::string& file = path.native();
  YAML::Node root;
  try {
    root = YAML::Load(read_file(path));
  } catch (const YAML::Exception& error) {
    throw UsageError{fmt::format("{}:{}: {}", file, error.mark.line + 1, error.msg)};
  }
  if (root.IsNull()) return config;
  ServerOptions& server = config.server;
  const auto section = [&](std::map<std::string, Setter> keys) -> Setter {
    return [&file, keys = std::move(keys)](const YAML::Node& map) { apply(file, map, keys); };
  };
  const Setter count = [&](const YAML::Node& value) {
    config.pings.round.count =
        static_cast<int>(parse_integer(value.as<std::string>(), 1, 1000, "count"));
  };
  const Setter password = [&](const YAML::Node& value) {
    server.password = Secret::from_file(value.as<std::string>()).reveal();
  };
  const Setter containers = [&](const YAML::Node& map) {
    for (const auto& entry : map)
      config.containers.push_back({entry.first.as<std::string>(), entry.second.as<std::string>()});
  };
  apply(
      file, root,
      {{"listen", [&](const YAML::Node& v) { parse_listen(v.as<std::string>(), server); }},
       {"destinations",
        [&](const YAML::Node& v) { config.pings.destinations = v.as<std::vector<std::string>>(); }},
       {"ping", section({{"count", count},
                         {"interval", duration(config.pings.round.interval)},
                         {"timeout", duration(config.pings.round.timeout)},
                         {"every", duration(config.pings.every)}})},
       {"tls", section({{"certificate_file", text(server.certificate_file)},
                        {"key_file", text(server.key_file)},
                        {"client_ca_file", text(server.client_ca_file)}})},
       {"basic_auth", section({{"user", text(server.user)}, {"password_file", password}})},
       {"namespaces", containers}});
  return config;
}

void check_exporter_config(const ExporterConfig& config) {
  const ServerOptions& server = config.server;
  if (server.certificate_file.empty() != server.key_file.empty())
    throw UsageError{"tls: certificate_file and key_file belong together"};
  if (!server.client_ca_file.empty() && server.certificate_file.empty())
    throw UsageError{"tls: client_ca_file needs certificate_file and key_file"};
  if (server.user.empty() != server.password.empty())
    throw UsageError{"basic_auth: user and password_file belong together"};
}

}  // namespace tl::live
