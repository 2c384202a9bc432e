#include "spec/parse.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"
#include "spec/settings.hh"

namespace tl::spec_parse_test {
using namespace std::chrono_literals;

namespace {
std::string message_for(const std::string& text) {
  try {
    check(parse_experiment_text(text, "e.yaml"));
  } catch (const UsageError& e) {
    return e.what();
  }
  return "accepted";
}
}  // namespace

TEST_CASE("an experiment file sets what it names and keeps the defaults of the rest") {
  const Experiment e = parse_experiment_text(
      "name: x\nduration: 10s\ntraffic: {protocol: udp, port: 80, bitrate: 10M, reverse: yes, "
      "options: [-O, 1]}\n",
      "e.yaml");
  CHECK(e.name == "x");
  CHECK(e.duration == 10s);
  CHECK(e.protocol == Protocol::udp);
  CHECK(e.port == 80);
  CHECK(e.bitrate_bps == 10'000'000);
  CHECK(e.reverse);
  CHECK(e.iperf_options == std::vector<std::string>{"-O", "1"});
  CHECK(e.interval == 10ms);
  CHECK(e.snaplen_bytes == 96);
}

TEST_CASE("a wrong key, type or value is refused with file, line and what is allowed") {
  CHECK(message_for("duratoin: 5s\n") ==
        "e.yaml:1: unknown key 'duratoin' (known here: name, engine, duration, interval, traffic, "
        "capture, link, matrix)");
  CHECK(message_for("name: a\ntraffic:\n  prot: 5\n") ==
        "e.yaml:3: unknown key 'traffic.prot' (known here: protocol, port, parallel, bitrate, "
        "reverse, congestion, mss, options)");
  CHECK(message_for("name: a\n\ntraffic:\n  port: 70000\n") ==
        "e.yaml:4: port '70000': expected a whole number from 1 to 65535");
  CHECK(message_for("duration: [1]\n") == "e.yaml:1: duration: expected one value");
  CHECK(message_for("traffic: 5\n") == "e.yaml:1: traffic: expected keys and values");
  CHECK(message_for("name: a\nname: b\n") == "e.yaml:2: 'name' stands twice");
  CHECK(message_for("name: ../x\n").starts_with("e.yaml:1: name '../x': expected"));
  CHECK(message_for("traffic: {options: 5}\n") ==
        "e.yaml:1: traffic.options: expected a list of iperf3's options");
  CHECK(message_for("name: {\n").starts_with("e.yaml:"));
}

TEST_CASE("durations that iperf cannot run and intervals out of range are refused") {
  for (const char* text : {"duration: 0", "duration: -5s", "duration: 1e9h", "duration: 1500ms",
                           "interval: 50us", "interval: 2s"}) {
    CAPTURE(text);
    CHECK(message_for(text) != "accepted");
  }
  CHECK(message_for("duration: 5m") == "accepted");
}

TEST_CASE("what write_experiment writes, parse_experiment reads back") {
  Experiment e;
  e.name = "a.b-c_1";
  e.duration = 90s;
  e.interval = 100us;
  e.protocol = Protocol::udp;
  e.filter = "tcp port 80 or \"x\"";
  e.iperf_options = {"--congestion", "cubic", "yes", "01", "a b"};
  e.link = {200'000'000, 1500us, 1234};
  const std::string text = write_experiment(e);
  CHECK(write_experiment(parse_experiment_text(text, "written")) == text);
  CHECK(parse_experiment_text(text, "written").iperf_options == e.iperf_options);
  CHECK(parse_experiment_text(text, "written").filter == e.filter);
  CHECK(parse_experiment_text(text, "written").link == e.link);
}

TEST_CASE("a share of lost frames is read exactly, and refused when it has no exact reading") {
  const auto loss = [](const char* text) {
    return parse_experiment_text(std::string{"link: {loss: "} + text + "}", "e").link.loss_ppm;
  };
  CHECK(loss("0") == 0);
  CHECK(loss("0.1%") == 1000);
  CHECK(loss("0.0001%") == 1);
  CHECK(loss("100%") == 1'000'000);
  for (const char* text : {"0.1", "101%", "100.1%", "0.00001%", "%", ".5%", "1.%", "-1%", "1e1%"}) {
    CAPTURE(text);
    CHECK(message_for(std::string{"link: {loss: "} + text + "}") != "accepted");
  }
}

TEST_CASE("what is of TCP alone is refused for UDP") {
  CHECK(message_for("traffic: {protocol: udp, congestion: reno}") ==
        "traffic.congestion and traffic.mss are of TCP, the protocol is udp");
  CHECK(message_for("traffic: {protocol: tcp, congestion: reno, mss: 1000}") == "accepted");
}
}  // namespace tl::spec_parse_test
