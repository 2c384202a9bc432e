#include "support/bundle_checks.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/series_check.hh"
#include "bundle/iperf_result.hh"
#include "bundle/run_folder.hh"

namespace tl::test {
namespace {

std::size_t matching_packets(const std::filesystem::path& pcap, const std::string& filter) {
  const CommandResult result =
      run_command({"tcpdump", "-n", "-r", pcap.native(), filter}, std::chrono::seconds{60});
  CHECK_MESSAGE(result.status.ok(), result.err);
  return static_cast<std::size_t>(std::count(result.out.begin(), result.out.end(), '\n'));
}

}  // namespace

void check_dense_counters(const LabRun& run, std::uint64_t least_rows) {
  const nlohmann::json counters = read_json(run.bundle / "counters/counters.json");
  const auto interval_ns = counters.at("interval_ns").get<std::int64_t>();
  for (const char* name : {"total.csv", "container.csv", "device.csv", "port.csv"}) {
    const SeriesCheck check = check_series(run.bundle / "counters" / name, interval_ns);
    CAPTURE(name);
    for (const std::string& problem : check.problems) FAIL_CHECK(problem);
    for (const auto& [series, s] : check.series) {
      CAPTURE(series);
      CHECK(s.rows >= least_rows);
      CHECK(s.first_ns == counters.at("armed_ns").get<std::int64_t>());
      CHECK(s.last_ns + interval_ns == counters.at("quiesced_ns").get<std::int64_t>());
      CHECK(s.first_ns % interval_ns == 0);
      CHECK(s.first_ns <= run.manifest.at("traffic_window").at("start_ns").get<std::int64_t>());
      CHECK(s.last_ns >= run.manifest.at("traffic_window").at("end_ns").get<std::int64_t>());
    }
  }
}

void check_captures(const LabRun& run) {
  for (const char* service : {"iperf-server", "iperf-client"}) {
    CAPTURE(service);
    const std::filesystem::path pcap = run.bundle / "captures" / (std::string{service} + ".pcap");
    CHECK(matching_packets(pcap, "tcp port 5201 and tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn") >=
          2);
    CHECK(matching_packets(pcap, "tcp src port 5201 and tcp[tcpflags] & tcp-fin != 0") >= 1);
    CHECK(matching_packets(pcap, "tcp dst port 5201 and tcp[tcpflags] & tcp-fin != 0") >= 1);
    const nlohmann::json account =
        read_json(run.bundle / "captures" / (std::string{service} + ".capture.json"));
    CHECK(account.at("unexplained") == 0);
    CHECK(account.at("received") == account.at("written").get<std::uint64_t>() +
                                        account.at("kernel_dropped").get<std::uint64_t>());
    CHECK(account.at("written").get<std::uint64_t>() > 10);
  }
}

void check_iperf(const LabRun& run) {
  for (const char* side : {"client", "server"}) {
    const IperfResult result = read_iperf(run.bundle / "iperf" / (std::string{side} + ".json"));
    CAPTURE(side);
    CHECK_FALSE(result.error.has_value());
    CHECK(result.bytes_received > 0);
  }
}

void check_checksums(const LabRun& run) {
  CHECK(verify_bundle(run.bundle) == std::vector<std::string>{});
  CHECK(run.manifest.at("files").size() > 10);
}

void check_passed(const LabRun& run) {
  INFO(run.err);
  REQUIRE_FALSE(run.manifest.is_null());
  CHECK(run.status.ok());
  CHECK(run.manifest.at("outcome").at("verdict") == "pass");
}

void check_reconciliation(const LabRun& run) {
  const nlohmann::json reconciliation = read_json(run.bundle / "reconciliation.json");
  CHECK(reconciliation.at("suspects").empty());
  std::size_t identities = 0;
  for (const nlohmann::json& identity : reconciliation.at("identities")) {
    INFO(identity.dump());
    const auto verdict = identity.at("verdict").get<std::string>();
    CHECK(identity.at("difference") == 0);
    const auto name = identity.at("name").get<std::string>();
    CHECK((verdict == "exact" || (verdict == "explained" && name.starts_with("iperf "))));
    ++identities;
  }
  CHECK(identities == 35);
}

void check_device_statistics(const LabRun& run) {
  const nlohmann::json counters = read_json(run.bundle / "counters/counters.json");
  const SeriesCheck check = check_series(run.bundle / "counters/container.csv",
                                         counters.at("interval_ns").get<std::int64_t>());
  bool seen = false;
  for (const nlohmann::json& point : counters.at("points")) {
    const auto service = point.at("service").get<std::string>();
    std::uint64_t rx_bytes = 0, tx_bytes = 0;
    for (const nlohmann::json& device : point.at("devices")) {
      if (device.at("name") == "lo") continue;
      const auto change = [&](const char* key) {
        return device.at("statistics_after").at(key).get<std::uint64_t>() -
               device.at("statistics_before").at(key).get<std::uint64_t>();
      };
      rx_bytes += change("rx_bytes");
      tx_bytes += change("tx_bytes");
    }
    CAPTURE(service);
    CHECK(check.series.at(service).sum.rx_bytes == rx_bytes);
    CHECK(check.series.at(service).sum.tx_bytes == tx_bytes);
    if (service == "iperf-server") seen = rx_bytes > 0;
  }
  CHECK(seen);
}

void check_nothing_left(const std::vector<std::string>& before) {
  const std::vector<std::string> left = added(before, inventory());
  CHECK_MESSAGE(left.empty(), fmt::format("{}", fmt::join(left, ", ")));
}

}  // namespace tl::test
