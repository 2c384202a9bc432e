// `trafficlab pcap` as its users run it: output, exit codes, memory.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/fd.hh"
#include "base/process.hh"
#include "support/capture_maker.hh"
#include "support/temporary.hh"

namespace tl::pcap_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kStart = 1'700'000'000'000'000'000;

CommandResult pcap(std::vector<std::string> words, const std::string& stdin_text = "") {
  Argv argv{TL_PROGRAM, "pcap"};
  argv.insert(argv.end(), words.begin(), words.end());
  return run_command(argv, 60s, stdin_text);
}

std::vector<MadePacket> ten_packets() {
  std::vector<MadePacket> packets;
  for (int i = 0; i < 10; ++i)
    packets.push_back({kStart + i * 100'000'000LL,
                       ethernet(ipv4("198.18.0.2", "198.18.0.3", 17, udp(40000, 5201, 83)))});
  return packets;  // 125 bytes each
}

// The largest resident set of the program with these words, in bytes.
std::uint64_t peak_memory_bytes(const std::vector<std::string>& words) {
  std::vector<std::string> argv{TL_PROGRAM};
  argv.insert(argv.end(), words.begin(), words.end());
  std::vector<char*> pointers;
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const UniqueFd null = open_fd("/dev/null", O_WRONLY);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(null.get(), STDOUT_FILENO);
    ::execv(TL_PROGRAM, pointers.data());
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  REQUIRE(::wait4(pid, &status, 0, &usage) == pid);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

TEST_CASE("pcap bandwidth prints size and bandwidth in the old calculator's units") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  write_file(path, pcap_file(ten_packets()));
  const CommandResult text = pcap({"bandwidth", path, "10"});
  CHECK(text.status.code == 0);
  CHECK(text.out.find("Data size: 1250 bytes\n") != std::string::npos);
  CHECK(text.out.find("1.250 KB") != std::string::npos);
  CHECK(text.out.find("Bandwidth: 1000.000 bps") != std::string::npos);
  CHECK(text.out.find("1.000000 kbps") != std::string::npos);
  CHECK(text.out.find("0.001000000 Mbps") != std::string::npos);
  const auto json = nlohmann::json::parse(pcap({"bandwidth", "--json", path, "500ms"}).out);
  CHECK(json.at("bandwidth_bps") == 20000);
  CHECK(pcap({"bandwidth", path, "0"}).status.code == 2);
}

TEST_CASE("R-7 pcap summary reads stdin, and one pass answers summary, series and flows") {
  const Bytes bytes = pcap_file(ten_packets());
  const CommandResult result =
      pcap({"summary", "--json", "--series", "200ms", "--flows", "-"},
           std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  CHECK(result.status.code == 0);
  CHECK(result.err.empty());
  const auto json = nlohmann::json::parse(result.out);
  CHECK(json.at("schema") == "trafficlab.pcap.summary/1");
  CHECK(json.at("packets") == 10);
  CHECK(json.at("frame_bytes") == 1250);
  CHECK(json.at("series").at("bins").size() == 5);
  CHECK(json.at("flows").size() == 1);
  CHECK(json.at("total").at("frame_bytes") == 1250);
}

TEST_CASE("pcap series and flows print CSV with a header, and rows that add up") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  write_file(path, pcap_file(ten_packets()));
  CHECK(pcap({"series", "--interval", "1s", "--csv", path}).out ==
        "time_ns,total,packets,frame_bytes,ip_bytes,payload_bytes\n"
        "1700000000000000000,total,10,1250,1110,830\n");
  const std::string flows = pcap({"flows", "--csv", path}).out;
  CHECK(flows.find("\nflow,udp,198.18.0.2,40000,198.18.0.3,5201,1700000000000000000,"
                   "1700000000900000000,0,0,10,1250,1110,830,10,1250,1110,830,") !=
        std::string::npos);
  CHECK(flows.find("\ntotal,,,,,,,,,,10,1250,1110,830,") != std::string::npos);
}

TEST_CASE("R-6 exit codes: 0 clean, 2 not readable, 3 partial, with the statistics so far") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  Bytes bytes = pcap_file(ten_packets());
  bytes.resize(bytes.size() - 1);
  write_file(path, bytes);
  for (const char* verb : {"summary", "series", "flows"}) {
    const CommandResult cut = pcap({verb, "--json", path});
    CHECK(cut.status.code == 3);
    CHECK(cut.err.find("cut at byte 1293 after 9 packets") != std::string::npos);
    CHECK(nlohmann::json::parse(cut.out).at("stop").at("reason") == "cut");
  }
  CHECK(nlohmann::json::parse(pcap({"summary", "--json", path}).out).at("packets") == 9);
  CHECK(pcap({"bandwidth", path, "1"}).status.code == 3);
  write_file(path, pcap_header({}));
  CHECK(pcap({"summary", path}).status.code == 0);
  write_file(path, {});
  CHECK(pcap({"summary", path}).status.code == 2);
  CHECK(pcap({"summary", folder.path() / "missing.pcap"}).status.code == 2);
  CHECK(pcap({"nonsense", path}).status.code == 2);
  CHECK(pcap({"summary", "--json", "--csv", path}).status.code == 2);
}

TEST_CASE("more flows than fit make the result partial, and the sums still hold") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  write_traffic(path, {.packets = 5000, .frame_bytes = 100, .flows = 1000});
  const CommandResult result = pcap({"flows", "--json", "--max-flows", "300", path});
  CHECK(result.status.code == 3);
  const auto json = nlohmann::json::parse(result.out);
  CHECK(json.at("evictions") > 0);
  CHECK(json.at("total").at("packets") == 5000);
}

TEST_CASE("pcap summary hashes the file when asked") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  write_file(path, pcap_file(ten_packets()));
  const auto json = nlohmann::json::parse(pcap({"summary", "--json", "--sha256", path}).out);
  const std::string expected = must_run({"sha256sum", path}, 10s);
  CHECK(json.at("sha256") == expected.substr(0, 64));
}

TEST_CASE("R-8 memory stays under 64 MB at 10,000 flows and does not grow with the file") {
  const TemporaryFolder folder;
  const std::string small = folder.path() / "small.pcap", large = folder.path() / "large.pcap";
  write_traffic(small, {.packets = 200'000, .frame_bytes = 100, .flows = 10'000, .step_ns = 20000});
  write_traffic(large,
                {.packets = 3'000'000, .frame_bytes = 100, .flows = 10'000, .step_ns = 1333});
  const auto peak = [](const std::string& path) {
    return peak_memory_bytes({"pcap", "summary", "--series", "10ms", "--flows", "--json", path});
  };
  const std::uint64_t of_small = peak(small), of_large = peak(large);
  CAPTURE(of_small);
  CAPTURE(of_large);
  CHECK(of_small < (64U << 20));
  CHECK(of_large < (64U << 20));
  // How many threads' parts wait to be joined differs from run to run, at about 5 MB each. Four
  // bytes kept for each packet of the larger file would be more.
  CHECK(of_large < of_small + (11U << 20));
}
}  // namespace tl::pcap_test
