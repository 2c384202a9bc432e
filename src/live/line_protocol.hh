// InfluxDB line protocol: one point to one line that InfluxDB 1.x, 2.x and 3.x all read back as the
// same point, or a reason why not. What a server would silently lose or store as something else
// (docs/influx.md, "Line protocol") never leaves the program.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tl::live {

// A field's type is part of the database's schema: a name must keep its type for ever.
using FieldValue = std::variant<double, std::int64_t, bool, std::string>;

struct InfluxPoint {
  std::string measurement;
  std::vector<std::pair<std::string, std::string>> tags;
  std::vector<std::pair<std::string, FieldValue>> fields;
  std::int64_t time_ns = 0;  // since the epoch: when it was measured, not when it is sent
};

struct EncodedPoint {
  std::string line;        // with its newline; empty when the point is refused
  std::string refused;     // why
  int omitted_fields = 0;  // NaN, infinite, or without a usable name
  int changed_texts = 0;   // names and tags whose text cannot be written as it is
};

// Units of the time stamp; the number is rounded down.
enum class Precision { ns, us, ms, s };

EncodedPoint encode_point(const InfluxPoint& point, Precision precision = Precision::ns);

// Times of lines that encode_point() made with Precision::ns, in another precision.
std::string with_precision(const std::string& lines, Precision precision);

}  // namespace tl::live
