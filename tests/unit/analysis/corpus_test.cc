// Our reader beside two others, libpcap and capinfos, on public captures.
#include "support/corpus.hh"

#include <doctest/doctest.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "analysis/link_type.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "support/analysed.hh"
#include "support/skip.hh"
#include "support/temporary.hh"

namespace tl::analysis_corpus_test {
using namespace tl::test;

namespace {

struct ClosePcap {
  void operator()(pcap_t* pcap) const { ::pcap_close(pcap); }
};
using PcapHandle = std::unique_ptr<pcap_t, ClosePcap>;

PcapHandle open_with_libpcap(const std::string& path) {
  char error[PCAP_ERRBUF_SIZE] = "";
  return PcapHandle{
      ::pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error)};
}

// "" when every packet that libpcap reads is the same here; else the first difference.
// Known differences: libpcap cuts at the snapshot length what is longer in the file, takes the
// seconds of classic pcap as signed, and has no "no time".
std::string differs_from_libpcap(const std::string& path) {
  const PcapHandle pcap = open_with_libpcap(path);
  if (pcap == nullptr) return "";
  CaptureReader reader = CaptureReader::open(path);
  const bool is_pcapng = reader.format().name == "pcapng";
  std::size_t index = 0;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch) {
      pcap_pkthdr* header = nullptr;
      const u_char* data = nullptr;
      if (::pcap_next_ex(pcap.get(), &header, &data) != 1) return "";  // libpcap stopped: it may
      const std::string where = " of packet " + std::to_string(index++);
      if (packet.length_bytes != header->len) return "length" + where;
      const bool cut =
          (packet.flags & kCaplenOverSnaplen) != 0 && header->caplen < packet.captured_bytes;
      if (packet.captured_bytes != header->caplen && !cut) return "captured length" + where;
      if (header->caplen != 0 && std::memcmp(packet.data, data, header->caplen) != 0)
        return "bytes" + where;
      if ((packet.flags & (kNoTime | kTimeNormalised)) != 0) continue;
      const std::int64_t seconds =
          is_pcapng ? header->ts.tv_sec : static_cast<std::uint32_t>(header->ts.tv_sec);
      const std::int64_t time = seconds * 1'000'000'000 + header->ts.tv_usec;
      if (packet.time_ns != time) return "time" + where;
    }
  if (!reader.stop().clean()) return "";
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  return ::pcap_next_ex(pcap.get(), &header, &data) == 1 ? "libpcap reads more packets" : "";
}

std::unique_ptr<Analysed> analyse_file(const std::filesystem::path& path) {
  return std::make_unique<Analysed>(open_source(path));
}

// capinfos prints as many digits as the file's unit has; compares those.
bool same_time(std::int64_t ns, const std::string& printed) {
  std::string ours = std::to_string(ns / 1'000'000'000) + ".";
  const std::string fraction = std::to_string(ns % 1'000'000'000 + 1'000'000'000);
  ours += fraction.substr(1);
  return ours.compare(0, printed.size(), printed) == 0;
}

bool times_are_plain(const SummaryTotals& t) {
  constexpr std::int64_t kSigned32BitEnd = std::int64_t{1} << 31;
  return t.untimed == 0 && t.time_normalised == 0 && t.time.first_ns >= 0 &&
         t.time.last_ns / 1'000'000'000 < kSigned32BitEnd;
}

void check_row(const ManifestRow& row, const Analysed& ours) {
  const SummaryTotals& t = ours.totals();
  const bool is_atm = row.at("encap") == "atm-pdus";
  CHECK(ours.stop.clean());
  CHECK(row.at("packets") == std::to_string(t.packets));
  CHECK(row.at("lp_packets") == std::to_string(t.packets));
  CHECK(row.at("lp_sum_len") == std::to_string(t.frame_bytes));
  // capinfos takes the 4-byte pseudo-header of ATM off.
  CHECK(row.at("data_bytes") == std::to_string(t.frame_bytes - (is_atm ? 4 * t.packets : 0)));
  if (t.packets == 0 || !times_are_plain(t)) return;
  CHECK(row.at("lp_ts_backsteps") == std::to_string(t.back_steps));
  CHECK(row.at("lp_min_ns") == std::to_string(t.time.first_ns));
  CHECK(row.at("lp_max_ns") == std::to_string(t.time.last_ns));
  if (is_atm || row.at("first_ts") == "n/a") return;
  CHECK(same_time(t.time.first_ns, row.at("first_ts")));
  CHECK(same_time(t.time.last_ns, row.at("last_ts")));
}

}  // namespace

TEST_CASE("R-3 summary equals capinfos and libpcap wherever both are clean") {
  const auto folder = corpus_folder();
  if (!folder) TL_SKIP("the public captures are not here (TL_PCAPS)");
  std::size_t rows = 0;
  for (const ManifestRow& row : corpus_manifest(*folder)) {
    if (row.at("capinfos_clean") != "yes" || row.at("lp_status") != "ok") continue;
    CAPTURE(row.at("path"));
    check_row(row, *analyse_file(*folder / "corpus" / row.at("path")));
    ++rows;
  }
  CHECK(rows == 866);
}

