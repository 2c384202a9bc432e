// TCP segments of four flows, 24 bytes each, through the RTT rules: whatever comes, every segment
// is counted once, and no sample is negative or stale.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "analysis/rtt.hh"

namespace {

constexpr std::size_t kRecord = 24;

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
T take(const std::uint8_t*& at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  at += sizeof value;
  return value;
}

// Small numbers, so that segments and acknowledgments meet; the top bits reach around the circle.
std::uint32_t near(std::uint16_t value) {
  return 0xFFFFF000U + (value & 0x3FFFU) + (std::uint32_t{value} >> 14 << 30);
}

tl::TcpSegment segment_from(const std::uint8_t* at) {
  tl::TcpSegment segment;
  segment.sequence = near(take<std::uint16_t>(at));
  segment.acknowledgment = near(take<std::uint16_t>(at));
  segment.payload_bytes = take<std::uint16_t>(at) % 3000U;
  segment.window = take<std::uint8_t>(at);
  segment.flags = take<std::uint8_t>(at);
  const std::uint16_t value = take<std::uint16_t>(at), echo = take<std::uint16_t>(at);
  if (value != 0) segment.options.timestamps = tl::TcpOptions::Timestamps{value, echo};
  segment.options.sack_count = take<std::uint8_t>(at) % 5;
  const std::uint8_t shift = take<std::uint8_t>(at);
  for (auto& block : segment.options.sack) {
    block.begin = near(static_cast<std::uint16_t>(segment.acknowledgment + shift));
    block.end = block.begin + shift * 7U;
  }
  return segment;
}

struct NoNonsense : tl::RttEventSink {
  std::array<std::uint64_t, tl::kRttMethods> seen{};
  void on_rtt(const tl::RttEvent& event) override {
    require(event.sample.rtt_ns >= 0);
    require(event.sample.rtt_ns <= tl::RttHalf::kDefaultMostAgeNs);
    seen[static_cast<std::size_t>(event.sample.method)] += 1;
  }
};

void check(const tl::RttStatistics& s, std::uint64_t unanswered) {
  const tl::RttCounters& c = s.counters;
  require(c.segments == c.answered + unanswered + c.abandoned + c.forgotten);
  require(c.answered == c.answers());
  require(s.rtt.empty() || s.rtt.percentile_ns(500) <= s.rtt.maximum_ns());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tl::RttOptions options;
  options.most_segments = tl::UnackedList::kMost + 64;
  tl::RttTable table{options};
  NoNonsense sink;
  table.send_samples_to(&sink);
  std::int64_t now_ns = 0;
  for (std::uint64_t i = 0; (i + 1) * kRecord <= size; ++i) {
    const std::uint8_t* at = data + i * kRecord;
    tl::TcpSegment segment = segment_from(at);
    at += kRecord - 8;
    const auto flow = static_cast<std::uint8_t>(take<std::uint8_t>(at) & 3);
    const auto side = static_cast<std::uint8_t>(take<std::uint8_t>(at) & 1);
    const auto kind = take<std::uint8_t>(at);
    if (kind == 0xFF) table.evict(flow);
    const auto step = take<std::int32_t>(at);
    now_ns = kind == 0xFE ? step * std::int64_t{1} << 31 : now_ns + step;
    segment.time_ns = now_ns;
    table.add(flow, side, segment, i);
  }
  for (std::uint32_t i = 0; i < table.size(); ++i)
    if (table.flow(i) != nullptr)
      for (const tl::RttHalf& half : table.flow(i)->halves)
        check(half.statistics(), half.unanswered());
  const auto totals = table.totals();
  std::uint64_t samples = 0, seen = 0;
  for (std::size_t end = 0; end < totals.size(); ++end) {
    check(totals[end], table.unanswered(static_cast<tl::RttEnd>(end)));
    for (const std::uint64_t count : totals[end].counters.samples) samples += count;
  }
  for (const std::uint64_t count : sink.seen) seen += count;
  require(samples == seen);
  return 0;
}
