#include "live/qos_config.hh"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/errors.hh"
#include "base/units.hh"
#include "live/config_file.hh"

namespace tl::live {
namespace {

Setting seconds_setting(std::chrono::seconds& to) {
  return [&to](const YAML::Node& value) {
    const auto text = value.as<std::string>();
    to = text == "0" ? std::chrono::seconds{0}
                     : std::chrono::ceil<std::chrono::seconds>(parse_duration(text));
  };
}

Setting size_setting(std::uint64_t& to) {
  return [&to](const YAML::Node& value) { to = parse_bytes(value.as<std::string>()); };
}

std::uint16_t port_of(const std::string& text) {
  return static_cast<std::uint16_t>(parse_integer(text, 1, 65'535, "port"));
}

IpFamily family_of(const std::string& text) {
  if (text == "any") return IpFamily::any;
  if (text == "4") return IpFamily::v4;
  if (text == "6") return IpFamily::v6;
  throw UsageError{fmt::format("family '{}': expected any, 4 or 6", text)};
}

// "HOST", "HOST:PORT", "[ADDRESS]:PORT"; more than one colon without brackets is an address.
void parse_server(const std::string& text, std::string& host, std::uint16_t& port) {
  const std::size_t colon = text.rfind(':');
  const bool is_bracketed = text.starts_with('[');
  const bool has_port = is_bracketed ? colon != std::string::npos && text[colon - 1] == ']'
                                     : colon != std::string::npos && text.find(':') == colon;
  host = has_port ? text.substr(0, colon) : text;
  if (has_port) port = port_of(text.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
}

QosTarget read_target(const ConfigFile& file, const YAML::Node& node) {
  QosTarget target;
  const Setting iperf = [&](const YAML::Node& value) {
    parse_server(value.as<std::string>(), target.iperf_server, target.iperf_port);
  };
  const Setting http = [&](const YAML::Node& value) {
    if (value.IsScalar()) {
      target.http_ping_url = target.http_download_url = target.http_upload_url =
          value.as<std::string>();
      return;
    }
    file.read_map(value, {{"ping", text_setting(target.http_ping_url)},
                          {"download", text_setting(target.http_download_url)},
                          {"upload", text_setting(target.http_upload_url)}});
  };
  file.read_map(node, {{"name", text_setting(target.name)},
                       {"ping", text_setting(target.ping)},
                       {"iperf", iperf},
                       {"http", http}});
  if (target.name.empty()) file.refuse(node, "a target has no name");
  return target;
}

bool has_http(const QosTarget& t) {
  return !(t.http_ping_url + t.http_download_url + t.http_upload_url).empty();
}

bool has_probe(const QosTarget& t) {
  return !t.ping.empty() || !t.iperf_server.empty() || has_http(t);
}

QosTarget target_of(const TargetWords& words) {
  QosTarget target;
  target.ping = words.ping;
  if (!words.iperf.empty()) parse_server(words.iperf, target.iperf_server, target.iperf_port);
  target.http_ping_url = target.http_download_url = target.http_upload_url = words.http;
  target.name = !target.ping.empty() ? target.ping : target.iperf_server;
  if (target.name.empty() && !words.http.empty()) target.name = checked_host(words.http, "http");
  return target;
}

// Those that `later` has.
void drop_probes(QosTarget& target, const QosTarget& later) {
  if (!later.ping.empty()) target.ping.clear();
  if (!later.iperf_server.empty()) target.iperf_server.clear();
  if (has_http(later))
    for (std::string* url :
         {&target.http_ping_url, &target.http_download_url, &target.http_upload_url})
      url->clear();
}

// Those that `from` has, and `to` therefore has not.
void move_probes(QosTarget& from, QosTarget& to) {
  if (!from.ping.empty()) to.ping = from.ping;
  if (!from.iperf_server.empty()) {
    to.iperf_server = from.iperf_server;
    to.iperf_port = from.iperf_port;
  }
  if (has_http(from)) {
    to.http_ping_url = from.http_ping_url;
    to.http_download_url = from.http_download_url;
    to.http_upload_url = from.http_upload_url;
  }
  drop_probes(from, to);
}

Setting influx_section(const ConfigFile& file, std::optional<InfluxSettings>& to) {
  return [&](const YAML::Node& map) {
    if (!to) to.emplace();
    InfluxTarget& t = to->target;
    const auto secret = [](Secret& to_secret) -> Setting {
      return [&to_secret](const YAML::Node& value) {
        to_secret = Secret::from_file(value.as<std::string>());
      };
    };
    std::string spool;
    std::chrono::milliseconds flush{0};
    file.read_map(
        map, {{"url", text_setting(t.url)},
              {"version",
               [&](const YAML::Node& v) { t.version = parse_influx_version(v.as<std::string>()); }},
              {"database", text_setting(t.database)},
              {"retention_policy", text_setting(t.retention_policy)},
              {"org", text_setting(t.org)},
              {"bucket", text_setting(t.bucket)},
              {"user", text_setting(t.user)},
              {"password_file", secret(t.password)},
              {"token_file", secret(t.token)},
              {"ca_file", text_setting(t.ca_file)},
              {"gzip", flag_setting(t.gzip)},
              {"precision",
               [&](const YAML::Node& v) { t.precision = parse_precision(v.as<std::string>()); }},
              {"timeout", duration_setting(t.timeout)},
              {"spool", text_setting(spool)},
              {"buffer", size_setting(to->most_bytes)},
              {"flush_after", duration_setting(flush)}});
    if (!spool.empty()) to->spool = spool;
    if (flush.count() > 0) to->limits.flush_after = flush;
  };
}

// Gives the variable's value, when it has one, to `use`.
template <class Use>
void with_variable(const Environment& environment, const char* name, const Use& use) {
  const auto value = environment(name);
  if (!value) return;
  try {
    use(*value);
  } catch (const UsageError& error) {
    throw UsageError{fmt::format("${}: {}", name, error.what())};
  }
}

}  // namespace

QosConfig read_qos_config(const std::filesystem::path& path, QosConfig base) {
  QosConfig c = std::move(base);
  const ConfigFile file{path};
  const Setting every_all = [&](const YAML::Node& value) {
    duration_setting(c.every_ping)(value);
    c.every_http = c.every_iperf = c.every_ping;
  };
  const Setting targets = [&](const YAML::Node& list) {
    if (!list.IsSequence()) file.refuse(list, "targets: expected a list");
    for (const YAML::Node& node : list) c.targets.push_back(read_target(file, node));
  };
  const Setting compat = [&](const YAML::Node& value) {
    c.style = value.as<bool>() ? FailureStyle::compatible : FailureStyle::absent;
  };
  const Setting count = [&](const YAML::Node& value) {
    c.ping.count = static_cast<int>(parse_integer(value.as<std::string>(), 1, 10'000, "count"));
  };
  const Setting listen = [&](const YAML::Node& value) {
    parse_listen(value.as<std::string>(), c.listen.emplace());
  };
  std::string csv;
  file.read({{"every", every_all},
             {"compat", compat},
             {"targets", targets},
             {"ping", file.section({{"every", duration_setting(c.every_ping)},
                                    {"count", count},
                                    {"interval", duration_setting(c.ping.interval)},
                                    {"timeout", duration_setting(c.ping.timeout)},
                                    {"family",
                                     [&](const YAML::Node& v) {
                                       c.ping.family = family_of(v.as<std::string>());
                                     }}})},
             {"iperf", file.section({{"every", duration_setting(c.every_iperf)},
                                     {"duration", seconds_setting(c.iperf.duration)},
                                     {"udp_duration", seconds_setting(c.iperf.udp_duration)},
                                     {"udp_bitrate",
                                      [&](const YAML::Node& v) {
                                        c.iperf.udp_bitrate_bps =
                                            parse_bitrate(v.as<std::string>());
                                      }},
                                     {"reverse", flag_setting(c.iperf.reverse)}})},
             {"http", file.section({{"every", duration_setting(c.every_http)},
                                    {"upload_bytes", size_setting(c.upload_bytes)},
                                    {"ping_timeout", duration_setting(c.http_ping_timeout)},
                                    {"download_timeout", duration_setting(c.http_download_timeout)},
                                    {"upload_timeout", duration_setting(c.http_upload_timeout)},
                                    {"ca_file", text_setting(c.http_ca_file)}})},
             {"influx", influx_section(file, c.influx)},
             {"csv", text_setting(csv)},
             {"listen", listen}});
  if (!csv.empty()) c.csv = csv;
  return c;
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>{value};
}

void apply_environment(QosConfig& config, const Environment& environment) {
  const auto with = [&](const char* name, const auto& use) {
    with_variable(environment, name, use);
  };
  with("QOS_EVERY", [&](const std::string& v) {
    config.every_ping = config.every_http = config.every_iperf =
        std::chrono::ceil<std::chrono::milliseconds>(parse_duration(v));
  });
  with("QOS_COMPAT", [&](const std::string& v) {
    config.style = v == "0" ? FailureStyle::absent : FailureStyle::compatible;
  });
  with("INFLUXDB_URL", [&](const std::string& v) {
    if (!config.influx) config.influx.emplace();
    config.influx->target.url = v;
  });
  if (config.influx) apply_influx_environment(config.influx->target, environment);
}

void apply_influx_environment(InfluxTarget& t, const Environment& environment) {
  const auto with = [&](const char* name, const auto& use) {
    with_variable(environment, name, use);
  };
  with("INFLUXDB_VERSION", [&](const std::string& v) { t.version = parse_influx_version(v); });
  with("INFLUXDB_TOKEN", [&](const std::string& v) { t.token = Secret{v}; });
  with("INFLUXDB_ORG", [&](const std::string& v) { t.org = v; });
  with("INFLUXDB_BUCKET", [&](const std::string& v) { t.bucket = v; });
  with("INFLUXDB_DATABASE", [&](const std::string& v) { t.database = v; });
  with("INFLUXDB_USER", [&](const std::string& v) { t.user = v; });
  with("INFLUXDB_PASSWORD", [&](const std::string& v) { t.password = Secret{v}; });
}

void complete_from_environment(TargetWords& words, const Environment& environment) {
  const auto fill = [&](std::string& word, const char* name) {
    if (word.empty()) word = environment(name).value_or("");
  };
  fill(words.ping, "QOS_PING");
  fill(words.iperf, "QOS_IPERF");
  fill(words.http, "QOS_HTTP");
}

void apply_target(QosConfig& config, const TargetWords& words) {
  QosTarget named = target_of(words);
  if (named.name.empty()) return;
  for (QosTarget& earlier : config.targets) {
    drop_probes(earlier, named);
    if (earlier.name == named.name) move_probes(earlier, named);
  }
  std::erase_if(config.targets, [](const QosTarget& target) { return !has_probe(target); });
  config.targets.push_back(std::move(named));
}

void check_qos_config(const QosConfig& config) {
  std::vector<std::string> names;
  bool is_probing = false;
  for (const QosTarget& t : config.targets) {
    names.push_back(t.name);
    is_probing = is_probing || !t.ping.empty() || !t.iperf_server.empty();
    for (const std::string& url : {t.http_ping_url, t.http_download_url, t.http_upload_url}) {
      if (url.empty()) continue;
      is_probing = true;
      (void)checked_host(url, fmt::format("target {}", t.name));
    }
  }
  if (!is_probing)
    throw UsageError{
        "qos: nothing to probe (give --ping, --iperf or --http, a --config file, or QOS_PING …)"};
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    throw UsageError{fmt::format("qos: two targets are named '{}'", *twice)};
  if (!config.influx) return;
  if (config.influx->target.url.empty())
    throw UsageError{
        "qos: InfluxDB has settings but no URL (give --influx-url, url in the file's influx "
        "section, or INFLUXDB_URL)"};
  check_influx_target(config.influx->target);
}

}  // namespace tl::live
