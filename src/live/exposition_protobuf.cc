// io.prometheus.client (prometheus/client_model metrics.proto), each MetricFamily preceded by its
// length. Written by hand: six small messages, against a code generator and a runtime library.
#include <bit>

#include "live/exposition_formats.hh"

namespace tl::live {
namespace {

// The protobuf wire format (protobuf.dev/programming-guides/encoding).
class Message {
 public:
  void integer(unsigned field, std::uint64_t value) {
    varint(field << 3U);
    varint(value);
  }
  void real(unsigned field, double value) {
    varint((field << 3U) | 1U);
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (unsigned shift = 0; shift < 64; shift += 8)
      bytes_ += static_cast<char>((bits >> shift) & 0xFFU);
  }
  void text(unsigned field, std::string_view value) {
    varint((field << 3U) | 2U);
    delimited(value);
  }
  void message(unsigned field, const Message& value) { text(field, value.bytes_); }
  void delimited(std::string_view value) {
    varint(value.size());
    bytes_ += value;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>((value & 0x7FU) | 0x80U);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

enum MetricType : std::uint64_t { kCounter = 0, kGauge = 1, kSummary = 2, kHistogram = 4 };

MetricType metric_type(Type type) {
  switch (type) {
    case Type::counter:
      return kCounter;
    case Type::summary:
      return kSummary;
    case Type::histogram:
      return kHistogram;
    case Type::gauge:
    case Type::info:
    case Type::stateset:
      return kGauge;
  }
  return kGauge;
}

Message label_pair(std::string_view name, std::string_view value) {
  Message pair;
  pair.text(1, name);
  pair.text(2, value);
  return pair;
}

Message timestamp(std::int64_t time_ns) {  // google.protobuf.Timestamp
  Message message;
  message.integer(1, static_cast<std::uint64_t>(time_ns / 1'000'000'000));
  message.integer(2, static_cast<std::uint64_t>(time_ns % 1'000'000'000));
  return message;
}

Message encode_exemplar(const Exemplar& exemplar) {
  Message message;
  for (const auto& [name, value] : exemplar.labels) message.message(1, label_pair(name, value));
  message.real(2, exemplar.value);
  if (exemplar.time_ns > 0) message.message(3, timestamp(exemplar.time_ns));
  return message;
}

double as_double(const Number& number) {
  return std::visit([](auto value) { return static_cast<double>(value); }, number);
}

Message with_labels(const Point& point) {
  Message metric;
  for (const auto& [name, value] : point.labels) metric.message(1, label_pair(name, value));
  return metric;
}

void add_metrics(Message& out, const Family& family, const Point& point, const Simple& simple) {
  Message value;
  value.real(1, as_double(simple.value));
  const bool is_counter = family.type == Type::counter;
  if (is_counter && simple.exemplar) value.message(2, encode_exemplar(*simple.exemplar));
  if (is_counter && point.created_ns > 0) value.message(3, timestamp(point.created_ns));
  Message metric = with_labels(point);
  metric.message(is_counter ? 3 : 2, value);
  out.message(4, metric);
}

void add_metrics(Message& out, const Family&, const Point& point, const HistogramValue& histogram) {
  Message value;
  value.integer(1, histogram.count());
  value.real(2, histogram.sum);
  for (const Bucket& bucket : histogram.buckets) {
    Message encoded;
    encoded.integer(1, bucket.cumulative);
    encoded.real(2, bucket.upper_bound);
    if (bucket.exemplar) encoded.message(3, encode_exemplar(*bucket.exemplar));
    value.message(3, encoded);
  }
  if (point.created_ns > 0) value.message(15, timestamp(point.created_ns));
  Message metric = with_labels(point);
  metric.message(7, value);
  out.message(4, metric);
}

void add_metrics(Message& out, const Family&, const Point& point, const SummaryValue& summary) {
  Message value;
  value.integer(1, summary.count);
  value.real(2, summary.sum);
  for (const auto& [quantile, quantile_value] : summary.quantiles) {
    Message encoded;
    encoded.real(1, quantile);
    encoded.real(2, quantile_value);
    value.message(3, encoded);
  }
  if (point.created_ns > 0) value.message(4, timestamp(point.created_ns));
  Message metric = with_labels(point);
  metric.message(4, value);
  out.message(4, metric);
}

void add_metrics(Message& out, const Family& family, const Point& point, const StateSetValue& set) {
  for (const auto& [state, is_current] : set.states) {
    Message value;
    value.real(1, is_current ? 1 : 0);
    Message metric = with_labels(point);
    metric.message(1, label_pair(family.name, state));
    metric.message(2, value);
    out.message(4, metric);
  }
}

}  // namespace

std::string encode_protobuf(const std::vector<Family>& families) {
  Message page;
  for (const Family& family : families) {
    Message encoded;
    encoded.text(1, family_name(family, Format::protobuf));
    encoded.text(2, family.help);
    encoded.integer(3, metric_type(family.type));
    for (const Point& point : family.points)
      std::visit([&](const auto& value) { add_metrics(encoded, family, point, value); },
                 point.value);
    page.delimited(encoded.bytes());
  }
  return page.bytes();
}

}  // namespace tl::live
