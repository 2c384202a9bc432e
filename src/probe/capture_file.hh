// A capture file while it is written: classic pcap with nanosecond stamps (draft-ietf-opsawg-pcap),
// named FILE.part until it is finished. After any end, also SIGKILL, what was flushed is whole
// records, but for the last one when the end came inside a write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/fd.hh"
#include "probe/packet_ring.hh"

namespace tl {

class CaptureFile {
 public:
  struct Options {
    std::filesystem::path path;
    std::uint32_t snaplen_bytes = 0;
    std::uint32_t link_type = 0;  // LINKTYPE_
    std::uint64_t min_free_bytes =
        0;  // writing stops before its file system has less free than this
  };
  // Makes PATH.part with the file header. Throws MachineError.
  explicit CaptureFile(Options options);

  // Adds a record, with the VLAN tag put back where it was on the wire. Returns false once writing
  // has failed (see failure()): the record is not taken then.
  bool add(const RingPacket& packet);
  // Hands buffered records to the kernel. Returns false when it does not take them all: those that
  // it took whole stay, the others are lost.
  bool flush();
  // Flushes and fsyncs. Gives the file its final name when the capture is complete and all of it
  // was written; otherwise it stays PATH.part.
  void finish(bool is_complete);

  // Records in the file, or on their way to it.
  [[nodiscard]] std::uint64_t records() const { return flushed_records_ + buffered_records_; }
  // Bytes of the file, with those still buffered.
  [[nodiscard]] std::uint64_t bytes() const { return flushed_bytes_ + buffered_bytes_; }
  // Why writing stopped; empty while all is well.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // Where the file is now.
  [[nodiscard]] const std::filesystem::path& place() const {
    return finished_ ? options_.path : part_;
  }

 private:
  bool fail(const std::string& reason, std::size_t taken_bytes);
  [[nodiscard]] bool has_room() const;

  Options options_;
  std::filesystem::path part_;
  UniqueFd fd_;
  std::unique_ptr<char[]> buffer_;
  std::size_t buffered_bytes_ = 0;
  std::uint64_t flushed_bytes_ = 0, flushed_records_ = 0, buffered_records_ = 0;
  std::string failure_;
  bool finished_ = false;
};

}  // namespace tl
