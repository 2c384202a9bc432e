// Tests 3, 4, 5 and 19 of the telemetry reference against InfluxDB 1.6 and VictoriaMetrics. What
// happens through outages and kills: influx_outage_test.cc.
#include <doctest/doctest.h>

#include <random>

#include "base/clock.hh"
#include "live/influx_writer.hh"
#include "support/databases.hh"
#include "support/fake_server.hh"
#include "support/processes.hh"

namespace tl::influx_test {
using namespace tl::live;
using namespace tl::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

InfluxTarget v1_of(const std::string& url) {
  InfluxTarget target;
  target.url = url;
  target.version = InfluxVersion::v1;
  target.database = "lab";
  return target;
}

WriterLimits quick() {
  WriterLimits limits;
  limits.flush_after = 1ms;
  limits.first_backoff = 10ms;
  limits.longest_backoff = 100ms;
  limits.denied_wait = 100ms;
  return limits;
}

// Writes the points, waits for the last answer, and returns the account.
WriterCounters write_all_points(const InfluxTarget& target, const std::vector<InfluxPoint>& points,
                                WriterLimits limits = quick()) {
  InfluxSink sink{target, limits, memory_queue(64 << 20)};
  sink.accept(points);
  sink.stop(20s);
  return sink.counters();
}

InfluxPoint point(std::int64_t i) {
  return {"m", {{"k", "v"}}, {{"f", static_cast<double>(i)}}, i};
}

std::vector<InfluxPoint> points(std::int64_t count) {
  std::vector<InfluxPoint> result;
  for (std::int64_t i = 1; i <= count; ++i) result.push_back(point(i));
  return result;
}

}  // namespace

