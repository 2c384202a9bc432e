// The parts of a live capture that need no network: files, accounts, filters.
#include <doctest/doctest.h>

#include <cstring>

#include "analysis/capture_reader.hh"
#include "base/errors.hh"
#include "probe/capture_account.hh"
#include "probe/capture_file.hh"
#include "probe/capture_sidecar.hh"
#include "probe/packet_filter.hh"
#include "support/temporary.hh"

namespace tl::probe_capture_test {
using tl::test::TemporaryFolder;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

RingPacket packet_of(const std::string& bytes, std::int64_t time_ns) {
  RingPacket packet;
  packet.time_ns = time_ns;
  packet.bytes = reinterpret_cast<const unsigned char*>(bytes.data());
  packet.kept = static_cast<std::uint32_t>(bytes.size());
  packet.length = packet.kept;
  return packet;
}

CaptureTally tally_of(const std::vector<std::int64_t>& times_ns) {
  CaptureTally tally{1514};
  for (const std::int64_t time_ns : times_ns) tally.add(packet_of("x", time_ns));
  return tally;
}

}  // namespace

TEST_CASE("a capture file keeps nanoseconds, lengths and bytes") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "x.pcap";
  CaptureFile file{{.path = path, .snaplen_bytes = 96, .link_type = 1}};
  const std::string frame(60, 'a');
  RingPacket packet = packet_of(frame, 5 * kSecond + 123'456'789);
  packet.length = 1514;
  CHECK(file.add(packet));
  CHECK_FALSE(std::filesystem::exists(path));
  file.finish(true);
  CHECK(file.place() == path);
  CaptureReader reader = CaptureReader::open(path);
  const auto batch = reader.next_batch();
  REQUIRE(batch.size() == 1);
  CHECK(batch[0].time_ns == 5 * kSecond + 123'456'789);
  CHECK(batch[0].length_bytes == 1514);
  CHECK(std::string{reinterpret_cast<const char*>(batch[0].data), batch[0].captured_bytes} ==
        frame);
  CHECK(reader.interfaces().at(0).snaplen == 96);
  CHECK(reader.format().time_unit.exponent == 9);
}

TEST_CASE("a VLAN tag that the kernel took out is put back behind the addresses") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "x.pcap";
  CaptureFile file{{.path = path, .snaplen_bytes = 30, .link_type = 1}};
  const std::string frame = std::string(12, 'm') + std::string{"\x08\x00", 2} + "0123456789abcdef";
  RingPacket packet = packet_of(frame, kSecond);
  packet.has_vlan = true;
  packet.vlan_tpid = 0x88a8;
  packet.vlan_tci = 0x0123;
  CHECK(file.add(packet));
  file.finish(true);
  CaptureReader reader = CaptureReader::open(path);
  const auto batch = reader.next_batch();
  REQUIRE(batch.size() == 1);
  CHECK(batch[0].length_bytes == 34);
  CHECK(batch[0].captured_bytes == 30);
  const std::string expected =
      std::string(12, 'm') + std::string{"\x88\xa8\x01\x23\x08\x00", 6} + "0123456789ab";
  CHECK(std::string{reinterpret_cast<const char*>(batch[0].data), 30} == expected);
}

TEST_CASE("an incomplete capture file keeps its .part name") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "x.pcap";
  CaptureFile file{{.path = path, .snaplen_bytes = 96, .link_type = 1}};
  CHECK(file.add(packet_of("frame", kSecond)));
  file.finish(false);
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(CaptureReader::open(file.place()).next_batch().size() == 1);
}

TEST_CASE("a capture file stops before the disk has less free than it must keep") {
  const TemporaryFolder folder;
  CaptureFile file{{.path = folder.path() / "x.pcap",
                    .snaplen_bytes = 96,
                    .link_type = 1,
                    .min_free_bytes = std::uint64_t{1} << 60}};
  CHECK(file.add(packet_of("frame", kSecond)));
  CHECK_FALSE(file.flush());
  CHECK(file.records() == 0);
  CHECK(file.failure().find("No space left on device") != std::string::npos);
  CHECK_FALSE(file.add(packet_of("frame", kSecond)));
}

TEST_CASE("R-16 time stamps that go back are counted, with the largest step") {
  const auto account = tally_of({100, 90, 110, 105, 105, 120}).to_json();
  CHECK(account.at("time_backsteps") == 2);
  CHECK(account.at("largest_backstep_ns") == 10);
  CHECK(account.at("first_ns") == 100);
  CHECK(account.at("earliest_ns") == 90);
  CHECK(account.at("last_ns") == 120);
  CHECK(tally_of({}).to_json().at("first_ns").is_null());
}

TEST_CASE("packets longer than the MTU allows are counted as super-packets") {
  CaptureTally tally{1514};
  const std::string bytes(10, 'x');
  for (const std::uint32_t length : {60U, 1514U, 1515U, 65226U}) {
    RingPacket packet = packet_of(bytes, kSecond);
    packet.length = length;
    packet.is_outgoing = length > 1000;
    tally.add(packet);
  }
  const auto account = tally.to_json();
  CHECK(account.at("over_mtu_packets") == 2);
  CHECK(account.at("over_mtu_bytes") == 1515 + 65226);
  CHECK(account.at("truncated_packets") == 4);
  CHECK(account.at("kept_bytes") == 40);
  CHECK(account.at("rx").at("packets") == 1);
  CHECK(account.at("tx").at("bytes") == 1514 + 1515 + 65226);
}

TEST_CASE("R-16 a step of the clock over 1 ms is flagged, slewing is not") {
  ClockRecord slewed, stepped;
  for (std::int64_t second = 0; second < 100; ++second) {
    const std::int64_t slew = second * 500'000;
    slewed.note({second * kSecond, second * kSecond + slew, 20});
    const std::int64_t step = second < 50 ? 0 : -2'000'000;
    stepped.note({second * kSecond, second * kSecond + step, 20});
  }
  CHECK(slewed.to_json().at("is_stepped") == false);
  const auto json = stepped.to_json();
  CHECK(json.at("step_count") == 1);
  CHECK(json.at("steps").at(0).at("change_ns") == -2'000'000);
  CHECK(json.at("steps").at(0).at("monotonic_ns") == 50 * kSecond);
}

TEST_CASE("R-16 a day of clock readings stays a short series that spans the day") {
  ClockRecord clock;
  for (std::int64_t i = 0; i < 172'800; ++i) clock.note({i * kSecond / 2, i * kSecond / 2, 20});
  const auto json = clock.to_json();
  CHECK(json.at("readings") == 172'800);
  CHECK(json.at("offsets").size() <= 513);
  CHECK(json.at("offsets").size() > 200);
  CHECK(json.at("offsets").front().at("monotonic_ns") == 0);
  CHECK(json.at("offsets").back().at("monotonic_ns") == 172'799 * kSecond / 2);
}

TEST_CASE("a sidecar has its final name only with its final text") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "x.capture.json";
  CaptureSidecar sidecar{path};
  sidecar.write("a longer first text\n");
  CHECK_FALSE(std::filesystem::exists(path));
  sidecar.finish("final\n");
  CHECK(read_file(path) == "final\n");
}

TEST_CASE("R-17 a filter is judged before anything starts") {
  check_filter("tcp port 9090 and host 198.18.0.1", 96);
  check_filter("", 96);
  CHECK_THROWS_WITH_AS(check_filter("tcp prot 9090", 96),
                       "filter 'tcp prot 9090': can't parse filter expression: syntax error",
                       UsageError);
}
}  // namespace tl::probe_capture_test
