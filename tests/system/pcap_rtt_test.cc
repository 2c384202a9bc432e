// `trafficlab pcap rtt` and `pcap diff` as their users run them, beside other programs and the
// kernel.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/process.hh"
#include "support/capture_maker.hh"
#include "support/corpus.hh"
#include "support/skip.hh"
#include "support/tcp_simulation.hh"
#include "support/tcp_talk.hh"
#include "support/temporary.hh"

namespace tl::pcap_rtt_test {
using namespace tl::test;
using namespace std::chrono_literals;

namespace {

CommandResult pcap(std::vector<std::string> words, const std::string& stdin_text = "") {
  Argv argv{TL_PROGRAM, "pcap"};
  argv.insert(argv.end(), words.begin(), words.end());
  return run_command(argv, 60s, stdin_text);
}

std::vector<std::vector<std::string>> table(const std::string& text, char between) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    rows.emplace_back(1);
    for (const char c : line)
      if (c == between)
        rows.back().emplace_back();
      else
        rows.back().back() += c;
  }
  return rows;
}

using ByFrame = std::map<std::uint64_t, std::int64_t>;  // RTT in ns by frame number, from 1

// Samples of plain ACKs, as tshark has no other; it does not show an RTT of 0 either.
ByFrame our_samples(const std::string& path) {
  ByFrame samples;
  for (const auto& row : table(pcap({"rtt", "--samples", path}).out, ','))
    if (row.size() == 9 && (row[7] == "ack" || row[7] == "syn") && row[8] != "0")
      samples[std::stoull(row[0]) + 1] = std::stoll(row[8]);
  return samples;
}

ByFrame tshark_samples(const std::string& path) {
  const CommandResult result =
      run_command({"tshark", "-n", "-r", path, "-Y", "tcp.analysis.ack_rtt", "-T", "fields", "-e",
                   "frame.number", "-e", "tcp.analysis.ack_rtt"},
                  60s);
  ByFrame samples;
  for (const auto& row : table(result.out, '\t'))
    if (row.size() == 2 && row[1].find(',') == std::string::npos)
      samples[std::stoull(row[0])] = std::llround(std::stod(row[1]) * 1e9);
  return samples;
}

// Whether anything is in the capture that tshark judges differently, or decodes and we do not.
bool is_plain(const std::string& path) {
  const auto summary = nlohmann::json::parse(pcap({"summary", "--rtt", "--json", path}).out);
  if (summary.at("untimed_packets") != 0 || summary.at("undecoded_packets") != 0) return false;
  if (summary.at("tcp_packets") == 0) return false;
  for (const auto& half : summary.at("rtt").at("total"))
    for (const char* counter : {"karn_ambiguous", "intervening", "acked_unseen", "probes", "stale",
                                "time_reversed", "retransmissions", "keep_alives", "unseen_acks",
                                "partial_acks", "restarts", "sack_samples"})
      if (half.at(counter) != 0) return false;
  return true;
}

}  // namespace

TEST_CASE("R-5 pcap rtt on a capture without loss is, frame by frame, what tshark measures") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  for (const std::int64_t delayed_us : {0, 3000})
    for (std::uint32_t seed = 1; seed <= 3; ++seed) {
      const Exchange exchange = simulate({.delayed_ack_us = delayed_us, .seed = seed});
      for (const auto* packets : {&exchange.at_client, &exchange.at_server}) {
        write_file(path, pcap_file(*packets));
        const ByFrame ours = our_samples(path);
        if (packets == &exchange.at_client) CHECK(ours.size() > 100);
        CHECK(ours == tshark_samples(path));
      }
    }
}

TEST_CASE("R-5 pcap rtt on public captures without loss is what tshark measures") {
  const auto folder = corpus_folder();
  if (!folder) TL_SKIP("the public captures are not here (TL_PCAPS)");
  std::size_t files = 0, samples = 0;
  for (const ManifestRow& row : corpus_manifest(*folder)) {
    const std::string path = *folder / "corpus" / row.at("path");
    if (row.at("capinfos_clean") != "yes" || row.at("encap") != "ether") continue;
    if (!is_plain(path)) continue;
    const ByFrame ours = our_samples(path);
    if (ours.empty()) continue;
    CAPTURE(path);
    CHECK(ours == tshark_samples(path));
    ++files;
    samples += ours.size();
  }
  CHECK(files > 20);
  CHECK(samples > 100);
}

