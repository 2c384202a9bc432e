// Tests 3, 5 and 19 of the telemetry reference: the writer's states with an injected clock and
// scripted answers.
#include "live/influx_writer.hh"

#include <doctest/doctest.h>

#include <map>

#include "base/errors.hh"

namespace tl::live_influx_writer_test {
using namespace tl::live;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

InfluxPoint point(std::int64_t time_ns) { return {"m", {}, {{"f", 1.0}}, time_ns}; }

std::vector<InfluxPoint> points(int count) {
  std::vector<InfluxPoint> result;
  for (int i = 0; i < count; ++i) result.push_back(point(i));
  return result;
}

WebResponse status(int code, const std::string& body = "") {
  WebResponse response;
  response.status = code;
  response.body = body;
  return response;
}

// A writer whose server is a function, and whose time is a number.
struct Bench {
  explicit Bench(std::function<WebResponse(const WebRequest&)> server, WriterLimits limits = {},
                 InfluxTarget target = v2())
      : writer{std::move(target), limits, memory_queue(1 << 20),
               [this, server = std::move(server)](const WebRequest& request) {
                 requests.push_back(request);
                 return server(request);
               },
               [this] { return random; }} {}

  static InfluxTarget v2() {
    InfluxTarget target;
    target.url = "http://127.0.0.1:8086/";
    target.version = InfluxVersion::v2;
    target.org = "o";
    target.bucket = "b";
    target.token = Secret{"t0ken"};
    target.gzip = false;
    return target;
  }
  std::optional<std::int64_t> step(bool flush = true) {
    return writer.step(now_ns, now_ns / kSecond, flush);
  }
  // Steps, going to each moment asked for, until nothing is left to do; the waits in between.
  std::vector<std::chrono::nanoseconds> run() {
    std::vector<std::chrono::nanoseconds> waits;
    while (const auto again = step()) {
      if (*again > now_ns) waits.emplace_back(*again - now_ns);
      now_ns = std::max(now_ns, *again);
    }
    return waits;
  }

