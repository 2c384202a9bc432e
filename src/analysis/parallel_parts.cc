#include "analysis/parallel_parts.hh"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace tl {
namespace {

constexpr unsigned kMostThreads = 8;
// Joining costs as much as some thousand packets, so parts are large while much is left; towards
// the end they are small, so that all threads end together.
constexpr std::uint64_t kLeastPartBytes = std::uint64_t{1} << 20,
                        kMostPartBytes = std::uint64_t{64} << 20;

// The records of one part after the other, as one stream.
class SliceSource : public ByteSource {
 public:
  explicit SliceSource(ByteSource& file) : file_{file} {}

  // What read() gives from now on: the file's bytes [begin, end).
  void set(std::uint64_t begin, std::uint64_t end) {
    at_ = begin;
    end_ = end;
  }
  std::size_t read(std::span<std::uint8_t> into) override {
    const std::uint64_t wanted = std::min<std::uint64_t>(into.size(), end_ - at_);
    const Piece piece = file_.read_at(into.first(static_cast<std::size_t>(wanted)), at_);
    at_ += piece.bytes;
    return piece.bytes;
  }
  // A thread that reads ahead would only take the CPU from those that walk.
  [[nodiscard]] bool may_wait() const override { return true; }

 private:
  ByteSource& file_;
  std::uint64_t at_ = 0, end_ = 0;
};

}  // namespace

// Walks part after part.
class ParallelParts::Walker {
 public:
  Walker(CaptureReader& whole, std::unique_ptr<Walk> walk)
      : Walker{std::make_unique<SliceSource>(whole.window().source()), whole.header_bytes(),
               std::move(walk)} {}

  // The packets of the part; none when it does not end where it should, or is not to be joined.
  std::optional<std::uint64_t> walk(const Part& part, const Walk& whole,
                                    const std::atomic<std::uint64_t>& failed) {
    walk_->restart_part(whole);
    source_.set(part.begin, part.end);
    const std::uint64_t end = reader_.stream_bytes() + (part.end - part.begin);
    std::uint64_t packets = 0;
    while (reader_.stream_bytes() < end) {
      const auto batch = reader_.next_batch();
      if (batch.empty() || failed.load(std::memory_order_relaxed) < part.number) return {};
      walk_->take(batch, packets);
      packets += batch.size();
      if (!walk_->is_whole()) return {};
    }
    if (reader_.stream_bytes() != end) return {};
    return packets;
  }
  [[nodiscard]] const Walk& walk() const { return *walk_; }

 private:
  Walker(std::unique_ptr<SliceSource> source, std::uint64_t header_bytes,
         std::unique_ptr<Walk> walk)
      : source_{*source},
        walk_{std::move(walk)},
        reader_{read_header(std::move(source), header_bytes)} {}

  static CaptureReader read_header(std::unique_ptr<SliceSource> source,
                                   std::uint64_t header_bytes) {
    source->set(0, header_bytes);
    return CaptureReader{std::move(source), "part"};
  }

  SliceSource& source_;
  std::unique_ptr<Walk> walk_;
  CaptureReader reader_;
};

ParallelParts::ParallelParts(CaptureReader& reader, Walk& walk)
    : reader_{reader},
      walk_{walk},
      thread_count_{std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads)},
      size_bytes_{reader.window().source().size_bytes()},
      claimed_end_{reader.stream_bytes()},
      joined_end_{claimed_end_} {}

void ParallelParts::run() {
  if (thread_count_ < 2 || walk_.part() == nullptr) return;
  std::vector<std::jthread> others;
  try {
    while (others.size() + 1 < thread_count_) others.emplace_back([this] { work(); });
  } catch (const std::system_error&) {  // fewer, then
  }
  work();
  others.clear();
  if (joined_ != 0) reader_.continue_at(joined_end_, joined_packets_);
}

void ParallelParts::work() {
  std::uint64_t number = 0;
  try {
    Walker walker{reader_, walk_.part()};
    while (const auto part = claim()) {
      number = part->number;
      if (!join(*part, walker.walk(*part, walk_, failed_), walker.walk())) return;
    }
  } catch (...) {  // who reads on meets it again, and says so
    give_up(number);
  }
}

std::optional<ParallelParts::Part> ParallelParts::claim() {
  const std::lock_guard lock{mutex_};
  const std::uint64_t left = size_bytes_ - std::min(size_bytes_, claimed_end_);
  if (failed_ != kNone || left <= kLeastPartBytes) return std::nullopt;
  const std::uint64_t bytes =
      std::clamp(left / (std::uint64_t{2} * thread_count_), kLeastPartBytes, kMostPartBytes);
  const auto end = reader_.guess_record(claimed_end_ + bytes);
  if (!end) return std::nullopt;
  const Part part{claimed_++, claimed_end_, *end};
  claimed_end_ = *end;
  return part;
}

// In their order: who comes early waits.
bool ParallelParts::join(const Part& part, std::optional<std::uint64_t> packets, const Walk& walk) {
  if (!packets) {
    give_up(part.number);
    return false;
  }
  std::unique_lock lock{mutex_};
  joined_one_.wait(lock, [&] { return joined_ == part.number || failed_ < part.number; });
  if (failed_ < part.number) return false;
  if (!walk_.join(walk)) {
    lock.unlock();
    give_up(part.number);
    return false;
  }
  joined_ += 1;
  joined_end_ = part.end;
  joined_packets_ += *packets;
  joined_one_.notify_all();
  return true;
}

void ParallelParts::give_up(std::uint64_t number) {
  const std::lock_guard lock{mutex_};
  failed_ = std::min(failed_.load(), number);
  joined_one_.notify_all();
}

}  // namespace tl
