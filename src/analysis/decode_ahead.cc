#include "analysis/decode_ahead.hh"

#include <algorithm>
#include <system_error>

namespace tl {

namespace {

constexpr std::uint64_t kFewestBatches = 32, kMostBatches = 128;

// As many as lie in the window when their packets are as large as those before: with fewer the
// threads would wait for each other more often, and waking one costs more than a batch; more would
// only be more memory.
std::uint64_t useful_batches(const CaptureReader& reader) {
  const std::uint64_t window_bytes = ByteWindow::kMostMovesKept * ReadAhead::kChunkBytes;
  const std::uint64_t packets_in_window =
      window_bytes * (reader.first_index() + 1) / std::max<std::uint64_t>(reader.stream_bytes(), 1);
  return std::clamp(packets_in_window / CaptureReader::kBatchPackets, kFewestBatches, kMostBatches);
}

}  // namespace

DecodeAhead::DecodeAhead(CaptureReader& reader, const Walk& walk)
    : reader_{reader},
      walk_{walk},
      batch_count_{useful_batches(reader)},
      batches_{std::make_unique<DecodedBatch[]>(batch_count_)} {
  reader_.window().keep_views(ByteWindow::kMostMovesKept,
                              [this](std::uint64_t moves) { before_move(moves); });
  try {
    thread_ = std::thread{[this] { run(); }};
  } catch (const std::system_error&) {
    reader_.window().keep_views(0, {});
  }
}

DecodeAhead::~DecodeAhead() {
  if (!thread_.joinable()) return;
  stopping_ = true;
  taken_.ring();
  thread_.join();
  reader_.window().keep_views(0, {});
}

void DecodeAhead::Counter::ring() {
  bell.fetch_add(1, std::memory_order_release);
  bell.notify_one();
}

void DecodeAhead::run() {
  try {
    produce();
  } catch (const Over&) {  // the taker has gone
  } catch (...) {
    thrown_ = std::current_exception();
  }
  announce();
  over_.store(true, std::memory_order_release);
  announced_.ring();
}

bool DecodeAhead::make(DecodedBatch& batch) {
  batch.packets = reader_.next_batch(batch.storage);
  if (batch.packets.empty()) return false;
  batch.first_index = reader_.first_index();
  walk_.decode(batch);
  return true;
}

void DecodeAhead::produce() {
  for (;;) {
    if (made_ - taken_.count.load(std::memory_order_acquire) == batch_count_)
      wait_for_taken(made_ - batch_count_ / 2);
    if (!make(batches_[made_ % batch_count_])) return;
    ++made_;
    if (made_ % announced_step() == 0) announce();
  }
}

// The bell only when there is work for a while: waking a thread costs more than a batch.
void DecodeAhead::announce() {
  announced_.count.store(made_, std::memory_order_release);
  if (made_ - taken_.count.load(std::memory_order_relaxed) >= batch_count_ / 2) announced_.ring();
}

void DecodeAhead::wait_for_taken(std::uint64_t count) {
  announce();
  announced_.ring();
  for (;;) {
    const std::uint32_t bell = taken_.bell.load(std::memory_order_acquire);
    if (stopping_) throw Over{};
    if (taken_.count.load(std::memory_order_acquire) >= count) return;
    taken_.bell.wait(bell, std::memory_order_acquire);
  }
}

// Batches made before the window's last `moves` moves are about to lose their bytes. Who has to
// wait for them waits for some of the later ones, too, so that the next moves need not.
void DecodeAhead::before_move(std::uint64_t moves) {
  std::shift_left(made_before_move_.begin(), made_before_move_.end(), 1);
  made_before_move_.back() = made_;
  const std::uint64_t oldest = ByteWindow::kMostMovesKept - moves;
  if (taken_.count.load(std::memory_order_acquire) < made_before_move_[oldest])
    wait_for_taken(made_before_move_[oldest + moves / 2]);
}

const DecodedBatch* DecodeAhead::next() {
  if (!thread_.joinable()) return make(batches_[0]) ? &batches_[0] : nullptr;
  // What was handed out before is done with.
  if (next_ != 0 && next_ % announced_step() == 0) {
    taken_.count.store(next_, std::memory_order_release);
    if (announced_.count.load(std::memory_order_relaxed) - next_ <= batch_count_ / 2) taken_.ring();
  }
  for (;;) {
    const std::uint32_t bell = announced_.bell.load(std::memory_order_acquire);
    const bool is_over = over_.load(std::memory_order_acquire);
    if (next_ != announced_.count.load(std::memory_order_acquire))
      return &batches_[next_++ % batch_count_];
    if (is_over) {
      if (thrown_) std::rethrow_exception(thrown_);
      return nullptr;
    }
    taken_.count.store(next_, std::memory_order_release);
    taken_.ring();
    if (!reader_.window().read_one()) announced_.bell.wait(bell, std::memory_order_acquire);
  }
}

}  // namespace tl