  double random = 0.5;
  std::int64_t now_ns = kSecond;
  std::vector<WebRequest> requests;
  InfluxWriter writer;
};

int lines_in(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

void check_balance(const WriterCounters& c) {
  CHECK(c.accepted == c.written + c.rejected + c.dropped + c.waiting);
}

}  // namespace

TEST_CASE("3 accepted points are written once, in batches") {
  Bench bench{[](const WebRequest&) { return status(204); }, {.points_per_request = 100}};
  bench.writer.accept(points(250));
  CHECK(bench.run().empty());
  REQUIRE(bench.requests.size() == 3);
  CHECK(lines_in(bench.requests[0].body) == 100);
  CHECK(lines_in(bench.requests[2].body) == 50);
  CHECK(bench.writer.counters().written == 250);
  check_balance(bench.writer.counters());
}

TEST_CASE("3 a lone point waits for company, and no longer than flush_after") {
  Bench bench{[](const WebRequest&) { return status(204); }};
  CHECK_FALSE(bench.step(false));
  bench.writer.accept(points(1));
  CHECK(*bench.step(false) == bench.now_ns + kSecond);
  bench.now_ns += kSecond - 1;
  CHECK(*bench.step(false) == bench.now_ns + 1);
  CHECK(bench.requests.empty());
  bench.now_ns += 1;
  CHECK_FALSE(bench.step(false));
  CHECK(bench.requests.size() == 1);
}

TEST_CASE("3 overload and broken connections are retried with growing waits") {
  int failures = 6;
  Bench bench{[&](const WebRequest&) {
    if (failures-- <= 0) return status(204);
    return failures % 2 == 0 ? status(503) : WebResponse{};
  }};
  bench.writer.accept(points(3));
  const auto waits = bench.run();
  CHECK(waits == std::vector<std::chrono::nanoseconds>{500ms, 1s, 2s, 4s, 8s, 16s});
  CHECK(bench.writer.counters().written == 3);
  CHECK(bench.writer.counters().retries == 6);
  for (const WebRequest& request : bench.requests) CHECK(request.body == bench.requests[0].body);
  check_balance(bench.writer.counters());
}

TEST_CASE("3 Retry-After is honoured in both forms, and the longer wait wins") {
  std::vector<std::string> asked{"7", "Thu, 01 Jan 1970 00:01:00 GMT", "0", ""};
  Bench bench{[&](const WebRequest&) {
    if (asked.empty()) return status(204);
    WebResponse response = status(429);
    response.headers.emplace_back("retry-after", asked.front());
    asked.erase(asked.begin());
    return response;
  }};
  bench.writer.accept(points(1));
  // 1 s + 7 s = 8 s since 1970; the date is 52 s later; then the backoff's own 2 s and 4 s.
  CHECK(bench.run() == std::vector<std::chrono::nanoseconds>{7s, 52s, 2s, 4s});
}

TEST_CASE("3 a batch that is too large is halved until it passes") {
  Bench bench{[](const WebRequest& r) { return status(lines_in(r.body) > 3 ? 413 : 204); }};
  bench.writer.accept(points(10));
  CHECK(bench.run().empty());
  std::map<std::string, int> delivered;
  for (const WebRequest& r : bench.requests)
    if (lines_in(r.body) <= 3)
      for (std::size_t at = 0; at < r.body.size();) {
        const std::size_t end = r.body.find('\n', at) + 1;
        ++delivered[r.body.substr(at, end - at)];
        at = end;
      }
  CHECK(delivered.size() == 10);
  for (const auto& [line, times] : delivered) CHECK(times == 1);
  CHECK(bench.writer.counters().written == 10);
  CHECK(bench.writer.counters().splits == 3);  // 10 = 5 + 5, and each 5 = 2 + 3
}

TEST_CASE("3 a single point that is too large is rejected and counted") {
  Bench bench{[](const WebRequest& r) {
    return status(r.body.find(" 2\n") != std::string::npos ? 413 : 204);
  }};
  bench.writer.accept(points(4));
  CHECK(bench.run().empty());
  CHECK(bench.writer.counters().written == 3);
  CHECK(bench.writer.counters().rejected == 1);
  check_balance(bench.writer.counters());
}

TEST_CASE("3 a half that was delivered is not sent again when the other half fails") {
  int request = 0;
  Bench bench{[&](const WebRequest&) {
    const int codes[] = {413, 204, 503, 204};
    return status(codes[request++]);
  }};
  bench.writer.accept(points(4));
  CHECK(bench.run().size() == 1);
  REQUIRE(bench.requests.size() == 4);
  CHECK(bench.requests[2].body == bench.requests[3].body);
  CHECK(bench.requests[1].body != bench.requests[3].body);
  CHECK(bench.writer.counters().written == 4);
}

TEST_CASE("3 refused and partly refused batches are never sent again") {
  struct Case {
    int code;
    const char* body;
    std::uint64_t rejected;
  };
  for (const Case& c :
       {Case{400, "{\"error\":\"partial write: field type conflict dropped=1\"}", 1},
        Case{400, "{\"error\":\"partial write: unable to parse 'x' dropped=0\"}", 1},
        Case{400, "{\"code\":\"invalid\",\"message\":\"unable to parse\"}", 5},
        Case{422, "{\"message\":\"partial write: dropped=2\"}", 2},
        Case{422, "{\"message\":\"field type conflict\"}", 5}}) {
    CAPTURE(c.body);
    Bench bench{[&](const WebRequest&) { return status(c.code, c.body); }};
    bench.writer.accept(points(5));
    CHECK(bench.run().empty());
    CHECK(bench.requests.size() == 1);
    const WriterCounters counters = bench.writer.counters();
    CHECK(counters.rejected == c.rejected);
    CHECK(counters.written == 5 - c.rejected);
    CHECK(counters.last_error.starts_with("HTTP " + std::to_string(c.code)));
    check_balance(counters);
  }
}

TEST_CASE("3 wrong credentials or a missing database keep the points for a later attempt") {
  int failures = 2;
  Bench bench{[&](const WebRequest&) {
    const int code = failures == 2 ? 401 : 404;
    return status(failures-- > 0 ? code : 204);
  }};
  bench.writer.accept(points(5));
  CHECK(bench.run() == std::vector<std::chrono::nanoseconds>{45s, 45s});
  CHECK(bench.writer.counters().written == 5);
}

TEST_CASE("3 during an outage the oldest points make room, counted") {
  bool is_down = true;
  Bench bench{[&](const WebRequest&) { return is_down ? WebResponse{} : status(204); }};
  const std::string text(1000, 'x');
  for (int i = 0; i < 2000; ++i) bench.writer.accept({{"m", {}, {{"f", text}}, std::int64_t{i}}});
  (void)bench.step();
  WriterCounters c = bench.writer.counters();
  CHECK(c.dropped > 900);
  CHECK(c.waiting_bytes <= 1 << 20);
  check_balance(c);
  is_down = false;
  bench.run();
  c = bench.writer.counters();
  CHECK(c.waiting == 0);
  check_balance(c);
}

TEST_CASE("3 gzip changes the encoding and not the content") {
  InfluxTarget target = Bench::v2();
  const WebRequest plain = write_request(target, "m f=1 1\n");
  target.gzip = true;
  const WebRequest packed = write_request(target, "m f=1 1\n");
  CHECK(plain.body == "m f=1 1\n");
  CHECK(packed.body.starts_with("\x1f\x8b"));
  CHECK(packed.url == plain.url);
}

TEST_CASE("5 each dialect has its own path, credentials and word for each precision") {
  InfluxTarget t = Bench::v2();
  t.org = "my org";
  CHECK(write_request(t, "").url ==
        "http://127.0.0.1:8086/api/v2/write?org=my%20org&bucket=b&precision=ns");
  CHECK(write_request(t, "").headers[0] ==
        std::pair<std::string, std::string>{"Authorization", "Token t0ken"});
  t.precision = Precision::us;
  CHECK(write_request(t, "").url.ends_with("precision=us"));
  t.version = InfluxVersion::v1;
  t.database = "d";
  t.retention_policy = "r";
  t.user = "u";
  t.password = Secret{"p"};
  CHECK(write_request(t, "").url == "http://127.0.0.1:8086/write?db=d&rp=r&precision=u");
  CHECK(write_request(t, "").user == "u");
  t.version = InfluxVersion::v3;
  CHECK(write_request(t, "").url ==
        "http://127.0.0.1:8086/api/v3/write_lp?db=d&precision=microsecond&accept_partial=true");
  CHECK(write_request(t, "").headers[0].second == "Bearer t0ken");
}

TEST_CASE("5 the dialect is found by asking the server") {
  const auto found = [](const std::string& version, int v2_status, bool has_bucket) {
    InfluxTarget target;
    target.url = "http://x";
    target.database = "d";
    if (has_bucket) target.org = target.bucket = "b";
    std::string error;
    return detect_version(
        target,
        [&](const WebRequest& request) {
          if (!request.url.ends_with("/ping")) return status(v2_status);
          WebResponse response = status(204);
          if (!version.empty()) response.headers.emplace_back("x-influxdb-version", version);
          return response;
        },
        error);
  };
  CHECK(found("1.6.7~rc0", 404, false) == InfluxVersion::v1);
  CHECK(found("1.6.7~rc0", 404, true) == InfluxVersion::v1);
  CHECK(found("1.8.0", 204, true) == InfluxVersion::v2);
  CHECK(found("v2.7.1", 0, false) == InfluxVersion::v2);
  CHECK(found("3.0.1", 0, false) == InfluxVersion::v3);
  std::string error;
  WebResponse dead;
  dead.error = "Connection refused";
  CHECK(detect_version(
            {}, [&](const WebRequest&) { return dead; }, error) == InfluxVersion::automatic);
  CHECK(error == "Connection refused");
}

TEST_CASE("5 a server that is down while its dialect is asked for loses no point") {
  InfluxTarget target = Bench::v2();
  target.version = InfluxVersion::automatic;
  int request = 0;
  Bench bench{[&](const WebRequest&) {
                if (request++ < 3) return WebResponse{};
                WebResponse response = status(204);
                response.headers.emplace_back("x-influxdb-version", "2.7");
                return response;
              },
              {},
              target};
  bench.writer.accept(points(3));
  CHECK(bench.run().size() == 3);
  CHECK(bench.writer.counters().written == 3);
}

TEST_CASE("5 names that a dialect needs are asked for at the start") {
  InfluxTarget t;
  t.url = "http://x";
  CHECK_THROWS_WITH(check_influx_target(t), "influx: database, or org and bucket missing");
  t.version = InfluxVersion::v2;
  CHECK_THROWS_WITH(check_influx_target(t), "influx: org and bucket missing");
  t.url = "ftp://x";
  CHECK_THROWS_WITH(check_influx_target(t), "influx url: the scheme is not http or https");
}

TEST_CASE("19 secrets are in no message, and not in the URL") {
  InfluxTarget target = Bench::v2();
  WebResponse response = status(401, "{\"message\":\"token t0ken is unknown\\nto me\"}");
  CHECK(message_of(target, response) == "HTTP 401: token *** is unknown to me");
  CHECK(write_request(target, "").url.find("t0ken") == std::string::npos);
  target.url = "http://user:hunter2@127.0.0.1";
  try {
    check_influx_target(target);
    FAIL("accepted");
  } catch (const UsageError& error) {
    CHECK(std::string{error.what()}.find("hunter2") == std::string::npos);
  }
}
}  // namespace tl::live_influx_writer_test
