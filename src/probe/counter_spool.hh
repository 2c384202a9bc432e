// Finished buckets on disk until the run ends: only then is it known which series there are and
// what they are called, and every stream gets a row for every series and bucket. Sparse, so an hour
// at 10 ms stays small.
#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>

#include "probe/bucket_reader.hh"

namespace tl {

class CounterSpool {
 public:
  // Makes the file; it is unlinked at once, so nothing is left behind however the process ends.
  explicit CounterSpool(const std::filesystem::path& folder);
  // Appends a bucket. Throws MachineError when the disk does not take it.
  void append(const Bucket& bucket);
  // Calls `visit` for every bucket in order; series that were all zero are zero.
  void each(std::size_t series, const std::function<void(const Bucket&)>& visit);

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace tl
