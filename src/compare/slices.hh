// From a failed gate to packets: the worst buckets of a run, and the captures' packets around them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "compare/gate.hh"

namespace tl {

inline constexpr std::size_t kMostSlices = 3;  // a gate

// [start, end) in ns since the epoch.
struct Span {
  std::int64_t start_ns = 0, end_ns = 0;
};

// The buckets in which the service that receives most got the fewest bytes, fewest first (the
// earlier of equals), none next to another, between the first and the last with any byte in the
// traffic window. Empty when the run has no counters. Each is one bucket of the run, 10 ms unless
// it was run otherwise.
std::vector<Span> worst_windows(const MeasuredRun& run);

// Writes the packets of `span` to a pcap file with nanosecond stamps and returns how many there
// were. Reads `capture` up to the first packet a second behind the span. Throws UsageError when it
// is no capture, MachineError when `slice` cannot be written.
std::uint64_t write_slice(const std::filesystem::path& capture, const Span& span,
                          const std::filesystem::path& slice);

struct Slice {
  std::string gate;
  std::filesystem::path bundle, file;
  Span window;  // the worst bucket; the file holds one bucket more on both sides
  std::uint64_t packets = 0;
};

// For every failed gate the worst windows of its worst run, from every capture of that run, into
// `folder` as GATE-NUMBER-SERVICE.pcap, with an index `evidence.json`. Makes the folder when there
// is anything to write.
std::vector<Slice> write_evidence(const GateReport& report, const std::filesystem::path& folder);

}  // namespace tl
