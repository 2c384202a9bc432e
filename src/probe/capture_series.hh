// One capture as a row of files: a new one begins when the present one is large enough, full enough
// or old enough. Packets are never lost between two files, and no packet is in both.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "probe/capture_file.hh"

namespace tl {

// Limits of one file; 0 is none. Without any there is one file, NAME.pcap; else NAME_00001.pcap and
// so on.
struct Rotation {
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  std::chrono::nanoseconds time{0};
  std::uint32_t most_files = 0;  // older ones are removed
  std::string hook;              // program run with the path of each finished file, also the last
  [[nodiscard]] bool is_on() const { return bytes != 0 || packets != 0 || time.count() != 0; }
};

class CaptureSeries {
 public:
  // Makes the first file. Throws MachineError.
  CaptureSeries(CaptureFile::Options options, const Rotation& rotation);

  // As CaptureFile's; a full file is exchanged first.
  bool add(const RingPacket& packet);
  bool flush() { return file_->flush(); }
  // Exchanges a file that is old enough, also when no packet comes. `now_ns`: CLOCK_MONOTONIC.
  void tick(std::int64_t now_ns);
  void finish(bool is_complete);

  // Records of all files, also of those removed since.
  [[nodiscard]] std::uint64_t records() const { return earlier_records_ + file_->records(); }
  [[nodiscard]] std::uint64_t bytes() const { return earlier_bytes_ + file_->bytes(); }
  [[nodiscard]] std::string failure() const;
  [[nodiscard]] const std::filesystem::path& place() const { return file_->place(); }
  // [{"file", "packets", "bytes", "removed"}], oldest first; call after finish().
  [[nodiscard]] nlohmann::json files() const;

 private:
  struct Part {
    std::filesystem::path path;
    std::uint64_t records = 0, bytes = 0;
    bool is_removed = false;
  };
  void open_next();
  void close_present(bool is_complete);
  void exchange();
  void remove_oldest();
  void collect(bool wait);

  CaptureFile::Options options_;
  Rotation rotation_;
  std::optional<CaptureFile> file_;
  std::int64_t opened_ns_ = 0;
  std::vector<Part> parts_;  // closed ones, then the present one once finished
  std::uint64_t earlier_records_ = 0, earlier_bytes_ = 0;
  // fsync and rename, away from the thread that empties the ring; each returns a failure or "".
  std::deque<std::future<std::string>> closing_;
  std::string failure_;
};

}  // namespace tl
