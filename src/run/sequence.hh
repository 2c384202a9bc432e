// The phases of a run as methods of one object, which owns what they share. run.cc calls them in
// order.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/metrics.hh"
#include "bundle/control.hh"
#include "bundle/plan.hh"
#include "lab/engine.hh"
#include "lab/journal.hh"
#include "run/run.hh"

namespace tl {

class Sequence {
 public:
  Sequence(const RunRequest& request, Journal& journal, RunFolder& folder, StopSignals& stop,
           Progress& progress);

  void preflight();  // doctor's checks, iperf's options
  void clean();      // what dead runs left
  void up();         // lab up, every service ready, client held at its gate
  void arm();        // counters and captures count every packet from here on
  void traffic();    // gate open until both sides of the test are done
  // Quiet period, agents seal and drain, traffic services end. After a failure (`regular` false) an
  // earlier signal does not keep the evidence from being sealed.
  void stop(bool regular);
  void gather(bool regular);  // logs
  // Takes the lab down; never throws. Problems are noted and kept for the manifest.
  void down() noexcept;

  // The phase being executed, for the outcome.
  [[nodiscard]] const std::string& phase() const { return phase_; }
  // Everything this run knows about itself, for the manifest.
  [[nodiscard]] nlohmann::json record() const;
  // From the opening of the gate until both sides were done; zeros when it never opened.
  [[nodiscard]] TrafficWindow traffic_window() const { return {gate_ns_, traffic_end_ns_}; }

 private:
  void begin(const std::string& phase, const std::string& text, bool regular = true);
  // Waits for a control message while watching signals and services. Throws Interrupted,
  // TrafficError (the service ended or said an error), MachineError (deadline).
  nlohmann::json expect(const std::string& message, const std::string& what,
                        std::chrono::nanoseconds limit);
  void check_alive();
  void end_service(const std::string& name, std::chrono::nanoseconds limit);
  [[nodiscard]] Plan make_plan() const;
  [[nodiscard]] const Service& service(const std::string& name) const;
  void show_live(std::int64_t gate_ns);

  const RunRequest& request_;
  Journal& journal_;
  RunFolder& folder_;
  StopSignals& stop_;
  Progress& progress_;
  Control control_;
  std::unique_ptr<Engine> engine_;
  std::string engine_reason_;
  std::vector<Service> services_;
  std::map<std::string, ServiceEnd> ended_;
  std::string phase_ = "preflight";
  nlohmann::json phases_ = nlohmann::json::array();
  nlohmann::json messages_ = nlohmann::json::object();  // what the agents said when armed
  nlohmann::json clocks_ = nlohmann::json::array();
  std::vector<std::string> problems_;
  std::int64_t gate_ns_ = 0, traffic_end_ns_ = 0;
  struct Live {
    std::int64_t time_ns = 0;
    std::uint64_t rx_bytes = 0, tx_bytes = 0;
  } live_;
};

}  // namespace tl
