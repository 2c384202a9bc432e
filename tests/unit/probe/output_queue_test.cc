#include "probe/output_queue.hh"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "base/fd.hh"

namespace tl::probe_output_queue_test {
namespace {

constexpr std::size_t kPieceBytes = 40'000;
constexpr std::uint64_t kPieces = 100, kRowsOfPiece = 10;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    read = UniqueFd{ends[0]};
    write = UniqueFd{ends[1]};
  }
  UniqueFd read, write;
};

// Takes everything, `pause` after each read; the number of bytes.
std::size_t read_all(int fd, std::chrono::milliseconds pause) {
  std::array<char, 4096> buffer;
  std::size_t bytes = 0;
  for (ssize_t got = 0; (got = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    bytes += static_cast<std::size_t>(got);
    std::this_thread::sleep_for(pause);
  }
  return bytes;
}

// What a reader of that speed got, and how many rows the queue says are missing.
std::pair<std::size_t, std::uint64_t> run(std::chrono::milliseconds pause,
                                          std::chrono::milliseconds limit) {
  Pipe pipe;
  std::size_t bytes = 0;
  std::jthread reader{[&] { bytes = read_all(pipe.read.get(), pause); }};
  std::uint64_t dropped = 0;
  {
    OutputQueue queue{pipe.write.get()};
    for (std::uint64_t i = 0; i < kPieces; ++i)
      queue.push(std::string(kPieceBytes, 'x'), kRowsOfPiece);
    queue.finish(Deadline{limit});
    dropped = queue.dropped_rows();
  }
  pipe.write = UniqueFd{};
  reader.join();
  return {bytes, dropped};
}

}  // namespace

TEST_CASE("a slow reader: after the deadline nothing more is written, and what lacks is counted") {
  const auto [bytes, dropped] = run(std::chrono::milliseconds{2}, std::chrono::milliseconds{100});
  CHECK(dropped > 0);
  CHECK(dropped == (kPieces - bytes / kPieceBytes) * kRowsOfPiece);
}

TEST_CASE("a reader in time gets everything") {
  const auto [bytes, dropped] = run(std::chrono::milliseconds{0}, std::chrono::seconds{60});
  CHECK(dropped == 0);
  CHECK(bytes == kPieces * kPieceBytes);
}
}  // namespace tl::probe_output_queue_test
