#include "analysis/capture_reader.hh"

#include <doctest/doctest.h>
#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "base/errors.hh"
#include "support/capture_maker.hh"
#include "support/temporary.hh"

namespace tl::analysis_capture_reader_test {
using namespace tl::test;

namespace {

constexpr std::int64_t kStart = 1'700'000'000'123'456'789;

struct Read {
  std::vector<MadePacket> packets;
  std::vector<std::uint16_t> flags;
  std::vector<std::uint16_t> link_types;
  std::vector<Interface> interfaces;
  CaptureFormat format;
  Stop stop;
};

Read read_all(std::unique_ptr<ByteSource> source) {
  CaptureReader reader{std::move(source), "test"};
  Read read;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch) {
      read.packets.push_back({packet.time_ns,
                              Bytes(packet.data, packet.data + packet.captured_bytes),
                              packet.length_bytes, packet.interface});
      read.flags.push_back(packet.flags);
      read.link_types.push_back(packet.link_type);
    }
  read.interfaces = reader.interfaces();
  read.format = reader.format();
  read.stop = reader.stop();
  return read;
}

Read read_all(const Bytes& bytes) { return read_all(memory_source(bytes)); }

// A pipe whose writer hands over a few bytes at a time.
class SmallReads : public ByteSource {
 public:
  SmallReads(const Bytes& bytes, std::size_t most) : rest_{bytes}, most_{most} {}
  std::size_t read(std::span<std::uint8_t> into) override {
    const std::size_t count = std::min({into.size(), rest_.size(), most_});
    std::copy_n(rest_.begin(), count, into.begin());
    rest_ = rest_.subspan(count);
    return count;
  }
  [[nodiscard]] bool may_wait() const override { return true; }

