// Reads captures of every kind as batches of packet views: pcap (microseconds, nanoseconds, both
// byte orders, the modified format of libpcap-0.8-era Linux systems by A. Kuznetzov) and pcapng
// (any number of sections and interfaces), plain or compressed, from files, pipes and memory.
// Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
//
// Damage never loses what was read before it: the batches end, and stop() says where and why.
// Memory is one buffer of 1 MiB, more only while a larger record is being read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/byte_source.hh"
#include "analysis/byte_window.hh"
#include "analysis/packet.hh"

namespace tl {

// What the file says about itself.
struct CaptureFormat {
  std::string name;         // "pcap", "pcap-modified", "pcapng"
  std::string byte_order;   // "little" or "big"; of the first section
  std::string compression;  // "none", "gzip", "zstd", "lz4"
  TimeUnit time_unit;       // of the first interface
};

// What the formats of capture files have in common; one object a reader.
class RecordFormat {
 public:
  virtual ~RecordFormat() = default;
  // Fills a prefix of `into` with the packets that lie in the window, and consumes them. 0 means
  // the end: `stop` says why. Views are valid until the next call.
  virtual std::size_t fill(ByteWindow& window, std::span<Packet> into, Stop& stop) = 0;
  // Where in `bytes`, which come from anywhere in the capture, a packet's record seems to begin. A
  // guess; empty when none is seen.
  [[nodiscard]] virtual std::optional<std::size_t> guess_record(
      std::span<const std::uint8_t> bytes) const = 0;
  // For records from further on, with what is known by now. It reads packets only: what says
  // something about those that follow is an end to it.
  [[nodiscard]] virtual std::unique_ptr<RecordFormat> part() const = 0;

  std::vector<Interface> interfaces;
  CaptureFormat format;

 protected:
  RecordFormat() = default;
  RecordFormat(const RecordFormat&) = default;
  RecordFormat& operator=(const RecordFormat&) = delete;
};

class CaptureReader {
 public:
  // Packets are handed out in batches of up to this many: their headers stay in the first-level
  // cache while every pass looks at them.
  static constexpr std::size_t kBatchPackets = 64;

  // Reads the file header. Throws UsageError "read NAME: …" when this is not a capture.
  CaptureReader(std::unique_ptr<ByteSource> source, const std::string& name);
  // A path, or "-" for stdin.
  static CaptureReader open(const std::string& path);

  // The next packets in file order; empty at the end. Invalidates the batch before.
  std::span<const Packet> next_batch() { return next_batch(batch_); }
  // The same into memory of the caller.
  std::span<const Packet> next_batch(std::span<Packet> into) {
    packets_before_ += batch_size_;
    batch_size_ = format_->fill(window_, into, stop_);
    if (batch_size_ == 0) stop_.packet_index = packets_before_;
    return into.first(batch_size_);
  }

  // The index, from 0, of the first packet of the present batch.
  [[nodiscard]] std::uint64_t first_index() const { return packets_before_; }
  // Why and where reading ended. Valid once a batch was empty.
  [[nodiscard]] const Stop& stop() const { return stop_; }
  // Grows while reading, as pcapng describes interfaces when they appear.
  [[nodiscard]] const std::vector<Interface>& interfaces() const { return format_->interfaces; }
  [[nodiscard]] const CaptureFormat& format() const { return format_->format; }
  // Bytes of the (decompressed) stream read so far, records and headers.
  [[nodiscard]] std::uint64_t stream_bytes() const { return window_.offset(); }
  // For threads that share the work, where window().share() was granted. guess_record() says where,
  // not far behind `offset`, a packet's record seems to begin; part() reads records of this
  // capture, of which `source` gives the bytes, as if they came next. Several threads may ask for
  // these. continue_at() goes on with the record that does begin at `offset`, `packets` further on;
  // the present batch ends.
  std::optional<std::uint64_t> guess_record(std::uint64_t offset);
  [[nodiscard]] CaptureReader part(std::unique_ptr<ByteSource> source) const {
    return CaptureReader{std::move(source), format_->part()};
  }
  void continue_at(std::uint64_t offset, std::uint64_t packets);
  // For two threads that share the work; see ByteWindow.
  [[nodiscard]] ByteWindow& window() { return window_; }

 private:
  CaptureReader(std::unique_ptr<ByteSource> source, std::unique_ptr<RecordFormat> format)
      : window_{std::move(source)}, format_{std::move(format)} {}

  ByteWindow window_;
  std::unique_ptr<RecordFormat> format_;
  std::vector<Packet> batch_ = std::vector<Packet>(kBatchPackets);
  std::size_t batch_size_ = 0;
  std::uint64_t packets_before_ = 0;
  Stop stop_;
};

// The most bytes one packet of this link type may have in a file (as libpcap's
// max_snaplen_for_dlt); a larger claim is damage.
std::uint32_t largest_packet_bytes(std::uint32_t link_type);

// Each reads its file header from the window, or returns null when the magic is another's.
std::unique_ptr<RecordFormat> open_pcap(ByteWindow& window, const std::string& name);
std::unique_ptr<RecordFormat> open_pcapng(ByteWindow& window, const std::string& name);

}  // namespace tl
