#include "cli/publish_options.hh"

#include <fmt/format.h>

#include <cstdio>
#include <map>

#include "base/errors.hh"
#include "base/messages.hh"
#include "live/run_summary.hh"

namespace tl {
namespace {

// How long a server that is away is waited for. What a spool keeps, the next run delivers.
constexpr std::chrono::seconds kDeliveryLimit{30}, kDeliveryLimitWithSpool{5};
constexpr const char* kPublishing = "Publishing the run's metrics";

void bind_gateway(CLI::App& app, live::PushOptions& push, std::vector<std::string>& group,
                  std::string& password_file) {
  CLI::Option* url = app.add_option("--push-url", push.url, "Pushgateway, http://HOST:9091");
  const auto add = [&](const char* name, auto& to, const char* help) {
    return app.add_option(name, to, help)->needs(url)->group(kPublishing);
  };
  url->group(kPublishing);
  add("--push-job", push.group.job, "job of the grouping key")
      ->default_val("trafficlab_run")
      ->capture_default_str();
  add("--push-group", group, "further label of the grouping key, NAME=VALUE");
  add("--push-user", push.user, "basic authentication; password from a file or $PUSH_PASSWORD");
  add("--push-password-file", password_file, "file with the password");
  add("--push-ca", push.ca_file, "PEM of the gateway's CA");
  add("--push-certificate", push.certificate_file, "PEM, shown to the gateway");
  add("--push-key", push.key_file, "PEM, of the certificate");
}

void bind_influx(CLI::App& app, live::InfluxSettings& influx, std::string& version,
                 std::string& token_file) {
  CLI::Option* url = app.add_option("--influx-url", influx.target.url,
                                    "InfluxDB or VictoriaMetrics; token or password from a file or "
                                    "$INFLUXDB_TOKEN, $INFLUXDB_PASSWORD");
  const auto add = [&](const char* name, auto& to, const char* help) {
    return app.add_option(name, to, help)->needs(url)->group(kPublishing);
  };
  url->group(kPublishing);
  add("--influx-version", version, "auto (default), 1, 2 or 3");
  add("--influx-database", influx.target.database, "of 1 and 3");
  add("--influx-org", influx.target.org, "of 2");
  add("--influx-bucket", influx.target.bucket, "of 2");
  add("--influx-token-file", token_file, "file with the token");
  add("--influx-ca", influx.target.ca_file, "PEM of the server's CA");
  add("--influx-spool", influx.spool, "folder that keeps the points while the server is away");
}

}  // namespace

PublishOptions::PublishOptions(CLI::App& app) {
  bind_gateway(app, push_, group_, push_password_file_);
  bind_influx(app, influx_, influx_version_, token_file_);
}

void PublishOptions::check() {
  if (!push_.url.empty()) {
    for (const std::string& label : group_) push_.group.labels.push_back(live::parse_label(label));
    push_.instance_by_address = true;  // two hosts must not overwrite each other
    if (!push_password_file_.empty())
      push_.password = live::Secret::from_file(push_password_file_);
    else if (!push_.user.empty())
      push_.password = live::Secret::from_environment("PUSH_PASSWORD");
    (void)live::checked_host(push_.url, "--push-url");
    (void)live::grouping_path(push_.group);
  }
  if (influx_.target.url.empty()) return;
  apply_environment();
  if (!influx_version_.empty())
    influx_.target.version = live::parse_influx_version(influx_version_);
  if (!token_file_.empty()) influx_.target.token = live::Secret::from_file(token_file_);
  live::check_influx_target(influx_.target);
}

void PublishOptions::apply_environment() {
  live::InfluxTarget& target = influx_.target;
  const std::map<std::string, const std::string*> options{{"INFLUXDB_VERSION", &influx_version_},
                                                          {"INFLUXDB_ORG", &target.org},
                                                          {"INFLUXDB_BUCKET", &target.bucket},
                                                          {"INFLUXDB_DATABASE", &target.database}};
  live::apply_influx_environment(target, [&](const std::string& name) {
    const auto option = options.find(name);
    const bool is_given = option != options.end() && !option->second->empty();
    return is_given ? std::nullopt : live::process_environment(name);
  });
}

bool PublishOptions::publish(const std::filesystem::path& bundle) const {
  if (push_.url.empty() && influx_.target.url.empty()) return true;
  const std::vector<live::RunSummary> runs = live::read_run_summaries(bundle);
  bool all_arrived = true;
  // One destination that is away must not keep the numbers from the other.
  for (const auto send : {&PublishOptions::push, &PublishOptions::write}) try {
      (this->*send)(runs);
    } catch (const Error& error) {
      print_message("trafficlab: {}\n", error.what());
      all_arrived = false;
    }
  return all_arrived;
}

void PublishOptions::push(const std::vector<live::RunSummary>& runs) const {
  if (push_.url.empty()) return;
  std::map<std::string, std::vector<live::RunSummary>> by_experiment;
  for (const live::RunSummary& run : runs) by_experiment[run.experiment].push_back(run);
  for (const auto& [experiment, its_runs] : by_experiment) {
    live::PushOptions options = push_;
    options.group.labels.emplace_back("experiment", experiment);
    live::Pushgateway gateway{options};
    gateway.push(live::run_families(its_runs));
    print_message("pushed to {}\n", gateway.target());
  }
}

void PublishOptions::write(const std::vector<live::RunSummary>& runs) const {
  if (influx_.target.url.empty()) return;
  live::InfluxSink sink{influx_.target, influx_.limits,
                        influx_.spool.empty()
                            ? live::memory_queue(influx_.most_bytes)
                            : live::disk_queue(influx_.spool, influx_.most_bytes)};
  sink.accept(live::run_points(runs));
  sink.stop(influx_.spool.empty() ? kDeliveryLimit : kDeliveryLimitWithSpool);
  const live::WriterCounters counters = sink.counters();
  if (counters.waiting + counters.rejected + counters.dropped + counters.refused > 0)
    throw MachineError{
        fmt::format("write to {}: {} points written, {} rejected, {} {}: {}", influx_.target.url,
                    counters.written, counters.rejected + counters.refused, counters.waiting,
                    influx_.spool.empty() ? "not delivered" : "kept in " + influx_.spool.native(),
                    counters.last_error)};
  print_message("written to {}: {} points\n", influx_.target.url, counters.written);
}

}  // namespace tl
