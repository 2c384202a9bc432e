#include "compare/slices.hh"

#include <doctest/doctest.h>

#include <fstream>

#include "analysis/capture_reader.hh"
#include "base/fd.hh"
#include "base/process.hh"
#include "support/made_runs.hh"
#include "support/skip.hh"
#include "support/temporary.hh"

namespace tl::compare_slices_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kStartNs = 1'795'000'000'000'000'000;
constexpr std::int64_t kBucketNs = 10'000'000;
constexpr std::size_t kBuckets = 60;

void append_word(std::string& out, std::uint32_t word) {
  out.append(reinterpret_cast<const char*>(&word), sizeof word);
}

// A run whose receiver gets 1000 bytes a bucket from bucket 10 to 49, but 0 in bucket 20, 10 in
// bucket 35 and 100 in buckets 40 and 41; its capture has a packet in the middle of every bucket.
MeasuredRun made(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "counters");
  std::filesystem::create_directories(folder / "captures");
  std::string csv =
      "time_ns,container,rx_bytes,rx_packets,tx_bytes,tx_packets,rx_wire_bytes,rx_wire_packets,"
      "tx_wire_bytes,tx_wire_packets\n";
  std::string pcap;
  for (const std::uint32_t word : {0xa1b23c4dU, 2U | (4U << 16U), 0U, 0U, 96U, 1U})
    append_word(pcap, word);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const std::int64_t at = kStartNs + static_cast<std::int64_t>(i) * kBucketNs;
    const bool is_active = i >= 10 && i < 50;
    int bytes = is_active ? 1000 : 0;
    if (i == 20) bytes = 0;
    if (i == 35) bytes = 10;
    if (i == 40 || i == 41) bytes = 100;
    csv += std::to_string(at) + ",server," + std::to_string(bytes) + ",1,60,1,0,0,0,0\n";
    csv += std::to_string(at) + ",client,60,1," + std::to_string(bytes) + ",1,0,0,0,0\n";
    const std::int64_t middle = at + kBucketNs / 2;
    append_word(pcap, static_cast<std::uint32_t>(middle / 1'000'000'000));
    append_word(pcap, static_cast<std::uint32_t>(middle % 1'000'000'000));
    append_word(pcap, 60);
    append_word(pcap, 1514);
    pcap += std::string(60, static_cast<char>(i));
  }
  std::ofstream{folder / "counters" / "container.csv"} << csv;
  std::ofstream{folder / "captures" / "server.pcap"} << pcap;
  MadeRun run;
  run.changes = {{"traffic_window",
                  {{"start_ns", kStartNs},
                   {"end_ns", kStartNs + static_cast<std::int64_t>(kBuckets) * kBucketNs}}}};
  return read_runs({make_run(folder, run)}).front();
}

std::size_t bucket_of(const Span& span) {
  return static_cast<std::size_t>((span.start_ns - kStartNs) / kBucketNs);
}

}  // namespace

TEST_CASE("the worst windows are the poorest buckets inside the traffic, apart from each other") {
  const TemporaryFolder folder;
  const std::vector<Span> windows = worst_windows(made(folder.path() / "run"));
  REQUIRE(windows.size() == kMostSlices);
  CHECK(bucket_of(windows[0]) == 20);
  CHECK(bucket_of(windows[1]) == 35);
  CHECK(bucket_of(windows[2]) == 40);
  CHECK(windows[0].end_ns - windows[0].start_ns == kBucketNs);
}

TEST_CASE("a run without counters has no worst windows") {
  const TemporaryFolder folder;
  CHECK(worst_windows(read_runs({make_run(folder.path() / "run")}).front()).empty());
}

TEST_CASE("a slice holds the span's packets with their stamps and lengths") {
  const TemporaryFolder folder;
  const MeasuredRun run = made(folder.path() / "run");
  const std::filesystem::path file = folder.path() / "slice.pcap";
  const Span span{kStartNs + 5 * kBucketNs, kStartNs + 8 * kBucketNs};
  CHECK(write_slice(run.bundle / "captures" / "server.pcap", span, file) == 3);
  CaptureReader reader = CaptureReader::open(file.native());
  const auto batch = reader.next_batch();
  REQUIRE(batch.size() == 3);
  CHECK(batch[0].time_ns == kStartNs + 5 * kBucketNs + kBucketNs / 2);
  CHECK(batch[0].length_bytes == 1514);
  CHECK(batch[0].captured_bytes == 60);
  CHECK(batch[2].data[0] == 7);
  CHECK(reader.next_batch().empty());
  CHECK(reader.stop().clean());
}

TEST_CASE("a failed gate leaves slices that tcpdump opens, a passed one leaves nothing") {
  const TemporaryFolder folder;
  const MeasuredRun run = made(folder.path() / "run");
  const auto judged = [&](const char* policy) {
    return apply_policy(parse_policy_text(policy, "p"), {run}, {});
  };
  const std::filesystem::path evidence = folder.path() / "evidence";
  CHECK(write_evidence(judged("gates: [{metric: goodput, at_least: 1}]"), evidence).empty());
  CHECK_FALSE(std::filesystem::exists(evidence));
  const auto slices = write_evidence(judged("gates: [{metric: goodput, at_least: 2G}]"), evidence);
  REQUIRE(slices.size() == 3);
  CHECK(slices[0].packets == 3);  // the bucket and one on both sides
  const auto index = nlohmann::json::parse(read_file(evidence / "evidence.json"));
  CHECK(index.at(0).at("file") == slices[0].file.filename().native());
  if (!std::filesystem::exists("/usr/bin/tcpdump")) TL_SKIP("no tcpdump");
  for (const Slice& slice : slices) {
    const CommandResult seen = run_command(
        {"/usr/bin/tcpdump", "--count", "-nr", slice.file.native()}, std::chrono::seconds{20});
    CHECK_MESSAGE(seen.status.ok(), seen.err);
    CHECK(seen.out == "3 packets\n");
  }
}
}  // namespace tl::compare_slices_test
