// Writes a capture for benchmarks: make_capture FILE PACKETS FRAME_BYTES FLOWS STEP_NS
#include <cstdio>
#include <exception>

#include "base/units.hh"
#include "support/capture_maker.hh"

int main(int argc, char** argv) try {
  if (argc != 6) {
    std::fputs("usage: make_capture FILE PACKETS FRAME_BYTES FLOWS STEP_NS\n", stderr);
    return 2;
  }
  tl::test::TrafficShape shape;
  shape.packets = static_cast<std::uint64_t>(tl::parse_integer(argv[2], 1, 1LL << 40, "packets"));
  shape.frame_bytes =
      static_cast<std::uint32_t>(tl::parse_integer(argv[3], 54, 65'000, "frame bytes"));
  shape.flows = static_cast<std::uint32_t>(tl::parse_integer(argv[4], 1, 1 << 24, "flows"));
  shape.step_ns = tl::parse_integer(argv[5], 1, 1'000'000'000, "step");
  tl::test::write_traffic(argv[1], shape);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "make_capture: %s\n", e.what());
  return 2;
}
