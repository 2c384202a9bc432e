// Where rows go, all at once: stdout, CSV, InfluxDB, /metrics.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "live/csv.hh"
#include "live/influx_writer.hh"
#include "live/metrics_server.hh"
#include "live/qos_config.hh"
#include "live/qos_metrics.hh"

namespace tl::live {

enum class RowText { none, text, json };  // what stdout gets

class QosSinks {
 public:
  // Opens everything the configuration names. Throws Error when one cannot be opened.
  QosSinks(const QosConfig& config, RowText text);
  QosSinks(const QosSinks&) = delete;
  QosSinks& operator=(const QosSinks&) = delete;

  void take(const QosRow& row);
  // Delivers what waits, for at most `limit`; returns the account of the InfluxDB writer, in words,
  // or nothing without one. Throws MachineError when points are lost; those in a spool are not.
  std::optional<std::string> stop(std::chrono::nanoseconds limit);
  // The address of /metrics, when it is served.
  [[nodiscard]] std::optional<std::string> metrics_url() const;

 private:
  RowText text_;
  std::string influx_url_;
  bool has_spool_ = false;
  std::optional<CsvFile> csv_;
  std::unique_ptr<InfluxSink> influx_;
  Registry registry_;
  std::optional<QosMetrics> metrics_;
  std::optional<std::string> metrics_address_;
  std::unique_ptr<MetricsServer> server_;  // last: it reads all the others
};

}  // namespace tl::live
