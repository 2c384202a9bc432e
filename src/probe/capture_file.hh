// A capture file while it is written: classic pcap with nanosecond stamps (draft-ietf-opsawg-pcap),
// named FILE.part until it is finished. After any end, also SIGKILL, what was flushed is whole
// records.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/fd.hh"

namespace tl {

class CaptureFile {
 public:
  // Makes PATH.part with the file header. Throws MachineError.
  CaptureFile(std::filesystem::path path, std::uint32_t snaplen_bytes, std::uint32_t link_type);
  CaptureFile(CaptureFile&&) = default;

  // Adds a record; `bytes` are `kept` of the packet's `length`. Returns false once writing has
  // failed (see failure()).
  bool add(std::int64_t time_ns, const unsigned char* bytes, std::uint32_t kept,
           std::uint32_t length);
  // Hands buffered records to the kernel. Returns false when it does not take them: those are cut
  // off, whole.
  bool flush();
  // Flushes, fsyncs and gives the file its final name.
  void finish();

  [[nodiscard]] std::uint64_t records() const { return flushed_records_ + buffered_records_; }
  // Why writing stopped; empty while all is well.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  std::filesystem::path path_, part_;
  UniqueFd fd_;
  std::string buffer_;
  std::uint64_t flushed_bytes_ = 0, flushed_records_ = 0, buffered_records_ = 0;
  std::string failure_;
};

}  // namespace tl
