#include "analysis/findings.hh"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/evidence.hh"
#include "analysis/reconcile.hh"
#include "analysis/series_check.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "bundle/iperf_result.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Collects the parts of one bundle's findings.
class Finder {
 public:
  Finder(const fs::path& folder, const TrafficWindow& window) : folder_{folder}, window_{window} {}

  Findings find() {
    findings_.document = {{"schema", "trafficlab.summary/1"}};
    attempt("iperf", [&] { traffic(); });
    attempt("counters", [&] { counters(); });
    attempt("captures", [&] { captures(); });
    attempt("reconciliation", [&] { reconcile_sources(); });
    return std::move(findings_);
  }

 private:
  // What one damaged part does not say, the others still do.
  template <class Part>
  void attempt(std::string_view name, Part&& part) {
    try {
      part();
    } catch (const std::exception& e) {
      problem(fmt::format("{}: {}", name, e.what()));
    }
  }

  // Several parts may read one file: what is wrong with it is said once.
  void problem(std::string text) {
    std::vector<std::string>& all = findings_.problems;
    if (std::find(all.begin(), all.end(), text) == all.end()) all.push_back(std::move(text));
  }

  // The JSON object in a file of the bundle, or null with a problem noted.
  json read(const fs::path& file) {
    try {
      json object = json::parse(read_file(folder_ / file));
      if (!object.is_object()) throw MeasurementError{"not a JSON object"};
      return object;
    } catch (const std::exception& e) {
      problem(fmt::format("read {}: {}", file.native(), e.what()));
      return nullptr;
    }
  }

  void traffic() {
    const IperfResult client = read_iperf(folder_ / "iperf/client.json");
    const IperfResult server = read_iperf(folder_ / "iperf/server.json");
    for (const auto& [side, result] : {std::pair{"client", &client}, std::pair{"server", &server}})
      if (result->error) problem(fmt::format("iperf {}: {}", side, *result->error));
    // The receiver's own count of what arrived is the goodput; the sender's may still have been in
    // flight.
    const std::uint64_t received = std::max(client.bytes_received, server.bytes_received);
    json& out = findings_.document["traffic"];
    out["bytes_sent"] = client.bytes_sent;
    out["bytes_received"] = received;
    out["seconds"] = client.seconds;
    out["goodput_bps"] =
        client.seconds > 0 ? json(static_cast<double>(received) * 8 / client.seconds) : json();
    out["retransmits"] = client.retransmits ? json(*client.retransmits) : json();
  }

  void counters() {
    const json account = read("counters/counters.json");
    if (!account.is_object()) return;
    json& out = findings_.document["counters"];
    const auto interval_ns = account.at("interval_ns").get<std::int64_t>();
    if (interval_ns <= 0) throw MeasurementError{"counters.json: interval_ns is not more than 0"};
    out["interval_ns"] = interval_ns;
    out["losses"] = account.at("losses");
    clock_steps(account);
    for (const char* name : {"total.csv", "container.csv", "device.csv", "port.csv"})
      attempt("counters", [&] { stream(name, account, interval_ns); });
  }

  void stream(const std::string& name, const json& account, std::int64_t interval_ns) {
    const SeriesCheck check = check_series(folder_ / "counters" / name, interval_ns);
    for (const std::string& text : check.problems) problem(text);
    findings_.document["counters"]["rows"][name] =
        check.series.empty() ? 0 : check.series.begin()->second.rows;
    if (name == "container.csv") services(account, check);
  }

  // Captures are stamped by CLOCK_REALTIME: across a step their times do not compare. The counters
  // keep to the monotonic clock.
  void clock_steps(const json& account) {
    for (const json& step : account.at("clock").at("steps"))
      problem(
          fmt::format("clock: set by {} ns during the run; times in the captures before and "
                      "after do not compare",
                      step.at("change_ns").dump()));
  }

