// A source read in chunks, the next ones in a thread of their own while the present one is looked
// at: copying out of the page cache, or decompressing, costs as much as the analysis does.
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
  static constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
  static constexpr std::size_t kHeadroomBytes = std::size_t{1} << 19;

  explicit ReadAhead(std::unique_ptr<ByteSource> source) : source_{std::move(source)} {}
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next bytes of the source; empty when it is over. The kHeadroomBytes before them belong to
  // the caller, who can so put a rest of earlier bytes in front. Rethrows what reading threw.
  std::span<std::uint8_t> next();
  // Gives up the chunks handed out so far, except the latest when `keep_latest`.
  void release(bool keep_latest);

  [[nodiscard]] std::string_view compression() const { return source_->compression(); }
  // Valid once next() was empty.
  [[nodiscard]] const std::string& failure() const { return source_->failure(); }

 private:
  static constexpr std::size_t kChunks = 3;  // one looked at, one ready, one being filled
  struct Chunk {
    std::unique_ptr<std::uint8_t[]> bytes;
    std::size_t size = 0;
  };
  Chunk& chunk(std::uint64_t number) { return chunks_[number % kChunks]; }
  void fill(Chunk& chunk);
  void start();
  void run();

  std::unique_ptr<ByteSource> source_;
  std::array<Chunk, kChunks> chunks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_ once the thread runs. Chunks are numbered in their order.
  std::uint64_t filled_ = 0, taken_ = 0, released_ = 0;
  std::uint64_t given_bytes_ = 0;
  bool over_ = false, stopping_ = false;
  std::exception_ptr thrown_;
  std::thread thread_;  // only for inputs of more than a chunk
};

}  // namespace tl
