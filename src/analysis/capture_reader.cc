#include "analysis/capture_reader.hh"

#include "base/errors.hh"

namespace tl {
namespace {

std::unique_ptr<RecordFormat> open_format(ByteWindow& window, const std::string& name) {
  constexpr std::size_t kMagicBytes = 4;
  if (!window.ensure(kMagicBytes)) {
    if (!window.failure().empty()) throw UsageError{"read " + name + ": " + window.failure()};
    throw UsageError{"read " + name + ": " +
                     (window.size() == 0 ? "the file is empty" : "not a capture file") +
                     " (expected pcap or pcapng, plain or compressed)"};
  }
  if (auto format = open_pcap(window, name)) return format;
  if (auto format = open_pcapng(window, name)) return format;
  throw UsageError{"read " + name +
                   ": not a capture file (expected pcap or pcapng, plain or compressed)"};
}

}  // namespace

CaptureReader::CaptureReader(std::unique_ptr<ByteSource> source, const std::string& name)
    : window_{std::move(source)}, format_{open_format(window_, name)} {
  format_->format.compression = window_.compression();
}

CaptureReader CaptureReader::open(const std::string& path) {
  return CaptureReader{open_source(path), path == "-" ? "standard input" : path};
}

std::optional<std::uint64_t> CaptureReader::guess_record(std::uint64_t offset) {
  // Small packets show themselves soon; a look at large ones takes more.
  for (const std::size_t look_bytes : {std::size_t{1} << 16, std::size_t{1} << 20}) {
    std::vector<std::uint8_t> bytes(look_bytes);
    bytes.resize(window_.source().read_at(bytes, offset).bytes);
    if (const auto at = format_->guess_record(bytes)) return offset + *at;
  }
  return std::nullopt;
}

void CaptureReader::continue_at(std::uint64_t offset, std::uint64_t packets) {
  window_.jump(offset);
  packets_before_ += batch_size_ + packets;
  batch_size_ = 0;
}

std::uint32_t largest_packet_bytes(std::uint32_t link_type) {
  constexpr std::uint32_t kDbus = 231, kUsbPcap = 249, kEbhscr = 279;
  constexpr std::uint32_t kMiB = 1024 * 1024;
  switch (link_type) {
    case kDbus:
      return 128 * kMiB;
    case kEbhscr:
      return 8 * kMiB;
    case kUsbPcap:
      return kMiB;
    default:
      return kMiB / 4;
  }
}

}  // namespace tl
