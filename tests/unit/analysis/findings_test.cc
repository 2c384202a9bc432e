#include "analysis/findings.hh"

#include <doctest/doctest.h>

#include <algorithm>

#include "analysis/evidence.hh"
#include "base/fd.hh"
#include "support/made_bundle.hh"
#include "support/temporary.hh"

namespace tl::analysis_findings_test {
using namespace tl::test;

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kColumns =
    "rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,rx_wire_packets,tx_wire_bytes,"
    "tx_wire_packets\n";

json account() {
  return {{"interval_ns", 10'000'000},
          {"losses", {{"recursion_misses", json::object()}, {"without_block", json::object()}}},
          {"clock", {{"steps", json::array()}}},
          {"points", json::array()}};
}

// A bundle in which all four streams are as they should be.
void make_whole(const fs::path& folder) {
  make_bundle(folder, {});
  write_file_atomic(folder / "counters/counters.json", account().dump());
  const std::string numbers = ",1,1,1,1,1,1,1,1\n";
  for (const char* name : {"total", "device"})
    write_file_atomic(folder / "counters" / (std::string{name} + ".csv"),
                      std::string{"time_ns,series,"} + kColumns + "10000000,a" + numbers);
  write_file_atomic(folder / "counters/port.csv",
                    std::string{"time_ns,port,side,"} + kColumns + "10000000,80,local" + numbers);
}

bool names(const Findings& findings, std::string_view text) {
  return std::any_of(
      findings.problems.begin(), findings.problems.end(),
      [&](const std::string& problem) { return problem.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("one damaged part of a bundle is named, and the others are judged all the same") {
  struct Damage {
    std::string file, text, named;
  };
  json zero = account(), word = account();
  zero["interval_ns"] = 0;
  word["interval_ns"] = "10ms";
  const std::vector<Damage> damages{
      {"counters/counters.json", zero.dump(), "interval_ns is not more than 0"},
      {"counters/counters.json", word.dump(), "counters: "},
      {"counters/counters.json", "{", "counters/counters.json"},
      {"counters/port.csv", "garbage\n", "port.csv"},
      {"counters/total.csv", std::string{"time_ns,series,"} + kColumns + "x\n", "total.csv"},
      {"captures/a.capture.json", "[]", "captures"},
      {"captures/a.capture.json", R"({"received": 1})", "captures/a.capture.json"},
      {"iperf/client.json", "{}", "iperf"}};
  for (const Damage& damage : damages) {
    CAPTURE(damage.file);
    CAPTURE(damage.text);
    const TemporaryFolder folder;
    make_whole(folder.path());
    fs::create_directories(folder.path() / "captures");
    write_file_atomic(folder.path() / damage.file, damage.text);
    const Findings findings = find(folder.path(), {});
    CHECK(names(findings, damage.named));
    CHECK(findings.files.contains("reconciliation.json"));
    CHECK(findings.files.contains("metrics.json"));
  }
}

TEST_CASE("refused packets of unknown size explain what the device's statistics lack") {
  // 10 packets of 1000 bytes were counted, 7 the device has sent; the others it says it refused.
  const auto service = [](std::int64_t device_bytes, std::int64_t refused) {
    const json none = {{"rx_bytes", 0}, {"rx_packets", 0}, {"tx_bytes", 0}, {"tx_packets", 0}};
    json counted = none, after = none;
    counted["tx_bytes"] = 10'000;
    counted["tx_packets"] = 10;
    after["tx_bytes"] = device_bytes;
    after["tx_packets"] = 7;
    const json device = {{"name", "eth0"},
                         {"counted", counted},
                         {"statistics_before", none},
                         {"statistics_after", after},
                         {"refused", {{"tx_bytes", nullptr}, {"tx_packets", refused}}}};
    json whole = account();
    whole["points"] = json::array({{{"service", "a"}, {"devices", json::array({device})}}});
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "counters");
    write_file_atomic(folder.path() / "counters/counters.json", whole.dump());
    return read_evidence(folder.path()).services.at(0);
  };
  const ServiceEvidence found = service(7000, 3);
  CHECK(found.refused_bytes == 3000);
  CHECK(found.device->tx_bytes == 10'000);
  CHECK(found.device->tx_packets == 10);
  CHECK(service(7000, 2).refused_bytes == 0);         // a packet is missing
  CHECK(service(10'000 - 41, 3).refused_bytes == 0);  // no three frames
  CHECK(service(10'000 - 42, 3).refused_bytes == 42);
  CHECK(service(10'000, 3).refused_bytes == 0);
  CHECK(service(10'000 - 3 * 524'288, 3).refused_bytes == 3 * 524'288);
  CHECK(service(10'000 - 3 * 524'288 - 1, 3).refused_bytes == 0);
}

TEST_CASE("a missing stream does not keep the rows of the others from being counted") {
  const TemporaryFolder folder;
  make_whole(folder.path());
  fs::remove(folder.path() / "counters/total.csv");
  const Findings findings = find(folder.path(), {});
  CHECK(names(findings, "total.csv"));
  CHECK(findings.document["counters"]["rows"]["container.csv"] == 100);
  CHECK(findings.document["counters"]["rows"]["port.csv"] == 1);
  CHECK(names(findings, "captures: none was made"));
}
}  // namespace tl::analysis_findings_test
