// Test 3 of the telemetry reference: what is queued survives, and the queue stays within its bound.
#include "live/point_queue.hh"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "base/errors.hh"
#include "base/fd.hh"
#include "support/temporary.hh"

namespace tl::live_point_queue_test {
using namespace tl::live;
using tl::test::TemporaryFolder;

namespace {

constexpr std::uint64_t kMuch = 1 << 20;

std::string lines_of(const PointQueue& queue) { return queue.front(kMuch, kMuch).lines; }

std::filesystem::path only_segment(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator{folder})
    if (entry.path().extension() == ".points") return entry.path();
  return {};
}

void check_is_a_queue(PointQueue& queue) {
  CHECK(queue.front(10, kMuch).points == 0);
  queue.push("a\n", 1);
  queue.push("b\nc\n", 2);
  queue.push("d\n", 1);
  CHECK(queue.front(2, kMuch).lines == "a\n");  // the second record does not fit any more
  CHECK(queue.front(3, kMuch).lines == "a\nb\nc\n");
  CHECK(queue.front(1, 1).lines == "a\n");  // at least one record
  CHECK(queue.state().points == 4);
  CHECK(queue.state().bytes == 8);
  queue.pop(queue.front(3, kMuch).last_record);
  CHECK(lines_of(queue) == "d\n");
  CHECK(queue.state().points == 1);
  queue.pop(queue.front(3, kMuch).last_record);
  CHECK(queue.state().points == 0);
  queue.push("e\n", 1);
  CHECK(lines_of(queue) == "e\n");
}

}  // namespace

TEST_CASE("3 both queues give records back in order, whole, and until they are popped") {
  check_is_a_queue(*memory_queue(kMuch));
  const TemporaryFolder folder;
  check_is_a_queue(*disk_queue(folder.path(), kMuch));
}

TEST_CASE("3 a full queue drops the oldest points and counts them") {
  const TemporaryFolder folder;
  const std::string record(1000, 'x');
  for (const auto& queue : {memory_queue(10'000), disk_queue(folder.path(), 10'000)}) {
    for (int i = 0; i < 100; ++i) queue->push(record, 3);
    const QueueState state = queue->state();
    CHECK(state.bytes <= 10'000);
    CHECK(state.points + state.dropped_points == 300);
    CHECK(state.dropped_points >= 300 - 30);
  }
}

TEST_CASE("3 popping a batch that was dropped meanwhile does not take younger records") {
  const TemporaryFolder folder;
  const std::string record(1000, 'x');
  for (const auto& queue : {memory_queue(10'000), disk_queue(folder.path(), 10'000)}) {
    queue->push("old\n", 1);
    const Batch batch = queue->front(1, kMuch);
    for (int i = 0; i < 100; ++i) queue->push(record, 1);
    const std::uint64_t before = queue->state().points;
    queue->pop(batch.last_record);
    CHECK(queue->state().points == before);
  }
}

TEST_CASE("3 what was pushed and not popped is there for the next process") {
  const TemporaryFolder folder;
  {
    const auto queue = disk_queue(folder.path(), kMuch);
    for (const char* text : {"a\n", "b\n", "c\n"}) queue->push(text, 1);
    queue->pop(queue->front(1, kMuch).last_record);
  }
  {
    const auto queue = disk_queue(folder.path(), kMuch);
    CHECK(lines_of(*queue) == "b\nc\n");
    queue->push("d\n", 1);
  }
  const auto queue = disk_queue(folder.path(), kMuch);
  CHECK(lines_of(*queue) == "b\nc\nd\n");
  queue->pop(queue->front(3, kMuch).last_record);
  CHECK(queue->state().points == 0);
  CHECK(only_segment(folder.path()).empty());  // delivered segments are removed
}

TEST_CASE("3 a queue emptied by one process and filled by the next loses nothing") {
  const TemporaryFolder folder;
  for (int i = 0; i < 5; ++i) {
    const auto queue = disk_queue(folder.path(), kMuch);
    CHECK(queue->state().points == 0);
    queue->push("a\n", 1);
    CHECK(lines_of(*queue) == "a\n");
    queue->pop(queue->front(1, kMuch).last_record);
  }
}

TEST_CASE("3 a file torn at any byte gives back every whole record before it") {
  const TemporaryFolder folder;
  {
    const auto queue = disk_queue(folder.path(), kMuch);
    queue->push("first\n", 1);
    queue->push("second\n", 1);
  }
  const auto segment = only_segment(folder.path());
  const std::string content = read_file(segment);
  const std::size_t first_end = 16 + 6;
  for (std::size_t length = 0; length <= content.size(); ++length) {
    CAPTURE(length);
    const TemporaryFolder copy;
    std::ofstream{copy.path() / segment.filename()} << content.substr(0, length);
    const auto queue = disk_queue(copy.path(), kMuch);
    const std::string expected = length == content.size() ? "first\nsecond\n"
                                 : length >= first_end    ? "first\n"
                                                          : "";
    CHECK(lines_of(*queue) == expected);
    const std::size_t whole = expected.size() + (expected.size() > 6 ? 32
                                                 : expected.empty()  ? 0
                                                                     : 16);
    CHECK(queue->state().damaged_bytes == length - whole);
    queue->push("third\n", 1);
    CHECK(lines_of(*queue) == expected + "third\n");
  }
}

TEST_CASE("3 a changed byte in the middle costs that segment's rest and nothing of the others") {
  const TemporaryFolder folder;
  {
    const auto queue = disk_queue(folder.path(), 65'536);  // segments of 4096 bytes
    for (int i = 0; i < 10; ++i) queue->push(std::string(1500, static_cast<char>('a' + i)), 1);
  }
  std::vector<std::filesystem::path> segments;
  for (const auto& entry : std::filesystem::directory_iterator{folder.path()})
    if (entry.path().extension() == ".points") segments.push_back(entry.path());
  std::sort(segments.begin(), segments.end());
  REQUIRE(segments.size() == 5);
  std::string content = read_file(segments[1]);
  content[100] ^= 1;
  std::ofstream{segments[1]} << content;
  const auto queue = disk_queue(folder.path(), 65'536);
  CHECK(queue->state().points == 8);
  const std::string all = lines_of(*queue);
  CHECK(all.find('c') == std::string::npos);
  CHECK(all.find('e') != std::string::npos);
  CHECK(all.find('j') != std::string::npos);
  queue->pop(queue->front(kMuch, kMuch).last_record);
  CHECK(queue->state().points == 0);
}

TEST_CASE("3 two writers cannot share a spool") {
  const TemporaryFolder folder;
  const auto queue = disk_queue(folder.path(), kMuch);
  CHECK_THROWS_WITH_AS(
      (void)disk_queue(folder.path(), kMuch),
      ("open spool " + folder.path().native() + ": another process uses it").c_str(), MachineError);
}
}  // namespace tl::live_point_queue_test
