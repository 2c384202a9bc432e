#include "cli/publish_options.hh"

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>

#include "base/errors.hh"
#include "support/fake_server.hh"
#include "support/made_runs.hh"
#include "support/temporary.hh"

namespace tl::cli_publish_options_test {
using namespace tl::test;

namespace {

// Variables of the environment, gone at the end of the scope.
class Variables {
 public:
  explicit Variables(std::map<std::string, std::string> values) : values_{std::move(values)} {
    for (const auto& [name, value] : values_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : values_) ::unsetenv(name.c_str());
  }
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;

 private:
  std::map<std::string, std::string> values_;
};

// Where a run's points go with these options: the path of the request.
std::string written_to(const std::string& options) {
  const TemporaryFolder folder;
  const FakeServer server;
  CLI::App app;
  PublishOptions publishing{app};
  app.parse("--influx-url " + server.url() + " " + options);
  publishing.check();
  CHECK(publishing.publish(make_run(folder.path() / "run")));
  return server.requests().empty() ? "" : server.requests().back().target;
}

}  // namespace

TEST_CASE("variables of the environment stand in for absent options of InfluxDB") {
  const Variables variables{
      {{"INFLUXDB_VERSION", "2"}, {"INFLUXDB_ORG", "o"}, {"INFLUXDB_BUCKET", "b"}}};
  CHECK(written_to("") == "/api/v2/write?org=o&bucket=b&precision=ns");
  CHECK(written_to("--influx-bucket mine") == "/api/v2/write?org=o&bucket=mine&precision=ns");
}

TEST_CASE("options of InfluxDB win over the environment") {
  const Variables variables{{{"INFLUXDB_VERSION", "nine"},
                             {"INFLUXDB_ORG", "o"},
                             {"INFLUXDB_BUCKET", "b"},
                             {"INFLUXDB_DATABASE", "d"}}};
  CHECK(written_to("--influx-version 1 --influx-database runs") == "/write?db=runs&precision=ns");
  CHECK(written_to("--influx-version 2 --influx-org us --influx-bucket mine") ==
        "/api/v2/write?org=us&bucket=mine&precision=ns");
  CHECK_THROWS_WITH_AS((void)written_to("--influx-database runs"),
                       doctest::Contains("$INFLUXDB_VERSION: "), UsageError);
}
}  // namespace tl::cli_publish_options_test
