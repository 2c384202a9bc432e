// `trafficlab rtt` beside a capture of the same packets, against a real Pushgateway.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>

#include <csignal>
#include <map>
#include <sstream>

#include "base/fd.hh"
#include "base/process.hh"
#include "support/busy_cpus.hh"
#include "support/capture_maker.hh"
#include "support/capture_process.hh"
#include "support/processes.hh"
#include "support/server.hh"
#include "support/tcp_simulation.hh"
#include "support/temporary.hh"
#include "support/veth_pair.hh"

namespace tl::rtt_live_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

Server::Command pushgateway() {
  return [](std::uint16_t port, const std::string&) {
    return Argv{"prometheus-pushgateway", "--web.listen-address=127.0.0.1:" + std::to_string(port)};
  };
}

// A child in a namespace.
Child start_in(const NetNs& netns, const Argv& argv, int output = -1) {
  ChildOptions options;
  options.prepare = [fd = netns.fd()] { return ::setns(fd, CLONE_NEWNET) == 0 ? 0 : errno; };
  options.stdout_fd = options.stderr_fd = output;
  return Child{argv, options};
}

// TCP from left to right through iperf3, in both directions, at a rate that drops nothing. All on
// one CPU: two acknowledgments that two CPUs send at once may reach two packet sockets in different
// orders, and the later one leaves nothing for the earlier to be a sample of.
void talk(const VethPair& pair) {
  const OnCpu one{0};
  const TemporaryFolder folder;
  const UniqueFd log = open_fd(folder.path() / "log", O_RDWR | O_CREAT);
  Child server = start_in(pair.right, {"iperf3", "--server", "--one-off"}, log.get());
  for (int i = 0; i < 100; ++i) {
    Child client = start_in(
        pair.left,
        {"iperf3", "--client", "198.18.0.2", "--bytes", "4M", "--bitrate", "50M", "--bidir"},
        log.get());
    if (client.wait(30s)->ok()) return;
    (void)eventually([] { return false; }, 20ms);  // the server does not listen yet
  }
  FAIL(read_file(folder.path() / "log"));
}

using Pair = std::pair<std::string, std::string>;  // source, destination

// Round-trip times of the capture by pair, as `pcap rtt --samples` has them.
std::map<Pair, std::uint64_t> samples_of(const std::filesystem::path& capture) {
  std::map<Pair, std::uint64_t> counts;
  std::istringstream lines{
      run_command({TL_PROGRAM, "pcap", "rtt", "--samples", capture.native()}, 60s).out};
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> cells;
    std::istringstream row{line};
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    if (cells.size() == 9 && (cells[7] == "syn" || cells[7] == "ack" || cells[7] == "sack"))
      ++counts[{cells[2], cells[4]}];
  }
  return counts;
}

// The histogram's counts by pair on a page of metrics.
std::map<Pair, std::uint64_t> counts_on(const std::string& page, const std::string& metric) {
  const auto label = [](const std::string& line, const std::string& name) {
    const std::size_t at = line.find(name + "=\"") + name.size() + 2;
    return line.substr(at, line.find('"', at) - at);
  };
  std::map<Pair, std::uint64_t> counts;
  std::istringstream lines{page};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(metric + "_count{"))
      counts[{label(line, "Source_IP"), label(line, "Destination_IP")}] =
          std::stoull(line.substr(line.rfind(' ') + 1));
  return counts;
}

std::uint64_t value_on(const std::string& page, const std::string& metric) {
  std::istringstream lines{page};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(metric + "{") || line.starts_with(metric + " "))
      return std::stoull(line.substr(line.rfind(' ') + 1));
  return UINT64_MAX;
}

struct ListeningRtt {
  TemporaryFolder folder;
  UniqueFd log = open_fd(folder.path() / "log", O_RDWR | O_CREAT);
  Child child;
  explicit ListeningRtt(const VethPair& pair, const Argv& more) : child{start(pair, more)} {
    REQUIRE(eventually([&] { return text().find("listening: eth0") != std::string::npos; }, 10s));
  }
  [[nodiscard]] std::string text() const { return read_file(folder.path() / "log"); }

 private:
  Child start(const VethPair& pair, const Argv& more) {
    Argv argv{TL_PROGRAM, "rtt", "-i", "eth0", "--netns", path_of(pair.left)};
    argv.insert(argv.end(), more.begin(), more.end());
    ChildOptions options;
    options.stdout_fd = options.stderr_fd = log.get();
    return Child{argv, options};
  }
};

constexpr const char* kMetric = "trafficlab_tcp_rtt_seconds";

}  // namespace

