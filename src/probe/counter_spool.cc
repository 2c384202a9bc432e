#include "probe/counter_spool.hh"

#include <fcntl.h>
#include <unistd.h>

#include "base/errors.hh"
#include "base/fd.hh"

namespace tl {
namespace {

struct Header {
  std::uint64_t epoch;
  std::uint64_t entries;
};
struct Entry {
  std::uint64_t series;
  CounterValues values;
};

void put(std::FILE* file, const void* bytes, std::size_t length) {
  if (std::fwrite(bytes, 1, length, file) != length) throw_errno("write", "counter spool");
}

bool get(std::FILE* file, void* bytes, std::size_t length) {
  return std::fread(bytes, 1, length, file) == length;
}

}  // namespace

CounterSpool::CounterSpool(const std::filesystem::path& folder) : file_{nullptr, &std::fclose} {
  const std::filesystem::path path = folder / ".counters.spool";
  UniqueFd fd = open_fd(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  ::unlink(path.c_str());
  file_.reset(::fdopen(fd.get(), "w+"));
  if (!file_) throw_errno("open", "counter spool");
  (void)fd.release();
  std::setvbuf(file_.get(), nullptr, _IOFBF, 1 << 18);
}

void CounterSpool::append(const Bucket& bucket) {
  Header header{bucket.epoch, 0};
  for (const CounterValues& v : bucket.series) header.entries += v == CounterValues{} ? 0 : 1;
  put(file_.get(), &header, sizeof header);
  for (std::size_t i = 0; i < bucket.series.size(); ++i) {
    if (bucket.series[i] == CounterValues{}) continue;
    const Entry entry{i, bucket.series[i]};
    put(file_.get(), &entry, sizeof entry);
  }
}

void CounterSpool::each(std::size_t series, const std::function<void(const Bucket&)>& visit) {
  if (std::fflush(file_.get()) != 0) throw_errno("write", "counter spool");
  std::rewind(file_.get());
  Bucket bucket;
  Header header{};
  while (get(file_.get(), &header, sizeof header)) {
    bucket.epoch = header.epoch;
    bucket.series.assign(series, {});
    Entry entry{};
    for (std::uint64_t i = 0; i < header.entries && get(file_.get(), &entry, sizeof entry); ++i)
      bucket.series.at(entry.series) = entry.values;
    visit(bucket);
  }
  std::fseek(file_.get(), 0, SEEK_END);
}

}  // namespace tl
