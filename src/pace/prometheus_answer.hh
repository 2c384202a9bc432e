// Answers of Prometheus' /api/v1/query.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tl::pace {

struct Sample {
  std::int64_t time_ns = 0;  // since the epoch; Prometheus stores milliseconds
  std::string value;         // as Prometheus writes it, so that equal texts are equal values
};

struct SeriesSamples {
  std::string series;           // name{label="value",…}, labels sorted
  std::vector<Sample> samples;  // ascending
};

struct QueryAnswer {
  std::string error;  // why there are no series
  std::vector<SeriesSamples> series;
};

// Vectors, matrices, scalars and strings; anything else is an error with a reason.
QueryAnswer parse_query_answer(const std::string& body);

// Whether the expression is a bare selector, NAME or NAME{…} or {…}: only of these can stored
// samples be asked for.
bool is_selector(const std::string& expression);

// "15123ms" for a range selector; at least 1 ms.
std::string promql_duration(std::int64_t nanoseconds);

}  // namespace tl::pace
