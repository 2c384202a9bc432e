#include "lab/docker_api.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "support/docker_daemon.hh"

namespace tl::lab_docker_api_test {
using tl::test::ScopedVariable;

namespace {

std::string frame(char stream, const std::string& text) {
  return std::string{stream,
                     0,
                     0,
                     0,
                     0,
                     0,
                     static_cast<char>(text.size() >> 8),
                     static_cast<char>(text.size())} +
         text;
}

}  // namespace

TEST_CASE("a container's log stream is put together from its frames, whatever is cut off") {
  const std::string stream =
      frame(1, "out\n") + frame(2, "err\n") + frame(1, std::string(300, 'x'));
  CHECK(demultiplexed(stream) == "out\nerr\n" + std::string(300, 'x'));
  const std::string whole = demultiplexed(stream);
  for (std::size_t length = 0; length < stream.size(); ++length)
    CHECK(whole.starts_with(demultiplexed(std::string_view{stream}.substr(0, length))));
  CHECK(demultiplexed(std::string(8, '\xff') + "rest") == "rest");  // a length of 4 GiB
}

TEST_CASE("the Docker host is DOCKER_HOST, and only what can be asked is accepted") {
  const ScopedVariable host{"DOCKER_HOST", "tcp://127.0.0.1:2375"};
  CHECK(default_docker_host() == "tcp://127.0.0.1:2375");
  const ScopedVariable none{"DOCKER_HOST", ""};
  CHECK(default_docker_host().starts_with("unix:///"));
  CHECK_THROWS_AS(DockerApi{"ssh://somewhere"}, UsageError);
  CHECK_THROWS_AS(DockerApi{"/var/run/docker.sock"}, UsageError);
}
}  // namespace tl::lab_docker_api_test
