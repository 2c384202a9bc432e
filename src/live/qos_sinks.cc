#include "live/qos_sinks.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/errors.hh"
#include "live/collectors.hh"

namespace tl::live {
namespace {

std::unique_ptr<InfluxSink> open_influx(const InfluxSettings& settings) {
  auto queue = settings.spool.empty() ? memory_queue(settings.most_bytes)
                                      : disk_queue(settings.spool, settings.most_bytes);
  const QueueState found = queue->state();
  if (found.points > 0)
    spdlog::info("influx: {} points of an earlier run are waiting in {}", found.points,
                 settings.spool.native());
  if (found.damaged_bytes > 0)
    spdlog::warn("influx: {} bytes at the end of the spool are damaged and left out",
                 found.damaged_bytes);
  return std::make_unique<InfluxSink>(settings.target, settings.limits, std::move(queue));
}

// What no later run can deliver.
std::uint64_t lost_points(const WriterCounters& c, bool has_spool) {
  return c.rejected + c.refused + c.dropped + (has_spool ? 0 : c.waiting);
}

}  // namespace

QosSinks::QosSinks(const QosConfig& config, RowText text) : text_{text} {
  if (!config.csv.empty()) csv_.emplace(config.csv, csv_header());
  if (config.influx) {
    influx_ = open_influx(*config.influx);
    influx_url_ = config.influx->target.url;
    has_spool_ = !config.influx->spool.empty();
  }
  if (!config.listen) return;
  metrics_.emplace(registry_);
  registry_.add(process_collector());
  if (influx_) registry_.add(influx_collector(*influx_));
  server_ = std::make_unique<MetricsServer>(registry_, *config.listen);
  const bool is_ipv6 = config.listen->address.find(':') != std::string::npos;
  metrics_address_ = fmt::format(
      "http://{}:{}/metrics", is_ipv6 ? "[" + config.listen->address + "]" : config.listen->address,
      server_->port());
}

void QosSinks::take(const QosRow& row) {
  // The durable ones first: what is printed is also kept.
  if (influx_) influx_->accept({influx_point(row)});
  if (csv_) csv_->append(csv_line(row));
  if (metrics_) metrics_->take(row);
  if (text_ == RowText::none) return;
  const std::string line = text_ == RowText::text ? describe(row) : to_json(row).dump();
  write_all(STDOUT_FILENO, line + "\n", "stdout");
}

std::optional<std::string> QosSinks::metrics_url() const { return metrics_address_; }

std::optional<std::string> QosSinks::stop(std::chrono::nanoseconds limit) {
  if (!influx_) return std::nullopt;
  influx_->stop(limit);
  const WriterCounters c = influx_->counters();
  std::string text = fmt::format("{} points written, {} rejected, {} dropped, {} waiting",
                                 c.written, c.rejected + c.refused, c.dropped, c.waiting);
  if (!c.last_error.empty()) text += fmt::format(" (last error: {})", c.last_error);
  if (const std::uint64_t lost = lost_points(c, has_spool_); lost > 0)
    throw MachineError{fmt::format("write to {}: {} points lost: {}", influx_url_, lost, text)};
  return "influx: " + text;
}

}  // namespace tl::live
