#include "serve/result_server.hh"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/fd.hh"
#include "base/http.hh"
#include "support/made_bundle.hh"
#include "support/made_runs.hh"
#include "support/temporary.hh"

namespace tl::serve_result_server_test {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class ServedResults {
 public:
  ServedResults() : server_{options()} {}

  [[nodiscard]] const fs::path& path() const { return folder_.path(); }
  [[nodiscard]] tl::HttpResponse get(const std::string& path) const {
    tl::HttpClient client;
    return client.send({.url = fmt::format("http://127.0.0.1:{}{}", server_.port(), path)});
  }
  // What the server says to these very bytes, up to the end of the connection.
  [[nodiscard]] std::string raw(const std::string& request) const {
    const tl::UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    (void)::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL);
    std::string answer;
    std::array<char, 4096> buffer;
    for (ssize_t n = 0; (n = ::read(socket.get(), buffer.data(), buffer.size())) > 0;)
      answer.append(buffer.data(), static_cast<std::size_t>(n));
    return answer;
  }

 private:
  tl::ResultServerOptions options() {
    tl::ResultServerOptions options;
    options.results = folder_.path();
    options.port = 0;
    return options;
  }
  tl::test::TemporaryFolder folder_;
  tl::ResultServer server_;
};

// As a client sends it that does not tidy paths up.
std::string request_of(const std::string& path, const std::string& host = "localhost") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", path, host);
}

int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

void make_bundle(const fs::path& folder, const std::string& verdict = "pass") {
  fs::create_directories(folder);
  tl::test::MadeBundle wanted;
  wanted.verdict = verdict;
  tl::test::make_bundle(folder, wanted);
}

}  // namespace

TEST_CASE(
    "the list holds every bundle, the newest first, and what cannot be read with its reason") {
  const ServedResults served;
  CHECK(served.get("/api/bundles").body == "[]");
  make_bundle(served.path() / "20260101T000000Z-a");
  make_bundle(served.path() / "20260102T000000Z-b", "fail");
  fs::create_directories(served.path() / "20260103T000000Z-c");
  std::ofstream{served.path() / "20260103T000000Z-c" / "manifest.json"} << "no JSON";
  fs::create_directories(served.path() / "no-run");
  const json rows = json::parse(served.get("/api/bundles").body);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at("name") == "20260103T000000Z-c");
  CHECK(rows[0].at("reason") == "manifest.json is not one of this trafficlab");
  CHECK(rows[1].at("name") == "20260102T000000Z-b");
  CHECK(rows[1].at("verdict") == "fail");
  CHECK(rows[2].at("verdict") == "pass");
  CHECK(rows[2].at("goodput_bps").get<double>() == 13309052768.165743);
  CHECK(rows[2].at("state") == "finished");
}

TEST_CASE("a bundle whose documents have other types does not keep the others from the list") {
  const ServedResults served;
  constexpr int kGood = 40;  // enough for several threads
  for (int i = 0; i < kGood; ++i) make_bundle(served.path() / fmt::format("run-{}", i));
  make_bundle(served.path() / "metrics");
  std::ofstream{served.path() / "metrics" / "metrics.json"} << R"({"metrics": [1, {"name": 1}]})";
  const std::vector<std::string> manifests{
      R"({"schema": 1})", R"({"schema": "trafficlab.bundle/1", "outcome": 1})",
      R"({"schema": "trafficlab.bundle/1", "outcome": {"verdict": 1, "reason": 1}})", "[]"};
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    const fs::path folder = served.path() / fmt::format("bad-{}", i);
    fs::create_directories(folder);
    std::ofstream{folder / "manifest.json"} << manifests[i];
  }
  const json rows = json::parse(served.get("/api/bundles").body);
  REQUIRE(rows.size() == kGood + 1 + manifests.size());
  for (const json& row : rows) {
    CAPTURE(row.dump());
    const bool is_bad = row.at("name").get<std::string>().starts_with("bad");
    CHECK(row.at("verdict") == (is_bad ? "inconclusive" : "pass"));
    CHECK(row.at("reason").get<std::string>().empty() != is_bad);
    CHECK((row.value("goodput_bps", json{}).is_null()) == (is_bad || row.at("name") == "metrics"));
  }
}

TEST_CASE("a live message of other types ends the stream, and the server goes on") {
  const ServedResults served;
  const fs::path control = served.path() / "x.partial" / "control";
  fs::create_directories(control);
  std::ofstream{control / "live.json"} << R"({"interval_ns":1,"window":{"services":{"a":1}}})";
  const std::string answer = served.raw(request_of("/api/live/x.partial"));
  CHECK(status_of(answer) == 200);
  CHECK(answer.ends_with("\r\n\r\n0\r\n\r\n"));
  CHECK(served.get("/api/bundles").status == 200);
}

TEST_CASE("the list follows what happens to bundles") {
  const ServedResults served;
  make_bundle(served.path() / "run");
  CHECK(json::parse(served.get("/api/bundles").body).at(0).at("verdict") == "pass");
  fs::remove_all(served.path() / "run");
  CHECK(served.get("/api/bundles").body == "[]");
  make_bundle(served.path() / "run", "inconclusive");
  CHECK(json::parse(served.get("/api/bundles").body).at(0).at("verdict") == "inconclusive");
}

