// A source read in chunks, the next ones in a thread of their own while the present one is looked
// at: copying out of the page cache, or decompressing, costs as much as the analysis does, for
// large packets several times as much. So where a file can be read at any position, whoever wants a
// chunk that is not there yet reads the one after it instead of waiting: both threads always work.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>

#include "analysis/byte_source.hh"

namespace tl {

class ReadAhead {
 public:
  // Small enough that a chunk is still in the second-level cache when it is looked at.
  static constexpr std::size_t kChunkBytes = std::size_t{1} << 18;
  static constexpr std::size_t kHeadroomBytes = std::size_t{1} << 19;

  explicit ReadAhead(std::unique_ptr<ByteSource> source)
      : source_{std::move(source)},
        has_positions_{source_->has_positions()},
        chunks_used_{source_->may_wait() ? kChunksInTurn : kChunks} {}
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next bytes of the source; empty when it is over. The kHeadroomBytes before them belong to
  // the caller, who can so put a rest of earlier bytes in front. Rethrows what reading threw.
  std::span<std::uint8_t> next();
  // Gives up the chunks handed out so far, except the latest `keep`, at most kMostKept. What was
  // given up once stays so.
  static constexpr std::uint64_t kMostKept = 5;
  void release(std::uint64_t keep);

  // From now on no thread is started here: the caller has two of its own, of which one calls next()
  // and release(), and the other read_one() whenever it has nothing else to do. False when the
  // source cannot be read at any position: then nothing changes.
  bool share();
  // Reads a chunk ahead; false when there is no room for one, or no more to read.
  bool read_one();
  // next() goes on with the byte at `offset`. Only when shared, and while nobody reads.
  void jump(std::uint64_t offset);

  [[nodiscard]] ByteSource& source() { return *source_; }

  [[nodiscard]] std::string_view compression() const { return source_->compression(); }
  // Valid once next() was empty.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  // Beside those kept: one ready, one being filled by each thread.
  static constexpr std::size_t kChunks = kMostKept + 3;
  // Where nobody reads ahead, two take turns, and both stay in the second-level cache.
  static constexpr std::size_t kChunksInTurn = 2;
  static constexpr std::uint64_t kBytesBeforeThread = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kUnknown = UINT64_MAX;
  using Lock = std::unique_lock<std::mutex>;
  struct Chunk {
    std::unique_ptr<std::uint8_t[]> bytes;
    std::size_t size = 0;
    bool is_ready = false;
  };
  Chunk& chunk(std::uint64_t number) { return chunks_[number % chunks_used_]; }
  [[nodiscard]] bool has_free_chunk() const { return claimed_ - released_ < chunks_used_; }
  void read_next_chunk(Lock& lock);
  ByteSource::Piece read_chunk(std::span<std::uint8_t> into, std::uint64_t number);
  void start();
  void run();

  std::unique_ptr<ByteSource> source_;
  const bool has_positions_;
  const std::size_t chunks_used_;
  std::uint64_t base_ = 0;  // where chunk 0 begins
  std::array<Chunk, kChunks> chunks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_ once the thread runs. Chunks are numbered in their order; somebody fills, or
  // has filled, those below claimed_. There are chunk_count_ of them.
  std::uint64_t claimed_ = 0, taken_ = 0, released_ = 0;
  std::uint64_t chunk_count_ = kUnknown;
  bool stopping_ = false;
  bool is_shared_ = false;
  std::string failure_;
  std::exception_ptr thrown_;
  std::uint64_t given_bytes_ = 0;
  std::thread thread_;  // only for inputs of more than kBytesBeforeThread
};

}  // namespace tl
