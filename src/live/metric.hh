// What a scrape carries: families of points, as values without any link to the instruments that
// made them. Every encoder (exposition.hh) reads this and nothing else. Data model:
// OpenMetrics 1.0 section 4 and the io.prometheus.client protobuf schema.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tl::live {

// Label name and value, sorted by name, names unique.
using Labels = std::vector<std::pair<std::string, std::string>>;

// Sorts, and throws UsageError for a name that is not [a-zA-Z_][a-zA-Z0-9_]*, begins with "__", or
// stands twice. Bytes of a value that are not UTF-8 become U+FFFD: one bad byte would make
// Prometheus refuse the whole page.
Labels checked_labels(Labels labels);
// Throws UsageError when `name` is not [a-zA-Z_:][a-zA-Z0-9_:]*.
void check_metric_name(std::string_view name);
// `text` with every byte sequence that is not UTF-8 replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

// One observation that stands for its bucket or counter: usually a trace or flow id.
struct Exemplar {
  Labels labels;
  double value = 0;
  std::int64_t time_ns = 0;  // since the epoch
};
// Throws UsageError when names and values together exceed 128 characters (OpenMetrics 4.6.1).
Exemplar make_exemplar(Labels labels, double value, std::int64_t time_ns);

// A count stays an integer up to 2^64-1; everything else is a double.
using Number = std::variant<double, std::uint64_t>;

struct Simple {  // counter and gauge
  Number value = 0.0;
  std::optional<Exemplar> exemplar;  // counters only
};
struct Bucket {
  double upper_bound = 0;        // inclusive; the last one is +Inf
  std::uint64_t cumulative = 0;  // observations <= upper_bound
  std::optional<Exemplar> exemplar;
};
struct HistogramValue {
  std::vector<Bucket> buckets;
  double sum = 0;
  [[nodiscard]] std::uint64_t count() const {
    return buckets.empty() ? 0 : buckets.back().cumulative;
  }
};
struct SummaryValue {
  std::vector<std::pair<double, double>> quantiles;  // quantile in [0,1], value (NaN: no data)
  std::uint64_t count = 0;
  double sum = 0;
};
struct StateSetValue {
  std::vector<std::pair<std::string, bool>> states;
};

struct Point {
  Labels labels;
  std::variant<Simple, HistogramValue, SummaryValue, StateSetValue> value;
  std::int64_t created_ns = 0;  // since the epoch; 0: unknown, not exposed
};

enum class Type { counter, gauge, histogram, summary, info, stateset };

// `name` is the base name: counters without "_total", infos without "_info".
struct Family {
  std::string name;
  std::string help;
  Type type = Type::gauge;
  std::string unit;  // empty, or the last word of the name ("seconds")
  std::vector<Point> points;
};

// For collectors that read their numbers elsewhere. Checks the labels.
Point number_point(Labels labels, Number value, std::int64_t created_ns = 0);

}  // namespace tl::live
