// Points on their way to a database: a bounded queue of records, in memory or on disk. Every record
// holds some lines of line protocol and knows how many.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace tl::live {

struct Batch {
  std::string lines;
  std::uint64_t points = 0;
  std::uint64_t last_record = 0;  // what to pop once it is delivered
};

struct QueueState {
  std::uint64_t points = 0;          // waiting
  std::uint64_t bytes = 0;           // waiting
  std::uint64_t dropped_points = 0;  // the oldest, to make room
  std::uint64_t damaged_bytes = 0;   // at the ends of files found at the start: a torn write
};

// For one thread at a time.
class PointQueue {
 public:
  virtual ~PointQueue() = default;
  // Durable, as far as the queue can, when it returns. Drops the oldest records to make room.
  virtual void push(const std::string& lines, std::uint64_t points) = 0;
  // The oldest records, at least one and together within the limits; no points when it is empty.
  [[nodiscard]] virtual Batch front(std::uint64_t most_points, std::uint64_t most_bytes) const = 0;
  // Forgets the records up to this one.
  virtual void pop(std::uint64_t last_record) = 0;
  [[nodiscard]] virtual QueueState state() const = 0;
};

std::unique_ptr<PointQueue> memory_queue(std::uint64_t most_bytes);

// A folder of segment files. push() has written and synced (fdatasync) the record when it returns:
// it survives SIGKILL at any moment, and a power cut as far as the disk keeps its word. What was
// popped may be delivered again after a crash (at least once); points with their time stamps make
// that harmless. File format: docs/influx.md. Throws MachineError when the folder cannot be
// used, also because another process uses it.
std::unique_ptr<PointQueue> disk_queue(const std::filesystem::path& folder,
                                       std::uint64_t most_bytes);

}  // namespace tl::live
