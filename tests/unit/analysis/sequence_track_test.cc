#include "analysis/sequence_track.hh"

#include <doctest/doctest.h>

namespace tl::analysis_sequence_track_test {
namespace {

constexpr std::uint32_t kPiece = 60'000;

// A stream without a SYN from `first` on, in pieces without a gap; returns where it ended.
std::uint32_t stream(SequenceTrack& track, std::uint32_t first, std::uint64_t pieces) {
  for (std::uint64_t i = 0; i < pieces; ++i) {
    track.on_data(first, kPiece);
    first += kPiece;
  }
  return first;
}

}  // namespace

TEST_CASE(
    "a stream longer than its sequence numbers: what comes again was seen, what lacks is a gap") {
  for (const std::uint64_t gigabytes : {1U, 2U, 3U, 5U, 9U}) {
    CAPTURE(gigabytes);
    const std::uint64_t pieces = gigabytes * 1'000'000'000 / kPiece;
    SequenceTrack track;
    const std::uint32_t end = stream(track, 4'000'000'000, pieces);
    track.on_data(end - 3 * kPiece, kPiece);
    CHECK(track.retransmitted_bytes() == kPiece);
    CHECK(track.gap_bytes() == 0);
    CHECK(track.span_bytes() == pieces * kPiece);
    track.on_data(end + kPiece, kPiece);
    CHECK(track.gap_bytes() == kPiece);
    CHECK(track.span_bytes() == (pieces + 2) * kPiece);
    track.on_data(end, kPiece);
    CHECK(track.gap_bytes() == 0);
    CHECK(track.retransmitted_bytes() == kPiece);
  }
}

TEST_CASE("data from before the first byte seen belongs to the span") {
  SequenceTrack track;
  stream(track, 1000, 2);
  track.on_data(0, 400);
  CHECK(track.span_bytes() == 1000 + 2 * kPiece);
  CHECK(track.gap_bytes() == 600);
  track.on_data(400, 600);
  CHECK(track.gap_bytes() == 0);
  CHECK(track.retransmitted_bytes() == 0);
}

TEST_CASE("another connection on the same ports begins anew, and its span is added") {
  SequenceTrack track;
  CHECK(!track.on_syn(99));
  stream(track, 100, 3);
  CHECK(!track.on_syn(99));
  CHECK(track.on_syn(5'000'000));
  CHECK(track.span_bytes() == 3 * kPiece);
  stream(track, 5'000'001, 2);
  CHECK(track.span_bytes() == 5 * kPiece);
  track.on_data(5'000'001, kPiece);
  CHECK(track.retransmitted_bytes() == kPiece);
}

TEST_CASE("gaps beyond those remembered are counted as forgotten") {
  SequenceTrack track;
  track.on_data(0, 1);
  for (std::uint32_t i = 1; i <= 10; ++i) track.on_data(i * 10, 1);
  CHECK(track.forgotten_gaps() == 6);
  CHECK(track.gap_bytes() == 10 * 9);
}
}  // namespace tl::analysis_sequence_track_test