TEST_CASE("files come whole, in parts and by their kind; HEAD has no body") {
  const ServedResults served;
  fs::create_directories(served.path() / "run" / "captures");
  std::string bytes(300'000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  std::ofstream{served.path() / "run" / "captures" / "a.pcap"} << bytes;
  std::ofstream{served.path() / "run" / "report.html"} << "<p>report</p>";
  CHECK(served.get("/bundle/run/captures/a.pcap").body == bytes);
  tl::HttpClient client;
  const std::string part = served.raw(
      "GET /bundle/run/captures/a.pcap HTTP/1.1\r\nHost: localhost\r\nRange: "
      "bytes=100000-100009\r\nConnection: close\r\n\r\n");
  CHECK(status_of(part) == 206);
  CHECK(part.ends_with("\r\n\r\n" + bytes.substr(100'000, 10)));
  const std::string page = served.raw(request_of("/bundle/run/report.html"));
  CHECK(page.find("Content-Type: text/html; charset=utf-8") != std::string::npos);
  CHECK(page.find("sandbox allow-scripts\r\n") != std::string::npos);
  CHECK(page.find("X-Content-Type-Options: nosniff") != std::string::npos);
  const std::string head = served.raw(
      "HEAD /bundle/run/report.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  CHECK(status_of(head) == 200);
  CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE("dots, links, encoded slashes and NUL do not leave the results") {
  const ServedResults served;
  make_bundle(served.path() / "run");
  fs::create_symlink("/etc/passwd", served.path() / "run" / "link");
  fs::create_directory_symlink("/etc", served.path() / "door");
  for (const std::string path :
       {"/bundle/../../../../etc/passwd", "/bundle/run/../../../etc/passwd",
        "/bundle/%2e%2e/%2e%2e/etc/passwd", "/bundle/run/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/bundle/run/link", "/bundle/door/passwd", "/bundle//etc/passwd", "/bundle/run%00/x",
        "/bundle/run", "/bundle/run/", "/bundle/", "/live/../x", "/api/live/run", "/etc/passwd",
        "/bundle/run/manifest.json%00.html"}) {
    CAPTURE(path);
    const std::string answer = served.raw(request_of(path));
    CHECK(status_of(answer) == 404);
    CHECK(answer.find("root:") == std::string::npos);
  }
}

TEST_CASE("a comparison does not follow the manifest of a series out of the results") {
  const tl::test::TemporaryFolder elsewhere;
  tl::test::make_run(elsewhere.path() / "secret");
  const ServedResults served;
  tl::test::make_run(served.path() / "run");
  const fs::path series = served.path() / "series";
  tl::test::make_run(series / "inner");
  fs::create_directory_symlink(elsewhere.path(), series / "door");
  std::ofstream{series / "metrics.json"} << "{}";
  const auto compare_with = [&](const std::string& bundle) {
    std::ofstream{series / "manifest.json"} << json{
        {"schema", "trafficlab.bundle/1"}, {"runs", json::array({json{{"bundle", bundle}}})}};
    return served.get("/api/compare?base=run&fresh=series");
  };
  CHECK(compare_with("inner").status == 200);
  for (const std::string& bundle : {(elsewhere.path() / "secret").native(), std::string{"../run"},
                                    std::string{"door/secret"}}) {
    const tl::HttpResponse answer = compare_with(bundle);
    CAPTURE(answer.body);
    CHECK(answer.status == 400);
    CHECK(answer.body.find('\n') == answer.body.size() - 1);
  }
}

TEST_CASE("a manifest nested beyond any stack is not compared, and the server goes on") {
  constexpr std::size_t kDepth = 500'000;
  const ServedResults served;
  tl::test::make_run(served.path() / "run");
  tl::test::make_run(served.path() / "deep");
  std::ofstream{served.path() / "deep" / "manifest.json"}
      << R"({"schema": "trafficlab.bundle/1", "host": )" << std::string(kDepth, '[')
      << std::string(kDepth, ']') << "}";
  CHECK(served.get("/api/compare?base=run&fresh=deep").status == 400);
  CHECK(served.get("/api/bundles").status == 200);
}

TEST_CASE(
    "overlong and malformed requests, other methods and other hosts are refused, and the server "
    "goes on") {
  const ServedResults served;
  make_bundle(served.path() / "run");
  CHECK(status_of(served.raw(request_of("/" + std::string(4000, 'a')))) == 414);
  CHECK(status_of(served.raw(request_of("/" + std::string(100'000, 'a')))) == 414);
  CHECK(status_of(served.raw("GET / HTTP/1.1\r\nHost: localhost\r\nX: " +
                             std::string(100'000, 'a') + "\r\n\r\n")) == 400);
  for (const std::string request :
       {"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x01",
        "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n"}) {
    CAPTURE(request);
    CHECK(status_of(served.raw(request)) != 200);
  }
  for (const char* method : {"POST", "PUT", "DELETE"}) {
    const std::string answer = served.raw(fmt::format(
        "{} /bundle/run/manifest.json HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n",
        method));
    CHECK(status_of(answer) == 405);
  }
  CHECK(fs::exists(served.path() / "run" / "manifest.json"));
  CHECK(status_of(served.raw(request_of("/api/bundles", "evil.example"))) == 421);
  CHECK(status_of(served.raw(request_of("/api/bundles", "127.0.0.1.evil.example:80"))) == 421);
  CHECK(status_of(served.raw("GET /api/bundles HTTP/1.1\r\nConnection: close\r\n\r\n")) == 421);
  CHECK(status_of(served.raw(request_of("/api/bundles", "[::1]:8080"))) == 200);
  CHECK(status_of(served.raw(request_of("/api/bundles", "127.0.0.1:1"))) == 200);
}
}  // namespace tl::serve_result_server_test