  // Per service: what was counted, and whether it is what the device's own statistics say.
  void services(const json& account, const SeriesCheck& check) {
    for (const json& point : account.at("points")) {
      const auto name = point.at("service").get<std::string>();
      const auto series = check.series.find(name);
      if (series == check.series.end()) {
        problem(fmt::format("counters: no series for service {}", name));
        continue;
      }
      std::uint64_t device_rx = 0, device_tx = 0;
      for (const json& device : point.at("devices")) {
        if (device.at("name") == "lo") continue;
        device_rx += change(device, "rx_bytes");
        device_tx += change(device, "tx_bytes");
      }
      const CounterValues& sum = series->second.sum;
      findings_.document["services"][name] = {
          {"rx_bytes", sum.rx_bytes},           {"rx_packets", sum.rx_packets},
          {"tx_bytes", sum.tx_bytes},           {"tx_packets", sum.tx_packets},
          {"device_rx_bytes", device_rx},       {"device_tx_bytes", device_tx},
          {"rx_wire_bytes", sum.rx_wire_bytes}, {"tx_wire_bytes", sum.tx_wire_bytes}};
    }
  }

  static std::uint64_t change(const json& device, const char* key) {
    return device.at("statistics_after").at(key).get<std::uint64_t>() -
           device.at("statistics_before").at(key).get<std::uint64_t>();
  }

  void captures() {
    findings_.document["captures"] = json::object();
    std::vector<fs::path> files;
    std::error_code missing;  // no folder is no capture
    for (const fs::directory_entry& entry : fs::directory_iterator{folder_ / "captures", missing})
      if (entry.path().native().ends_with(".capture.json"))
        files.push_back(entry.path().lexically_relative(folder_));
    std::sort(files.begin(), files.end());
    if (files.empty()) problem("captures: none was made");
    for (const fs::path& file : files) attempt(file.native(), [&] { capture(file); });
  }

  void capture(const fs::path& file) {
    const json account = read(file);
    if (!account.is_object()) return;
    std::string name = file.filename().native();
    name.resize(name.size() - std::string_view{".capture.json"}.size());
    json& out = findings_.document["captures"][name];
    for (const char* key : {"received", "written", "kernel_dropped", "unexplained"})
      out[key] = account.at(key);
    if (account.at("unexplained") != 0)
      problem(fmt::format("capture {}: {} packets unexplained", name,
                          account.at("unexplained").dump()));
    if (account.value("outcome", "ok") != "ok")
      problem(fmt::format("capture {}: {}", name, account.value("reason", "partial")));
  }

  // The identities between all sources; also leaves the documents that were made on the way.
  void reconcile_sources() {
    Evidence evidence = read_evidence(folder_);
    attempt("metrics", [&] { measure(evidence); });
    for (auto& [path, text] : evidence.documents) findings_.files[path] = std::move(text);
    for (std::string& text : evidence.problems) problem(std::move(text));
    const Reconciliation reconciliation = reconcile(evidence.services, evidence.traffic);
    findings_.files["reconciliation.json"] = reconciliation_json(reconciliation).dump(1) + "\n";
    for (std::string& text : reconciliation.problems()) problem(std::move(text));
    std::map<std::string, int> verdicts;
    for (const Identity& i : reconciliation.identities) ++verdicts[verdict_text(i.verdict)];
    findings_.document["reconciliation"] = verdicts;
  }

  void measure(const Evidence& evidence) {
    const IperfResult client = read_iperf(folder_ / "iperf/client.json");
    const IperfResult server = read_iperf(folder_ / "iperf/server.json");
    const Timeline timeline = read_timeline(folder_ / "counters/container.csv");
    const auto exchange = evidence.documents.find("analysis/exchange.json");
    const json account =
        fs::exists(folder_ / "counters/counters.json") ? read("counters/counters.json") : json();
    const MetricInput input{
        evidence,
        client,
        server,
        timeline,
        exchange == evidence.documents.end() ? json() : json::parse(exchange->second),
        account.is_object() ? account.at("losses") : json(),
        window_};
    findings_.files["metrics.json"] = metrics_json(metrics_of(input)).dump(1) + "\n";
  }

  fs::path folder_;
  TrafficWindow window_;
  Findings findings_;
};

}  // namespace

Findings find(const fs::path& folder, const TrafficWindow& window) {
  return Finder{folder, window}.find();
}

std::string summary_text(const Findings& findings) { return findings.document.dump(1) + "\n"; }

}  // namespace tl