 private:
  std::span<const std::uint8_t> rest_;
  std::size_t most_;
};

std::vector<MadePacket> some_packets(std::size_t count) {
  std::vector<MadePacket> packets;
  for (std::size_t i = 0; i < count; ++i)
    packets.push_back({kStart + static_cast<std::int64_t>(i) * 1000,
                       ethernet(ipv4("198.18.0.1", "198.18.0.2", 17, udp(1, 2, i % 1400)))});
  return packets;
}

void check_same(const std::vector<MadePacket>& made, const Read& read, std::int64_t unit_ns) {
  REQUIRE(read.packets.size() == made.size());
  bool same = true;
  for (std::size_t i = 0; i < made.size(); ++i)
    same = same && read.packets[i].bytes == made[i].bytes &&
           read.packets[i].length == made[i].bytes.size() &&
           read.packets[i].time_ns == made[i].time_ns / unit_ns * unit_ns;
  CHECK(same);
  CHECK(read.stop.clean());
  CHECK(read.stop.packet_index == made.size());
}

Bytes gzipped(const Bytes& bytes) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out(::deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

Bytes zstded(const Bytes& bytes) {
  Bytes out(::ZSTD_compressBound(bytes.size()));
  out.resize(::ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

Bytes lz4ed(const Bytes& bytes) {
  Bytes out(::LZ4F_compressFrameBound(bytes.size(), nullptr));
  out.resize(::LZ4F_compressFrame(out.data(), out.size(), bytes.data(), bytes.size(), nullptr));
  return out;
}

}  // namespace

TEST_CASE("a capture that arrives in small pieces reads as one that arrives at once") {
  const auto made = some_packets(40);
  PcapngMaker maker;
  maker.section().interface({.time_resolution = 9});
  for (const MadePacket& packet : made)
    maker.enhanced(0, static_cast<std::uint64_t>(packet.time_ns), packet.bytes);
  for (const Bytes& file : {pcap_file(made), maker.bytes()})
    for (const std::size_t most : {1U, 3U, 15U, 16U, 17U, 30U, 100U, 1000U}) {
      CAPTURE(most);
      check_same(made, read_all(std::make_unique<SmallReads>(file, most)), 1);
    }
}

TEST_CASE("a capture cut at any byte says so, however its bytes arrive") {
  const Bytes file = pcap_file(some_packets(4));
  const std::size_t header_bytes = 24, first = 16 + 42, second = first + 16 + 43;
  for (std::size_t size = header_bytes; size < header_bytes + second; ++size)
    for (const std::size_t most : {1U, 16U, 20U, 1000U}) {
      CAPTURE(size);
      CAPTURE(most);
      const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      const Read read = read_all(std::make_unique<SmallReads>(cut, most));
      const std::size_t bytes = size - header_bytes;
      CHECK(read.packets.size() == (bytes >= first ? 1U : 0U));
      CHECK(read.stop.reason == (bytes == 0 || bytes == first ? StopReason::end : StopReason::cut));
    }
}

TEST_CASE("records at the edges of what is read at once are whole") {
  // Of 60 KB, so that each edge falls into one; a record's header, its length and its data by
  // turns.
  for (const std::size_t payload : {60'000U, 59'983U, 59'990U}) {
    std::vector<MadePacket> made;
    for (std::size_t i = 0; i < 40; ++i)
      made.push_back({kStart + static_cast<std::int64_t>(i), Bytes(payload, 7)});
    CAPTURE(payload);
    const TemporaryFolder folder;
    const auto path = folder.path() / "edges.pcap";
    write_file(path, pcap_file(made));
    check_same(made, read_all(open_source(path)), 1);
    Bytes cut = pcap_file(made);
    cut.resize(cut.size() - 1);
    write_file(path, cut);
    const Read read = read_all(open_source(path));
    CHECK(read.packets.size() == made.size() - 1);
    CHECK(read.stop.reason == StopReason::cut);
  }
}

TEST_CASE("what interfaces are called takes little memory, however much a file says") {
  PcapngMaker maker;
  maker.section();
  for (int i = 0; i < 100; ++i)
    maker.interface({.name = std::string(60'000, static_cast<char>('a' + i % 26))});
  const Read read = read_all(maker.bytes());
  REQUIRE(read.interfaces.size() == 100);
  std::size_t kept = 0;
  for (const Interface& interface : read.interfaces) kept += interface.name.size();
  CHECK(read.interfaces[0].name == std::string(60'000, 'a'));
  CHECK(kept <= std::size_t{1} << 20);
}

TEST_CASE("R-7 pcap files of every byte order, resolution and record size read back exactly") {
  const auto made = some_packets(3000);  // more than one buffer, more than one batch
  for (const bool big_endian : {false, true})
    for (const bool nanoseconds : {false, true})
      for (const bool modified : {false, true}) {
        CAPTURE(big_endian);
        CAPTURE(nanoseconds);
        CAPTURE(modified);
        PcapOptions options;
        options.big_endian = big_endian;
        options.nanoseconds = nanoseconds;
        options.modified = modified;
        const Read read = read_all(pcap_file(made, options));
        check_same(made, read, nanoseconds && !modified ? 1 : 1000);
        CHECK(read.format.byte_order == (big_endian ? "big" : "little"));
        CHECK(read.format.name == (modified ? "pcap-modified" : "pcap"));
      }
}

TEST_CASE("R-7 gzip, zstd and lz4 are recognised by their first bytes, several members in a row") {
  const auto made = some_packets(3000);
  const Bytes whole = pcap_file(made);
  const Bytes first(whole.begin(), whole.begin() + 100'001),
      rest(whole.begin() + 100'001, whole.end());
  for (const auto& compress : {gzipped, zstded, lz4ed}) {
    check_same(made, read_all(compress(whole)), 1);
    check_same(made, read_all(compress(first) + compress(rest)), 1);
  }
  CHECK(read_all(gzipped(whole)).format.compression == "gzip");
  CHECK(read_all(zstded(whole)).format.compression == "zstd");
  CHECK(read_all(lz4ed(whole)).format.compression == "lz4");
}

TEST_CASE("compressed data that ends early gives what was there and says so") {
  const auto made = some_packets(3000);
  for (const auto& compress : {gzipped, zstded, lz4ed}) {
    Bytes bytes = compress(pcap_file(made));
    bytes.resize(bytes.size() - 10);
    const Read read = read_all(bytes);
    CHECK(read.stop.reason == StopReason::unreadable);
    CHECK(read.stop.detail.find("ends early") != std::string::npos);
    CHECK(read.packets.size() <= made.size());
  }
}

TEST_CASE("R-7 pcapng: sections, interfaces, units, offsets and all four packet blocks") {
  for (const bool big_endian : {false, true}) {
    CAPTURE(big_endian);
    PcapngMaker maker{big_endian};
    const Bytes frame = arp();
    Bytes flags_value;
    maker.put(flags_value, 2, 4);  // outbound
    maker.section()
        .interface({.name = "eth0"})
        .interface({.link_type = 101, .snaplen = 64, .time_resolution = std::uint8_t{9}})
        .interface({.time_resolution = std::uint8_t{0x80 | 10}, .time_offset_s = 1000})
        .enhanced(0, 1'000'001, frame)
        .enhanced(1, 1'000'000'001, frame, 9000, maker.option(2, flags_value))
        .block(0x0BAD, Bytes(1001, 7))
        .enhanced(2, 1024 + 512, frame)
        .obsolete(0, 7, frame)
        .simple(frame)
        .statistics(1, 12, 3)
        .section()
        .interface({.link_type = 113, .time_resolution = std::uint8_t{12}})
        .enhanced(0, 5'000'000'001'999, frame);
    const Read read = read_all(maker.bytes());
    CHECK(read.stop.clean());
    REQUIRE(read.packets.size() == 6);
    CHECK(read.packets[0].time_ns == 1'000'001'000);
    CHECK(read.packets[1].time_ns == 1'000'000'001);
    CHECK(read.packets[1].length == 9000);
    CHECK(read.link_types[1] == 101);
    CHECK(read.flags[1] == kOutbound);
    CHECK(read.packets[2].time_ns == 1'001'500'000'000);
    CHECK(read.packets[3].time_ns == 7000);
    CHECK(read.flags[4] == kNoTime);
    CHECK(read.packets[4].bytes == frame);
    CHECK(read.packets[5].time_ns == 5'000'000'001);
    CHECK(read.packets[5].interface == 3);
    REQUIRE(read.interfaces.size() == 4);
    CHECK(read.interfaces[0].name == "eth0");
    CHECK(read.interfaces[1].statistics.received == 12);
    CHECK(read.interfaces[1].statistics.dropped == 3);
    CHECK(read.interfaces[3].section == 1);
  }
}

TEST_CASE("a simple packet block is cut at the snapshot length of the first interface") {
  PcapngMaker maker;
  maker.section().interface({.snaplen = 20}).simple(Bytes(20, 1), 60);
  const Read read = read_all(maker.bytes());
  REQUIRE(read.packets.size() == 1);
  CHECK(read.packets[0].bytes.size() == 20);
  CHECK(read.packets[0].length == 60);
}

TEST_CASE("R-6 a file cut at any byte gives the whole packets before it, and where it was cut") {
  const auto made = some_packets(3);
  PcapngMaker maker;
  maker.section().interface({.time_resolution = std::uint8_t{9}});
  std::vector<std::size_t> ends{24};
  Bytes classic = pcap_header({});
  for (const MadePacket& packet : made) {
    classic = classic + pcap_record(packet, {});
    ends.push_back(classic.size());
    maker.enhanced(0, static_cast<std::uint64_t>(packet.time_ns), packet.bytes);
  }
  for (std::size_t size = 24; size <= classic.size(); ++size) {
    const Read read = read_all(Bytes(classic.begin(), classic.begin() + static_cast<long>(size)));
    std::size_t whole = 0;
    while (whole + 1 < ends.size() && ends[whole + 1] <= size) ++whole;
    REQUIRE(read.packets.size() == whole);
    REQUIRE(read.stop.clean() == (size == ends[whole]));
    REQUIRE(read.stop.offset == ends[whole]);
    REQUIRE(read.stop.packet_index == whole);
  }
  const Bytes& next = maker.bytes();
  for (std::size_t size = 28; size < next.size(); ++size) {
    const Read read = read_all(Bytes(next.begin(), next.begin() + static_cast<long>(size)));
    REQUIRE(read.packets.size() < made.size());
  }
}

TEST_CASE("R-6 an impossible record ends reading with its offset and what came before") {
  const auto made = some_packets(2);
  Bytes bytes = pcap_file(made);
  const std::size_t offset = bytes.size();
  Bytes bad = pcap_record({kStart, Bytes(60, 1)}, {});
  bad[8] = bad[9] = bad[10] = bad[11] = 0xFF;
  const Read read = read_all(bytes + bad + pcap_record(made[0], {}));
  CHECK(read.packets.size() == 2);
  CHECK(read.stop.reason == StopReason::damaged);
  CHECK(read.stop.offset == offset);
  CHECK(read.stop.packet_index == 2);
}

TEST_CASE("R-6 joined capture files are recognised where the second begins") {
  const auto made = some_packets(2);
  PcapOptions big;
  big.big_endian = true;
  for (const Bytes& second : {pcap_file(made), pcap_file(made, big)}) {
    const Bytes first = pcap_file(made);
    const Read read = read_all(first + second);
    CHECK(read.packets.size() == 2);
    CHECK(read.stop.reason == StopReason::joined);
    CHECK(read.stop.offset == first.size());
  }
}

TEST_CASE("seconds are unsigned until 2106, and impossible fractions are marked") {
  const Bytes frame = arp();
  PcapOptions micro;
  micro.nanoseconds = false;
  Bytes late = pcap_record({std::int64_t{0xFFFFFFFF} * 1'000'000'000, frame}, micro);
  Bytes slipped = pcap_record({100'000'000'000, frame}, micro);
  const std::uint32_t too_many = 1'500'000;
  std::memcpy(slipped.data() + 4, &too_many, 4);
  const Read read = read_all(pcap_header(micro) + late + slipped);
  REQUIRE(read.packets.size() == 2);
  CHECK(read.packets[0].time_ns == 4'294'967'295'000'000'000);
  CHECK(read.packets[1].time_ns == 101'500'000'000);
  CHECK(read.flags[1] == kTimeNormalised);

  Bytes impossible = pcap_record({100'000'000'000, frame}, {});
  const std::uint32_t over = 1'000'000'000;
  std::memcpy(impossible.data() + 4, &over, 4);
  const Read without_time = read_all(pcap_header({}) + impossible);
  CHECK(without_time.flags.at(0) == kNoTime);
  CHECK(without_time.packets.at(0).time_ns == 0);
}

TEST_CASE("more captured bytes than the packet or the snapshot length has are kept and marked") {
  PcapOptions options;
  options.snaplen = 50;
  const Read read = read_all(pcap_file({{kStart, Bytes(60, 1), 40}}, options));
  REQUIRE(read.packets.size() == 1);
  CHECK(read.packets[0].bytes.size() == 60);
  CHECK(read.flags[0] == (kCaplenOverLength | kCaplenOverSnaplen));
  CHECK(read_all(pcap_file({{kStart, Bytes(60, 1), 40}})).flags.at(0) == kCaplenOverLength);
  CHECK(read_all(pcap_file({{kStart, Bytes(60, 1)}}, options)).flags.at(0) == kCaplenOverSnaplen);
}

TEST_CASE("old versions wrote the two lengths of a record in the other order, 2.3 in either") {
  struct Version {
    std::uint16_t major, minor;
    bool swapped, either;
  };
  for (const Version version : {Version{2, 2, true, false}, Version{2, 3, true, true},
                                Version{543, 543, true, false}, Version{2, 4, false, false}}) {
    CAPTURE(version.minor);
    Bytes header = pcap_header({});
    std::memcpy(header.data() + 4, &version.major, 2);
    std::memcpy(header.data() + 6, &version.minor, 2);
    const Bytes normal = pcap_record({kStart, Bytes(60, 1), 100}, {});
    Bytes other = normal;
    std::swap_ranges(other.begin() + 8, other.begin() + 12, other.begin() + 12);
    for (const Bytes& record : {normal, other}) {
      const bool is_other = record == other;
      if (is_other != version.swapped && !version.either) continue;
      const Read read = read_all(header + record + record);
      REQUIRE(read.packets.size() == 2);
      CHECK(read.packets[1].bytes.size() == 60);
      CHECK(read.packets[1].length == 100);
      CHECK(read.flags[1] == 0);
    }
  }
}

TEST_CASE("what is not a capture is refused with a reason, an empty capture is not") {
  const auto message = [](const Bytes& bytes) -> std::string {
    try {
      read_all(bytes);
      return "accepted";
    } catch (const UsageError& e) {
      return e.what();
    }
  };
  CHECK(message({}).find("the file is empty") != std::string::npos);
  CHECK(message(Bytes(100, 'x')).find("not a capture file") != std::string::npos);
  Bytes header = pcap_header({});
  CHECK(message(header) == "accepted");
  header.resize(20);
  CHECK(message(header).find("ends inside its header") != std::string::npos);
  CHECK_THROWS_AS((void)CaptureReader::open("/nonexistent/x.pcap"), UsageError);
  CHECK_THROWS_AS((void)CaptureReader::open("/tmp"), UsageError);
}

TEST_CASE("records larger than the buffer and files larger than it read whole") {
  PcapOptions options;
  options.link_type = 231;  // D-Bus: packets of up to 128 MiB
  std::vector<MadePacket> made{{kStart, Bytes(3'000'000, 1)}, {kStart, Bytes(10, 2)}};
  const Read read = read_all(pcap_file(made, options));
  check_same(made, read, 1);
}

TEST_CASE("a capture of many buffers reads the same from a file, from memory and compressed") {
  std::vector<MadePacket> made;
  for (std::int64_t i = 0; i < 6000; ++i)
    made.push_back({kStart + i, Bytes(static_cast<std::size_t>(60 + i * 37 % 1400),
                                      static_cast<std::uint8_t>(i))});
  const Bytes whole = pcap_file(made);
  REQUIRE(whole.size() > 4'000'000);
  check_same(made, read_all(whole), 1);
  check_same(made, read_all(gzipped(whole)), 1);
  const TemporaryFolder folder;
  write_file(folder.path() / "x.pcap", whole);
  CaptureReader reader = CaptureReader::open(folder.path() / "x.pcap");
  std::size_t packets = 0;
  bool same = true;
  for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
    for (const Packet& packet : batch)
      same = same && packet.captured_bytes == made[packets].bytes.size() &&
             std::memcmp(packet.data, made[packets++].bytes.data(), packet.captured_bytes) == 0;
  CHECK(same);
  CHECK(packets == made.size());
  CHECK(reader.stream_bytes() == whole.size());
}

TEST_CASE("a reader can be given up while the next bytes are still being read") {
  const auto made = some_packets(10'000);
  const Bytes whole = pcap_file(made);
  for (int batches = 1; batches < 100; batches += 7) {
    CaptureReader reader{memory_source(whole), "test"};
    std::size_t packets = 0;
    for (int i = 0; i < batches; ++i) packets += reader.next_batch().size();
    REQUIRE(packets != 0);
  }
}

TEST_CASE("pcapng damage: unknown interface, differing lengths, short blocks") {
  const auto stop_of = [](const PcapngMaker& maker) { return read_all(maker.bytes()).stop; };
  PcapngMaker unknown;
  unknown.section().interface({}).enhanced(0, 1, arp()).enhanced(5, 1, arp());
  CHECK(stop_of(unknown).reason == StopReason::damaged);
  CHECK(stop_of(unknown).packet_index == 1);
  PcapngMaker differing;
  differing.section().interface({}).enhanced(0, 1, arp());
  Bytes bytes = differing.bytes();
  bytes.back() ^= 1;
  CHECK(read_all(bytes).stop.reason == StopReason::damaged);
  PcapngMaker brief;
  brief.section().interface({}).block(6, Bytes(8, 0));
  CHECK(stop_of(brief).reason == StopReason::damaged);
}

TEST_CASE("a file read by two threads at once is, packet by packet, what its bytes in order are") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  Bytes bytes = pcap_file(some_packets(12'000));  // about eight chunks
  REQUIRE(bytes.size() > 7 * ReadAhead::kChunkBytes);
  for (const std::size_t cut : {0U, 7U}) {
    CAPTURE(cut);
    bytes.resize(bytes.size() - cut);
    write_file(path, bytes);
    const Read in_order = read_all(bytes);
    CaptureReader reader = CaptureReader::open(path);
    std::size_t index = 0;
    bool same = true;
    for (auto batch = reader.next_batch(); !batch.empty(); batch = reader.next_batch())
      for (const Packet& packet : batch) {
        REQUIRE(index < in_order.packets.size());
        const MadePacket& expected = in_order.packets[index++];
        same = same && packet.time_ns == expected.time_ns &&
               packet.captured_bytes == expected.bytes.size() &&
               std::memcmp(packet.data, expected.bytes.data(), expected.bytes.size()) == 0;
      }
    CHECK(same);
    CHECK(index == (cut == 0 ? 12'000 : 11'999));
    CHECK(reader.stop().reason == in_order.stop.reason);
    CHECK(reader.stop().offset == in_order.stop.offset);
  }
}
TEST_CASE("where the next record begins is found from any byte, also among packets all alike") {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "x.pcap";
  write_traffic(path, {.packets = 200'000, .frame_bytes = 64, .flows = 1000});
  CaptureReader reader = CaptureReader::open(path);
  constexpr std::uint64_t kHeaderBytes = 24, kRecordBytes = 16 + 64, kStep = 4099;
  for (std::uint64_t offset = kHeaderBytes; offset < 15'900'000; offset += kStep) {
    const auto begin = reader.guess_record(offset);
    const std::uint64_t records = (offset - kHeaderBytes + kRecordBytes - 1) / kRecordBytes;
    CAPTURE(offset);
    CHECK(begin == kHeaderBytes + records * kRecordBytes);
  }
}

}  // namespace tl::analysis_capture_reader_test
