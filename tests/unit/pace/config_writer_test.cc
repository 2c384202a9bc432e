// Test 14 of the telemetry reference: whose edit of prometheus.yml stays.
#include "pace/config_writer.hh"

#include <doctest/doctest.h>

#include "base/fd.hh"
#include "support/fake_server.hh"
#include "support/temporary.hh"

namespace tl::pace_config_writer_test {
using namespace tl::pace;
using namespace tl::test;
namespace fs = std::filesystem;

namespace {

PrometheusTarget at(const std::string& url) {
  PrometheusTarget target;
  target.url = url;
  return target;
}

// A configuration beside a promtool that takes everything, and a server that answers a reload.
struct Configured {
  TemporaryFolder folder;
  fs::path file = folder.path() / "prometheus.yml";
  FakeServer server;
  Prometheus prometheus;

  explicit Configured(const FakeServer::Script& script = {})
      : server{script}, prometheus{at(server.url())} {
    write_file_atomic(file, "old");
  }
  // A promtool that runs these lines of shell.
  [[nodiscard]] std::string promtool(const std::string& lines) const {
    const fs::path path = folder.path() / "promtool";
    write_file_atomic(path, "#!/bin/sh\n" + lines + "\n");
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }
};

}  // namespace

TEST_CASE("14 a text that is taken is in the file and was loaded") {
  Configured made;
  ConfigWriter writer{made.file, made.prometheus, "true"};
  CHECK(writer.apply("old", "new") == ConfigWriter::Result::applied);
  CHECK(read_file(made.file) == "new");
  CHECK(made.server.requests().size() == 1);
}

TEST_CASE("14 an edit that another makes while promtool checks stays") {
  Configured made;
  ConfigWriter writer{made.file, made.prometheus,
                      made.promtool("printf theirs > '" + made.file.native() + "'")};
  CHECK(writer.apply("old", "new") == ConfigWriter::Result::changed_by_others);
  CHECK(read_file(made.file) == "theirs");
  CHECK(made.server.requests().empty());
  CHECK_FALSE(fs::exists(made.file.native() + ".trafficlab-new"));
}

TEST_CASE("14 a text that Prometheus refuses makes way for the old one, but for no other's edit") {
  fs::path edited;
  Configured made{[&](const FakeRequest&, std::size_t) {
    if (!edited.empty()) write_file_atomic(edited, "theirs");
    FakeAnswer answer;
    answer.status = 500;
    return answer;
  }};
  ConfigWriter writer{made.file, made.prometheus, "true"};
  CHECK(writer.apply("old", "new") == ConfigWriter::Result::refused);
  CHECK(read_file(made.file) == "old");
  edited = made.file;
  CHECK(writer.apply("old", "new") == ConfigWriter::Result::changed_by_others);
  CHECK(read_file(made.file) == "theirs");
}
}  // namespace tl::pace_config_writer_test
