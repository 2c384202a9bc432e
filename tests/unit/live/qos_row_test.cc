// Tests 1, 2, 15 and 18 of the telemetry reference: rows of every outcome, and when rounds happen.
#include "live/qos_row.hh"

#include <doctest/doctest.h>

#include <map>

#include "live/qos_fields.hh"
#include "live/schedule.hh"

namespace tl::live_qos_row_test {
using namespace tl::live;
using namespace std::chrono_literals;

namespace {

PingResult replies(const std::vector<std::chrono::nanoseconds>& rtts, int attempts) {
  PingResult result;
  result.attempts = attempts;
  result.received = static_cast<int>(rtts.size());
  for (std::size_t i = 0; i < rtts.size(); ++i)
    result.replies.push_back({static_cast<std::uint16_t>(i), rtts[i], PingClock::kernel});
  return result;
}

IperfOutcome iperf_failure() {
  IperfOutcome outcome;
  outcome.has_udp = true;
  outcome.tcp.error = outcome.udp.error = "Connection refused";
  return outcome;
}

HttpOutcome http_answer(int status) {
  HttpOutcome outcome;
  outcome.status = status;
  outcome.phases.connect = 500us;
  outcome.phases.processing = 1500us;
  outcome.downloaded_bytes = 100;
  return outcome;
}

HttpOutcome http_failure() {
  HttpOutcome outcome;
  outcome.error = "Connection refused";
  return outcome;
}

// As from a server that announces more than it sends.
HttpOutcome http_broken_off() {
  HttpOutcome outcome = http_answer(200);
  outcome.error = "transfer closed with 990 bytes remaining to read";
  return outcome;
}

HttpRound all_three(const HttpOutcome& outcome) { return {outcome, outcome, outcome}; }

// Rows of good and failed rounds of all probes.
std::vector<QosRow> rows_of_every_kind(FailureStyle style) {
  IperfOutcome good_iperf;
  good_iperf.has_udp = true;
  good_iperf.tcp = {100.0, 3, ""};
  good_iperf.udp = {0.5, 1, 100, ""};
  return {ping_row("t", 1, replies({1ms, 3ms, 2ms}, 5), style),
          ping_row("t", 2, replies({}, 5), style),
          iperf_row("t", 3, good_iperf, style),
          iperf_row("t", 4, iperf_failure(), style),
          http_row("t", 5, all_three(http_answer(200)), style),
          http_row("t", 6, all_three(http_answer(503)), style),
          http_row("t", 7, all_three(http_failure()), style),
          http_row("t", 8, all_three(http_broken_off()), style)};
}

double real(const QosRow& row, const char* name) {
  const FieldValue* value = row.find(name);
  REQUIRE_MESSAGE(value != nullptr, name);
  return std::get<double>(*value);
}

std::int64_t integer(const QosRow& row, const char* name) {
  const FieldValue* value = row.find(name);
  REQUIRE_MESSAGE(value != nullptr, name);
  return std::get<std::int64_t>(*value);
}

}  // namespace

TEST_CASE("1 a field has one type, whatever the outcome and the style") {
  std::map<std::string, std::size_t> types;
  for (const FailureStyle style : {FailureStyle::absent, FailureStyle::compatible})
    for (const QosRow& row : rows_of_every_kind(style))
      for (const auto& field : row.fields) {
        CAPTURE(field.first);
        const std::size_t type = field.second.index();
        CHECK(types.emplace(field.first, type).first->second == type);
        CHECK(find_qos_field(field.first)->probe == row.probe);
      }
  CHECK(types.size() > 40);
}

TEST_CASE("1 a name or type outside the table is a mistake in the program") {
  QosRow row;
  CHECK_THROWS_AS(row.set("ping_average", FieldValue{1.0}), std::logic_error);
  CHECK_THROWS_AS(row.set("ping_avg_ms", FieldValue{std::int64_t{1}}), std::logic_error);
}

TEST_CASE("2 a ping round has the users' five numbers and the finer ones") {
  const QosRow row = ping_row("lab", 7, replies({1ms, 3ms, 2ms}, 5));
  CHECK(row.success);
  CHECK(real(row, "ping_avg_ms") == doctest::Approx(2));
  CHECK(real(row, "ping_min_ms") == doctest::Approx(1));
  CHECK(real(row, "ping_max_ms") == doctest::Approx(3));
  CHECK(real(row, "ping_jitter_ms") == doctest::Approx(1.5));
  CHECK(real(row, "ping_packet_loss_pct") == doctest::Approx(40));
  CHECK(integer(row, "ping_success") == 1);
}

TEST_CASE("2 a failed round has no number that could be taken for a good one") {
  const auto has = [](const QosRow& row, const char* name) { return row.find(name) != nullptr; };
  const QosRow ping = ping_row("t", 1, replies({}, 5));
  CHECK_FALSE(ping.success);
  CHECK(ping.error == "no answer");
  CHECK(real(ping, "ping_packet_loss_pct") == 100);
  for (const char* name : {"ping_avg_ms", "ping_min_ms", "ping_max_ms", "ping_jitter_ms"})
    CHECK_FALSE(has(ping, name));
  const QosRow iperf = iperf_row("t", 1, iperf_failure());
  CHECK_FALSE(iperf.success);
  CHECK_FALSE(has(iperf, "iperf_bandwidth_mbps"));
  CHECK_FALSE(has(iperf, "iperf_jitter_ms"));
  for (const HttpOutcome& outcome : {http_failure(), http_answer(503)}) {
    const QosRow http = http_row("t", 1, all_three(outcome));
    CHECK_FALSE(http.success);
    CHECK(integer(http, "http_status_code") == (outcome.status == 0 ? -1 : 503));
    for (const char* name : {"http_ping_ms", "http_download_ms", "http_download_bytes",
                             "http_upload_ms", "http_upload_bytes"})
      CHECK_FALSE(has(http, name));
  }
}

TEST_CASE("2 the compatible style has the users' fourteen names, with 0 and -1 for failures") {
  std::map<std::string, double> failed;
  for (const QosRow& row : {ping_row("t", 1, replies({}, 5), FailureStyle::compatible),
                            iperf_row("t", 1, iperf_failure(), FailureStyle::compatible),
                            http_row("t", 1, all_three(http_failure()), FailureStyle::compatible)})
    for (const auto& [name, value] : row.fields)
      failed[name] = std::holds_alternative<double>(value)
                         ? std::get<double>(value)
                         : static_cast<double>(std::get<std::int64_t>(value));
  const std::map<std::string, double> expected{{"ping_avg_ms", 0},
                                               {"ping_min_ms", 0},
                                               {"ping_max_ms", 0},
                                               {"ping_jitter_ms", 0},
                                               {"ping_packet_loss_pct", 100},
                                               {"iperf_bandwidth_mbps", 0},
                                               {"iperf_jitter_ms", 0},
                                               {"http_ping_ms", 0},
                                               {"http_status_code", -1},
                                               {"http_download_ms", 0},
                                               {"http_download_bytes", 0},
                                               {"http_download_status", -1},
                                               {"http_upload_ms", 0},
                                               {"http_upload_status", -1}};
  CHECK(failed == expected);
}

TEST_CASE("2 an answer that breaks off is no answer: its statuses are -1, in both styles") {
  for (const FailureStyle style : {FailureStyle::absent, FailureStyle::compatible}) {
    const QosRow row = http_row("t", 1, all_three(http_broken_off()), style);
    CHECK_FALSE(row.success);
    CHECK(row.error.starts_with("ping: transfer closed with 990 bytes"));
    for (const char* name : {"http_status_code", "http_download_status", "http_upload_status"})
      CHECK(integer(row, name) == -1);
  }
}

TEST_CASE("2 rows travel as JSON without loss, and what is no row is refused") {
  for (const QosRow& row : rows_of_every_kind(FailureStyle::absent)) {
    const auto read = parse_row(to_json(row).dump());
    REQUIRE(read);
    CHECK(to_json(*read) == to_json(row));
    CHECK(encode_point(influx_point(*read)).line.size() ==
          encode_point(influx_point(row)).line.size());
  }
  CHECK_FALSE(parse_row("{}"));
  CHECK_FALSE(parse_row("no JSON"));
  CHECK_FALSE(parse_row(R"({"probe":"ping","target":"t","time_ns":1,"success":true,"error":"",)"
                        R"("fields":{"ping_sent":1.5}})"));
}

TEST_CASE("15 CSV has one column a field, empty where there is no number") {
  const std::string header = csv_header();
  CHECK(header.starts_with("time,target,probe,ping_avg_ms,"));
  CHECK(header.ends_with("\r\n"));
  const auto commas = [](const std::string& text) {
    return std::count(text.begin(), text.end(), ',');
  };
  const QosRow row = ping_row("t", 1, replies({}, 5));
  CHECK(commas(csv_line(row)) == commas(header));
  CHECK(csv_line(row).starts_with("1970-01-01T00:00:00"));
  CHECK(csv_line(row).find(",t,ping,,,,,100") != std::string::npos);
  CHECK(csv_line(ping_row("a,\"b\"", 1, replies({}, 5))).find(",\"a,\"\"b\"\"\",") !=
        std::string::npos);
}

TEST_CASE("18 rounds do not drift, whatever they take, and missed ones are counted") {
  Schedule schedule{1000, 60ns, 5ns};
  CHECK(schedule.next(0) == 1005);
  CHECK(schedule.next(1015) == 1065);  // a round of 10 does not move the next
  CHECK(schedule.next(1064) == 1125);
  CHECK(schedule.skipped() == 0);
  CHECK(schedule.next(1260) == 1305);  // two passed: 1185, 1245
  CHECK(schedule.skipped() == 2);
}
}  // namespace tl::live_qos_row_test
