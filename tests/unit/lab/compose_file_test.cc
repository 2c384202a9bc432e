#include "lab/compose_file.hh"

#include <doctest/doctest.h>

#include "base/errors.hh"

namespace tl::lab_compose_file_test {
namespace {

const Variables kVariables{
    {"TRAFFICLAB_IMAGE", "trafficlab:1"}, {"TRAFFICLAB_RUN_FOLDER", "/run/x"},
    {"TRAFFICLAB_RUN_ID", "abc"},         {"TRAFFICLAB_UID", "65534"},
    {"TRAFFICLAB_GID", "65534"},          {"TRAFFICLAB_SUBNET", "198.18.0.16/28"},
    {"TRAFFICLAB_BRIDGE", "tl-abc"}};

std::string message_for(const std::string& text) {
  try {
    (void)parse_compose_text(text, "c.yaml", kVariables);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "accepted";
}

bool refuses(const std::string& text, const std::string& part) {
  return message_for(text).find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the project's own compose.yaml is understood in full") {
  const ComposeFile lab = parse_compose(TL_SOURCE_DIR "/compose.yaml", kVariables);
  REQUIRE(lab.services.size() == 4);
  CHECK(lab.services[0].name == "iperf-server");
  CHECK(lab.services[0].user == "65534:65534");
  CHECK(lab.services[0].networks == std::vector<std::string>{"lab"});
  CHECK(lab.services[0].volumes == std::vector<std::string>{"/run/x"});
  CHECK(lab.services[2].network_mode == "none");
  CHECK(lab.networks.at(0).subnet == "198.18.0.16/28");
}

TEST_CASE("a key that the netns engine does not support is refused by name and line") {
  CHECK(refuses("services:\n  a:\n    image: x\n    privileged: true\n",
                "c.yaml:4: service a: key 'privileged' is not supported"));
  CHECK(
      refuses("services: {}\nvolumes: {}\n", "c.yaml:2: the file: key 'volumes' is not supported"));
  CHECK(message_for("x-note: 1\nservices:\n  a: {image: x, x-other: 2}\n") == "accepted");
}

TEST_CASE("values that would mean something else here than in a container are refused") {
  CHECK(refuses("services:\n  a: {volumes: ['/a:/b']}\n", "the same path inside and outside"));
  CHECK(refuses("services:\n  a: {user: nobody}\n", "user 'nobody'"));
  CHECK(refuses("services:\n  a: {network_mode: host}\n", "network_mode 'host'"));
  CHECK(refuses("services:\n  a: {networks: [lost]}\n", "no network 'lost'"));
  CHECK(refuses("services:\n  a: {image: '${ABSENT}'}\n", "variable 'ABSENT' is not set"));
}

TEST_CASE("variables, defaults and escaped dollars are resolved") {
  const ComposeFile lab = parse_compose_text(
      "services:\n  a: {image: '${TRAFFICLAB_IMAGE}', command: ['${NO:-5}', '$$x', "
      "'a${TRAFFICLAB_RUN_ID}b']}\n",
      "c.yaml", kVariables);
  CHECK(lab.services[0].image == "trafficlab:1");
  CHECK(lab.services[0].command == std::vector<std::string>{"5", "$x", "aabcb"});
}
}  // namespace tl::lab_compose_file_test
