// --push-url, --influx-url and what belongs to them: where the metrics of a finished run go
// (docs/telemetry-runs.md).
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "live/pushgateway.hh"
#include "live/qos_config.hh"
#include "live/run_summary.hh"

namespace tl {

class PublishOptions {
 public:
  // Adds the options.
  explicit PublishOptions(CLI::App& app);

  // To be called before the run, which costs time: throws UsageError or MachineError for a URL, a
  // name or a secret that cannot work. Connects to nothing.
  void check();

  // Sends the metrics of the bundle wherever they were asked to go. Returns false, having said why
  // on stderr, when they did not arrive.
  [[nodiscard]] bool publish(const std::filesystem::path& bundle) const;

 private:
  // The variables of InfluxDB, where no option says otherwise.
  void apply_environment();
  // Each experiment's runs as a group of their own.
  void push(const std::vector<live::RunSummary>& runs) const;
  void write(const std::vector<live::RunSummary>& runs) const;

  live::PushOptions push_;
  std::vector<std::string> group_;
  std::string push_password_file_;
  live::InfluxSettings influx_;
  std::string influx_version_, token_file_;
};

}  // namespace tl
