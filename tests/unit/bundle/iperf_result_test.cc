#include "bundle/iperf_result.hh"

#include <doctest/doctest.h>

namespace tl::bundle_iperf_result_test {
TEST_CASE("a complete iperf result gives bytes, time, retransmits and version") {
  const IperfResult r = parse_iperf(R"({"start":{"version":"iperf 3.12"},"intervals":[],
    "end":{"sum_sent":{"bytes":1000,"seconds":2.5,"retransmits":3},"sum_received":{"bytes":900}}})");
  CHECK_FALSE(r.error.has_value());
  CHECK(r.bytes_sent == 1000);
  CHECK(r.bytes_received == 900);
  CHECK(r.retransmits == 3);
  CHECK(r.version == "iperf 3.12");
}

TEST_CASE("an error key is a failure even when there are bytes") {
  const IperfResult r = parse_iperf(
      R"({"end":{"sum_sent":{"bytes":1000}},"error":"interrupt - the client has terminated"})");
  CHECK(r.error == "interrupt - the client has terminated");
}

TEST_CASE("broken outputs become an error and never an exception") {
  CHECK(parse_iperf("").error == "the output holds no JSON object");
  CHECK(parse_iperf("iperf3: command not found").error.has_value());
  CHECK(parse_iperf("{\"end\":{\"sum_sent\":{\"by").error.has_value());
  CHECK(parse_iperf("{}").error.has_value());
  CHECK(parse_iperf("[1]").error.has_value());
  CHECK(parse_iperf(R"({"end":[]})").error.has_value());
  CHECK(parse_iperf(R"({"end":{"sum_sent":{"bytes":0},"sum_received":{"bytes":0}}})").error ==
        "no byte was transferred");
}

TEST_CASE("text around the object and NaN inside it are tolerated") {
  const IperfResult r = parse_iperf(
      "warning: x\n{\"title\":\"nan "
      "\\\"inf\\\"\",\"end\":{\"sum\":{\"bytes\":5,\"jitter_ms\":-nan,\"seconds\":1}}}\ntrailing");
  CHECK_FALSE(r.error.has_value());
  CHECK(r.bytes_sent == 5);
  CHECK(r.document.at("title") == "nan \"inf\"");
}
}  // namespace tl::bundle_iperf_result_test
