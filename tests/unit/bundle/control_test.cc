#include "bundle/control.hh"

#include <doctest/doctest.h>

#include <thread>

#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::bundle_control_test {
using namespace std::chrono_literals;

TEST_CASE("a message posted before or after the wait begins arrives") {
  const test::TemporaryFolder folder;
  const Control control{folder.path()};
  CHECK_FALSE(control.await("gate", Deadline{10ms}).has_value());
  std::thread poster{[&] { Control{folder.path()}.post("gate", {{"server", "198.18.0.2"}}); }};
  const auto message = control.await("gate", Deadline{10s});
  poster.join();
  REQUIRE(message.has_value());
  CHECK(message->at("server") == "198.18.0.2");
  CHECK(control.await("gate", Deadline{10ms}).has_value());
}

TEST_CASE("a message with words that are not UTF-8 arrives") {
  const test::TemporaryFolder folder;
  const Control control{folder.path()};
  control.post("traffic", {{"options", {"--title", "M\xfcller"}}});
  CHECK(control.read("traffic").value().at("options").at(1) == "M\uFFFDller");
}

TEST_CASE("a wait ends when its stop descriptor becomes readable") {
  const test::TemporaryFolder folder;
  auto [read_end, write_end] = make_pipe();
  write_all(write_end.get(), "x", "pipe");
  CHECK_FALSE(Control{folder.path()}.await("gate", Deadline{10s}, read_end.get()).has_value());
}
}  // namespace tl::bundle_control_test
