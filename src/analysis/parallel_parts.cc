#include "analysis/parallel_parts.hh"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace tl {
namespace {

constexpr unsigned kMostThreads = 4;  // each has tables of its own, and some wait to be joined
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

// Reads part after part.
class ParallelParts::Reader {
 public:
  explicit Reader(CaptureReader& whole)
      : Reader{std::make_unique<SliceSource>(whole.window().source()), whole} {}

  // Shows the part to `walk`. The number of packets; none when the part does not end where it
  // should, depends on what came before, or another before it has failed.
  std::optional<std::uint64_t> read(const Part& part, Walk& walk,
                                    const std::atomic<std::uint64_t>& failed) {
    source_.set(part.begin, part.end);
    const std::uint64_t end = reader_.stream_bytes() + (part.end - part.begin);
    std::uint64_t packets = 0;
    while (reader_.stream_bytes() < end) {
      const auto batch = reader_.next_batch();
      if (batch.empty() || failed.load(std::memory_order_relaxed) < part.number) return {};
      walk.take(batch, packets);
      packets += batch.size();
      if (!walk.is_whole()) return {};
    }
    if (reader_.stream_bytes() != end) return {};
    return packets;
  }

 private:
  Reader(std::unique_ptr<SliceSource> source, const CaptureReader& whole)
      : source_{*source}, reader_{whole.part(std::move(source))} {}

  SliceSource& source_;
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
  if (thrown_) std::rethrow_exception(thrown_);
  if (joined_ != 0) reader_.continue_at(joined_end_, joined_packets_);
}

void ParallelParts::work() {
  try {
    Reader reader{reader_};
    while (const auto part = claim()) {
      Walked walked{0, part->end, empty_walk()};
      const auto packets = reader.read(*part, *walked.walk, failed_);
      if (!packets) return give_up(part->number);
      walked.packets = *packets;
      finish(*part, std::move(walked));
    }
  } catch (...) {
    give_up(0);
    const std::lock_guard lock{mutex_};
    thrown_ = std::current_exception();
  }
}

std::optional<ParallelParts::Part> ParallelParts::claim() {
  std::unique_lock lock{mutex_};
  // Who is fast need not wait for the others at every part, only when far ahead of them.
  changed_.wait(lock, [&] { return failed_ != kNone || walked_.size() < thread_count_; });
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

std::unique_ptr<Walk> ParallelParts::empty_walk() {
  std::unique_ptr<Walk> walk;
  {
    const std::lock_guard lock{mutex_};
    if (!free_.empty()) {
      walk = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (walk == nullptr) return walk_.part();
  walk->restart_part(walk_);
  return walk;
}

// Joins all that can be joined by now, in order.
void ParallelParts::finish(const Part& part, Walked walked) {
  const std::lock_guard lock{mutex_};
  walked_.emplace(part.number, std::move(walked));
  for (auto next = walked_.find(joined_); next != walked_.end(); next = walked_.find(joined_)) {
    Walked& one = next->second;
    if (failed_ <= joined_ || !walk_.join(*one.walk)) {
      failed_ = std::min(failed_.load(), joined_);
      break;
    }
    joined_ += 1;
    joined_end_ = one.end;
    joined_packets_ += one.packets;
    free_.push_back(std::move(one.walk));
    walked_.erase(next);
  }
  changed_.notify_all();
}

void ParallelParts::give_up(std::uint64_t number) {
  const std::lock_guard lock{mutex_};
  failed_ = std::min(failed_.load(), number);
  changed_.notify_all();
}

}  // namespace tl