TEST_CASE("3 a server that limits bodies gets smaller ones, and every point") {
  const InfluxDatabase database{"max-body-size = 4000"};
  InfluxTarget target = v1_of(database.url());
  target.gzip = false;
  const WriterCounters c = write_all_points(target, points(1000));
  CHECK(c.written == 1000);
  CHECK(c.splits >= 2);
  CHECK(database.rows("SELECT count(f), sum(f) FROM m") == json{{0, 1000, 500'500}});
}

TEST_CASE("3 a partial write stores the rest, is counted, and is not sent again") {
  const InfluxDatabase database;
  REQUIRE(database.write_raw("m,k=v f=1i 1\n") == 204);  // makes f an integer for ever
  std::vector<InfluxPoint> mixed = points(5);
  for (InfluxPoint& p : mixed) p.time_ns += 100;
  mixed.push_back({"m", {{"k", "v"}}, {{"f", std::int64_t{7}}}, 200});
  const WriterCounters c = write_all_points(v1_of(database.url()), mixed);
  CHECK(c.requests == 1);
  CHECK(c.rejected == 5);
  CHECK(c.written == 1);
  CHECK(c.last_error.find("field type conflict") != std::string::npos);
  CHECK(database.rows("SELECT f FROM m") == json{{1, 1}, {200, 7}});
}

TEST_CASE("3 a broken connection, silence and overload cost time and no point") {
  FakeServer server{[](const FakeRequest&, std::size_t index) {
    FakeAnswer answer;
    if (index == 0) answer.reset = true;
    if (index == 1) answer.after = 1200ms;  // longer than the client waits
    if (index == 2) {
      answer.status = 429;
      answer.headers = {{"Retry-After", "1"}};
    }
    if (index == 3) answer.status = 503;
    return answer;
  }};
  InfluxTarget target = v1_of(server.url());
  target.timeout = 1s;
  const std::int64_t begin_ns = monotonic_ns();
  const WriterCounters c = write_all_points(target, points(10));
  CHECK(c.written == 10);
  CHECK(c.retries == 4);
  CHECK(monotonic_ns() - begin_ns >= 2'000'000'000);  // the silence and what Retry-After asked for
  const auto requests = server.requests();
  REQUIRE(requests.size() == 5);
  for (const FakeRequest& request : requests) CHECK(request.body == requests[0].body);
  CHECK(requests[0].header("content-encoding") == "gzip");
}

TEST_CASE("3 errors of servers that speak 2 and 3: each answer has its consequence and its count") {
  struct Case {
    InfluxVersion version;
    int status;
    std::string body;
    std::uint64_t written, rejected, waiting;
  };
  const std::string partial_v2 =
      R"({"code":"unprocessable entity","message":"failure writing points: partial write: )"
      R"(field type conflict dropped=3"})";
  const std::string partial_v3 =
      R"({"error":"partial write of line protocol occurred","data":[)"
      R"({"original_line":"m f=x 1","line_number":1,"error_message":"no"},)"
      R"({"original_line":"m f=y 2","line_number":2,"error_message":"no"}]})";
  for (const Case& each : {Case{InfluxVersion::v2, 422, partial_v2, 7, 3, 0},
                           Case{InfluxVersion::v2, 400, R"({"code":"invalid"})", 0, 10, 0},
                           Case{InfluxVersion::v2, 401, R"({"code":"unauthorized"})", 0, 0, 10},
                           Case{InfluxVersion::v2, 404, R"({"code":"not found"})", 0, 0, 10},
                           Case{InfluxVersion::v3, 400, partial_v3, 8, 2, 0}}) {
    CAPTURE(each.status);
    FakeServer server{[&](const FakeRequest&, std::size_t) {
      FakeAnswer answer;
      answer.status = each.status;
      answer.body = each.body;
      return answer;
    }};
    InfluxTarget target;
    target.url = server.url();
    target.version = each.version;
    target.org = "lab";
    target.bucket = target.database = "qos";
    target.token = Secret{"open-sesame"};
    WriterLimits limits = quick();
    limits.denied_wait = 1h;  // asked once
    InfluxSink sink{target, limits, memory_queue(1 << 20)};
    sink.accept(points(10));
    CHECK(eventually([&] { return !sink.counters().last_error.empty(); }, 10s));
    sink.stop(10ms);
    const WriterCounters c = sink.counters();
    CHECK(c.written == each.written);
    CHECK(c.rejected == each.rejected);
    CHECK(c.waiting == each.waiting);
    CHECK(c.last_error.find("open-sesame") == std::string::npos);
    const auto requests = server.requests();
    REQUIRE(requests.size() == 1);  // what was refused is not sent again
    CHECK(requests[0].target.starts_with(each.version == InfluxVersion::v2 ? "/api/v2/write?"
                                                                           : "/api/v3/write_lp?"));
    CHECK(requests[0].header("authorization").find("open-sesame") != std::string::npos);
  }
}

TEST_CASE("3 gzip and plain requests carry the same lines") {
  FakeServer server;
  InfluxTarget target = v1_of(server.url());
  (void)write_all_points(target, points(100));
  target.gzip = false;
  (void)write_all_points(target, points(100));
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].body == requests[1].body);
  CHECK(requests[0].raw_body.size() < requests[1].raw_body.size() / 2);
}

namespace {

std::string random_text(std::mt19937_64& random, std::size_t longest) {
  static const std::vector<std::string> kPieces{
      "a", "Z",  "0",  ",",    "=",    " ",   "\"", "\\",
      "#", "\n", "\r", "'",    "\t",   "ü",   "漢", "\xF0\x9F\x98\x80",
      ".", "/",  "%",  "\xFF", "time", "\x01"};
  std::string text;
  for (std::size_t n = random() % (longest + 1); n > 0; --n)
    text += kPieces[random() % kPieces.size()];
  return text;
}

// A point with awkward texts and numbers, in a measurement that tells its number.
InfluxPoint awkward_point(std::mt19937_64& random, int i) {
  InfluxPoint p;
  p.measurement = "m" + std::to_string(i);
  p.tags = {{"t" + random_text(random, 6), random_text(random, 8)}};
  double number = 0;
  const std::uint64_t bits = random();
  std::memcpy(&number, &bits, sizeof number);
  p.fields = {{"number", number},
              {"whole", static_cast<std::int64_t>(random())},
              {"truth", random() % 2 == 0},
              {"text", random_text(random, 12)}};
  p.time_ns = 1'700'000'000'000'000'000 + i;
  return p;
}

std::string as_sent(std::string text) {  // what the encoder says it makes of a text field
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '\r', ' ');
  return text;
}

}  // namespace

