// QoS rows as Prometheus families, beside the exporter's.
#pragma once

#include "live/qos_row.hh"
#include "live/registry.hh"

namespace tl::live {

class QosMetrics {
 public:
  // `registry` must outlive this object.
  explicit QosMetrics(Registry& registry);
  ~QosMetrics();
  QosMetrics(const QosMetrics&) = delete;
  QosMetrics& operator=(const QosMetrics&) = delete;
  // The row becomes the latest of its probe and target. A number that it lacks disappears from the
  // page: an old one is not a measurement.
  void take(const QosRow& row);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace tl::live