TEST_CASE("pcap rtt prints tables as text, CSV and JSON, by the ACK's labels or the sender's") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  write_file(path, rtt_cases().at(0).talk.capture());
  const CommandResult text = pcap({"rtt", path});
  CHECK(text.status.code == 0);
  CHECK(text.out.find("198.18.0.3:80 -> 198.18.0.2:1001") != std::string::npos);
  const auto rows = table(pcap({"rtt", "--csv", "--local", "198.18.0.2", path}).out, ',');
  CHECK(rows.at(0).at(1) == "source_ip");
  CHECK(rows.at(1).at(1) == "198.18.0.3");  // the server acknowledges
  CHECK(rows.at(1).at(6) == "remote");
  CHECK(rows.at(1).at(8) == "10000000");
  const auto sender = table(pcap({"rtt", "--csv", "--label-by", "sender", path}).out, ',');
  CHECK(sender.at(1).at(1) == "198.18.0.2");
  for (const auto& row : rows) CHECK(row.size() == rows.at(0).size());
  const auto json = nlohmann::json::parse(pcap({"rtt", "--json", path, path}).out);
  CHECK(json.at("captures").size() == 2);
  const auto& half = json.at("captures").at(1).at("rtt").at("flows").at(0);
  CHECK(half.at("rtt").at("p50_ns") == 10'000'000);
  CHECK(half.at("ts").at("count") == 2);
  CHECK(json.at("captures").at(0).at("rtt").at("total").at(2).at("answered") == 3);
}

TEST_CASE("pcap rtt refuses what it cannot do, and says when a capture was cut") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  Bytes bytes = rtt_cases().at(0).talk.capture();
  bytes.resize(bytes.size() - 3);
  write_file(path, bytes);
  const CommandResult cut = pcap({"rtt", path});
  CHECK(cut.status.code == 3);
  CHECK(cut.err.find("cut at byte") != std::string::npos);
  CHECK(cut.out.find("samples") != std::string::npos);
  CHECK(pcap({"rtt", "--json", "--samples", path}).status.code == 2);
  CHECK(pcap({"rtt", "--local", "nonsense", path}).status.code == 2);
  CHECK(pcap({"rtt"}).status.code == 2);
}

TEST_CASE("one pass: pcap summary --rtt says what pcap rtt says") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  write_file(path, pcap_file(simulate({.loss_per_mille = 20}).at_client));
  const auto one = nlohmann::json::parse(
      pcap({"summary", "--json", "--series", "10ms", "--flows", "--rtt", path}).out);
  const auto other = nlohmann::json::parse(pcap({"rtt", "--json", path}).out);
  CHECK(one.at("rtt") == other.at("captures").at(0).at("rtt"));
  CHECK(one.contains("series"));
  CHECK(one.contains("flows"));
}

TEST_CASE("pcap diff finds out by itself whether it is one exchange or two runs") {
  const TemporaryFolder folder;
  const std::string client = folder.path() / "client.pcap", server = folder.path() / "server.pcap",
                    again = folder.path() / "again.pcap";
  const Exchange exchange = simulate({.loss_per_mille = 30, .seed = 2});
  write_file(client, pcap_file(exchange.at_client));
  write_file(server, pcap_file(exchange.at_server));
  write_file(again, pcap_file(simulate({.counts_identity = false, .seed = 8}).at_client));

  const auto one = nlohmann::json::parse(pcap({"diff", "--json", "--whole", client, server}).out);
  CHECK(one.at("schema") == "trafficlab.pcap.diff.exchange/1");
  CHECK(one.at("paths").at(0).at("lost_packets") == exchange.lost_to_server);
  CHECK(one.at("paths").at(0).at("upstream") == "A");
  const auto two = nlohmann::json::parse(pcap({"diff", "--json", client, again}).out);
  CHECK(two.at("schema") == "trafficlab.pcap.diff.runs/1");
  const auto same =
      nlohmann::json::parse(pcap({"diff", "--as", "runs", "--json", client, client}).out);
  CHECK(same.at("identical") == true);
  CHECK(nlohmann::json::parse(pcap({"diff", "--json", client, client}).out).at("identical") ==
        true);
  const auto csv = table(pcap({"diff", "--csv", client, server}).out, ',');
  for (const auto& row : csv) CHECK(row.size() == csv.at(0).size());
  CHECK(pcap({"diff", client, server}).out.find("passes A first") != std::string::npos);
}

TEST_CASE("R-15 pcap diff judges runs by declared tolerances: exit code 1 beyond them") {
  const TemporaryFolder folder;
  const std::string a = folder.path() / "a.pcap", b = folder.path() / "b.pcap";
  write_file(a, pcap_file(simulate({.segments = 400}).at_client));
  write_file(b, pcap_file(simulate({.segments = 300, .seed = 3}).at_client));
  CHECK(pcap({"diff", "--as", "runs", a, b}).status.code == 0);
  CHECK(pcap({"diff", "--as", "runs", "--tolerance", "packets=1%", a, b}).status.code == 1);
  CHECK(pcap({"diff", "--as", "runs", "--tolerance", "packets=50%", a, b}).status.code == 0);
  CHECK(pcap({"diff", "--as", "runs", "--tolerance", "nonsense", a, b}).status.code == 2);
  CHECK(pcap({"diff", "-", b}).status.code == 2);
  CHECK(pcap({"diff", a, "/nonexistent"}).status.code == 2);
}
}  // namespace tl::pcap_rtt_test