TEST_CASE("4 awkward texts and numbers come back from InfluxDB as they were sent") {
  const InfluxDatabase database;
  std::mt19937_64 random{20'260'001};
  std::vector<InfluxPoint> sent;
  for (int i = 0; i < 300; ++i) sent.push_back(awkward_point(random, i));
  const WriterCounters c = write_all_points(v1_of(database.url()), sent);
  CHECK(c.rejected == 0);
  CHECK(c.written == 300);
  for (const InfluxPoint& p : sent) {
    const json row = database.rows("SELECT \"number\", whole, truth, text FROM " + p.measurement);
    CAPTURE(p.measurement);
    REQUIRE(row.size() == 1);
    CHECK(row[0][0] == p.time_ns);
    const double number = std::get<double>(p.fields[0].second);
    if (std::isfinite(number)) CHECK(row[0][1].get<double>() == number);
    CHECK(row[0][2].get<std::int64_t>() == std::get<std::int64_t>(p.fields[1].second));
    CHECK(row[0][3].get<bool>() == std::get<bool>(p.fields[2].second));
    const std::string text = as_sent(std::get<std::string>(p.fields[3].second));
    if (text.find('\xFF') == std::string::npos) CHECK(row[0][4].get<std::string>() == text);
  }
}

TEST_CASE("5 the same points land in InfluxDB at every precision, found by asking") {
  const InfluxDatabase database;
  constexpr std::int64_t kTime = 1'700'000'000'123'456'789;
  const std::vector<std::pair<Precision, std::int64_t>> stored{
      {Precision::ns, kTime},
      {Precision::us, 1'700'000'000'123'456'000},
      {Precision::ms, 1'700'000'000'123'000'000},
      {Precision::s, 1'700'000'000'000'000'000}};
  for (const auto& [precision, time_ns] : stored) {
    InfluxTarget target = v1_of(database.url());
    target.version = InfluxVersion::automatic;
    target.precision = precision;
    const std::string name = "p" + std::to_string(static_cast<int>(precision));
    const WriterCounters c = write_all_points(target, {{name, {}, {{"f", 1.5}}, kTime}});
    CHECK(c.written == 1);
    CHECK(database.rows("SELECT f FROM " + name) == json{{time_ns, 1.5}});
  }
}

TEST_CASE("5 the same points land in VictoriaMetrics by the v2 path") {
  const VictoriaMetrics database;
  InfluxTarget target;
  target.url = database.url();
  target.version = InfluxVersion::v2;
  target.org = "o";
  target.bucket = "b";
  target.token = Secret{"t0ken"};
  const std::int64_t now_ms = realtime_ns() / 1'000'000;
  std::vector<InfluxPoint> rows;
  for (std::int64_t i = 0; i < 100; ++i)
    rows.push_back({"m", {{"k", "v"}}, {{"f", static_cast<double>(i)}}, (now_ms - i) * 1'000'000});
  CHECK(write_all_points(target, rows).written == 100);
  json series;
  REQUIRE(eventually(
      [&] {
        const auto all = database.exported();
        series = all.empty() ? json{} : all[0];
        return !series.is_null() && series["values"].size() == 100;
      },
      20s));
  CHECK(series["metric"]["__name__"] == "m_f");
  CHECK(series["metric"]["k"] == "v");
  for (std::size_t i = 0; i < 100; ++i)
    CHECK(now_ms - series["timestamps"][i].get<std::int64_t>() == series["values"][i]);
}

TEST_CASE("19 a wrong password keeps the points and stays out of the message") {
  const InfluxDatabase database{"auth-enabled = true"};
  (void)database.execute("CREATE USER lab WITH PASSWORD 's3cret-word' WITH ALL PRIVILEGES");
  (void)database.execute("CREATE DATABASE lab", "lab", "s3cret-word");
  InfluxTarget target = v1_of(database.url());
  target.user = "lab";
  target.password = Secret{"wr0ng-word"};
  {
    InfluxSink sink{target, quick(), memory_queue(1 << 20)};
    sink.accept(points(3));
    CHECK(eventually([&] { return sink.counters().retries >= 2; }, 10s));
    sink.stop(0s);
    CHECK(sink.counters().waiting == 3);
    CHECK(sink.counters().last_error.find("HTTP 401") != std::string::npos);
    CHECK(sink.counters().last_error.find("wr0ng") == std::string::npos);
  }
  target.password = Secret{"s3cret-word"};
  CHECK(write_all_points(target, points(3)).written == 3);
}
}  // namespace tl::influx_test
