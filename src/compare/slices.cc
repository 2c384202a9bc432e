#include "compare/slices.hh"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "analysis/capture_reader.hh"
#include "analysis/rate_statistics.hh"
#include "analysis/timeline.hh"
#include "base/fd.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint32_t kNanosecondMagic = 0xa1b23c4d;
constexpr std::uint32_t kLargestSnaplen = 262'144;
constexpr std::size_t kFlushBytes = 1 << 20;

// In this machine's byte order, as the format has it (draft-ietf-opsawg-pcap, section 4).
template <class... Words>
void append_words(std::string& out, Words... words) {
  const std::array<std::uint32_t, sizeof...(words)> all{static_cast<std::uint32_t>(words)...};
  out.append(reinterpret_cast<const char*>(all.data()), sizeof all);
}

void append_record(std::string& out, const Packet& p) {
  append_words(out, p.time_ns / kNsPerSecond, p.time_ns % kNsPerSecond, p.captured_bytes,
               p.length_bytes);
  out.append(reinterpret_cast<const char*>(p.data), p.captured_bytes);
}

// The service that received most in the range; null without any.
const TimelineSeries* receiver(const Timeline& timeline, const BucketRange& range) {
  const auto received = [&](const TimelineSeries& s) {
    const auto& counts = s[Column::rx_bytes];
    return std::accumulate(counts.begin() + static_cast<std::ptrdiff_t>(range.begin),
                           counts.begin() + static_cast<std::ptrdiff_t>(range.end),
                           std::uint64_t{0});
  };
  const auto most = std::max_element(
      timeline.series.begin(), timeline.series.end(),
      [&](const TimelineSeries& a, const TimelineSeries& b) { return received(a) < received(b); });
  return most == timeline.series.end() ? nullptr : &*most;
}

// The run that is furthest on the gate's bad side.
const MeasuredRun& worst_run(const GateReport& report, const GateResult& r) {
  const Metric* metric = report.fresh.front().find(r.gate.metric);
  const bool is_higher_better =
      r.gate.kind == GateKind::at_least ||
      (r.gate.kind == GateKind::max_worse &&
       r.gate.better.value_or(metric == nullptr ? Better::higher : metric->better) ==
           Better::higher);
  const auto value = [&](const MeasuredRun& run) {
    const Metric* m = run.find(r.gate.metric);
    return m == nullptr ? 0.0 : m->value.value_or(0) * (is_higher_better ? 1 : -1);
  };
  return *std::min_element(
      report.fresh.begin(), report.fresh.end(),
      [&](const MeasuredRun& a, const MeasuredRun& b) { return value(a) < value(b); });
}

std::vector<fs::path> captures_of(const MeasuredRun& run) {
  std::vector<fs::path> files;
  const fs::path folder = run.bundle / "captures";
  if (fs::is_directory(folder))
    for (const fs::directory_entry& entry : fs::directory_iterator{folder})
      if (entry.path().extension() == ".pcap") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string file_name(std::string gate) {
  for (char& c : gate)
    if (c == ' ' || c == '%' || c == '/') c = '_';
  return gate;
}

void add_slices(const GateReport& report, const GateResult& r, const fs::path& folder,
                std::vector<Slice>& slices) {
  const MeasuredRun& run = worst_run(report, r);
  const std::vector<fs::path> captures = captures_of(run);
  std::size_t number = 0;
  for (const Span& window : worst_windows(run)) {
    ++number;
    const std::int64_t width = window.end_ns - window.start_ns;
    for (const fs::path& capture : captures) {
      fs::create_directories(folder);
      Slice slice{name_of(r.gate), run.bundle, {}, window};
      slice.file = folder / fmt::format("{}-{}-{}.pcap", file_name(slice.gate), number,
                                        capture.stem().native());
      slice.packets =
          write_slice(capture, {window.start_ns - width, window.end_ns + width}, slice.file);
      slices.push_back(std::move(slice));
    }
  }
}

}  // namespace

std::vector<Span> worst_windows(const MeasuredRun& run) {
  const json traffic = run.manifest.value("traffic_window", json());
  if (!traffic.is_object() || !fs::is_regular_file(run.bundle / "counters" / "container.csv"))
    return {};
  const Timeline timeline = read_timeline(run.bundle / "counters" / "container.csv");
  BucketRange range = buckets_inside(timeline, traffic.value("start_ns", std::int64_t{0}),
                                     traffic.value("end_ns", std::int64_t{0}));
  const TimelineSeries* series = range.empty() ? nullptr : receiver(timeline, range);
  if (series == nullptr) return {};
  const auto& bytes = (*series)[Column::rx_bytes];
  while (!range.empty() && bytes[range.begin] == 0) ++range.begin;
  while (!range.empty() && bytes[range.end - 1] == 0) --range.end;
  std::vector<std::size_t> order(range.empty() ? 0 : range.end - range.begin);
  std::iota(order.begin(), order.end(), range.begin);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return bytes[a] < bytes[b]; });
  std::vector<std::size_t> taken;
  for (const std::size_t bucket : order) {
    if (taken.size() == kMostSlices) break;
    if (std::none_of(taken.begin(), taken.end(),
                     [&](std::size_t t) { return std::max(t, bucket) - std::min(t, bucket) < 2; }))
      taken.push_back(bucket);
  }
  std::vector<Span> windows;
  for (const std::size_t bucket : taken) {
    const std::int64_t start =
        timeline.first_ns + static_cast<std::int64_t>(bucket) * timeline.interval_ns;
    windows.push_back({start, start + timeline.interval_ns});
  }
  return windows;
}

std::uint64_t write_slice(const fs::path& capture, const Span& span, const fs::path& slice) {
  CaptureReader reader = CaptureReader::open(capture.native());
  const UniqueFd fd = open_fd(slice, O_WRONLY | O_CREAT | O_TRUNC);
  std::string out;
  const std::uint32_t link_type =
      reader.interfaces().empty() ? 1 : reader.interfaces().front().link_type;
  append_words(out, kNanosecondMagic, 2U | (4U << 16U), 0U, 0U, kLargestSnaplen, link_type);
  std::uint64_t packets = 0;
  // Packets of several CPUs may stand a little out of order: a second behind, none is expected.
  bool is_behind = false;
  for (auto batch = reader.next_batch(); !batch.empty() && !is_behind;
       batch = reader.next_batch()) {
    for (const Packet& p : batch) {
      is_behind |= p.time_ns > span.end_ns + kNsPerSecond;
      if (p.time_ns < span.start_ns || p.time_ns >= span.end_ns) continue;
      append_record(out, p);
      ++packets;
    }
    if (out.size() < kFlushBytes) continue;
    write_all(fd.get(), out, slice.native());
    out.clear();
  }
  write_all(fd.get(), out, slice.native());
  return packets;
}

std::vector<Slice> write_evidence(const GateReport& report, const fs::path& folder) {
  std::vector<Slice> slices;
  for (const GateResult& r : report.results)
    if (r.verdict == Verdict::fail) add_slices(report, r, folder, slices);
  if (slices.empty()) return slices;
  nlohmann::ordered_json index = nlohmann::ordered_json::array();
  for (const Slice& s : slices)
    index.push_back({{"gate", s.gate},
                     {"bundle", s.bundle.native()},
                     {"file", s.file.filename().native()},
                     {"start_ns", s.window.start_ns},
                     {"end_ns", s.window.end_ns},
                     {"packets", s.packets}});
  write_file_atomic(folder / "evidence.json", index.dump(1) + "\n");
  return slices;
}

}  // namespace tl
