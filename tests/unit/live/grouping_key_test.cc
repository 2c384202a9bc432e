#include "live/grouping_key.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"

namespace tl::live_grouping_key_test {
using namespace tl::live;

TEST_CASE("grouping labels that a path cannot carry travel as base64") {
  CHECK(grouping_path({"lab", {}}) == "/metrics/job/lab");
  CHECK(grouping_path({"lab", {{"z", "1"}, {"a", "2"}}}) == "/metrics/job/lab/a/2/z/1");
  CHECK(grouping_path({"a/b", {}}) == "/metrics/job@base64/YS9i");
  CHECK(grouping_path({"j", {{"l", ""}}}) == "/metrics/job/j/l@base64/=");
  CHECK(grouping_path({"j", {{"l", ".."}}}) == "/metrics/job/j/l@base64/Li4");
  CHECK(grouping_path({"j", {{"l", "\x3f\x3f>"}}}) == "/metrics/job/j/l@base64/Pz8-");
  CHECK(grouping_path({"j", {{"instance", "198.18.0.1:80"}}}) ==
        "/metrics/job/j/instance/198.18.0.1:80");
  CHECK_THROWS_AS(grouping_path({"", {}}), tl::UsageError);
  CHECK_THROWS_AS(grouping_path({"j", {{"job", "k"}}}), tl::UsageError);
}

TEST_CASE("a gateway on loopback is reached from loopback") {
  CHECK(address_towards("127.0.0.1", 9091) == "127.0.0.1");
}
}  // namespace tl::live_grouping_key_test