TEST_CASE(
    "R-3 pcapng files with several kinds of interface, which libpcap refuses, equal capinfos") {
  const auto folder = corpus_folder();
  if (!folder) TL_SKIP("the public captures are not here (TL_PCAPS)");
  std::size_t rows = 0;
  for (const ManifestRow& row : corpus_manifest(*folder)) {
    if (row.at("capinfos_clean") != "yes" || row.at("lp_error").find("an interface has") != 0)
      continue;
    CAPTURE(row.at("path"));
    const auto ours = analyse_file(*folder / "corpus" / row.at("path"));
    CHECK(row.at("packets") == std::to_string(ours->totals().packets));
    CHECK(row.at("data_bytes") == std::to_string(ours->totals().frame_bytes));
    ++rows;
  }
  CHECK(rows == 44);
}

TEST_CASE("R-3 packet by packet, bytes and times are those libpcap reads") {
  const auto folder = corpus_folder();
  if (!folder) TL_SKIP("the public captures are not here (TL_PCAPS)");
  std::size_t files = 0;
  for (const auto& path : corpus_files(*folder)) {
    CAPTURE(path);
    try {
      CHECK(differs_from_libpcap(path) == "");
      ++files;
    } catch (const UsageError&) {  // not a capture for us
      CHECK(open_with_libpcap(path) == nullptr);
    }
  }
  CHECK(files > 900);
}

TEST_CASE("R-7 packet by packet, made captures read as libpcap reads them") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "made.pcap";
  std::vector<MadePacket> made;
  for (int i = 0; i < 1000; ++i)
    made.push_back(
        {1'700'000'000'000'000'000 + i * 1'000'001LL,
         ethernet(ipv4("198.18.0.1", "198.18.0.2", 17, udp(1, 2, static_cast<std::size_t>(i))))});
  for (const bool big_endian : {false, true})
    for (const bool nanoseconds : {false, true})
      for (const bool modified : {false, true}) {
        PcapOptions options;
        options.big_endian = big_endian;
        options.nanoseconds = nanoseconds;
        options.modified = modified;
        write_file(path, pcap_file(made, options));
        REQUIRE(open_with_libpcap(path) != nullptr);
        CHECK(differs_from_libpcap(path) == "");
      }
}

TEST_CASE("R-6 R-18 on every public capture reading ends with a reason and the identities hold") {
  const auto folder = corpus_folder();
  if (!folder) TL_SKIP("the public captures are not here (TL_PCAPS)");
  std::size_t damaged = 0;
  for (const auto& path : corpus_files(*folder)) {
    CAPTURE(path);
    try {
      const auto ours = analyse_file(path);
      CHECK(ours->broken_identity() == "");
      CHECK(ours->stop.clean() == ours->stop.detail.empty());
      damaged += ours->stop.clean() ? 0 : 1;
    } catch (const UsageError&) {
      CHECK(std::filesystem::file_size(path) < 1'000'000);
    }
  }
  CHECK(damaged > 0);
}

TEST_CASE("R-6 R-18 mutated captures neither crash nor break an identity") {
  std::vector<Bytes> seeds;
  PcapngMaker maker;
  std::vector<MadePacket> packets;
  maker.section().interface({.time_resolution = std::uint8_t{9}}).interface({.link_type = 276});
  for (std::uint32_t i = 0; i < 30; ++i) {
    const Bytes segment = tcp({.source_port = static_cast<std::uint16_t>(i % 3),
                               .sequence = i * 100,
                               .flags = static_cast<std::uint8_t>(i % 10 == 0 ? kSyn : kAck),
                               .options = option_timestamps(i, i) + option_mss(1460),
                               .payload_bytes = 100});
    const Bytes frame = i % 2 == 0
                            ? ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, segment), 0x0800, i % 4)
                            : ethernet(ipv6("fe80::1", "fe80::2", 6, segment), 0x86DD);
    packets.push_back({1'000'000'000 + i, frame});
    maker.enhanced(0, 1'000'000'000 + i, frame).simple(frame).enhanced(1, i, frame);
  }
  seeds.push_back(maker.bytes());
  seeds.push_back(pcap_file(packets));
  if (const auto folder = corpus_folder())
    for (const auto& path : corpus_files(*folder))
      if (std::filesystem::file_size(path) < 4096) {
        const std::string text = read_file(path);
        seeds.emplace_back(text.begin(), text.end());
      }
  std::mt19937 random{20261120};  // the same mutations every time
  constexpr std::size_t kMutations = 10'000;
  std::size_t read = 0;
  for (std::size_t i = 0; i < kMutations; ++i) {
    Bytes bytes = seeds[i % seeds.size()];
    if (bytes.size() < 24) continue;
    const std::size_t flips = 1 + bytes.size() / 50;
    // Mostly behind the magic, or few files would get past it.
    for (std::size_t flip = 0; flip < flips; ++flip)
      bytes[4 + random() % (bytes.size() - 4)] = static_cast<std::uint8_t>(random());
    try {
      const auto ours = analyse(bytes);
      REQUIRE(ours->broken_identity() == "");
      ++read;
    } catch (const UsageError&) {  // damaged in its header
    }
  }
  CHECK(read > kMutations / 2);
}
}  // namespace tl::analysis_corpus_test