TEST_CASE("live rtt: what reaches the Pushgateway is what the capture of the same packets says") {
  const VethPair pair;
  const Server gateway{pushgateway(), "/-/ready"};
  const TemporaryFolder folder;
  CaptureProcess capture{folder.path() / "left.pcap",
                         {"-i", "eth0", "--netns", path_of(pair.left), "-f", "tcp"}};
  ListeningRtt rtt{pair, {"--push-url", gateway.url(), "--interval", "200ms"}};
  talk(pair);
  // A push within the interval, while it runs.
  CHECK(eventually(
      [&] { return !counts_on(http_get(gateway.port(), "/metrics").body, kMetric).empty(); }, 10s));
  rtt.child.signal(SIGTERM);
  REQUIRE(rtt.child.wait(10s));
  CHECK(capture.end(SIGTERM).code == 0);
  INFO(rtt.text());
  const std::string page = http_get(gateway.port(), "/metrics").body;
  const auto expected = samples_of(capture.file());
  CHECK(expected.size() == 2);
  CHECK(counts_on(page, kMetric) == expected);
  CHECK(value_on(page, "trafficlab_rtt_dropped_packets_total") == 0);
  CHECK(value_on(page, "trafficlab_rtt_packets_total") ==
        capture.account().at("written").get<std::uint64_t>());
  CHECK(page.find("instance=\"127.0.0.1\"") != std::string::npos);
}

TEST_CASE("live rtt: the group is removed at the end when asked for") {
  const VethPair pair;
  const Server gateway{pushgateway(), "/-/ready"};
  ListeningRtt rtt{pair,
                   {"--push-url", gateway.url(), "--interval", "100ms", "--remove-at-end", "--job",
                    "MEC_Dreamscape", "--metric", "rtt_seconds"}};
  talk(pair);
  CHECK(eventually(
      [&] {
        const std::string page = http_get(gateway.port(), "/metrics").body;
        return page.find("job=\"MEC_Dreamscape\"") != std::string::npos &&
               !counts_on(page, "rtt_seconds").empty();
      },
      10s));
  rtt.child.signal(SIGINT);
  const auto end = rtt.child.wait(10s);
  REQUIRE(end);
  CHECK(end->ok());
  CHECK(eventually(
      [&] {
        return http_get(gateway.port(), "/metrics").body.find("MEC_Dreamscape") ==
               std::string::npos;
      },
      5s));
}

TEST_CASE("rtt: a push replaces the group, or with --push-add leaves metrics of other names") {
  const TemporaryFolder folder;
  const auto file = folder.path() / "talk.pcap";
  write_file(file, pcap_file(simulate({}).at_client));
  const Server gateway{pushgateway(), "/-/ready"};
  const auto push = [&](const std::string& metric, const Argv& more) {
    Argv args{"rtt", file, "--push-url", gateway.url(), "--metric", metric};
    args.insert(args.end(), more.begin(), more.end());
    const CommandResult result = run_trafficlab(args);
    CHECK_MESSAGE(result.status.ok(), result.err);
  };
  const auto has = [&](const char* metric) {
    return !counts_on(http_get(gateway.port(), "/metrics").body, metric).empty();
  };
  push("first_rtt", {});
  push("second_rtt", {"--push-add"});
  CHECK(has("first_rtt"));
  CHECK(has("second_rtt"));
  push("third_rtt", {});
  CHECK_FALSE(has("first_rtt"));
  CHECK_FALSE(has("second_rtt"));
  CHECK(has("third_rtt"));
}

TEST_CASE("live rtt: pairs beyond the bound are one series, and nothing is lost") {
  const VethPair pair;
  const TemporaryFolder folder;
  CaptureProcess capture{folder.path() / "left.pcap",
                         {"-i", "eth0", "--netns", path_of(pair.left), "-f", "tcp"}};
  talk(pair);
  CHECK(capture.end(SIGTERM).code == 0);
  const auto all = samples_of(capture.file());
  std::uint64_t sum = 0;
  for (const auto& [labels, count] : all) sum += count;
  const CommandResult bounded =
      run_command({TL_PROGRAM, "rtt", capture.file().native(), "--max-pairs", "1"}, 30s);
  const auto counts = counts_on(bounded.out, kMetric);
  REQUIRE(counts.size() == 2);
  CHECK(counts.contains({"other", "other"}));
  std::uint64_t bounded_sum = 0;
  for (const auto& [labels, count] : counts) bounded_sum += count;
  CHECK(bounded_sum == sum);
  const auto by_sender = counts_on(
      run_command({TL_PROGRAM, "rtt", capture.file().native(), "--label-by", "sender"}, 30s).out,
      kMetric);
  for (const auto& [labels, count] : all)
    CHECK(by_sender.at({labels.second, labels.first}) == count);
}

TEST_CASE("live rtt: no device, a bad filter and a gateway that is not there end with a reason") {
  const auto run = [](Argv words) {
    words.insert(words.begin(), {TL_PROGRAM, "rtt"});
    return run_command(words, 20s);
  };
  CHECK(run({}).status.code == 2);
  CHECK(run({"-i", "no-such-device"}).status.code == 2);
  const CommandResult filter = run({"-i", "lo", "-f", "tcp prot 80"});
  CHECK(filter.status.code == 2);
  CHECK(filter.err.find("tcp prot 80") != std::string::npos);
  const CommandResult gateway = run({"-i", "lo", "--duration", "200ms", "--push-url",
                                     "http://127.0.0.1:" + std::to_string(free_port())});
  CHECK(gateway.status.code == 4);
  CHECK(gateway.err.find("push to http://127.0.0.1") != std::string::npos);
}
}  // namespace tl::rtt_live_test
