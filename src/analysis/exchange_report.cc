#include "analysis/exchange_report.hh"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace tl {
namespace {

using Json = nlohmann::ordered_json;

struct Count {
  const char* name;
  std::uint64_t (*value)(const PathDiff& path, unsigned capture);
};
constexpr std::array kCounts{
    Count{"packets", [](const PathDiff& p, unsigned c) { return p.seen[c].packets; }},
    Count{"frame_bytes", [](const PathDiff& p, unsigned c) { return p.seen[c].frame_bytes; }},
    Count{"payload_bytes", [](const PathDiff& p, unsigned c) { return p.seen[c].payload_bytes; }},
    Count{"matched_packets", [](const PathDiff& p, unsigned c) { return p.matched[c].packets; }},
    Count{"partly_packets", [](const PathDiff& p, unsigned c) { return p.partly[c].packets; }},
    Count{"missing_bytes", [](const PathDiff& p, unsigned c) { return p.missing_bytes[c]; }},
    Count{"only_packets", [](const PathDiff& p, unsigned c) { return p.only[c].packets; }},
    Count{"only_payload_bytes",
          [](const PathDiff& p, unsigned c) { return p.only[c].payload_bytes; }},
    Count{"duplicated_packets",
          [](const PathDiff& p, unsigned c) { return p.duplicated[c].packets; }},
    Count{"before_packets", [](const PathDiff& p, unsigned c) { return p.before[c].packets; }},
    Count{"beyond_packets", [](const PathDiff& p, unsigned c) { return p.beyond[c].packets; }},
    Count{"given_up_packets", [](const PathDiff& p, unsigned c) { return p.given_up[c].packets; }},
    Count{"segments_same", [](const PathDiff& p, unsigned c) { return p.segmentation[c].same; }},
    Count{"segments_split", [](const PathDiff& p, unsigned c) { return p.segmentation[c].split; }},
    Count{"split_into", [](const PathDiff& p, unsigned c) { return p.segmentation[c].pieces; }},
    Count{"segments_joined",
          [](const PathDiff& p, unsigned c) { return p.segmentation[c].joined; }},
    Count{"segments_crossed",
          [](const PathDiff& p, unsigned c) { return p.segmentation[c].crossed; }},
    Count{"largest_payload_bytes",
          [](const PathDiff& p, unsigned c) {
            return std::uint64_t{p.segmentation[c].largest_payload};
          }},
};
constexpr std::array<char, 2> kCaptures{'a', 'b'};
constexpr std::array<const char*, 2> kUpper{"A", "B"};

struct Result {
  const char* name;
  std::uint64_t (*value)(const PathDiff& path);
};
unsigned down(const PathDiff& path) { return 1 - path.upstream(); }
constexpr std::array kResults{
    Result{"lost_packets", [](const PathDiff& p) { return p.lost_packets(); }},
    Result{"lost_payload_bytes", [](const PathDiff& p) { return p.lost_bytes(); }},
    Result{"duplicated_packets", [](const PathDiff& p) { return p.duplicated[down(p)].packets; }},
    Result{"unsent_packets",
           [](const PathDiff& p) { return p.only[down(p)].packets + p.partly[down(p)].packets; }},
    Result{"reordered_packets", [](const PathDiff& p) { return p.reordered[p.upstream()]; }},
    Result{"reorder_extent", [](const PathDiff& p) { return p.reorder_extent[p.upstream()]; }},
    Result{"reversed_time_pairs", [](const PathDiff& p) { return p.delay[down(p)].count(); }},
};

struct Percentile {
  const char* name;
  std::uint32_t per_mille;
};
constexpr std::array kPercentiles{Percentile{"p50_ns", 500}, Percentile{"p90_ns", 900},
                                  Percentile{"p95_ns", 950}, Percentile{"p99_ns", 990}};

std::string label(const Address16& address, std::uint8_t version) {
  return version == 0 ? "others" : address_text(address, version);
}

bool is_upstream_known(const PathDiff& path) {
  return !path.delay[0].empty() || !path.delay[1].empty();
}

// Both directions seen first by the same capture: the clocks differ by more than the path takes.
// Half the difference of the shortest delays is the offset, if both directions take equally long.
std::optional<std::int64_t> clock_offset_ns(const ExchangeDiff& diff) {
  std::array<std::int64_t, 2> shortest{INT64_MAX, INT64_MAX};  // by upstream capture
  std::size_t directions = 0;
  unsigned upstream = 0;
  for (const PathDiff& path : diff.paths()) {
    if (!is_upstream_known(path)) continue;
    upstream = path.upstream();
    for (const PathDiff& back : diff.paths()) {
      if (&back == &path || !(back.source == path.destination) ||
          !(back.destination == path.source) || !is_upstream_known(back))
        continue;
      if (back.upstream() != upstream) return std::nullopt;
      shortest = {path.delay[upstream].minimum_ns(), back.delay[upstream].minimum_ns()};
      ++directions;
    }
  }
  if (directions == 0) return std::nullopt;
  const std::int64_t offset = (shortest[0] + shortest[1]) / 2;
  return upstream == 0 ? offset : -offset;
}

void write_csv(const Write& write, const ExchangeDiff& diff) {
  std::string line = "source_ip,destination_ip,upstream";
  for (const Result& result : kResults) line += fmt::format(",{}", result.name);
  line += ",delay_count,delay_min_ns";
  for (const Percentile& p : kPercentiles) line += fmt::format(",delay_{}", p.name);
  line += ",delay_max_ns,delay_mean_ns";
  for (const char capture : kCaptures)
    for (const Count& count : kCounts) line += fmt::format(",{}_{}", capture, count.name);
  write(line + "\n");
  for (const PathDiff& path : diff.paths()) {
    line = fmt::format("{},{},{}", label(path.source, path.ip_version),
                       label(path.destination, path.ip_version),
                       is_upstream_known(path) ? kUpper[path.upstream()] : "");
    for (const Result& result : kResults) line += fmt::format(",{}", result.value(path));
    const Distribution& delay = path.delay[path.upstream()];
    if (delay.empty()) {
      line += ",0,,,,,,,";
    } else {
      line += fmt::format(",{},{}", delay.count(), delay.minimum_ns());
      for (const Percentile& p : kPercentiles)
        line += fmt::format(",{}", delay.percentile_ns(p.per_mille));
      line += fmt::format(",{},{}", delay.maximum_ns(), delay.mean_ns());
    }
    for (unsigned capture = 0; capture < kCaptures.size(); ++capture)
      for (const Count& count : kCounts) line += fmt::format(",{}", count.value(path, capture));
    write(line + "\n");
  }
}

Json path_json(const PathDiff& path) {
  Json object{{"source_ip", label(path.source, path.ip_version)},
              {"destination_ip", label(path.destination, path.ip_version)}};
  object["upstream"] = is_upstream_known(path) ? Json(kUpper[path.upstream()]) : Json(nullptr);
  for (const Result& result : kResults) object[result.name] = result.value(path);
  const Distribution& delay = path.delay[path.upstream()];
  Json& times = object["delay"];
  times["count"] = delay.count();
  const auto value = [&](auto get) { return delay.empty() ? Json(nullptr) : Json(get()); };
  times["min_ns"] = value([&] { return delay.minimum_ns(); });
  for (const Percentile& p : kPercentiles)
    times[p.name] = value([&] { return delay.percentile_ns(p.per_mille); });
  times["max_ns"] = value([&] { return delay.maximum_ns(); });
  times["mean_ns"] = value([&] { return delay.mean_ns(); });
  times["percentiles_exact"] = delay.is_exact();
  times["histogram"] = Json::array();
  for (const Distribution::Bin& bin : delay.bins())
    times["histogram"].push_back({bin.low_ns, bin.high_ns, bin.count});
  for (unsigned capture = 0; capture < kCaptures.size(); ++capture) {
    Json& one = object[std::string(1, kCaptures[capture])];
    for (const Count& count : kCounts) one[count.name] = count.value(path, capture);
  }
  return object;
}

void write_json(const Write& write, const ExchangeDiff& diff) {
  write("\"identical\": " + std::string(is_identical(diff) ? "true" : "false") + ",\n\"paths\": [");
  for (std::size_t i = 0; i < diff.paths().size(); ++i)
    write((i == 0 ? "\n" : ",\n") + path_json(diff.paths()[i]).dump());
  const auto offset = clock_offset_ns(diff);
  write(fmt::format("\n],\n\"clock_offset_ns\": {},\n", offset ? std::to_string(*offset) : "null"));
  write(fmt::format("\"uncompared_packets\": {{\"a\": {}, \"b\": {}}}",
                    diff.uncompared()[0].packets, diff.uncompared()[1].packets));
}

std::string milliseconds(std::int64_t ns) {
  return fmt::format("{:.6f}", static_cast<double>(ns) / 1e6);
}

void write_path_text(const Write& write, const PathDiff& path) {
  const unsigned up = path.upstream();
  write(fmt::format("{} -> {}", label(path.source, path.ip_version),
                    label(path.destination, path.ip_version)));
  write(is_upstream_known(path) ? fmt::format("   (passes {} first)\n", kUpper[up])
                                : "   (nothing in common)\n");
  for (const Result& result : kResults)
    write(fmt::format("  {:<22} {:>14}\n", result.name, result.value(path)));
  if (const Distribution& delay = path.delay[up]; !delay.empty())
    write(fmt::format(
        "  {:<22} {:>14} min, {} p50, {} p90, {} p99, {} max, {} packets\n", "one-way delay ms",
        milliseconds(delay.minimum_ns()), milliseconds(delay.percentile_ns(500)),
        milliseconds(delay.percentile_ns(900)), milliseconds(delay.percentile_ns(990)),
        milliseconds(delay.maximum_ns()), delay.count()));
  write(fmt::format("  {:<22} {:>14} {:>14}\n", "", "A", "B"));
  for (const Count& count : kCounts)
    write(fmt::format("  {:<22} {:>14} {:>14}\n", count.name, count.value(path, 0),
                      count.value(path, 1)));
  write("\n");
}

void write_text(const Write& write, const ExchangeDiff& diff) {
  write(is_identical(diff) ? "one exchange, the same packets in both\n\n"
                           : "one exchange, seen at two places\n\n");
  for (const PathDiff& path : diff.paths()) write_path_text(write, path);
  if (const auto offset = clock_offset_ns(diff))
    write(
        fmt::format("both directions seem to pass {} first: the clocks differ, B's by about {} ms "
                    "(if both directions take equally long); delays include that\n",
                    *offset > 0 ? "A" : "B", milliseconds(*offset)));
  write(fmt::format("not compared (not IP, undecoded, without a time): {} packets of A, {} of B\n",
                    diff.uncompared()[0].packets, diff.uncompared()[1].packets));
}

}  // namespace

bool is_identical(const ExchangeDiff& diff) {
  for (const PathDiff& path : diff.paths())
    for (unsigned c = 0; c < 2; ++c)
      if (!(path.seen[c] == path.matched[c]) || path.segmentation[c].split != 0 ||
          path.segmentation[c].joined != 0 || path.segmentation[c].crossed != 0 ||
          path.reordered[c] != 0)
        return false;
  return diff.uncompared()[0] == diff.uncompared()[1];
}

void write_exchange(const Write& write, ReportForm form, const ExchangeDiff& diff) {
  switch (form) {
    case ReportForm::text:
      return write_text(write, diff);
    case ReportForm::csv:
      return write_csv(write, diff);
    case ReportForm::json:
      return write_json(write, diff);
  }
}

}  // namespace tl
