#include "serve/live_watch.hh"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/temporary.hh"

namespace tl::serve_live_watch_test {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct MadeRun {
  tl::test::TemporaryFolder results;
  fs::path folder = results.path() / "run.partial";
  std::int64_t seconds = 1000;
  MadeRun() {
    fs::create_directories(folder / "control");
    std::ofstream{folder / "experiment.yaml"} << "name: run\n";
  }
  // The counters agent's message with these buckets from `first` on.
  void post(std::uint64_t first, const std::vector<int>& rx) {
    const fs::path file = folder / "control" / "live.json";
    std::ofstream{file} << json{
        {"interval_ns", 10'000'000},
        {"window",
         {{"first", first}, {"services", {{"server", {{"rx_bytes", rx}, {"tx_bytes", rx}}}}}}}};
    fs::last_write_time(file, fs::file_time_type{std::chrono::seconds{++seconds}});
  }
};

json data_of(const std::string& event) {
  return json::parse(event.substr(event.find("data: ") + 6));
}

}  // namespace

TEST_CASE("a watcher gets each bucket of a running lab once, gaps as they are, and the end") {
  MadeRun run;
  const tl::ResultFolder folder{run.results.path()};
  tl::LiveWatch watch{folder, "run.partial"};
  CHECK(watch.next() == "");  // nothing yet
  run.post(10, {1, 2, 3});
  std::string event = watch.next();
  CHECK(event.starts_with("event: rates\ndata: {"));
  CHECK(event.ends_with("\n\n"));
  CHECK(data_of(event).at("first") == 10);
  CHECK(data_of(event).at("services").at("server").at("rx_bytes") == json{1, 2, 3});
  CHECK(watch.next() == "");  // the same message
  run.post(11, {2, 3, 4, 5});
  event = watch.next();
  CHECK(data_of(event).at("first") == 13);
  CHECK(data_of(event).at("services").at("server").at("rx_bytes") == json{4, 5});
  run.post(20, {9});
  CHECK(data_of(watch.next()).at("first") == 20);
  CHECK_FALSE(watch.has_ended());
  fs::rename(run.folder, run.results.path() / "run");
  std::ofstream{run.results.path() / "run" / "manifest.json"} << "{}";
  event = watch.next();
  CHECK(event.starts_with("event: end\n"));
  CHECK(data_of(event).at("bundle") == "run");
  CHECK(watch.has_ended());
}

TEST_CASE("a message that is not one is not shown") {
  MadeRun run;
  const tl::ResultFolder folder{run.results.path()};
  tl::LiveWatch watch{folder, "run.partial"};
  std::ofstream{run.folder / "control" / "live.json"} << "{\"window\": nul";
  CHECK(watch.next() == "");
  std::ofstream{run.folder / "control" / "live.json"} << "{\"window\": null}";
  CHECK(watch.next() == "");
}

TEST_CASE("a window of other types, or with columns of different lengths, is refused") {
  MadeRun run;
  const tl::ResultFolder folder{run.results.path()};
  tl::LiveWatch watch{folder, "run.partial"};
  run.post(1, {1, 2, 3});
  CHECK(watch.next() != "");
  for (const char* window :
       {R"({"services": {"a": 1}})", R"({"services": [1]})", R"({"first": 2})",
        R"({"first": "2", "services": {"a": {"rx_bytes": [1, 2, 3]}}})",
        R"({"first": 2, "services": {"a": {"rx_bytes": [[1], [2], [3]]}}})",
        R"({"first": 2, "services": {"a": {"rx_bytes": [1, 2, 3], "tx_bytes": []}}})"}) {
    CAPTURE(window);
    const fs::path file = run.folder / "control" / "live.json";
    std::ofstream{file} << "{\"interval_ns\": 1, \"window\": " << window << "}";
    fs::last_write_time(file, fs::file_time_type{std::chrono::seconds{++run.seconds}});
    CHECK_THROWS_AS((void)watch.next(), std::exception);
  }
  run.post(2, {2, 3, 4});
  CHECK(data_of(watch.next()).at("first") == 4);
}
}  // namespace tl::serve_live_watch_test
